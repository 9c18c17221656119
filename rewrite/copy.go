package rewrite

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
)

// copy resolves COPY. One that moves no sealed column is left as it is.
func (r *resolver) copy(s *pg.CopyStmt) {
	if s.Relation == nil {
		res := r.query(s.Query, &scope{})
		if f := res.sealed(); f != nil {
			r.refuseColumn(copyOption, f.location, f.column, "cannot be copied from a query", "This is not supported yet.", "COPY the table, or SELECT the rows.")
		}
		if len(r.params) > 0 || len(r.st.Literals) > 0 || len(r.st.Edits) > 0 {
			r.refuse(copyOption, -1, "COPY of a query that writes sealed columns is not supported", "This is not supported yet.", "Run the statement itself.")
		}
		return
	}
	var rel *catalog.Relation
	if s.IsFrom {
		rel = r.targetRelation(s.Relation)
	} else {
		rel = r.relation(s.Relation)
	}
	if rel == nil {
		return
	}
	if s.WhereClause != nil {
		e := r.newEntry(rel, s.Relation.Location)
		r.expr(s.WhereClause, &scope{items: []*item{single(e, nil)}}, inWhere)
	}
	columns := r.copyColumns(s, rel)
	c := &Copy{In: s.IsFrom, Delimiter: '\t', Null: `\N`}
	orgField := -1
	sealed := false
	org := orgColumn(rel)
	for i, column := range columns {
		c.Fields = append(c.Fields, CopyField{})
		if column == nil {
			continue
		}
		if column == org {
			orgField = i
		}
		if column.Policy == nil {
			if column.Sealed && s.IsFrom {
				r.refuseOrphan(&target{name: column.Name, location: s.Relation.Location})
			}
			continue
		}
		if !column.Sealed {
			r.refuseMisconfigured(column.Policy, s.Relation.Location)
		}
		sealed = true
		c.Fields[i].Column = column.Policy
	}
	switch {
	case !sealed && rel.IsView() && rel.CarriesSealed():
		r.refuseStatement("COPY of a view", s.Relation.Location)
		return
	case !sealed:
		return
	}
	r.copyOrgs(s, c, rel, org, orgField)
	r.copyOptions(s, c)
	r.st.Copy = c
}

// copyColumns are the columns of each line: those listed, else all but the
// generated (CopyGetAttnums).
func (r *resolver) copyColumns(s *pg.CopyStmt, rel *catalog.Relation) []*catalog.Column {
	var columns []*catalog.Column
	for _, n := range s.Attlist {
		name := n.GetString_().GetSval()
		columns = append(columns, r.target(rel, &pg.ResTarget{Name: name, Location: s.Relation.Location}).column)
	}
	if len(s.Attlist) == 0 {
		for _, column := range rel.Columns {
			if !column.Generated {
				columns = append(columns, column)
			}
		}
	}
	return columns
}

func (r *resolver) copyOrgs(s *pg.CopyStmt, c *Copy, rel *catalog.Relation, org *catalog.Column, field int) {
	ref, fixed := fixedOrg(rel.Policy)
	if !fixed && field >= 0 && knownOrgType(org.TypeOID) {
		ref = OrgRef{Kind: OrgField, Field: field, TypeOID: org.TypeOID}
	}
	for i := range c.Fields {
		column := c.Fields[i].Column
		if column == nil {
			continue
		}
		c.Fields[i].Org = ref
		if ref.Kind != OrgUnknown || !s.IsFrom {
			continue
		}
		switch {
		case org == nil:
			r.refuseMisconfiguredOrg(column, s.Relation.Location)
		case field < 0:
			r.refuseNoOrg(column, s.Relation.Location, "The org column "+org.Name+" is not among the columns that are copied.", "Copy "+org.Name+" too.")
		default:
			_, _ = r.orgOrRefuse(nil, org, column)
		}
	}
}

// copyOptions reads the options that pgseal does, and refuses the others.
func (r *resolver) copyOptions(s *pg.CopyStmt, c *Copy) {
	refuse := func(what string, location int32) {
		r.refuse(copyOption, location, "COPY "+what+" is not supported for tables with sealed columns", "This is not supported yet.",
			"Use FORMAT binary, or text or csv with DELIMITER, NULL, QUOTE, ESCAPE and HEADER only, FROM STDIN or TO STDOUT.")
	}
	switch {
	case s.IsProgram:
		refuse("with PROGRAM", s.Relation.Location)
	case s.Filename != "":
		refuse("with a file on the server", s.Relation.Location)
	case s.WhereClause != nil:
		refuse("with WHERE", s.Relation.Location)
	}
	seen := map[string]string{}
	for _, n := range s.Options {
		o := n.GetDefElem()
		if o == nil {
			continue
		}
		name, value, ok := strings.ToLower(o.Defname), "", true
		switch arg := o.Arg.GetNode().(type) {
		case nil:
			value = "true"
		case *pg.Node_String_:
			value = arg.String_.Sval
		case *pg.Node_Boolean:
			value = "false"
			if arg.Boolean.Boolval {
				value = "true"
			}
		case *pg.Node_Integer:
			value = itoa(arg.Integer.Ival)
		default:
			ok = false
		}
		if _, twice := seen[name]; twice || !ok {
			refuse("with option "+name, o.Location)
			continue
		}
		switch name {
		case "format", "delimiter", "null", "header", "quote", "escape", "freeze":
			seen[name] = value
		default:
			refuse("with option "+name, o.Location)
		}
	}
	if bad := c.set(seen); bad != "" {
		refuse(bad, s.Relation.Location)
	}
}

// set takes the options over, and tells which one it can't.
func (c *Copy) set(options map[string]string) (bad string) {
	switch strings.ToLower(options["format"]) {
	case "", "text":
	case "csv":
		c.Format, c.Delimiter, c.Null, c.Quote, c.Escape = CopyCSV, ',', "", '"', '"'
	case "binary":
		return c.setBinary(options)
	default:
		return "in this FORMAT"
	}
	if v, given := options["null"]; given {
		c.Null = v
	}
	single := func(name string, to *byte) bool {
		v, given := options[name]
		if given && (len(v) != 1 || v[0] >= 0x80 || v == "\n" || v == "\r") {
			bad = "with this " + strings.ToUpper(name)
			return false
		}
		if given {
			*to = v[0]
		}
		return given
	}
	single("delimiter", &c.Delimiter)
	if c.Format == CopyText && strings.ContainsRune("\\.abcdefghijklmnopqrstuvwxyz0123456789", rune(c.Delimiter)) {
		bad = "with this DELIMITER" // ProcessCopyOptions refuses it too
	}
	quoted := single("quote", &c.Quote)
	escaped := single("escape", &c.Escape)
	if c.Format == CopyCSV && quoted && !escaped {
		c.Escape = c.Quote
	}
	if c.Format == CopyText && (quoted || escaped) || c.Format == CopyCSV && c.Delimiter == c.Quote ||
		strings.ContainsAny(c.Null, "\r\n"+string(c.Delimiter)) || c.Format == CopyCSV && strings.ContainsRune(c.Null, rune(c.Quote)) {
		bad = "with these options together"
	}
	if v, given := options["header"]; given && !c.setHeader(v) {
		bad = "with this HEADER"
	}
	return bad
}

func (c *Copy) setHeader(value string) bool {
	switch strings.ToLower(value) {
	case "true", "on", "1":
		c.Header = true
	case "false", "off", "0":
	default:
		return false
	}
	return true
}

// setBinary is set for FORMAT binary. It knows nothing of lines, and Postgres
// refuses the options for them too, by version: HEADER false it lets pass.
func (c *Copy) setBinary(options map[string]string) (bad string) {
	c.Format, c.Delimiter, c.Null = CopyBinary, 0, ""
	for _, name := range []string{"delimiter", "null", "quote", "escape"} {
		if _, given := options[name]; given {
			return "in FORMAT binary with " + strings.ToUpper(name)
		}
	}
	if v, given := options["header"]; given && (!c.setHeader(v) || c.Header) {
		return "in FORMAT binary with HEADER"
	}
	return ""
}
