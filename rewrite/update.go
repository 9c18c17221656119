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
	o := targetOrigin(e)
	set := &assignments{resolver: r, relation: rel, entry: e, scope: at, where: s.WhereClause, currentOf: s.WhereClause.GetCurrentOfExpr() != nil}
	set.org = r.targetOrg(rel, o, func(column *catalog.Column, org OrgRef, c *policy.Column, location int32) bool {
		if set.currentOf { // it takes no AND: see hold
			return true
		}
		if !r.restrictToOrg(s, e, column, org) {
			r.refuseForm(c, location)
			return false
		}
		return true
	})
	set.resolve(s.TargetList)
	r.checkBelow(s.Relation, s.TargetList)
	switch {
	case o == nil || set.moved.Kind == OrgUnknown:
	case set.moved.Kind == OrgField:
		o.org = OrgRef{} // each row its own
	default:
		o.org = set.moved
	}
	return r.returning(s.ReturningList, at, e, before)
}

// targetOrg is the finder of the org of rows that are updated: what the statement
// demands, else the session's, to which restrict holds the statement.
func (r *resolver) targetOrg(rel *catalog.Relation, o *origin, restrict func(column *catalog.Column, org OrgRef, c *policy.Column, location int32) bool) orgFinder {
	return func(c *policy.Column, location int32) (OrgRef, bool) {
		if o != nil && o.org.Kind != OrgUnknown {
			return o.org, true
		}
		column := orgColumn(rel)
		switch {
		case rel.Base != nil && column == nil:
			r.refuseHiddenOrg(rel, c, location)
			return OrgRef{}, false
		case column == nil || o == nil:
			r.refuseMisconfiguredOrg(c, location)
			return OrgRef{}, false
		}
		org, ok := r.sessionOrg(column, c, location)
		if !ok || !restrict(column, org, c, location) {
			return OrgRef{}, false
		}
		o.org = org
		return org, true
	}
}

// assignments is the SET of UPDATE or of ON CONFLICT DO UPDATE.
type assignments struct {
	*resolver
	relation  *catalog.Relation // nil when it is not known
	entry     *entry            // the target
	scope     *scope            // of the values' expressions
	where     *pg.Node          // UPDATE: its WHERE clause
	currentOf bool              // UPDATE: which is WHERE CURRENT OF
	org       orgFinder         // of the row as it was, or as it is inserted
	excluded  *entry            // ON CONFLICT: the row that is inserted
	insertOrg *OrgRef           // ON CONFLICT: its org, nil when rows differ
	sameOrg   bool              // ON CONFLICT: the row in conflict has the org of the inserted one

	moved    OrgRef   // the org that the statement gives the row; of kind OrgField: each row its own
	movedBy  *field   // what it gives it, of kind OrgField in UPDATE
	orgValue *pg.Node // what is assigned to the org column, where that is moved
	row      result   // of the query that several columns are assigned from
}

func (a *assignments) resolve(list []*pg.Node) {
	a.setOrg(list)
	var written []*policy.Column // sealed columns that get a value for the row's org
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
			written = append(written, to.sealed())
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
		a.orgValue = val
		switch {
		case len(t.Indirection) > 0:
		case a.keepsOrg(val, a.entry), a.sameOrg && a.keepsOrg(val, a.excluded):
			continue
		case a.excluded != nil && a.keepsOrg(val, a.excluded) && a.insertOrg != nil:
			a.moved = *a.insertOrg
			continue
		case a.excluded != nil && a.keepsOrg(val, a.excluded):
			a.moved = OrgRef{Kind: OrgField} // each row its own: only EXCLUDED's values fit
			continue
		case a.excluded == nil && val.GetColumnRef() != nil && !isStar(val.GetColumnRef()):
			if v := a.column(val.GetColumnRef(), a.scope); !v.doubtful && (v.cells != nil && v.column == nil || len(v.orgOf) > 0) {
				a.moved, a.movedBy = OrgRef{Kind: OrgField}, &field{value: v}
				a.org = func(c *policy.Column, location int32) (OrgRef, bool) {
					a.refuseNoOrg(c, location, "Each row gets the org of a row in FROM.", "Assign the column a value of the same row.")
					return OrgRef{}, false
				}
				continue
			}
		}
		if org, ok := orgOf(val, column.TypeOID); ok && len(t.Indirection) == 0 {
			a.moved = org
			a.org = func(*policy.Column, int32) (OrgRef, bool) { return org, true }
			continue
		}
		for _, c := range tableOf(a.relation).Columns {
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
	o := targetOrigin(of)
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
	switch {
	case c == nil:
		a.assign(val, to, a.org, a.scope, inSet, false)
		return false
	case isChoice(val):
		written := true
		one := &choice{resolver: a.resolver, column: c, org: a.org, scope: a.scope, where: inSet}
		if a.held() {
			one.hold = a.hold
		}
		one.other = func(n *pg.Node, cast *policy.Type) { written = a.other(c, n, cast) && written }
		one.assign(val)
		return written
	case handsOn(val):
		return a.other(c, val, nil)
	}
	a.assignHeld(to, val, c)
	return true
}

// handsOn tells whether an expression is a column, or a query's, cast or not.
func handsOn(n *pg.Node) bool {
	if tc := n.GetTypeCast(); tc != nil {
		n = tc.Arg
	}
	return n.GetColumnRef() != nil || n.GetSubLink().GetSubLinkType() == pg.SubLinkType_EXPR_SUBLINK
}

// other resolves a column or query that is assigned to a sealed column, and tells
// whether it has a value that is sealed for the row's new org. Cast is what it is cast
// to on its way, nil for nothing.
func (a *assignments) other(c *policy.Column, n *pg.Node, cast *policy.Type) bool {
	location := locationOf(n, -1)
	if !handsOn(n) {
		a.refuseNotAValue(c, n)
		return false
	}
	v := a.handedOn(n)
	if v.location <= 0 {
		v.location = location
	}
	if cast != nil {
		v.cells = v.cells.with(func(c *cell) { c.cast = cast })
	}
	if a.held() {
		a.holdColumn(n, &v, c)
	}
	return a.store(c, &v, location)
}

// handedOn resolves a column or query. One that is cast to its own type is itself.
func (a *assignments) handedOn(n *pg.Node) value {
	tc := n.GetTypeCast()
	if tc == nil || tc.Arg.GetColumnRef() == nil {
		return a.bare(n, a.scope)
	}
	v := a.column(tc.Arg.GetColumnRef(), a.scope)
	if v.column == nil || v.wanted || v.whole {
		return a.bare(n, a.scope)
	}
	if cast, ok := typeOf(tc.TypeName); !ok || !castFits(cast, v.column.Type) {
		a.refuseUse(v, inSet)
		return v
	}
	a.retype(tc.TypeName, v.column, "pgseal.sealed")
	return v
}

// store stores what a column or query hands on.
func (a *assignments) store(c *policy.Column, v *value, location int32) bool {
	target := targetOrigin(a.entry)
	switch {
	case v.cells != nil && !v.whole && !v.doubtful && (v.column == nil || v.isColumn()) && (v.column == nil || v.wanted && v.column == c):
		org, ok := a.orgOf(c, v)
		switch {
		case !ok:
		case v.column == nil:
			a.want(&field{value: *v}, c, org, nil)
		case !a.wantedFor(v.cells, c, org):
			a.refuseColumn(sharedParameter, v.location, c, "shares its value with another place",
				"The value is sealed for one column and org, so it can't be stored in two.", "Write the value twice.")
		}
		return true
	case v.null && v.column == nil:
		return true
	case v.whole || v.doubtful || v.column != c || !v.isColumn() || v.origin == nil:
	case v.origin == target:
		return false // itself
	case a.excluded != nil && v.origin == entryOrigin(a.excluded):
		fits := a.moved.Kind == OrgUnknown || a.moved.Kind == OrgField || a.insertOrg != nil && a.moved == *a.insertOrg
		if !fits {
			a.refuseColumn(orgMoves, v.location, c, "is sealed for the org of the inserted row, and the row gets another one", "", "Assign the same org to both.")
		}
		return true
	case a.copies(v, target):
		return true
	default:
		a.refuseColumn(copiedElsewhere, v.location, v.column, "cannot be copied into a row whose org may be another",
			"A sealed value opens only in its own column and org.", "Demand in WHERE that both rows have the same "+c.Table.Org.Value+".")
		return false
	}
	if v.column != nil {
		a.refuseColumn(copiedElsewhere, v.location, v.column, "cannot be assigned to "+c.QualifiedName(),
			"A sealed value opens only in its own column and org.", "Read it first and assign its value as a parameter.")
		return false
	}
	a.refuseColumn(notAValue, location, c, "can be assigned only a parameter, a literal, NULL or DEFAULT",
		"Another column's value is stored in plain.", "Read it first and assign its value as a parameter.")
	return false
}

// copies tells whether the same column of another row is sealed for the org that the
// target has, or gets.
func (a *assignments) copies(v *value, target *origin) bool {
	switch {
	case v.origin.table.Org.Kind != policy.OrgFromColumn:
		return true
	case a.moved.Kind == OrgUnknown:
		return target != nil && sameOrg(v.origin, target)
	case a.moved.Kind == OrgField:
		return a.movedBy != nil && slices.Contains(a.movedBy.orgOf, v.origin)
	}
	return v.origin.org == a.moved
}

// orgOf tells whose the rows are that values which a query hands on are stored in.
func (a *assignments) orgOf(c *policy.Column, v *value) (rowOrg, bool) {
	column, target := orgColumn(a.relation), targetOrigin(a.entry)
	switch {
	case a.env.Raw:
		return rowOrg{}, true
	case a.movedBy != nil:
		return rowOrg{field: a.movedBy, typeOID: column.TypeOID, ref: fieldOrg(a.movedBy, column.TypeOID)}, true
	case column != nil && target != nil && target.org.Kind == OrgUnknown && a.moved.Kind == OrgUnknown && a.excluded == nil:
		if f := a.equal(a.where, target, v.cells); f != nil {
			return rowOrg{field: f, typeOID: column.TypeOID, ref: fieldOrg(f, column.TypeOID)}, true
		}
	}
	ref, ok := a.org(c, v.location)
	org := rowOrg{ref: ref}
	if column != nil {
		org.typeOID = column.TypeOID
	}
	return org, ok
}

// equal finds what the WHERE clause holds the target's org to be equal to, in a column
// beside the cells.
func (a *assignments) equal(where *pg.Node, target *origin, beside *cell) *field {
	if b := where.GetBoolExpr(); b != nil && b.Boolop == pg.BoolExprType_AND_EXPR {
		for _, arg := range b.Args {
			if f := a.equal(arg, target, beside); f != nil {
				return f
			}
		}
		return nil
	}
	left, right, ok := equality(where)
	if !ok || left.GetColumnRef() == nil || right.GetColumnRef() == nil {
		return nil
	}
	for _, side := range [][2]*pg.Node{{left, right}, {right, left}} {
		if !slices.Contains(a.sameLevel(side[0].GetColumnRef(), a.scope).orgOf, target) {
			continue
		}
		f := &field{value: a.sameLevel(side[1].GetColumnRef(), a.scope)}
		org := rowOrg{field: f, typeOID: target.typeOID}
		if f.cells != nil && f.column == nil && !f.doubtful && org.columnBeside(beside) >= 0 {
			return f
		}
	}
	return nil
}

// fromQuery resolves an element of (a, b) = (SELECT …). The query stands in the
// tree once for each element; it is resolved with the first.
func (a *assignments) fromQuery(to *target, m *pg.MultiAssignRef) bool {
	c := to.sealed()
	sub := m.Source.GetSubLink().GetSubselect()
	if sub == nil {
		if m.Colno == 1 {
			a.expr(m.Source, a.scope, inSet)
		}
		if c != nil {
			a.refuseFromQuery(to, c)
		}
		return false
	}
	if m.Colno == 1 {
		a.row = a.query(sub, a.scope.inner())
	}
	i := int(m.Colno) - 1
	switch {
	case a.row.open || i >= len(a.row.fields):
		f := a.row.sealed()
		switch {
		case c != nil:
			a.refuseFromQuery(to, c)
		case f != nil:
			a.refuseUse(f.value, inSet)
		}
		return false
	case c == nil:
		if f := &a.row.fields[i]; f.column != nil {
			a.refuseUse(f.value, inSet)
		}
		return false
	}
	v := a.row.fields[i].value
	if v.location <= 0 {
		v.location = to.location
	}
	return a.store(c, &v, v.location)
}

func (a *assignments) refuseFromQuery(to *target, c *policy.Column) {
	a.refuseColumn(notAValue, to.location, c, "cannot be assigned from a query",
		"pgseal seals values that it sees; what a query returns it does not see.", "Read the value first and assign it as a parameter.")
}

// at is where an entry is named in the text.
func (e *entry) at() int32 {
	if len(e.fields) == 0 {
		return -1
	}
	return e.fields[0].location
}

// targetOrigin is the row that a statement changes: of its sealed columns or, where it
// shows none, of its org column. Nil where there is neither.
func targetOrigin(e *entry) *origin {
	if o := entryOrigin(e); o != nil {
		return o
	}
	for i := range e.fields {
		if of := e.fields[i].orgOf; len(of) > 0 {
			return of[0]
		}
	}
	return nil
}
