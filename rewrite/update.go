package rewrite

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
)

// update resolves UPDATE, and gives what it returns.
func (r *resolver) update(s *pg.UpdateStmt, outer *scope) result {
	at := &scope{parent: outer, ctes: outer.ctes}
	r.with(s.WithClause, at)
	rel := r.targetRelation(s.Relation)
	e := &entry{name: s.Relation.Relname, result: result{open: true}}
	if rel != nil {
		e = r.newEntry(rel, s.Relation.Location)
	}
	at.items = []*item{single(e, s.Relation.Alias)}
	r.from(s.FromClause, at)
	r.expr(s.WhereClause, at, inWhere)
	r.orgEqualities(s.WhereClause, at)

	before := clone(e.fields, s.Relation.Location)
	o := entryOrigin(e)
	set := &assignments{resolver: r, relation: rel, entry: e, scope: at}
	set.org = func(c *policy.Column, location int32) (OrgRef, bool) {
		if o != nil && o.org.Kind != OrgUnknown {
			return o.org, true
		}
		column := orgColumn(rel)
		switch {
		case column == nil || o == nil:
			r.refuseMisconfiguredOrg(c, location)
			return OrgRef{}, false
		case s.WhereClause.GetCurrentOfExpr() != nil: // it takes no AND
			r.refuseNoOrg(c, location, "Neither SET nor an equality in WHERE gives the org column "+column.Name+".",
				"Write WHERE with the row's key and \""+column.Name+" = …\" instead of CURRENT OF.")
			return OrgRef{}, false
		}
		org, ok := r.sessionOrg(column, c, location)
		if ok && !r.restrictToOrg(s, e, column, org) {
			r.refuseForm(c, location)
			return OrgRef{}, false
		}
		if ok {
			o.org = org
		}
		return org, ok
	}
	set.resolve(s.TargetList)
	if o != nil && set.moved.Kind != OrgUnknown {
		o.org = set.moved
	}
	return r.returning(s.ReturningList, at, e, before)
}

// assignments is the SET of UPDATE or of ON CONFLICT DO UPDATE.
type assignments struct {
	*resolver
	relation  *catalog.Relation // nil when it is not known
	entry     *entry            // the target
	scope     *scope            // of the values' expressions
	org       orgFinder         // of the row as it was, or as it is inserted
	excluded  *entry            // ON CONFLICT: the row that is inserted
	insertOrg *OrgRef           // ON CONFLICT: its org, nil when rows differ

	moved OrgRef // the org that the statement gives the row
}

func (a *assignments) resolve(list []*pg.Node) {
	a.setOrg(list)
	var written []string // sealed columns that get a value for the row's org
	for _, n := range list {
		t := n.GetResTarget()
		if t == nil {
			a.expr(n, a.scope, inSet)
			continue
		}
		to := a.target(a.relation, t)
		for _, index := range t.Indirection {
			a.expr(index, a.scope, inSet)
		}
		if a.one(&to, t.Val) {
			written = append(written, to.name)
		}
	}
	a.checkMove(written)
}

// setOrg learns whether the statement changes the row's org, which the other
// assignments depend on.
func (a *assignments) setOrg(list []*pg.Node) {
	column := orgColumn(a.relation)
	if column == nil {
		return
	}
	for _, n := range list {
		t := n.GetResTarget()
		if t == nil || t.Name != column.Name {
			continue
		}
		val := rowPart(t.Val)
		switch {
		case len(t.Indirection) > 0:
		case a.keepsOrg(val, a.entry):
			continue
		case a.excluded != nil && a.keepsOrg(val, a.excluded) && a.insertOrg != nil:
			a.moved = *a.insertOrg
			continue
		case a.excluded != nil && a.keepsOrg(val, a.excluded):
			a.moved = OrgRef{Kind: OrgField} // each row its own: only EXCLUDED's values fit
			continue
		}
		if org, ok := orgOf(val, column.TypeOID); ok && len(t.Indirection) == 0 {
			a.moved = org
			a.org = func(*policy.Column, int32) (OrgRef, bool) { return org, true }
			continue
		}
		for _, c := range a.relation.Columns {
			if c.Policy != nil {
				a.refuseColumn(orgForm, locationOf(val, t.Location), c.Policy, "is in a row whose org would become one that pgseal cannot tell",
					"The org column "+column.Name+" is assigned an expression, DEFAULT or NULL, or a literal that is not of its type.",
					"Assign "+column.Name+" a parameter or literal, and every sealed column with it.")
				break
			}
		}
	}
}

// keepsOrg tells whether a value is the org column of that row.
func (a *assignments) keepsOrg(val *pg.Node, of *entry) bool {
	ref := val.GetColumnRef()
	if ref == nil || isStar(ref) {
		return false
	}
	o := entryOrigin(of)
	return o != nil && slices.Contains(a.column(ref, a.scope).orgOf, o)
}

// one resolves an assignment, and tells whether it gives a sealed column a value
// that is sealed for the row's new org, or NULL.
func (a *assignments) one(to *target, val *pg.Node) bool {
	if m := val.GetMultiAssignRef(); m != nil {
		if row := m.Source.GetRowExpr(); row == nil || int(m.Colno) > len(row.Args) || expands(row.Args) {
			return a.fromQuery(to, m)
		}
		val = rowPart(val)
	}
	c := to.sealed()
	if c == nil || val.GetColumnRef() == nil {
		a.assign(val, to, a.org, a.scope, inSet, false)
		return c != nil
	}
	v := a.column(val.GetColumnRef(), a.scope)
	switch {
	case v.whole || v.doubtful || v.column != c || len(v.steps) > 0 || v.origin == nil:
	case v.origin == entryOrigin(a.entry):
		return false // itself
	case a.excluded != nil && v.origin == entryOrigin(a.excluded):
		fits := a.moved.Kind == OrgUnknown || a.moved.Kind == OrgField || a.insertOrg != nil && a.moved == *a.insertOrg
		if !fits {
			a.refuseColumn(orgMoves, v.location, c, "is sealed for the org of the inserted row, and the row gets another one", "", "Assign the same org to both.")
		}
		return true
	}
	if v.column != nil {
		a.refuseColumn(copiedElsewhere, v.location, v.column, "cannot be assigned to "+c.QualifiedName(),
			"A sealed value opens only in its own column and org.", "Read it first and assign its value as a parameter.")
		return false
	}
	a.refuseColumn(notAValue, val.GetColumnRef().Location, c, "can be assigned only a parameter, a literal, NULL or DEFAULT",
		"Another column's value is stored in plain.", "Read it first and assign its value as a parameter.")
	return false
}

// rowPart is the value that an element of (a, b) = (x, y) is assigned; other
// values as they are.
func rowPart(val *pg.Node) *pg.Node {
	if m := val.GetMultiAssignRef(); m != nil {
		if row := m.Source.GetRowExpr(); row != nil && int(m.Colno) >= 1 && int(m.Colno) <= len(row.Args) && !expands(row.Args) {
			return row.Args[m.Colno-1]
		}
	}
	return val
}

// fromQuery resolves an element of (a, b) = (SELECT …). The query stands in the
// tree once for each element; it is walked with the first.
func (a *assignments) fromQuery(to *target, m *pg.MultiAssignRef) bool {
	if m.Colno == 1 {
		a.expr(m.Source, a.scope, inSet)
	}
	if c := to.sealed(); c != nil {
		a.refuseColumn(notAValue, to.location, c, "cannot be assigned from a query",
			"pgseal seals values that it sees; what a query returns it does not see.", "Read the value first and assign it as a parameter.")
	}
	return false
}

// checkMove refuses to give a row another org while a sealed column keeps its
// value, which would not open there.
func (a *assignments) checkMove(written []string) {
	if a.moved.Kind == OrgUnknown || a.relation == nil {
		return
	}
	if o := entryOrigin(a.entry); o != nil && o.org == a.moved {
		return // WHERE demands the same org
	}
	for _, c := range a.relation.Columns {
		if c.Policy != nil && !slices.Contains(written, c.Name) {
			a.refuseColumn(orgMoves, a.entry.at(), c.Policy, "would stay sealed for the row's old org",
				"The statement assigns the org column and not this one.", "Assign every sealed column of the row together with its org.")
			return
		}
	}
}

// at is where an entry is named in the text.
func (e *entry) at() int32 {
	if len(e.fields) == 0 {
		return -1
	}
	return e.fields[0].location
}
