package generator

import (
	"fmt"
	"strings"
)

// target picks a relation to write to, mostly a table with sealed columns.
func (g *gen) target() *relation {
	for {
		r := schema[g.d.n(len(schema))]
		if !r.readOnly {
			return r
		}
	}
}

// orgOf picks the org of a row.
func (g *gen) orgOf(r *relation) string { return r.orgs[g.d.n(2)] }

// orgLiteral writes an org as a value of the org column.
func (g *gen) orgLiteral(r *relation, org string) string {
	c := r.column(r.orgValue)
	if g.st.extended && g.d.oneIn(3) {
		g.st.params = append(g.st.params, parameter{value: value{text: org}, typ: c.typ, again: func() value { return value{text: g.orgOf(r)} }})
		return fmt.Sprintf("$%d", len(g.st.params))
	}
	if c.kind.name == "int8" && g.d.oneIn(2) {
		return org
	}
	return "'" + org + "'"
}

// existing is a key that a row probably has. Rows 1 to 4 are there when a script
// begins.
func (g *gen) existing() int { return 1 + g.d.n(4) }

// keyLiteral writes a key.
func (g *gen) keyLiteral(n int) string {
	if g.st.extended && g.d.oneIn(3) {
		again := func() value {
			if n > 4 {
				g.key++
				return value{text: fmt.Sprint(g.key)}
			}
			return value{text: fmt.Sprint(g.existing())}
		}
		g.st.params = append(g.st.params, parameter{value: value{text: fmt.Sprint(n)}, typ: "int4", again: again})
		return fmt.Sprintf("$%d", len(g.st.params))
	}
	return fmt.Sprint(n)
}

// insert makes an INSERT.
func (g *gen) insert() string {
	g.st.writes++
	r := g.target()
	sql := "INSERT INTO " + g.name(r)
	alias := r.name
	if g.d.oneIn(8) {
		alias = g.newAlias()
		sql += " AS " + quoted(alias)
	}
	columns := g.insertColumns(r)
	if len(columns) < len(r.columns) || !g.d.oneIn(4) {
		var names []string
		for _, c := range columns {
			names = append(names, g.ident(c.name))
		}
		sql += " (" + list(names) + ")"
	}
	conflicts := g.d.oneIn(8) && r.tail == "" && r.view == "" && r.root == nil
	var rows [][]string
	org := ""
	if r.org == orgColumn {
		org = g.orgOf(r)
	}
	selects := g.d.oneIn(6) // one row's values in the list of a SELECT
	count := 1
	if !selects {
		count += g.d.n(3)
	}
	for i := range count {
		if r.org == orgColumn && g.d.oneIn(4) && !conflicts {
			org = g.orgOf(r)
		}
		key := 0
		if conflicts && i == 0 {
			// A row that meets another org's is a case of its own.
			key = 1 + g.d.n(2)*2
			org = r.orgs[0]
		} else if g.key++; g.d.oneIn(60) {
			key = g.existing()
			g.st.Faults++
		} else {
			key = g.key
		}
		rows = append(rows, g.insertRow(r, columns, key, org))
	}
	switch {
	case selects:
		sql += " SELECT " + list(rows[0])
		if g.d.oneIn(3) {
			sql += " WHERE true"
		}
	default:
		var values []string
		for _, row := range rows {
			values = append(values, "("+list(row)+")")
		}
		sql += " VALUES " + list(values)
	}
	if conflicts {
		sql += g.onConflict(r, alias)
	}
	return sql + g.returningList(r, alias)
}

// insertColumns picks the columns that an INSERT writes: the key and what tells the
// org, mostly, and some others.
func (g *gen) insertColumns(r *relation) []*column {
	if g.d.oneIn(4) {
		return r.columns
	}
	var out []*column
	for _, c := range r.columns {
		switch {
		case c.name == r.keys[0], c.name == "part":
			out = append(out, c)
		case r.org == orgColumn && c.name == r.orgValue:
			out = append(out, c)
		case g.d.oneIn(2):
			out = append(out, c)
		}
	}
	return out
}

func (g *gen) insertRow(r *relation, columns []*column, key int, org string) []string {
	var row []string
	for _, c := range columns {
		switch {
		case c.name == r.keys[0]:
			row = append(row, g.keyLiteral(key))
		case c.name == "part":
			part := 1 + g.d.n(2)
			if strings.HasPrefix(r.name, "parted_") {
				part = int(r.name[len(r.name)-1] - '0')
			}
			row = append(row, fmt.Sprint(part))
		case r.org == orgColumn && c.name == r.orgValue:
			row = append(row, g.orgLiteral(r, org))
		default:
			row = append(row, g.assigned(c))
		}
	}
	return row
}

// onConflict makes ON CONFLICT.
func (g *gen) onConflict(r *relation, alias string) string {
	key := g.ident(r.keys[0])
	if g.d.oneIn(3) {
		return " ON CONFLICT " + pick(g.d, "", "("+key+") ") + "DO NOTHING"
	}
	var sets []string
	for _, c := range r.columns {
		if c.name == r.keys[0] || c.name == r.orgValue || !g.d.oneIn(2) {
			continue
		}
		value := pick(g.d, "EXCLUDED."+g.ident(c.name), quoted(alias)+"."+g.ident(c.name), "")
		if value == "" {
			value = g.assigned(c)
		}
		sets = append(sets, g.ident(c.name)+" = "+value)
	}
	if len(sets) == 0 {
		return " ON CONFLICT (" + key + ") DO NOTHING"
	}
	return " ON CONFLICT (" + key + ") DO UPDATE SET " + list(sets)
}

// returningList makes RETURNING, or nothing.
func (g *gen) returningList(r *relation, alias string) string {
	g.st.returning = nil
	must := g.st.mustReturn
	if !must && !g.d.oneIn(3) {
		return ""
	}
	s := &source{alias: alias, fields: fieldsOfRelation(r), keys: r.keys, bare: true}
	q := &query{}
	g.st.mustReturn = false
	items := g.outputs(&scope{sources: []*source{s}}, q, must)
	g.st.mustReturn = must
	g.st.returning = q.fields
	g.st.Unordered = true
	return " RETURNING " + items
}

// update makes an UPDATE.
func (g *gen) update() string {
	g.st.writes++
	r := g.target()
	sc := &scope{}
	sql := "UPDATE "
	if r.view == "" && g.d.oneIn(10) {
		sql += "ONLY "
	}
	sql += g.name(r)
	alias := r.name
	if g.d.oneIn(4) {
		alias = g.newAlias()
		sql += pick(g.d, " AS ", " ") + quoted(alias)
	}
	s := &source{alias: alias, fields: fieldsOfRelation(r), keys: r.keys}
	sc.sources = []*source{s}

	from, join := "", ""
	if g.d.oneIn(6) {
		item, other := g.fromItem(sc)
		if len(other.keys) == 1 && other.alias != alias {
			sc.sources = append(sc.sources, other)
			from = " FROM " + item
			join = fmt.Sprintf("%s.%s = %s.%s AND ", quoted(alias), quoted(r.keys[0]), quoted(other.alias), quoted(other.keys[0]))
		}
	}
	sets, seals := g.sets(r, alias, sc)
	where := ""
	switch g.d.n(4) {
	case 3:
		where = join + "true"
		if join == "" && g.d.oneIn(3) {
			where = g.condition(sc)
		}
	default:
		where = fmt.Sprintf("%s%s.%s = %s", join, quoted(alias), g.ident(r.keys[0]), g.keyLiteral(g.existing()))
	}
	if r.org == orgColumn && r.column(r.orgValue) != nil {
		if !seals && g.d.oneIn(2) {
			// nothing is sealed, so that no org is needed
		} else if seals && g.d.oneIn(5) {
			if r.orgs != schema[0].orgs {
				g.st.Deserved = true // the session's org is none of this table's
			}
			where += fmt.Sprintf("%s AND %s.%s::text = current_setting('pgseal.org')%s", oracleBegin, quoted(alias), quoted(r.orgValue), oracleEnd)
		} else {
			where += fmt.Sprintf(" AND %s.%s = %s", quoted(alias), g.ident(r.orgValue), g.orgLiteral(r, g.orgOf(r)))
		}
	}
	sql += " SET " + sets + from + " WHERE " + where
	return sql + g.returningList(r, alias)
}

// sets makes SET, and tells whether values are sealed in it.
func (g *gen) sets(r *relation, alias string, sc *scope) (sql string, seals bool) {
	var sets, tuple, values []string
	for _, c := range r.columns {
		if c.name == r.keys[0] || c.name == r.orgValue || c.name == "part" || !g.d.oneIn(3) {
			continue
		}
		value := ""
		switch {
		case g.d.oneIn(12):
			value = quoted(alias) + "." + g.ident(c.name)
		case !c.sealed && c.kind == textKind && g.d.oneIn(2):
			value = g.string(sc)
		case !c.sealed && c.kind == intKind && g.d.oneIn(2):
			value = g.number(sc)
		case c.sealed && g.d.oneIn(40):
			if other := g.sinful(r, c, alias); other != "" {
				value = other
				break
			}
			fallthrough
		default:
			value = g.assigned(c)
			seals = seals || c.sealed && value != "NULL" && value != "DEFAULT"
		}
		if g.d.oneIn(6) {
			tuple = append(tuple, g.ident(c.name))
			values = append(values, value)
			continue
		}
		sets = append(sets, g.ident(c.name)+" = "+value)
	}
	if len(tuple) > 1 || len(tuple) == 1 && g.d.oneIn(2) {
		sets = append(sets, "("+list(tuple)+") = "+pick(g.d, "ROW", "ROW")+"("+list(values)+")")
	} else if len(tuple) == 1 {
		sets = append(sets, tuple[0]+" = "+values[0])
	}
	if len(sets) == 0 {
		c := r.columns[len(r.columns)-1]
		return g.ident(c.name) + " = NULL", false
	}
	return list(sets), seals
}

// sinful writes a value that cannot be sealed: an expression, or another column's.
func (g *gen) sinful(r *relation, c *column, alias string) string {
	for _, other := range r.columns {
		if other.sealed && other != c && other.typ == c.typ {
			g.st.Deserved = true
			return quoted(alias) + "." + quoted(other.name)
		}
	}
	if c.kind == textKind {
		g.st.Deserved = true
		return "upper('" + g.canary() + "')"
	}
	return ""
}

// delete makes a DELETE.
func (g *gen) delete() string {
	g.st.writes++
	r := g.target()
	sc := &scope{}
	sql := "DELETE FROM " + g.name(r)
	alias := r.name
	if g.d.oneIn(4) {
		alias = g.newAlias()
		sql += " AS " + quoted(alias)
	}
	s := &source{alias: alias, fields: fieldsOfRelation(r), keys: r.keys}
	sc.sources = []*source{s}
	where := fmt.Sprintf("%s.%s = %s", quoted(alias), g.ident(r.keys[0]), g.keyLiteral(g.existing()))
	if g.d.oneIn(4) {
		item, other := g.fromItem(sc)
		if len(other.keys) == 1 && other.alias != alias {
			sc.sources = append(sc.sources, other)
			sql += " USING " + item
			where += fmt.Sprintf(" AND %s.%s = %s.%s", quoted(alias), quoted(r.keys[0]), quoted(other.alias), quoted(other.keys[0]))
		}
	}
	if g.d.oneIn(4) {
		where += " AND " + g.condition(sc)
	}
	return sql + " WHERE " + where + g.returningList(r, alias)
}
