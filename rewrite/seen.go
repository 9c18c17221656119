package rewrite

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
)

// Values can be sealed where they stand in the text, and lead from there into a sealed
// column by way of a query: a VALUES list, the output list of a SELECT, the arrays of
// unnest. A field of such a query has a cell, which says where its values stand. A
// statement that stores the field into a sealed column wants the cell's values sealed;
// the statement is then resolved once more, with the field a sealed column from the
// start, so that it can be used as any sealed column can, and no otherwise.

// rowList is what gives rows of values that can be seen.
type rowList struct {
	key   any        // the node of the tree that it is
	lists []*pg.Node // the rows of VALUES
	row   []seenItem // of anything else, whose only row this is
}

// seenItem is a value of a row, or an array whose elements are its values in turn.
type seenItem struct {
	node  *pg.Node
	array bool
}

func (l *rowList) rows() int {
	if l.lists != nil {
		return len(l.lists)
	}
	return 1
}

// at is the item of a row in a column; it has no node where the row is too short.
func (l *rowList) at(row, column int) seenItem {
	if l.lists == nil {
		return l.row[column]
	}
	if items := l.lists[row].GetList().GetItems(); column < len(items) {
		return seenItem{node: items[column]}
	}
	return seenItem{}
}

// null tells whether a column has nothing but NULL.
func (l *rowList) null(column int) bool {
	for i := range l.rows() {
		if !isNull(l.at(i, column).node) {
			return false
		}
	}
	return true
}

// cell is a column of a rowList, in the row that is read there. A field of a UNION ALL
// has one of each arm.
type cell struct {
	list   *rowList
	column int
	row    *origin      // tells the row from that of another reading of the list
	cast   *policy.Type // that the query casts it to on its way, nil for none
	next   *cell
}

// with gives the cells changed by f.
func (c *cell) with(f func(*cell)) *cell {
	if c == nil {
		return nil
	}
	first := *c
	f(&first)
	for last := &first; last.next != nil; last = last.next {
		next := *last.next
		f(&next)
		last.next = &next
	}
	return &first
}

// followed gives the cells with others behind them, the fewer first.
func (c *cell) followed(by *cell) *cell {
	for ; by != nil; by = by.next {
		added := *by
		added.next = c
		c = &added
	}
	return c
}

// want says that a column of a rowList is to be sealed.
type want struct {
	column *policy.Column
	// as is the type that Postgres gives those of the values that have none of their
	// own, zero for the sealed column's.
	as    uint32
	place int32 // where Postgres says that such a value does not fit, -1 for nowhere
	org   wantedOrg
	other bool // Postgres has the list's column of another type than the sealed one's
	atRun bool // and casts it when the statement runs
	cut   bool // by which it is cut
}

// wantedOrg is where the org of a rowList's rows is found.
type wantedOrg struct {
	table   *policy.Table
	typeOID uint32 // of the table's org column, zero without one
	ref     OrgRef // for all rows, of kind OrgUnknown when column tells
	column  int    // of the same row, -1 when none tells
}

// reading is a rowList where a query reads it.
type reading struct {
	list    *rowList
	row     *origin
	wants   map[int]want
	origins map[wantedOrg]*origin // of the wanted columns
}

func (r *resolver) read(l *rowList) *reading {
	rd := &reading{list: l, row: &origin{}, wants: r.wants[l.key]}
	for _, w := range rd.wants {
		if rd.origins == nil {
			rd.origins = make(map[wantedOrg]*origin)
		}
		if rd.origins[w.org] == nil {
			rd.origins[w.org] = &origin{table: w.org.table, typeOID: w.org.typeOID, org: w.org.ref}
		}
	}
	return rd
}

// mark makes a field the list's column.
func (rd *reading) mark(f *field, column int) {
	f.cells = &cell{list: rd.list, column: column, row: rd.row}
	if w, wanted := rd.wants[column]; wanted {
		f.column, f.origin, f.wanted, f.null = w.column, rd.origins[w.org], true, rd.list.null(column)
		f.otherType = w.other
	}
	for org, o := range rd.origins {
		if org.column == column {
			f.orgOf = append(f.orgOf, o)
		}
	}
}

// sealWanted seals the wanted columns' values where they stand.
func (r *resolver) sealWanted(rd *reading) {
	for _, column := range slices.Sorted(maps.Keys(rd.wants)) {
		r.sealColumn(rd.list, column, rd.wants[column])
	}
}

func (r *resolver) sealColumn(l *rowList, column int, w want) {
	for i := range l.rows() {
		item := l.at(i, column)
		if item.node == nil {
			continue
		}
		org := func(c *policy.Column, location int32) (OrgRef, bool) {
			if w.org.ref.Kind != OrgUnknown {
				return w.org.ref, true
			}
			if w.org.column >= 0 {
				if ref, ok := orgOf(l.at(i, w.org.column).node, w.org.typeOID); ok {
					return ref, true
				}
			}
			r.refuseColumn(orgForm, location, c, "is written for an org that pgseal cannot tell",
				"What goes into the org column "+c.Table.Org.Value+" is no parameter or literal of the same row, or not of the column's type.",
				"Give "+c.Table.Org.Value+" beside the value, as a parameter or literal.")
			return OrgRef{}, false
		}
		if item.array {
			var beside seenItem
			if w.org.ref.Kind == OrgUnknown && w.org.column >= 0 && l.at(i, w.org.column).array {
				beside = l.at(i, w.org.column)
			}
			r.sealArray(item, beside, w, org)
			continue
		}
		r.assignSealed(item.node, w.column, org, form{cast: true, as: w.as, place: w.place, cut: w.cut, atRun: w.atRun && item.node.GetTypeCast() == nil})
	}
}

// want asks for what a field stands for to be sealed for a column, for the org that
// another field or org tells. Into is the query that INSERT stores, whose own literals
// take the column's type; nil where there is none. Nothing is asked for when the field's
// values cannot be seen.
func (r *resolver) want(f *field, c *policy.Column, org rowOrg, into *pg.SelectStmt) (ok bool) {
	if f.cells == nil {
		return false
	}
	place := f.location
	if f.cells.list.lists != nil && f.cells.list.key == into {
		place = -1
	}
	as, ok := r.commonType(f, c, into, place)
	if !ok {
		return true // refused
	}
	other := f.cells.commonOID() != c.Type.OID()
	for at := f.cells; at != nil; at = at.next {
		r.ask(at, want{column: c, as: as, place: place, org: org.wanted(c, at), other: other, atRun: other && at.cast != nil, cut: at.cast != nil && cuts(*at.cast)}, f.location)
	}
	return true
}

// wantedFor tells whether what is sealed already for a column is so for the same org.
func (r *resolver) wantedFor(cells *cell, c *policy.Column, org rowOrg) bool {
	for at := cells; at != nil; at = at.next {
		if w := r.wants[at.list.key][at.column]; w.column != c || w.org != org.wanted(c, at) {
			return false
		}
	}
	return true
}

// commonOID is the type that Postgres has the cells' values of, before any cast.
func (c *cell) commonOID() uint32 {
	common := uint32(0)
	for at := c; at != nil; at = at.next {
		for row := range at.list.rows() {
			common = commonOID(common, itemType(at.list.at(row, at.column)))
		}
	}
	return cmp.Or(common, oidText)
}

// ask notes a want.
func (r *resolver) ask(at *cell, w want, location int32) {
	have, known := r.wants[at.list.key][at.column]
	have.place = w.place
	switch {
	case known && have != w:
		r.refuseColumn(sharedParameter, location, w.column, "shares its value with another place",
			"The value is sealed for one column and org, so it can't be stored in two.", "Write the value twice.")
		return
	case known:
		return
	}
	if r.wants == nil {
		r.wants = make(map[any]map[int]want)
	}
	if r.wants[at.list.key] == nil {
		r.wants[at.list.key] = make(map[int]want)
	}
	r.wants[at.list.key][at.column] = w
	r.wantsMore = true
}

// rowOrg is what tells the org of a row that is stored: ref where it is known, else
// field, the one that goes into the org column.
type rowOrg struct {
	ref     OrgRef
	field   *field
	typeOID uint32 // of the org column
}

func (o *rowOrg) wanted(c *policy.Column, at *cell) wantedOrg {
	w := wantedOrg{table: c.Table, typeOID: o.typeOID, ref: o.ref, column: -1}
	if o.ref.Kind == OrgUnknown && o.field != nil {
		w.column = o.columnBeside(at)
	}
	return w
}

// columnBeside finds the column of the cell's list that is the org of the same row,
// -1 when it is none of them.
func (o *rowOrg) columnBeside(at *cell) int {
	for c := o.field.cells; c != nil; c = c.next {
		if c.list.key != at.list.key || c.row != at.row || !castKeeps(c.cast, o.typeOID) {
			continue
		}
		if item := c.list.at(0, c.column); item.array && arrayKeepsOrg(item, o.typeOID) && inStep(c.list.key) || !item.array && uniform(c, o.typeOID) {
			return c.column
		}
	}
	return -1
}

// castKeeps tells whether a value cast so is still the org that was written for a
// column of that type.
func castKeeps(cast *policy.Type, typeOID uint32) bool {
	if cast == nil {
		return true
	}
	oid := cast.OID()
	return len(cast.Mods) == 0 && !cast.Array && (oid == typeOID || character(oid) && character(typeOID) || integer(oid) && integer(typeOID))
}

func character(oid uint32) bool { return oid == oidText || oid == oidVarchar }

func integer(oid uint32) bool { return oid == oidInt2 || oid == oidInt4 || oid == oidInt8 }

// uniform tells whether a list's column is read as its values are written. Where
// numbers and strings stand together, Postgres reads the strings as numbers; a
// parameter of no type that is cast on its way is sent as text.
func uniform(c *cell, typeOID uint32) bool {
	numbers, others := false, false
	for i := range c.list.rows() {
		n := c.list.at(i, c.column).node
		if n.GetParamRef() != nil && c.cast != nil && !character(typeOID) {
			return false
		}
		if a := n.GetAConst(); a != nil && !a.Isnull {
			_, kind := constantText(a)
			numbers = numbers || kind != unknownConstant
			others = others || kind == unknownConstant
		} else {
			others = true
		}
	}
	return !numbers || !others || !character(typeOID)
}

// commonType is the type that Postgres gives the values of a field that have none of
// their own (select_common_type), zero for the sealed column's. It refuses what
// Postgres does not store in the column.
func (r *resolver) commonType(f *field, c *policy.Column, into *pg.SelectStmt, place int32) (uint32, bool) {
	common, params := uint32(0), false
	for at := f.cells; at != nil; at = at.next {
		if at.cast != nil && !castFits(*at.cast, c.Type) {
			r.refuseColumn(otherType, f.location, c, "is assigned a value cast to another type",
				"Its type is "+c.Type.String()+".", "Leave the cast away, or cast to "+c.Type.String()+".")
			return 0, false
		}
		first := at.list.at(0, at.column)
		if at.cast != nil && first.array && (cuts(*at.cast) || itemType(first) != c.Type.OID() && !character(itemType(first))) {
			r.refuseColumn(otherType, f.location, c, "is assigned elements of an array that are cast to another type", "Its type is "+c.Type.String()+".", "Cast the array itself.")
			return 0, false
		}
		if at.list.key == into && at.list.lists == nil && !first.array || at.cast != nil || r.env.Raw {
			return 0, true
		}
		for row := range at.list.rows() {
			item := at.list.at(row, at.column)
			common, params = commonOID(common, itemType(item)), params || item.node.GetParamRef() != nil
		}
	}
	open := common == 0 && params // the client may declare another
	if common == 0 {
		common = oidText
	}
	switch {
	case common == c.Type.OID():
		return 0, true
	case open:
		return common, true
	}
	if err := pgtypes.Assignable(common, c.Type, c.Name); err != nil && r.refusal == nil {
		r.refusal = r.placed(err, c, place)
		return 0, false
	}
	return common, true
}

// placed is an error about a value for a column, with its place.
func (r *resolver) placed(err error, c *policy.Column, location int32) *pgerr.Error {
	var e *pgerr.Error
	if !errors.As(err, &e) {
		e = &pgerr.Error{Code: pgerr.FeatureNotSupported, Message: "pgseal cannot tell whether the value fits the column", Anchor: string(internalError), Cause: err}
	}
	at := *e
	at.Position = r.positions.at(location)
	at.Schema, at.Table, at.Column = c.Table.Schema, c.Table.Name, c.Name
	return &at
}

// ownType is the type that a value has of itself, zero for none.
func ownType(n *pg.Node) uint32 {
	if tc := n.GetTypeCast(); tc != nil {
		if t, ok := typeOf(tc.TypeName); ok {
			return t.OID()
		}
		return 0
	}
	if plus := n.GetAExpr(); plus != nil && plus.Lexpr == nil {
		n = plus.Rexpr
	}
	if a := n.GetAConst(); a != nil && !a.Isnull {
		text, kind := constantText(a)
		return kind.oid(text)
	}
	return 0
}

// commonOID is the type that two values get together: of numbers the wider.
func commonOID(a, b uint32) uint32 {
	rank := func(oid uint32) int { return slices.Index([]uint32{0, oidInt4, oidInt8, oidNumeric}, oid) }
	if a == 0 || rank(b) > rank(a) && rank(a) >= 0 {
		return b
	}
	return a
}

// seenOutput tells whether an output's value can be seen.
func seenOutput(n *pg.Node) (seenItem, bool) {
	plus := n.GetAExpr() // before a number
	if sealable(n) || n.GetTypeCast() != nil && sealable(n.GetTypeCast().Arg) || plus != nil && plus.Lexpr == nil && sealable(plus.Rexpr) {
		return seenItem{node: n}, true
	}
	return seenItem{}, false
}

// seenListItem is seenOutput of an output list, where unnest stands for an array's
// elements.
func seenListItem(n *pg.Node) (seenItem, bool) {
	if f := n.GetFuncCall(); f != nil {
		if items, ok := unnestArrays(f); ok && len(items) == 1 {
			return items[0], true
		}
		return seenItem{}, false
	}
	return seenOutput(n)
}

// castCell resolves the cast of a column whose values can be seen. Once they are
// sealed it is a cast to pgseal.sealed. Not ok: it is none such.
func (r *resolver) castCell(tc *pg.TypeCast, sc *scope) (v value, ok bool) {
	ref := tc.Arg.GetColumnRef()
	if ref == nil || isStar(ref) {
		return value{}, false
	}
	v = r.column(ref, sc)
	if v.cells == nil || v.column != nil && !v.wanted {
		return value{}, false
	}
	t, known := typeOf(tc.TypeName)
	if v.column == nil {
		if !known {
			return value{}, false
		}
		v.cells = v.cells.with(func(c *cell) {
			ok = ok || c.cast != nil
			c.cast = &t
		})
		if ok { // twice
			v.cells = nil
		}
		v.null = false
		v.orgOf = slices.DeleteFunc(slices.Clone(v.orgOf), func(o *origin) bool { return !castKeeps(&t, o.typeOID) })
		return v, true
	}
	if !known || !castFits(t, v.column.Type) {
		r.refuseColumn(otherType, ref.Location, v.column, "is assigned a value cast to another type",
			"Its type is "+v.column.Type.String()+".", "Leave the cast away, or cast to "+v.column.Type.String()+".")
		return v, true
	}
	r.retype(tc.TypeName, v.column, "pgseal.sealed")
	v.otherType = false
	return v, true
}

// retype writes another type in the place of one.
func (r *resolver) retype(t *pg.TypeName, c *policy.Column, as string) {
	first := r.tokenAt(t.Location)
	last, ok := 0, first >= 0
	if ok {
		last, ok = r.typeTokens(first)
	}
	if !ok {
		r.refuseForm(c, t.Location)
		return
	}
	at := r.between(first, last)
	r.st.Edits = append(r.st.Edits, Edit{at.start, at.end, as})
}
