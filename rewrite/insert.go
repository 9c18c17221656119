package rewrite

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/policy"
)

// insertRow is what INSERT stores into, column by column, and what it has
// learned of the rows' org.
type insertRow struct {
	relation *catalog.Relation // nil when it is not known
	targets  []target
	org      int // the index of the org column among the targets, -1 without one

	known   OrgRef // the org of the rows seen so far
	several bool   // they have different ones, or some that is not known
	rows    int
}

// insert resolves INSERT, and gives what it returns.
func (r *resolver) insert(s *pg.InsertStmt, outer *scope) result {
	at := &scope{parent: outer, ctes: outer.ctes}
	r.with(s.WithClause, at)
	rel := r.targetRelation(s.Relation)
	row := r.insertTargets(rel, s)

	if src := s.SelectStmt.GetSelectStmt(); src != nil {
		if isValuesList(src) {
			r.insertValues(src, row, at)
		} else {
			out := r.selectStmt(src, at, selectOptions{into: plainSource(src, row)})
			r.checkSource(out, row)
		}
	}
	if rel == nil {
		r.onUnknown(s, at)
		return r.returning(s.ReturningList, at, &entry{result: result{open: true}}, nil)
	}
	e := r.newEntry(rel, s.Relation.Location)
	if s.Relation.Alias != nil {
		e.name, e.schema = s.Relation.Alias.Aliasname, ""
	}
	if o := entryOrigin(e); o != nil && o.org.Kind == OrgUnknown && !row.several && s.OnConflictClause == nil {
		o.org = row.known
	}
	within := &scope{parent: at.parent, items: []*item{{entries: []*entry{e}, result: e.result}}, ctes: at.ctes}
	if s.OnConflictClause != nil {
		r.onConflict(s.OnConflictClause, row, e, within)
	}
	before := clone(e.fields, s.Relation.Location)
	if o := sealedOrigin(before); o != nil {
		o.org = OrgRef{} // of the row in conflict
	}
	return r.returning(s.ReturningList, within, e, before)
}

// onUnknown walks what is left of an INSERT into a relation that is not known.
func (r *resolver) onUnknown(s *pg.InsertStmt, at *scope) {
	if s.OnConflictClause != nil {
		r.generic(s.OnConflictClause.ProtoReflect(), at, inConflict)
	}
}

// returning resolves RETURNING. There Postgres 18 knows the target's row before
// and after as old and new, unless a FROM item has that name
// (addNSItemForReturning). before are the target's fields as they were.
func (r *resolver) returning(list []*pg.Node, sc *scope, target *entry, before []field) result {
	versions := &item{entries: []*entry{
		{name: "old", result: result{fields: before, open: target.open}},
		{name: "new", result: target.result},
	}}
	within := *sc
	within.items = append(slices.Clip(sc.items), versions)
	return r.outputList(list, &within)
}

// entryOrigin is the origin of an entry's sealed columns, nil without one.
func entryOrigin(e *entry) *origin { return sealedOrigin(e.fields) }

func sealedOrigin(fields []field) *origin {
	if f := sealedField(fields); f != nil {
		return f.origin
	}
	return nil
}

// insertTargets finds the columns that are stored into: those listed, else all
// in the order of attnum.
func (r *resolver) insertTargets(rel *catalog.Relation, s *pg.InsertStmt) *insertRow {
	row := &insertRow{relation: rel, org: -1}
	if len(s.Cols) > 0 {
		for _, n := range s.Cols {
			row.targets = append(row.targets, r.target(rel, n.GetResTarget()))
		}
	} else if rel != nil {
		for _, c := range rel.Columns {
			row.targets = append(row.targets, target{name: c.Name, column: c, location: s.Relation.Location})
		}
	}
	if column := orgColumn(rel); column != nil {
		for i := range row.targets {
			if row.targets[i].name == column.Name {
				row.org = i
			}
		}
	}
	return row
}

// targetAt is the i-th target; one that is not known for what is too much.
func (row *insertRow) targetAt(i int) *target {
	if i < len(row.targets) {
		return &row.targets[i]
	}
	return &target{location: -1}
}

func isValuesList(s *pg.SelectStmt) bool {
	return len(s.ValuesLists) > 0 && len(s.SortClause) == 0 && s.LimitCount == nil && s.LimitOffset == nil && len(s.LockingClause) == 0
}

// plainSource tells whether a query's output list can be read as a row of
// values: it is one SELECT, which compares none of its outputs.
func plainSource(s *pg.SelectStmt, row *insertRow) *insertRow {
	if s.TargetList == nil || len(s.GroupClause) > 0 || len(s.DistinctClause) > 0 || len(s.SortClause) > 0 || s.IntoClause != nil {
		return nil
	}
	return row
}

func (r *resolver) insertValues(s *pg.SelectStmt, row *insertRow, at *scope) {
	within := &scope{parent: at, ctes: at.ctes}
	r.with(s.WithClause, within)
	for _, n := range s.ValuesLists {
		items := n.GetList().GetItems()
		if len(items) > len(row.targets) && row.relation != nil && (row.relation.CarriesSealed() || row.relation.Policy != nil) {
			r.needCatalog() // it may have grown a column
			r.refuseTooMany(row, items)
		}
		if expands(items) {
			row.several = true
			r.expanded(items, row, within)
			continue
		}
		org := r.rowOrg(row, func() *pg.Node {
			if row.org < 0 || row.org >= len(items) {
				return nil
			}
			return items[row.org]
		})
		for i, item := range items {
			t := row.targetAt(i)
			t.location = locationOf(item, t.location)
			r.misplaced(t)
			r.assign(item, t, org, within, inValues, s.WithClause != nil) // WITH makes it a subquery
		}
	}
}

// refuseTooMany says what Postgres would say of more values than there are
// columns: which is meant for a sealed one is not to be told.
func (r *resolver) refuseTooMany(row *insertRow, items []*pg.Node) {
	if r.refusal == nil && r.env.CatalogIsFresh && row.relation.Policy != nil && !expands(items) {
		r.refusal = &pgerr.Error{
			Code: pgerr.SyntaxError, Message: "INSERT has more expressions than target columns",
			Position: r.positions.at(locationOf(items[len(row.targets)], -1)),
		}
	}
}

// expands tells whether an item stands for several values (t.*, (f()).*), so
// that those after it are not where they seem to be.
func expands(items []*pg.Node) bool {
	for _, n := range items {
		if ref := n.GetColumnRef(); ref != nil && isStar(ref) {
			return true
		}
		if ind := n.GetAIndirection().GetIndirection(); len(ind) > 0 && ind[len(ind)-1].GetAStar() != nil {
			return true
		}
	}
	return false
}

// expanded refuses a row whose values can't be counted, if a sealed column is
// among those that it may go to.
func (r *resolver) expanded(items []*pg.Node, row *insertRow, within *scope) {
	r.exprs(items, within, inValues)
	for i := range row.targets {
		if c := row.targets[i].sealed(); c != nil {
			r.refuseColumn(notAValue, locationOf(items[0], row.targets[i].location), c, "cannot be assigned beside columns that pgseal cannot count",
				"A * stands for several values of the row.", "Write the values one by one.")
			return
		}
	}
}

// misplaced refuses a value for a column that the database has as another type;
// a column list was held to that already.
func (r *resolver) misplaced(t *target) {
	if c := t.sealed(); c != nil && !t.column.Sealed {
		r.refuseMisconfigured(c, t.location)
	}
}

// rowOrg finds the org of a row that is inserted, and notes it.
func (r *resolver) rowOrg(row *insertRow, orgItem func() *pg.Node) orgFinder {
	row.rows++
	if row.relation == nil || row.relation.Policy == nil {
		return nil
	}
	if org, ok := fixedOrg(row.relation.Policy); ok {
		row.known = org
		return func(*policy.Column, int32) (OrgRef, bool) { return org, true }
	}
	column, n := orgColumn(row.relation), orgItem()
	if column != nil && n != nil {
		if org, ok := orgOf(n, column.TypeOID); ok {
			row.several = row.several || row.rows > 1 && row.known != org
			row.known = org
			return func(*policy.Column, int32) (OrgRef, bool) { return org, true }
		}
	}
	row.several = true
	return func(c *policy.Column, location int32) (OrgRef, bool) {
		switch {
		case column == nil:
			r.refuseMisconfiguredOrg(c, location)
		case n == nil:
			r.refuseNoOrg(c, location, "The org column "+column.Name+" is not among the columns that are inserted.", "Insert "+column.Name+" too.")
		default:
			return r.orgOrRefuse(n, column, c)
		}
		return OrgRef{}, false
	}
}

func (r *resolver) refuseMisconfiguredOrg(c *policy.Column, location int32) {
	r.refuseColumn(misconfiguredColumn, location, c, "cannot be written: its table lacks the org column "+c.Table.Org.Value,
		"The policy says that this column tells the row's org.", "Add the column, or correct the policy.")
}

// intoList resolves the output list of INSERT … SELECT: a sealed column takes a
// parameter or literal that stands there as it is.
func (r *resolver) intoList(list []*pg.Node, sc *scope, row *insertRow) result {
	plain := true // no * before: an item's place is its target's
	for _, n := range list {
		if ref := n.GetResTarget().GetVal().GetColumnRef(); ref != nil && isStar(ref) || n.GetResTarget().GetVal().GetAIndirection() != nil {
			plain = false
		}
	}
	if !plain {
		return r.outputList(list, sc)
	}
	org := r.rowOrg(row, func() *pg.Node {
		if row.org < 0 || row.org >= len(list) {
			return nil
		}
		return list[row.org].GetResTarget().GetVal()
	})
	var out result
	for i, n := range list {
		t := row.targetAt(i)
		val := n.GetResTarget().GetVal()
		if c := t.sealed(); c == nil || !castable(val) {
			r.output(n.GetResTarget(), sc, &out)
			continue
		}
		at := *t
		at.location = locationOf(val, t.location)
		r.misplaced(&at)
		f := field{name: n.GetResTarget().Name, value: r.assign(val, &at, org, sc, inValues, true)}
		f.stored = true
		out.fields = append(out.fields, f)
	}
	return out
}

// castable tells whether an output can be a value that is sealed.
func castable(n *pg.Node) bool {
	return sealable(n) || n.GetTypeCast() != nil && sealable(n.GetTypeCast().Arg)
}

// checkSource holds what a query hands to INSERT: nothing but the values that
// intoList sealed goes into a sealed column, and no sealed column elsewhere.
func (r *resolver) checkSource(out result, row *insertRow) {
	for i := range row.targets {
		t := &row.targets[i]
		c := t.sealed()
		var f *field
		if i < len(out.fields) && !out.open {
			f = &out.fields[i]
		}
		switch {
		case c == nil, f == nil && !out.open, f != nil && (f.null || f.stored):
		default:
			at := t.location
			if f != nil && f.location > 0 {
				at = f.location
			}
			r.refuseColumn(notAValue, at, c, "cannot be filled from a query",
				"pgseal seals values that it sees; what a query returns it does not see.",
				"Read the rows first and insert their values as parameters.")
		}
	}
	for i := range out.fields {
		f := &out.fields[i]
		if f.column != nil && !f.stored {
			r.refuseColumn(copiedElsewhere, f.location, f.column, "cannot be stored by INSERT … SELECT",
				"A sealed value opens only in its own column and org.", "Read the rows first and insert their values as parameters.")
		}
	}
}
