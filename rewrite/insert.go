package rewrite

import (
	"math"
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
	orgs    []OrgRef
	unknown bool // that of some is not known; else orgs are all of them
	one     bool // they were demanded to be the same
	session bool // values are sealed for the session's org, which is to be written
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
			row.narrow(s, longest(src.ValuesLists))
			r.insertValues(src, row, at)
		} else {
			r.insertSource(s, row, at)
		}
		r.listColumns(s, row)
		r.writeSessionOrg(s, row)
	}
	if rel == nil {
		r.onUnknown(s, at)
		return r.returning(s.ReturningList, at, &entry{result: result{open: true}}, nil)
	}
	e := r.newEntry(rel, s.Relation.Location)
	if s.Relation.Alias != nil {
		e.name, e.schema = s.Relation.Alias.Aliasname, ""
	}
	within := &scope{parent: at.parent, items: []*item{{entries: []*entry{e}, result: e.result}}, ctes: at.ctes}
	sameOrg := s.OnConflictClause == nil || r.onConflict(s.OnConflictClause, row, e, within)
	if o := entryOrigin(e); o != nil && o.org.Kind == OrgUnknown && !row.several && sameOrg {
		o.org = row.known
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

// longest is the number of values of the longest row; it is boundless when one has
// values that can't be counted.
func longest(lists []*pg.Node) int {
	most := 0
	for _, n := range lists {
		items := n.GetList().GetItems()
		if expands(items) {
			return math.MaxInt
		}
		most = max(most, len(items))
	}
	return most
}

// firstSealed is a sealed column that is stored into.
func (row *insertRow) firstSealed() *policy.Column {
	for i := range row.targets {
		if c := row.targets[i].sealed(); c != nil {
			return c
		}
	}
	return row.relation.Policy.Columns[0]
}

// isValuesList tells whether the values are INSERT's own, and not those of a query
// (transformInsertStmt).
func isValuesList(s *pg.SelectStmt) bool {
	return len(s.ValuesLists) > 0 && len(s.SortClause) == 0 && s.LimitCount == nil && s.LimitOffset == nil && len(s.LockingClause) == 0 && s.WithClause == nil
}

func (r *resolver) insertValues(s *pg.SelectStmt, row *insertRow, at *scope) {
	within := &scope{parent: at, ctes: at.ctes}
	for _, n := range s.ValuesLists {
		items := n.GetList().GetItems()
		if len(items) > len(row.targets) && row.relation != nil && (row.relation.CarriesSealed() || row.relation.Policy != nil) {
			r.needCatalog() // it may have grown a column
			r.refuseTooMany(row, items)
		}
		if expands(items) {
			row.several, row.unknown = true, true
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
			r.assign(item, t, org, within, inValues, false)
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
	known := func(org OrgRef) {
		row.several = row.several || row.rows > 1 && row.known != org
		row.known = org
		if !slices.Contains(row.orgs, org) {
			row.orgs = append(row.orgs, org)
		}
	}
	switch {
	case column == nil:
	case row.org < 0:
		return r.sessionRows(row, column)
	case n.GetSetToDefault() != nil:
		return r.defaultRow(row, column, n, known)
	case n != nil:
		if org, ok := orgOf(n, column.TypeOID); ok {
			known(org)
			return func(*policy.Column, int32) (OrgRef, bool) { return org, true }
		}
	}
	row.several, row.unknown = true, true
	return func(c *policy.Column, location int32) (OrgRef, bool) {
		switch {
		case column == nil && row.relation.Base != nil:
			r.refuseHiddenOrg(row.relation, c, location)
		case column == nil:
			r.refuseMisconfiguredOrg(c, location)
		case n == nil: // fewer values than columns
			r.refuseNoOrg(c, location, "There is no value for the org column "+column.Name+".", "Insert "+column.Name+" too.")
		default:
			return r.orgOrRefuse(n, column, c)
		}
		return OrgRef{}, false
	}
}

// sessionRows is the finder for rows that have no place for the org: where a value is
// sealed, all of them get the session's.
func (r *resolver) sessionRows(row *insertRow, column *catalog.Column) orgFinder {
	return func(c *policy.Column, location int32) (OrgRef, bool) {
		org, ok := r.sessionOrg(column, c, location)
		if ok {
			row.known, row.session = org, true
		}
		return org, ok
	}
}

// defaultRow is the finder for a row that has DEFAULT for its org: where a value is
// sealed, the session's is written there.
func (r *resolver) defaultRow(row *insertRow, column *catalog.Column, n *pg.Node, known func(OrgRef)) orgFinder {
	several, unknown := row.several, row.unknown
	row.several, row.unknown = true, true // if the default stays
	var org OrgRef
	return func(c *policy.Column, location int32) (OrgRef, bool) {
		if org.Kind != OrgUnknown {
			return org, true
		}
		at := r.tokenAt(locationOf(n, -1))
		if at < 0 || r.tokens[at].Token != pg.Token_DEFAULT {
			return r.orgOrRefuse(n, column, c)
		}
		session, ok := r.sessionOrg(column, c, location)
		if ok {
			org, row.several, row.unknown = session, several, unknown
			known(org)
			place := r.between(at, at)
			r.st.Edits = append(r.st.Edits, Edit{place.start, place.end, ""})
			r.writeOrg(place.start, "", org, "")
		}
		return org, ok
	}
}

func (r *resolver) refuseMisconfiguredOrg(c *policy.Column, location int32) {
	r.refuseColumn(misconfiguredColumn, location, c, "cannot be written: its table lacks the org column "+c.Table.Org.Value,
		"The policy says that this column tells the row's org.", "Add the column, or correct the policy.")
}
