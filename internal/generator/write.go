package generator

import (
	"fmt"
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
	if r.view == "" && g.d.oneIn(12) {
		return g.copyingUpdate(r, sql, alias)
	}
	if g.d.oneIn(6) {
		item, other := g.fromItem(sc)
		if len(other.keys) == 1 && other.alias != alias {
			sc.sources = append(sc.sources, other)
			from = " FROM " + item
			join = fmt.Sprintf("%s.%s = %s.%s AND ", quoted(alias), quoted(r.keys[0]), quoted(other.alias), quoted(other.keys[0]))
		}
	}
	var sets string
	var seals bool
	if r.org == orgColumn && r.column(r.orgValue) != nil && r.hasSealed() && g.d.oneIn(15) {
		sets = g.move(r)
	} else {
		sets, seals = g.sets(r, alias, sc)
	}
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
	if r.org == orgColumn && r.column(r.orgValue) == nil && seals {
		g.st.Deserved = true // nothing can tell the org there
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

// copyingUpdate makes an UPDATE that gives a row the sealed values of another row of its
// org.
func (g *gen) copyingUpdate(r *relation, sql, alias string) string {
	from := g.newAlias()
	var sets []string
	for _, c := range r.columns {
		if c.name != r.keys[0] && c.name != r.orgValue && c.name != "part" && g.d.oneIn(2) {
			sets = append(sets, g.ident(c.name)+" = "+quoted(from)+"."+g.ident(c.name))
		}
	}
	if len(sets) == 0 {
		c := r.columns[len(r.columns)-1]
		sets = append(sets, quoted(c.name)+" = "+quoted(from)+"."+quoted(c.name))
	}
	key := quoted(r.keys[0])
	sql += fmt.Sprintf(" SET %s FROM %s AS %s WHERE %s.%s = %s AND %s.%s = %s", list(sets), g.name(r), quoted(from),
		quoted(alias), key, g.keyLiteral(g.existing()), quoted(from), key, g.keyLiteral(g.existing()))
	if r.org == orgColumn {
		org := g.orgOf(r)
		sql += fmt.Sprintf(" AND %s.%s = %s", quoted(alias), quoted(r.orgValue), g.orgLiteral(r, org))
		switch g.d.n(4) {
		case 0:
			sql += fmt.Sprintf(" AND %s.%s = %s", quoted(from), quoted(r.orgValue), g.orgLiteral(r, org))
		case 1:
			sql += fmt.Sprintf(" AND %s.%s = %s.%s", quoted(from), quoted(r.orgValue), quoted(alias), quoted(r.orgValue))
		case 2:
			g.st.Deserved = true // nothing says that it is of the same org
		default:
			g.st.Deserved = true
			sql += fmt.Sprintf(" AND %s.%s = %s", quoted(from), quoted(r.orgValue), g.orgLiteral(r, g.orgOf(r)))
		}
	}
	return sql
}

// move makes a SET that gives the row another org, with all that is sealed; once in a
// while with less.
func (g *gen) move(r *relation) string {
	var sets []string
	if r.view != "" {
		g.st.Deserved = true // the view does not have all that is sealed
	}
	for _, c := range r.columns {
		switch {
		case c.name == r.orgValue:
			sets = append(sets, g.ident(c.name)+" = "+g.orgLiteral(r, g.orgOf(r)))
		case c.sealed && g.d.oneIn(12):
			g.st.Deserved = true
		case c.sealed:
			sets = append(sets, g.ident(c.name)+" = "+g.assigned(c))
		}
	}
	return list(sets)
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
			if value == "NULL" || value == "DEFAULT" {
				break
			}
			seals = seals || c.sealed
			own := quoted(alias) + "." + g.ident(c.name)
			switch g.d.n(16) {
			case 13:
				value = "CASE WHEN " + g.condition(sc) + " THEN " + value + " ELSE " + own + " END"
			case 14:
				value = "coalesce(" + own + ", " + value + ")"
			case 15:
				value = "CASE WHEN " + g.condition(sc) + " THEN (" + value + ")::" + c.typ + " END"
			}
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
