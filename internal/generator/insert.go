package generator

import (
	"fmt"
	"slices"
	"strings"
)

// insert makes an INSERT.
func (g *gen) insert() string {
	g.st.writes++
	r := g.target()
	if g.d.oneIn(6) {
		return g.insertSelect(r)
	}
	sql := "INSERT INTO " + g.name(r)
	alias := r.name
	if g.d.oneIn(8) {
		alias = g.newAlias()
		sql += " AS " + quoted(alias)
	}
	columns := g.insertColumns(r)
	unnamed := r.org == orgColumn && r.column(r.orgValue) != nil && g.d.oneIn(8) // the session's org is to be taken
	if unnamed {
		columns = slices.DeleteFunc(slices.Clone(columns), func(c *column) bool { return c.name == r.orgValue })
	}
	var names []string
	for _, c := range columns {
		names = append(names, g.ident(c.name))
	}
	listed := len(columns) < len(r.columns) || !g.d.oneIn(4)
	conflicts := !unnamed && g.d.oneIn(8) && r.tail == "" && r.view == "" && r.root == nil
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
	if listed {
		sql += " (" + list(names) + ")"
	}
	if r.org == orgColumn && r.column(r.orgValue) == nil && seals(columns, rows) {
		g.st.Deserved = true // nothing can tell the org there
	}
	if unnamed && seals(columns, rows) {
		if r.orgs != schema[0].orgs {
			g.st.Deserved = true // the session's org is none of this table's
		}
		sql = strings.TrimSuffix(sql, ")") + oracleBegin + ", " + quoted(r.orgValue) + oracleEnd + ")"
		for i := range rows {
			rows[i][len(rows[i])-1] += oracleBegin + ", current_setting('pgseal.org')::" + r.column(r.orgValue).typ + oracleEnd
		}
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

// seals tells whether any row has a value for a sealed column.
func seals(columns []*column, rows [][]string) bool {
	for _, row := range rows {
		for i, c := range columns {
			if c.sealed && row[i] != "NULL" && row[i] != "DEFAULT" {
				return true
			}
		}
	}
	return false
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
			row = append(row, fmt.Sprint(g.partOf(r)))
		case r.org == orgColumn && c.name == r.orgValue:
			row = append(row, g.orgLiteral(r, org))
		default:
			row = append(row, g.assigned(c))
		}
	}
	return row
}

// partOf picks what tells a row's partition.
func (g *gen) partOf(r *relation) int {
	if strings.HasPrefix(r.name, "parted_") {
		return int(r.name[len(r.name)-1] - '0')
	}
	return 1 + g.d.n(2)
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

// insertSelect makes an INSERT of what a query hands on: rows of VALUES, arrays' elements,
// or the table's own rows.
func (g *gen) insertSelect(r *relation) string {
	if r.org == orgColumn && r.column(r.orgValue) == nil {
		g.st.Deserved = true // nothing can tell the org there
	}
	name := g.name(r)
	columns := g.insertColumns(r)
	var names []string
	for _, c := range columns {
		names = append(names, quoted(c.name))
	}
	into := "INSERT INTO " + name + " (" + list(names) + ") "
	org := ""
	if r.org == orgColumn {
		org = g.orgOf(r)
	}
	switch g.d.n(4) {
	case 0:
		return into + g.ownRows(r, columns) + g.returningList(r, r.name)
	case 1:
		return into + g.elements(r, columns, org)
	}
	var rows []string
	for range 1 + g.d.n(3) {
		if r.org == orgColumn && g.d.oneIn(4) {
			org = g.orgOf(r)
		}
		g.key++
		row := g.insertRow(r, columns, g.key, org)
		for i, c := range columns { // VALUES takes a literal without a type for text
			if row[i] == "DEFAULT" {
				row[i] = "NULL"
			}
			if c.typ != "text" || row[i] == "NULL" {
				row[i] = "(" + row[i] + ")::" + c.typ
			}
		}
		rows = append(rows, "("+list(row)+")")
	}
	alias := g.newAlias()
	var outputs []string
	for i := range columns {
		outputs = append(outputs, fmt.Sprintf("%s.%s", quoted(alias), fmt.Sprintf("c%d", i)))
	}
	if g.d.oneIn(3) {
		outputs = []string{"*"}
	}
	var fields []string
	for i := range columns {
		fields = append(fields, fmt.Sprintf("c%d", i))
	}
	values := "VALUES " + list(rows)
	if g.d.oneIn(2) {
		return fmt.Sprintf("WITH %s (%s) AS (%s) %sSELECT %s FROM %s", quoted(alias), list(fields), values, into, list(outputs), quoted(alias))
	}
	return fmt.Sprintf("%sSELECT %s FROM (%s) AS %s (%s)", into, list(outputs), values, quoted(alias), list(fields)) + g.returningList(r, r.name)
}

// ownRows makes a SELECT of a row of the table itself, with another key.
func (g *gen) ownRows(r *relation, columns []*column) string {
	g.key++
	var outputs []string
	for _, c := range columns {
		output := quoted(c.name)
		if c.name == r.keys[0] {
			output = fmt.Sprint(g.key)
		}
		outputs = append(outputs, output)
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s = %d", list(outputs), g.name(r), quoted(r.keys[0]), g.existing())
}

// elements makes a SELECT of arrays' elements for the key and one column.
func (g *gen) elements(r *relation, columns []*column, org string) string {
	var keys, values []string
	var outputs []string
	var chosen *column
	for _, c := range columns {
		switch {
		case c.name == r.keys[0]:
			outputs = append(outputs, "u.k")
		case c.name == "part":
			outputs = append(outputs, fmt.Sprint(g.partOf(r)))
		case r.org == orgColumn && c.name == r.orgValue:
			outputs = append(outputs, g.orgLiteral(r, org))
		case chosen == nil && !strings.HasSuffix(c.typ, "[]"):
			chosen = c
			outputs = append(outputs, "u.v")
		default:
			outputs = append(outputs, "NULL")
		}
	}
	if chosen == nil {
		chosen = &column{typ: "text", kind: textKind}
	}
	for range 1 + g.d.n(3) {
		g.key++
		keys = append(keys, fmt.Sprint(g.key))
		if g.d.oneIn(6) {
			values = append(values, "NULL")
			continue
		}
		v := chosen.kind.make(g, chosen.sealed && !g.st.ambiguous).text
		values = append(values, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v)+`"`)
	}
	array := func(items []string, typ string) string {
		v := value{text: "{" + strings.Join(items, ",") + "}"}
		if g.st.extended {
			g.st.params = append(g.st.params, parameter{value: v, typ: typ + "[]", again: func() value { return v }})
			return fmt.Sprintf("$%d::%s[]", len(g.st.params), typ)
		}
		return "'" + strings.ReplaceAll(v.text, "'", "''") + "'::" + typ + "[]"
	}
	return fmt.Sprintf("SELECT %s FROM unnest(%s, %s) AS u (k, v)", list(outputs), array(keys, "int"), array(values, chosen.typ))
}
