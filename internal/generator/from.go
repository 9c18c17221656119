package generator

import (
	"fmt"
	"strings"
)

// cte is a query of WITH that can be named.
type cte struct {
	name   string
	fields []*field
	keys   []string
}

// ctes tells how many queries of WITH there are, for dropCTEs.
func (g *gen) ctes() int { return len(g.st.with) }

// dropCTEs forgets those that came since.
func (g *gen) dropCTEs(n int) { g.st.with = g.st.with[:n] }

// with makes WITH and one query or two.
func (g *gen) with(outer *scope) string {
	var items []string
	recursive := ""
	for range 1 + g.d.n(2) {
		g.aliases++
		c := &cte{name: fmt.Sprintf("w%d", g.aliases)}
		if g.d.oneIn(12) {
			c.name = "plain" // in the way of the table's name
			if g.cteNamed(c.name) != nil {
				c.name = fmt.Sprintf("w%d", g.aliases)
			}
		}
		var body string
		switch n := g.d.n(8); {
		case n == 6 && g.st.writes == 0 && outer == nil:
			body = g.writingCTE(c)
		case n == 7:
			recursive = "RECURSIVE "
			body = g.recursion(c)
		default:
			q := g.query(nil, true)
			body, c.fields, c.keys = q.sql, q.fields, q.keys
		}
		columns := ""
		if len(c.fields) > 0 && c.fields[0].name != "level" && g.d.oneIn(4) {
			columns = g.renamed(c)
		}
		items = append(items, quoted(c.name)+columns+" AS "+pick(g.d, "", "MATERIALIZED ", "NOT MATERIALIZED ")+"("+body+")")
		g.st.with = append(g.st.with, c)
	}
	return "WITH " + recursive + list(items) + " "
}

func (g *gen) cteNamed(name string) *cte {
	for _, c := range g.st.with {
		if c.name == name {
			return c
		}
	}
	return nil
}

// renamed gives the fields of a query of WITH other names, and writes their list.
func (g *gen) renamed(c *cte) string {
	var names []string
	fields := make([]*field, len(c.fields))
	for i, f := range c.fields {
		copied := *f
		copied.name = fmt.Sprintf("r%d", i)
		names = append(names, copied.name)
		for j, k := range c.keys {
			if k == f.name {
				c.keys = append([]string{}, c.keys...)
				c.keys[j] = copied.name
			}
		}
		fields[i] = &copied
	}
	c.fields = fields
	return " (" + list(names) + ")"
}

// writingCTE makes a query of WITH that writes.
func (g *gen) writingCTE(c *cte) string {
	g.st.returning = nil
	g.st.mustReturn = true
	var sql string
	switch g.d.n(3) {
	case 0:
		sql = g.insert()
	case 1:
		sql = g.update()
	default:
		sql = g.delete()
	}
	g.st.mustReturn = false
	c.fields = g.st.returning
	return sql
}

// recursion makes a recursive query, which carries a sealed column along.
func (g *gen) recursion(c *cte) string {
	r := schema[g.d.n(len(schema))]
	f := fieldsOfRelation(r)[g.d.n(len(r.columns))]
	c.fields = []*field{{name: "level", kind: intKind}, {name: "carried", kind: f.kind, sealed: f.sealed}}
	return fmt.Sprintf("SELECT 1 AS level, %s AS carried FROM %s WHERE %s = %d UNION ALL SELECT level + 1, carried FROM %s WHERE level < %d",
		quoted(f.name), g.name(r), quoted(r.keys[0]), 1+g.d.n(3), quoted(c.name), 2+g.d.n(3))
}

// from makes a FROM list and puts its items into the scope.
func (g *gen) from(sc *scope) string {
	sql, s := g.fromItem(sc)
	sc.sources = append(sc.sources, s)
	for len(sc.sources) < 3 && g.spend() && g.d.oneIn(3) {
		sql = g.join(sc, sql)
	}
	return sql
}

// join adds an item to a FROM list.
func (g *gen) join(sc *scope, sql string) string {
	left := sc.sources[len(sc.sources)-1]
	if g.d.oneIn(6) { // LATERAL sees what is to the left
		q := g.query(sc, true)
		s := &source{alias: g.newAlias(), fields: q.fields}
		sc.sources = append(sc.sources, s)
		if sc.joined {
			sc.merged = append(sc.merged, s.fields...)
		}
		return sql + pick(g.d, ", LATERAL (", " CROSS JOIN LATERAL (") + q.sql + ") AS " + quoted(s.alias)
	}
	item, right := g.fromItem(sc)
	before := sc.all()
	sc.sources = append(sc.sources, right)
	kind := pick(g.d, ", ", " JOIN ", " LEFT JOIN ", " RIGHT JOIN ", " FULL JOIN ", " CROSS JOIN ", " NATURAL JOIN ")
	switch kind {
	case ", ", " CROSS JOIN ":
		if sc.joined {
			sc.merged = append(sc.merged, right.fields...)
		}
		if kind == ", " && strings.Contains(sql, "JOIN") {
			return sql + " CROSS JOIN " + item // a comma binds less than what comes next
		}
		return sql + kind + item
	case " NATURAL JOIN ":
		names := common(before, right.fields)
		g.merge(sc, before, right, names)
		return sql + kind + item
	}
	if len(left.keys) == 1 && len(right.keys) == 1 {
		if left.keys[0] == right.keys[0] && len(common(before, []*field{right.field(right.keys[0])})) == 1 && g.d.oneIn(3) {
			if count(before, left.keys[0]) == 1 {
				g.merge(sc, before, right, []string{left.keys[0]})
				return sql + kind + item + " USING (" + quoted(left.keys[0]) + ")"
			}
		}
		if sc.joined {
			sc.merged = append(sc.merged, right.fields...)
		}
		return fmt.Sprintf("%s%s%s ON %s.%s = %s.%s", sql, kind, item, quoted(left.alias), quoted(left.keys[0]), quoted(right.alias), quoted(right.keys[0]))
	}
	if sc.joined {
		sc.merged = append(sc.merged, right.fields...)
	}
	on := "true"
	if kind == " JOIN " || kind == " LEFT JOIN " {
		on = g.condition(&scope{sources: sc.sources, joined: true})
	}
	return sql + kind + item + " ON " + on
}

// common are the names that both sides have.
func common(left, right []*field) []string {
	var names []string
	for _, f := range left {
		if count(right, f.name) > 0 && count(left, f.name) == 1 {
			names = append(names, f.name)
		}
	}
	return names
}

func count(fields []*field, name string) int {
	n := 0
	for _, f := range fields {
		if f.name == name {
			n++
		}
	}
	return n
}

// merge notes that USING or NATURAL made one column of two. Of sealed ones that is a
// comparison.
func (g *gen) merge(sc *scope, before []*field, right *source, names []string) {
	is := map[string]bool{}
	for _, n := range names {
		is[n] = true
	}
	var merged, rest []*field
	for _, f := range before {
		if is[f.name] {
			merged = append(merged, f)
			if f.sealed != nil {
				g.st.Deserved = true
			}
		} else {
			rest = append(rest, f)
		}
	}
	for _, f := range right.fields {
		if !is[f.name] {
			rest = append(rest, f)
		} else if f.sealed != nil {
			g.st.Deserved = true
		}
	}
	sc.merged, sc.joined = append(merged, rest...), true
}

// fromItem makes an item of FROM but for its place in a join.
func (g *gen) fromItem(sc *scope) (string, *source) {
	if len(g.st.with) > 0 && g.d.oneIn(2) {
		c := g.st.with[g.d.n(len(g.st.with))]
		s := &source{alias: g.newAlias(), fields: c.fields, keys: c.keys}
		return quoted(c.name) + " AS " + quoted(s.alias), s
	}
	switch n := g.d.n(14); {
	case n == 11 && g.spend():
		q := g.query(nil, true)
		s := &source{alias: g.newAlias(), fields: q.fields, keys: q.keys}
		return "(" + q.sql + ") AS " + quoted(s.alias), s
	case n == 12:
		s := &source{alias: g.newAlias(), fields: []*field{{name: "a", kind: intKind}, {name: "b", kind: textKind}}, keys: []string{"a"}}
		return "(VALUES (1, 'one'), (2, 'two'), (3, NULL)) AS " + quoted(s.alias) + " (a, b)", s
	case n == 13:
		s := &source{alias: g.newAlias(), fields: []*field{{name: "i", kind: intKind}}, keys: []string{"i"}}
		return pick(g.d, "generate_series(1, 3)", "unnest(ARRAY[1, 2, 5])", "unnest('{3,4}'::int[])") + " AS " + quoted(s.alias) + " (i)", s
	}
	return g.table(sc)
}
