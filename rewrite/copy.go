package rewrite

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
)

// copy resolves COPY. One that moves no sealed column is left as it is.
func (r *resolver) copy(s *pg.CopyStmt) {
	r.st.NoParams = true
	switch {
	case s.Relation == nil:
		r.copyQuery(s)
	case s.IsFrom:
		r.copyFrom(s)
	default:
		r.copyTable(s)
	}
	if r.st.Copy == nil {
		return
	}
	if s.IsProgram || s.Filename != "" {
		location := int32(-1)
		if s.Relation != nil {
			location = s.Relation.Location
		}
		r.refuse(copyOption, location, "COPY of sealed columns from or to a file or program of the server is not supported",
			"The server reads and writes it, so pgseal can neither seal nor open there.", "COPY FROM STDIN or TO STDOUT, as psql's \\copy does.")
		return
	}
	r.copyOptions(s, r.st.Copy)
}

// copyQuery resolves COPY (query) TO. The query may write rows, too.
func (r *resolver) copyQuery(s *pg.CopyStmt) {
	r.computes = true
	res := r.query(s.Query, &scope{})
	r.outputs(res)
	outputs := r.st.Outputs
	r.st.Outputs, r.st.NumOutputs = nil, 0 // it returns no rows
	r.st.Pure = s.Filename == "" && s.Query.GetSelectStmt() != nil && pure(s.Query.ProtoReflect())
	if len(outputs) == 0 {
		return
	}
	c := &Copy{Fields: make([]CopyField, len(res.fields))}
	for i := range res.fields {
		c.Fields[i].Name = res.fields[i].name
	}
	for i := range outputs {
		o := &outputs[i]
		f := &c.Fields[o.Index]
		f.Array = o.Array
		f.Column, f.Type, f.Steps, f.Program, f.Org = o.Column, o.Type, o.Steps, o.Program, o.Org
	}
	r.st.Copy = c
}

// copyTable resolves COPY table TO.
func (r *resolver) copyTable(s *pg.CopyStmt) {
	r.st.Pure = s.Filename == "" // a program's command stands there, too
	rel := r.relation(s.Relation)
	if rel == nil {
		return
	}
	if rel.IsView() && rel.CarriesSealed() {
		r.st.Copy = &Copy{Doubtful: true} // the server refuses views
		return
	}
	org := orgColumn(rel)
	c, orgField, sealed := r.copyFields(s, rel, org)
	if !sealed || r.env.Raw {
		return
	}
	r.listCopied(s, c)
	setOrgs(c, rel, org, orgField)
	r.st.Copy = c
}

// setOrgs sets the fields' orgs, as far as the relation tells them.
func setOrgs(c *Copy, rel *catalog.Relation, org *catalog.Column, field int) {
	ref, fixed := fixedOrg(rel.Policy)
	if !fixed && field >= 0 && knownOrgType(org.TypeOID) {
		ref = OrgRef{Kind: OrgField, Field: field, TypeOID: org.TypeOID}
	}
	for i := range c.Fields {
		if c.Fields[i].Column != nil {
			c.Fields[i].Org = ref
		}
	}
}

// copyFrom resolves COPY table FROM.
func (r *resolver) copyFrom(s *pg.CopyStmt) {
	rel := r.targetRelation(s.Relation)
	if rel == nil {
		return
	}
	if rel.Base != nil { // COPY does not write through it
		r.refuse(viewWrite, s.Relation.Location, "COPY to view "+rel.Schema+"."+rel.Name+" is not supported",
			"Only a view with an INSTEAD OF trigger takes a COPY, and the trigger decides where a value goes.", "COPY to the table itself.")
		return
	}
	if s.WhereClause != nil {
		e := r.newEntry(rel, s.Relation.Location)
		r.expr(s.WhereClause, &scope{items: []*item{single(e, nil)}}, inWhere)
	}
	org := orgColumn(rel)
	c, orgField, sealed := r.copyFields(s, rel, org)
	if !sealed {
		return
	}
	c.In = true
	r.st.Copy = c
	r.listCopied(s, c)
	if !r.env.Raw {
		setOrgs(c, rel, org, orgField)
		r.requireOrgs(s, c, org, orgField)
	}
}

// copyFields are the fields of each line of COPY of a relation; orgField is the
// place of the org column among them, -1 without one.
func (r *resolver) copyFields(s *pg.CopyStmt, rel *catalog.Relation, org *catalog.Column) (c *Copy, orgField int, sealed bool) {
	c, orgField = &Copy{Table: rel.Name}, -1
	for i, column := range r.copyColumns(s, rel) {
		c.Fields = append(c.Fields, CopyField{})
		if column == nil {
			continue
		}
		c.Fields[i].Name = column.Name
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
		c.Fields[i].Column, c.Fields[i].Type = column.Policy, column.Policy.Type
	}
	return c, orgField, sealed
}

// copyColumns are the columns of each line: those listed, else all but the
// generated (CopyGetAttnums).
func (r *resolver) copyColumns(s *pg.CopyStmt, rel *catalog.Relation) []*catalog.Column {
	var columns []*catalog.Column
	for _, n := range s.Attlist {
		t := &pg.ResTarget{Name: n.GetString_().GetSval(), Location: s.Relation.Location}
		if rel.Column(t.Name) == nil {
			t.Location = -1 // CopyGetAttnums names no place
		}
		columns = append(columns, r.target(rel, t).column)
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

// listCopied writes the column list of a COPY without one: the server must take the
// fields of each line for the columns that pgseal takes them for.
func (r *resolver) listCopied(s *pg.CopyStmt, c *Copy) {
	if len(s.Attlist) > 0 {
		return
	}
	names := make([]string, len(c.Fields))
	for i := range c.Fields {
		names[i] = quoteIdentifier(c.Fields[i].Name)
	}
	last, ok := r.nameTokens(r.tokenAt(s.Relation.Location))
	if !ok {
		r.refuse(literalForm, s.Relation.Location, "COPY of sealed columns is not supported in this form", "", "List the columns.")
		return
	}
	end := int(r.tokens[last].End)
	r.st.Edits = append(r.st.Edits, Edit{end, end, " (" + strings.Join(names, ", ") + ")"})
}

// requireOrgs refuses COPY FROM of rows whose org is not told.
func (r *resolver) requireOrgs(s *pg.CopyStmt, c *Copy, org *catalog.Column, field int) {
	for i := range c.Fields {
		column := c.Fields[i].Column
		switch {
		case column == nil || c.Fields[i].Org.Kind != OrgUnknown:
		case org == nil:
			r.refuseMisconfiguredOrg(column, s.Relation.Location)
		case field < 0:
			r.addOrg(s, c, org, column)
		default:
			_, _ = r.orgOrRefuse(nil, org, column)
		}
	}
}

// addOrg adds the org column, which takes the session's org, to the list of a COPY FROM.
func (r *resolver) addOrg(s *pg.CopyStmt, c *Copy, org *catalog.Column, column *policy.Column) {
	session, ok := r.sessionOrg(org, column, s.Relation.Location)
	if !ok {
		return
	}
	for i := range c.Fields {
		if c.Fields[i].Column != nil {
			c.Fields[i].Org = session
		}
	}
	end := -1
	if last, ok := r.nameTokens(r.tokenAt(s.Relation.Location)); ok {
		if open, t := r.next(last); t == pg.Token_ASCII_40 {
			end, _ = r.closing(open)
		}
	}
	if end <= 0 || len(s.Attlist) == 0 {
		r.refuseNoOrg(column, s.Relation.Location, "The org column "+org.Name+" is not among the columns that are copied.", "Copy "+org.Name+" too.")
		return
	}
	at := int(r.tokens[end].Start)
	r.st.Edits = append(r.st.Edits, Edit{at, at, ", " + quoteIdentifier(org.Name)})
	c.AddsOrg = &AddedOrg{Name: org.Name, Org: session}
}
