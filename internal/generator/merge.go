package generator

import "fmt"

// mergeInto makes a MERGE of literal keys, some of which a row has.
func (g *gen) mergeInto() string {
	g.st.writes++
	r := g.target()
	name := g.name(r)
	alias := g.newAlias()
	g.key++
	sql := fmt.Sprintf("MERGE INTO %s AS %s USING (VALUES (%d, 'one'), (%d, NULL)) AS s (k, v) ON %s.%s = s.k",
		name, quoted(alias), g.existing(), g.key, quoted(alias), quoted(r.keys[0]))
	s := &source{alias: alias, fields: fieldsOfRelation(r)}
	sc := &scope{sources: []*source{s}, joined: true}
	org, named := "", true
	if r.org == orgColumn && r.column(r.orgValue) == nil {
		g.st.Deserved = true // nothing can tell the org there
	} else if r.org == orgColumn {
		org = g.orgOf(r)
		if named = g.d.oneIn(2); named {
			sql += fmt.Sprintf(" AND %s.%s = %s", quoted(alias), quoted(r.orgValue), g.orgLiteral(r, org))
		}
	}
	switch g.d.n(4) {
	case 0:
	case 1:
		sql += " WHEN MATCHED AND " + g.condition(sc) + " THEN DELETE"
	case 2:
		sql += " WHEN MATCHED THEN DO NOTHING"
	default:
		sets, seals := g.sets(r, alias, sc)
		sql += " WHEN MATCHED "
		if seals && !named {
			if r.orgs != schema[0].orgs {
				g.st.Deserved = true // the session's org is none of this table's
			}
			sql += fmt.Sprintf("%sAND %s.%s::text = current_setting('pgseal.org') %s", oracleBegin, quoted(alias), quoted(r.orgValue), oracleEnd)
		}
		sql += "THEN UPDATE SET " + sets
	}
	if columns := g.insertColumns(r); g.d.oneIn(2) {
		if org == "" {
			org = r.orgs[0] // a view's row has no org column
		}
		var names []string
		for _, c := range columns {
			names = append(names, g.ident(c.name))
		}
		row := g.insertRow(r, columns, g.key, org)
		row[0] = "s.k"
		return sql + " WHEN NOT MATCHED THEN INSERT (" + list(names) + ") VALUES (" + list(row) + ")"
	}
	return sql + " WHEN NOT MATCHED THEN DO NOTHING"
}
