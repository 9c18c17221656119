package generator

import (
	"fmt"
	"strings"
)

// query is a query that was made.
type query struct {
	sql     string
	fields  []*field
	keys    []string // names of fields that no two rows share; nil without
	ordered bool     // its rows come in one order
}

// query makes a query. Derived: it stands in FROM, so that its columns need names of
// their own.
func (g *gen) query(outer *scope, derived bool) *query {
	var with string
	before := g.ctes()
	if g.spend() && g.d.oneIn(5) {
		with = g.with(outer)
	}
	var q *query
	switch n := g.d.n(20); {
	case n == 17 && g.spend():
		q = g.setOperation(outer, derived)
	case n == 18 && !derived:
		q = g.valuesQuery()
	case n == 19 && g.spend():
		q = g.grouped(outer)
	default:
		q = g.plainSelect(outer, derived)
	}
	q.sql = with + q.sql
	g.dropCTEs(before)
	return q
}

// plainSelect makes a SELECT without grouping.
func (g *gen) plainSelect(outer *scope, derived bool) *query {
	sc := &scope{outer: outer}
	from := g.from(sc)
	q := &query{}
	var distinct string
	keys := g.rowKeys(sc)
	where := g.where(sc)
	switch {
	case g.d.oneIn(20):
		return g.distinct(sc, from, where)
	case g.d.oneIn(20) && keys != nil:
		return g.distinctOn(sc, from, where, keys, derived)
	}
	items := g.outputs(sc, q, derived)
	q.sql = "SELECT " + distinct + items + " FROM " + from + where
	if keys != nil && (g.d.oneIn(2) || !derived && g.d.oneIn(2)) {
		q.ordered = true
		q.sql += " ORDER BY " + g.orderItems(sc, keys)
		if g.d.oneIn(5) {
			q.sql += pick(g.d, " LIMIT 2", " LIMIT 3 OFFSET 1", " OFFSET 1", " FETCH FIRST 2 ROWS ONLY", " LIMIT NULL")
		}
	}
	if !derived && outer == nil && len(sc.sources) == 1 && g.d.oneIn(30) {
		q.sql += pick(g.d, " FOR UPDATE", " FOR SHARE", " FOR KEY SHARE SKIP LOCKED")
	}
	return q
}

// orderItems sorts by the keys, after some other columns; once in a while by a sealed one.
func (g *gen) orderItems(sc *scope, keys []string) string {
	var items []string
	if g.d.oneIn(4) {
		items = append(items, g.number(&scope{sources: sc.sources, joined: true})+" + 0"+pick(g.d, "", " DESC", " NULLS FIRST"))
	}
	if fields := g.fieldsOf(sc, isSealed); len(fields) > 0 && g.d.oneIn(40) {
		g.st.Deserved = true
		items = append(items, fields[g.d.n(len(fields))].sql)
	}
	for _, k := range keys {
		items = append(items, k+pick(g.d, "", "", " DESC"))
	}
	return list(items)
}

// rowKeys are expressions that together tell the rows of a scope apart, nil where
// there are none.
func (g *gen) rowKeys(sc *scope) []string {
	keys := []string{}
	for _, s := range sc.sources {
		if len(s.keys) == 0 {
			return nil
		}
		for _, k := range s.keys {
			keys = append(keys, quoted(s.alias)+"."+quoted(k))
		}
	}
	return keys
}

// outputs makes an output list.
func (g *gen) outputs(sc *scope, q *query, derived bool) string {
	if g.d.oneIn(4) && (!derived || len(sc.sources) == 1) {
		q.fields = sc.all()
		if len(sc.sources) == 1 {
			q.keys = sc.sources[0].keys
		}
		if len(sc.sources) == 1 && g.d.oneIn(3) {
			return g.ident(sc.sources[0].alias) + ".*"
		}
		return "*"
	}
	var items []string
	used := map[string]bool{}
	for range 1 + g.d.n(4) {
		item, f := g.output(sc)
		if derived || g.d.oneIn(4) {
			name := f.name
			if !derived {
				name = "o"
			}
			if name == "" || used[name] || g.d.oneIn(4) {
				name = fmt.Sprintf("o%d", len(items))
			}
			used[name] = true
			f.name = name
			if name = g.ident(name); derived || simpleName(f.name) || g.d.oneIn(2) {
				item += " AS " + name
			} else {
				item += " " + quoted(f.name)
			}
		}
		items = append(items, item)
		q.fields = append(q.fields, f)
	}
	if derived && len(sc.sources) == 1 && len(sc.sources[0].keys) == 1 {
		k := sc.sources[0].keys[0]
		f := *sc.sources[0].field(k)
		f.name = "k"
		items = append(items, quoted(sc.sources[0].alias)+"."+quoted(k)+" AS k")
		q.fields = append(q.fields, &f)
		q.keys = []string{"k"}
	}
	return list(items)
}

// output makes one output column.
func (g *gen) output(sc *scope) (string, *field) {
	sealed := g.fieldsOf(sc, isSealed)
	all := g.fieldsOf(sc, func(*field) bool { return true })
	if len(sealed) > 0 && !g.d.oneIn(3) {
		n := sealed[g.d.n(len(sealed))]
		f := *n.field
		if !g.spend() {
			return n.sql, &f
		}
		switch g.d.n(16) {
		case 10:
			return "(" + n.sql + ")", &f
		case 11:
			f.name = "case"
			return "CASE WHEN " + g.condition(sc) + " THEN " + n.sql + " END", &f
		case 12:
			if strings.Contains(f.sealed.typ, "(") {
				// Postgres describes such a column with the type's modifiers or without, by
				// whether it has planned the statement yet; pgseal without.
				return n.sql, &f
			}
			f.name = "coalesce"
			return "coalesce(" + n.sql + ", NULL)", &f
		case 13:
			return g.computed(sc, n)
		case 14:
			if g.d.oneIn(3) {
				return g.sin(n)
			}
			return n.sql + " IS NULL", &field{name: "null"}
		case 15:
			return g.scalar(sc)
		}
		return n.sql, &f
	}
	switch g.d.n(8) {
	case 0, 1, 2:
		if len(all) > 0 {
			n := all[g.d.n(len(all))]
			f := *n.field
			return n.sql, &f
		}
	case 3:
		return g.number(sc), &field{name: "number", kind: intKind}
	case 4:
		return g.string(sc), &field{name: "string", kind: textKind}
	case 5:
		if g.d.oneIn(3) {
			return g.wholeRow(sc)
		}
		return "(" + g.condition(sc) + ")", &field{name: "bool"}
	case 6:
		return pick(g.d, "NULL", "1", "'x'", "'y'::text"), &field{name: "other"}
	case 7:
		if g.st.writes == 0 {
			return "count(*) OVER (" + pick(g.d, "", "PARTITION BY "+fmt.Sprint(g.d.n(3))) + ")", &field{name: "window"}
		}
	}
	return g.number(sc), &field{name: "number", kind: intKind}
}

// computed makes an output that can be computed after the value was opened.
func (g *gen) computed(sc *scope, n named) (string, *field) {
	f := &field{name: "computed", sealed: n.sealed, steps: true}
	if n.steps {
		copied := *n.field
		return n.sql, &copied
	}
	switch n.sealed.kind.name {
	case "text", "varchar":
		return pick(g.d, n.sql+"::varchar", "length("+n.sql+")", "left("+n.sql+", 3)", "substr("+n.sql+", 2, 3)", "octet_length("+n.sql+")"), f
	case "json", "jsonb":
		return pick(g.d, n.sql+"::text", n.sql+" -> 'k'", n.sql+" ->> 'k'", n.sql+" #>> '{a,k}'", n.sql+" -> 0"), f
	case "bytea":
		return pick(g.d, "length("+n.sql+")", "octet_length("+n.sql+")"), f
	}
	return n.sql + "::text", f
}

// sin makes an output that computes on a sealed column.
func (g *gen) sin(n named) (string, *field) {
	g.st.Deserved = true
	return pick(g.d, "upper("+n.sql+"::text)", n.sql+"::text || 'x'", "("+n.sql+" = "+n.sql+")", "to_json("+n.sql+")", "ROW("+n.sql+")"), &field{name: "sin"}
}

// wholeRow makes an output of a row as one value; of one with sealed columns that is
// refused.
func (g *gen) wholeRow(sc *scope) (string, *field) {
	s := sc.sources[g.d.n(len(sc.sources))]
	sealed := false
	for _, f := range s.fields {
		sealed = sealed || f.sealed != nil
	}
	row := quoted(s.alias)
	f := &field{name: "whole"}
	if g.d.oneIn(4) {
		return row + " IS NULL", f
	}
	g.st.Deserved = g.st.Deserved || sealed
	return pick(g.d, "row_to_json("+row+")", row, "to_jsonb("+row+")", row+"::text"), f
}

// scalar makes a subquery of one value, mostly a sealed one.
func (g *gen) scalar(outer *scope) (string, *field) {
	sub := &scope{outer: outer}
	from, s := g.table(sub)
	sub.sources = []*source{s}
	f := *s.fields[g.d.n(len(s.fields))]
	return fmt.Sprintf("(SELECT %s.%s FROM %s WHERE %s.%s = %d)",
		quoted(s.alias), quoted(f.name), from, quoted(s.alias), quoted(s.keys[0]), 1+g.d.n(4)), &f
}

// distinct makes SELECT DISTINCT of columns that are not sealed.
func (g *gen) distinct(sc *scope, from, where string) *query {
	q := &query{}
	var items []string
	for range 1 + g.d.n(2) {
		f := &field{name: fmt.Sprintf("o%d", len(items)), kind: intKind}
		if g.d.oneIn(2) {
			f.kind = textKind
			items = append(items, g.string(sc)+" AS "+f.name)
		} else {
			items = append(items, g.number(sc)+" AS "+f.name)
		}
		q.fields = append(q.fields, f)
	}
	q.sql = "SELECT DISTINCT " + list(items) + " FROM " + from + where
	return q
}

// distinctOn makes SELECT DISTINCT ON.
func (g *gen) distinctOn(sc *scope, from, where string, keys []string, derived bool) *query {
	q := &query{ordered: true}
	on := g.string(&scope{sources: sc.sources, joined: true})
	q.sql = fmt.Sprintf("SELECT DISTINCT ON (%s) ", on) + g.outputs(sc, q, derived) + " FROM " + from + where + " ORDER BY " + on + ", " + list(keys)
	q.keys = nil
	return q
}

// grouped makes an aggregate query.
func (g *gen) grouped(outer *scope) *query {
	sc := &scope{outer: outer}
	from := g.from(sc)
	keys := g.rowKeys(sc)
	by := ""
	q := &query{}
	var items []string
	if fields := g.fieldsOf(&scope{sources: sc.sources, joined: true}, isText); len(fields) > 0 && g.d.oneIn(2) {
		n := fields[g.d.n(len(fields))]
		by = " GROUP BY " + n.sql
		items = append(items, n.sql+" AS g")
		q.fields = append(q.fields, &field{name: "g", kind: textKind})
	}
	if sealed := g.fieldsOf(&scope{sources: sc.sources, joined: true}, isSealed); len(sealed) > 0 && g.d.oneIn(40) {
		g.st.Deserved = true
		by = " GROUP BY " + sealed[0].sql
		q.fields, items = nil, nil
	}
	here := &scope{sources: sc.sources, joined: true}
	for range 1 + g.d.n(3) {
		f := &field{name: fmt.Sprintf("a%d", len(items))}
		item := "count(*)"
		sealed := g.fieldsOf(here, isSealed)
		switch g.d.n(6) {
		case 1:
			item = pick(g.d, "max(", "min(", "sum(") + g.number(here) + ")::int"
			f.kind = intKind
		case 2, 3:
			if len(sealed) > 0 {
				item = "count(" + sealed[g.d.n(len(sealed))].sql + ")"
			}
		case 4:
			if len(sealed) > 0 && keys != nil {
				item = "array_agg(" + sealed[g.d.n(len(sealed))].sql + " ORDER BY " + list(keys) + ")"
			}
		case 5:
			item = "count(*) FILTER (WHERE " + g.condition(here) + ")"
		}
		items = append(items, item+" AS "+f.name)
		q.fields = append(q.fields, f)
	}
	q.sql = "SELECT " + list(items) + " FROM " + from + g.where(sc) + by
	if by != "" && g.d.oneIn(3) {
		q.sql += " HAVING count(*) > 1"
	}
	return q
}

// valuesQuery makes VALUES.
func (g *gen) valuesQuery() *query {
	q := &query{ordered: true, fields: []*field{{name: "column1", kind: intKind}, {name: "column2", kind: textKind}}}
	var rows []string
	for i := range 1 + g.d.n(3) {
		rows = append(rows, fmt.Sprintf("(%d, '%s')", i, pick(g.d, "a", "b", "one")))
	}
	q.sql = "VALUES " + list(rows) + " ORDER BY 1"
	return q
}

// setOperation makes UNION and its kin. A sealed column has itself, or NULL, at its
// place in the other arm.
func (g *gen) setOperation(outer *scope, derived bool) *query {
	sc := &scope{outer: outer}
	from, s := g.table(sc)
	sc.sources = []*source{s}
	q := &query{}
	op := pick(g.d, " UNION ALL ", " UNION ALL ", " UNION ", " EXCEPT ", " INTERSECT ALL ")
	fits := func(f *field) bool { return op == " UNION ALL " || isText(f) || isInt(f) }
	if op != " UNION ALL " && g.d.oneIn(20) {
		fits = func(f *field) bool { return true }
	}
	var chosen []*field
	for _, f := range s.fields {
		if fits(f) && g.d.oneIn(2) {
			chosen = append(chosen, f)
			if f.sealed != nil && op != " UNION ALL " || f.kind != nil && f.kind.name == "json" && op != " UNION ALL " {
				g.st.Deserved = true
			}
		}
	}
	if len(chosen) == 0 {
		chosen = []*field{s.field(s.keys[0])}
	}
	var first, second []string
	for i, f := range chosen {
		name := quoted(s.alias) + "." + quoted(f.name)
		copied := *f
		copied.name = fmt.Sprintf("u%d", i)
		first = append(first, name+" AS "+copied.name)
		// The NULL of an arm takes a type's modifiers away from the result; pgseal describes
		// the column with them.
		if f.sealed != nil && !strings.Contains(f.sealed.typ, "(") && g.d.oneIn(4) {
			name = "NULL"
		}
		second = append(second, name)
		q.fields = append(q.fields, &copied)
	}
	q.sql = "SELECT " + list(first) + " FROM " + from + g.where(sc) + op + "SELECT " + list(second) + " FROM " + from + g.where(sc)
	if g.d.oneIn(4) {
		q.sql = "(" + strings.Replace(q.sql, op, ")"+op+"(", 1) + ")"
	}
	_ = derived
	return q
}
