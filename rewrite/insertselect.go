package rewrite

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/policy"
)

// insertSource resolves the query of INSERT … SELECT. Into a sealed column go values
// that can be seen (seen.go), the same column's of a row whose org the new row has, and
// NULL; sealed columns go nowhere else.
func (r *resolver) insertSource(insert *pg.InsertStmt, row *insertRow, at *scope) {
	s := insert.SelectStmt.GetSelectStmt()
	out := r.selectStmt(s, at, selectOptions{})
	if !out.open {
		row.narrow(insert, len(out.fields))
	}
	org := r.sourceOrg(out, row)
	for i := range row.targets {
		t := row.targets[i]
		c := t.sealed()
		switch {
		case c == nil:
			continue
		case out.open:
			r.refuseSource(c, t.location)
			continue
		case i >= len(out.fields):
			continue
		}
		f := &out.fields[i]
		if f.location > 0 {
			t.location = f.location
		}
		switch {
		case f.column == nil && r.want(f, c, org, s):
			r.misplaced(&t)
		case f.column == nil && f.null:
		case f.column == nil:
			r.refuseSource(c, t.location)
		case !copies(f, c, org) && !(f.null && f.column == c):
			r.refuseCopy(f, c, org)
		default:
			r.misplaced(&t)
		}
		if row.org < 0 && org.ref.Kind != OrgUnknown && org.typeOID != 0 && !f.null {
			row.session = true
		}
	}
	for i := range out.fields {
		f := &out.fields[i]
		if f.column != nil && row.targetAt(i).sealed() == nil {
			r.refuseColumn(copiedElsewhere, f.location, f.column, "cannot be stored by INSERT … SELECT",
				"A sealed value opens only in its own column and org.", "Read the rows first and insert their values as parameters.")
		}
	}
}

func (r *resolver) refuseSource(c *policy.Column, location int32) {
	r.refuseColumn(notAValue, location, c, "cannot be filled from a query",
		"pgseal seals values that it sees: parameters and literals, also in VALUES and unnest. What a query computes, or reads from a plain column, it does not see.",
		"Insert the values as parameters, in VALUES, or as arrays by unnest.")
}

// copies tells whether a field is that sealed column, of a row whose org is the new
// row's.
func copies(f *field, c *policy.Column, org rowOrg) bool {
	switch {
	case f.column != c || !f.isColumn() || f.whole || f.doubtful || f.origin == nil:
		return false
	case c.Table.Org.Kind != policy.OrgFromColumn:
		return true
	case org.field != nil && slices.Contains(org.field.orgOf, f.origin):
		return true
	}
	return org.ref.Kind != OrgUnknown && org.ref == f.origin.org
}

func (r *resolver) refuseCopy(f *field, c *policy.Column, org rowOrg) {
	if f.column != c || !f.isColumn() || f.whole || f.doubtful {
		r.refuseColumn(copiedElsewhere, f.location, f.column, "cannot be stored by INSERT … SELECT",
			"A sealed value opens only in its own column and org.", "Read the rows first and insert their values as parameters.")
		return
	}
	r.refuseColumn(copiedElsewhere, f.location, f.column, "cannot be copied into a row whose org may be another",
		"A sealed value opens only in its own column and org.",
		"Copy "+c.Table.Org.Value+" of the same row, or give the same org to the new row and in WHERE.")
}

// sourceOrg tells whose the rows are that a query hands to INSERT.
func (r *resolver) sourceOrg(out result, row *insertRow) rowOrg {
	if row.relation == nil || row.relation.Policy == nil {
		return rowOrg{}
	}
	if org, ok := fixedOrg(row.relation.Policy); ok {
		row.known = org
		return rowOrg{ref: org}
	}
	var org rowOrg
	column := orgColumn(row.relation)
	if column != nil && row.org < 0 && knownOrgType(column.TypeOID) {
		org = rowOrg{ref: OrgRef{Kind: OrgSetting, Value: SessionOrg, TypeOID: column.TypeOID}, typeOID: column.TypeOID}
	} else if column != nil && row.org >= 0 && row.org < len(out.fields) && !out.open {
		org = rowOrg{field: &out.fields[row.org], typeOID: column.TypeOID}
		org.ref = fieldOrg(org.field, column.TypeOID)
	}
	row.known, row.several = org.ref, org.ref.Kind == OrgUnknown
	return org
}

// fieldOrg is the org that a field is in every row, of kind OrgUnknown where that is
// not known.
func fieldOrg(f *field, typeOID uint32) OrgRef {
	if c := f.cells; c != nil && c.next == nil && c.list.rows() == 1 && castKeeps(c.cast, typeOID) && uniform(c, typeOID) {
		if item := c.list.at(0, c.column); !item.array {
			if ref, ok := orgOf(item.node, typeOID); ok {
				return ref
			}
		}
	}
	for _, o := range f.orgOf {
		if o.org.Kind != OrgUnknown && o.typeOID == typeOID {
			return o.org
		}
	}
	return OrgRef{}
}
