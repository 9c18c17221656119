package rewrite

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
)

// merging is a MERGE under way. Its WHEN clauses are UPDATEs and INSERTs of one row each,
// and what ON demands holds for those of matched rows alone.
type merging struct {
	*resolver
	s        *pg.MergeStmt
	relation *catalog.Relation // nil when it is not known
	target   *entry
	both     *scope // the data source and the target
	source   *scope // the data source alone
	only     *scope // the target alone
}

// merge resolves MERGE, and gives what it returns.
func (r *resolver) merge(s *pg.MergeStmt, outer *scope) result {
	at := &scope{parent: outer, ctes: outer.ctes}
	r.with(s.WithClause, at)
	m := &merging{resolver: r, s: s, relation: r.targetRelation(s.Relation)}
	m.target = &entry{name: s.Relation.Relname, result: result{open: true}}
	if m.relation != nil {
		m.target = r.newEntry(m.relation, s.Relation.Location)
	}
	before := clone(m.target.fields, s.Relation.Location)
	target := single(m.target, s.Relation.Alias)
	from := &scope{parent: at.parent, ctes: at.ctes}
	r.from([]*pg.Node{s.SourceRelation}, from)
	scopeOf := func(items ...*item) *scope { return &scope{parent: at.parent, ctes: at.ctes, items: items} }
	// RETURNING * gives the data source first.
	m.both, m.source, m.only = scopeOf(from.items[0], target), scopeOf(from.items[0]), scopeOf(target)

	r.expr(s.JoinCondition, m.both, inJoin)
	clauses, ok := r.whenClauses(s)
	for i, n := range s.MergeWhenClauses {
		w := n.GetMergeWhenClause()
		if !ok || i >= len(clauses) {
			clauses = append(clauses, whenClause{})
		}
		states := m.states()
		m.when(w, i, &clauses[i])
		for o, was := range states {
			*o = was
		}
	}
	return r.returning(s.ReturningList, m.both, m.target, before)
}

// states are the rows of the target and the data source, as they are without what a
// clause demands.
func (m *merging) states() map[*origin]origin {
	states := make(map[*origin]origin)
	note := func(o *origin) {
		if o != nil {
			states[o] = *o
			o.sameAs = slices.Clip(o.sameAs)
		}
	}
	for _, it := range m.both.items {
		for _, fields := range append([][]field{it.fields}, fieldsOf(it.entries)...) {
			for i := range fields {
				note(fields[i].origin)
				for _, o := range fields[i].orgOf {
					note(o)
				}
			}
		}
	}
	return states
}

func fieldsOf(entries []*entry) (all [][]field) {
	for _, e := range entries {
		all = append(all, e.fields)
	}
	return all
}

// when resolves a WHEN clause, the i-th.
func (m *merging) when(w *pg.MergeWhenClause, i int, clause *whenClause) {
	sc, demands := m.both, []*pg.Node{m.s.JoinCondition, w.Condition}
	switch w.MatchKind {
	case pg.MergeMatchKind_MERGE_WHEN_MATCHED:
	case pg.MergeMatchKind_MERGE_WHEN_NOT_MATCHED_BY_SOURCE:
		sc, demands = m.only, []*pg.Node{w.Condition}
	default:
		sc, demands = m.source, []*pg.Node{w.Condition}
	}
	m.expr(w.Condition, sc, inWhen)
	for _, n := range demands {
		m.orgEqualities(n, sc)
	}
	switch w.CommandType {
	case pg.CmdType_CMD_UPDATE:
		where := &pg.Node{Node: &pg.Node_BoolExpr{BoolExpr: &pg.BoolExpr{Boolop: pg.BoolExprType_AND_EXPR, Args: demands}}}
		m.update(w, sc, where, m.last(i), clause)
	case pg.CmdType_CMD_INSERT:
		m.insert(w, sc, clause)
	}
}

// last tells whether no later clause is for the same rows.
func (m *merging) last(i int) bool {
	kind := m.s.MergeWhenClauses[i].GetMergeWhenClause().MatchKind
	return !slices.ContainsFunc(m.s.MergeWhenClauses[i+1:], func(n *pg.Node) bool { return n.GetMergeWhenClause().MatchKind == kind })
}

func (m *merging) update(w *pg.MergeWhenClause, sc *scope, where *pg.Node, last bool, clause *whenClause) {
	set := &assignments{resolver: m.resolver, relation: m.relation, entry: m.target, scope: sc, where: where}
	set.org = m.targetOrg(m.relation, targetOrigin(m.target), func(column *catalog.Column, org OrgRef, c *policy.Column, location int32) bool {
		if !last { // the rows of other orgs would fall to it
			m.refuseNoOrg(c, location, "Neither ON, WHEN nor SET gives the org column "+column.Name+", and a later WHEN clause is for the same rows.",
				"Add \"AND "+column.Name+" = …\" to ON, or name the org in WHEN.")
			return false
		}
		if clause.then <= 0 {
			m.refuseForm(c, location)
			return false
		}
		demand := m.target.reference(column) + " = "
		end := int(m.tokens[clause.end].End)
		if clause.condition < 0 {
			m.writeOrg(end, " AND "+demand, org, "")
			return true
		}
		at := int(m.tokens[clause.condition].Start)
		m.st.Edits = append(m.st.Edits, Edit{at, at, "("})
		m.writeOrg(end, ") AND "+demand, org, "")
		return true
	})
	set.resolve(w.TargetList)
	m.checkBelow(m.s.Relation, w.TargetList)
}

func (m *merging) insert(w *pg.MergeWhenClause, sc *scope, clause *whenClause) {
	as := &pg.InsertStmt{Relation: m.s.Relation, Cols: w.TargetList}
	row := m.insertTargets(m.relation, as)
	row.narrow(as, len(w.Values))
	if len(w.Values) > len(row.targets) && m.relation != nil && (m.relation.CarriesSealed() || m.relation.Policy != nil) {
		m.needCatalog()
		m.refuseTooMany(row, w.Values)
	}
	if expands(w.Values) {
		m.expanded(w.Values, row, sc)
		return
	}
	in := &mergedRow{merging: m, row: row, scope: sc}
	var orgItem *pg.Node
	if row.org >= 0 && row.org < len(w.Values) {
		orgItem = w.Values[row.org]
	}
	in.org = m.rowOrg(row, func() *pg.Node { return orgItem })
	if orgItem.GetColumnRef() != nil && !isStar(orgItem.GetColumnRef()) {
		in.orgField = &field{value: m.bare(orgItem, sc)}
	}
	for i, item := range w.Values {
		t := row.targetAt(i)
		t.location = locationOf(item, t.location)
		m.misplaced(t)
		c := t.sealed()
		switch {
		case c != nil && isChoice(item):
			one := &choice{resolver: m.resolver, column: c, org: in.org, scope: sc, where: inValues}
			one.other = func(n *pg.Node, cast *policy.Type) { in.store(c, n, cast) }
			one.assign(item)
		case c != nil && handsOn(item):
			in.store(c, item, nil)
		default:
			m.assign(item, t, in.org, sc, inValues, true)
		}
	}
	if row.session && row.org < 0 && m.refusal == nil {
		m.writeInserted(row, w, clause)
	}
}

// mergedRow is the row that a WHEN NOT MATCHED clause inserts.
type mergedRow struct {
	*merging
	row      *insertRow
	scope    *scope
	org      orgFinder
	orgField *field // what goes into the org column, when it is a column of the data source
}

// store stores what a column or query of the data source hands on.
func (in *mergedRow) store(c *policy.Column, n *pg.Node, cast *policy.Type) {
	if !handsOn(n) {
		in.refuseNotAValue(c, n)
		return
	}
	f := &field{value: in.bare(n, in.scope)}
	if f.location <= 0 {
		f.location = locationOf(n, -1)
	}
	if cast != nil {
		f.cells = f.cells.with(func(c *cell) { c.cast = cast })
	}
	org, ok := in.rowOrg(c, f.location)
	switch {
	case !ok:
	case f.column == nil && in.want(f, c, org, nil), f.column == nil && f.null:
	case f.column == nil:
		in.refuseSource(c, f.location)
	case !copies(f, c, org) && !(f.null && f.column == c):
		in.refuseCopy(f, c, org)
	}
}

func (in *mergedRow) rowOrg(c *policy.Column, location int32) (rowOrg, bool) {
	column := orgColumn(in.relation)
	if in.env.Raw {
		return rowOrg{}, true
	}
	if in.orgField != nil {
		return rowOrg{field: in.orgField, typeOID: column.TypeOID, ref: fieldOrg(in.orgField, column.TypeOID)}, true
	}
	ref, ok := in.org(c, location)
	org := rowOrg{ref: ref}
	if column != nil {
		org.typeOID = column.TypeOID
	}
	return org, ok
}

// writeInserted adds the org column, with the session's org, to a row that has no place
// for it.
func (m *merging) writeInserted(row *insertRow, w *pg.MergeWhenClause, clause *whenClause) {
	column := orgColumn(m.relation)
	refuse := func() {
		m.refuseNoOrg(row.firstSealed(), m.s.Relation.Location, "The org column "+column.Name+" is not among the columns that are inserted.", "Insert "+column.Name+" too.")
	}
	if clause.then <= 0 {
		refuse()
		return
	}
	insert, t := m.next(clause.then)
	if t != pg.Token_INSERT {
		refuse()
		return
	}
	at, t := m.next(insert)
	if len(w.TargetList) > 0 {
		end, ok := m.closing(at)
		if t != pg.Token_ASCII_40 || !ok {
			refuse()
			return
		}
		place := int(m.tokens[end].Start)
		m.st.Edits = append(m.st.Edits, Edit{place, place, ", " + quoteIdentifier(column.Name)})
		at = end
	} else {
		names := make([]string, 0, len(row.targets)+1)
		for i := range row.targets {
			names = append(names, quoteIdentifier(row.targets[i].name))
		}
		names = append(names, quoteIdentifier(column.Name))
		place := int(m.tokens[insert].End)
		m.st.Edits = append(m.st.Edits, Edit{place, place, " (" + strings.Join(names, ", ") + ")"})
		at = insert
	}
	for t != pg.Token_VALUES {
		if at, t = m.next(at); t == pg.Token_NUL {
			refuse()
			return
		}
	}
	open, t := m.next(at)
	end, ok := m.closing(open)
	if t != pg.Token_ASCII_40 || !ok {
		refuse()
		return
	}
	m.writeOrg(int(m.tokens[end].Start), ", ", row.known, "")
}

// whenClause is where a WHEN clause stands, in tokens.
type whenClause struct {
	condition int // the first of what is behind AND, -1 without
	end       int // the last before THEN
	then      int
}

// whenClauses finds the WHEN clauses. WHEN, THEN and RETURNING are reserved words:
// outside of brackets and CASE they can be nothing else but a column behind a dot.
func (r *resolver) whenClauses(s *pg.MergeStmt) (clauses []whenClause, ok bool) {
	depth, cases, before := 0, 0, pg.Token_NUL
	condition, last := -1, 0
	within := false // between WHEN and THEN
	for i := r.tokenAt(s.Relation.Location); i >= 0 && i < len(r.tokens) && int(r.tokens[i].End) <= r.st.End && depth >= 0; i++ {
		t := r.tokens[i].Token
		switch {
		case t == pg.Token_SQL_COMMENT || t == pg.Token_C_COMMENT:
			continue
		case t == pg.Token_ASCII_40 || t == pg.Token_ASCII_91:
			depth++
		case t == pg.Token_ASCII_41 || t == pg.Token_ASCII_93:
			depth--
		case depth > 0 || before == pg.Token_ASCII_46:
		case t == pg.Token_CASE:
			cases++
		case t == pg.Token_END_P && cases > 0:
			cases--
		case cases > 0:
		case t == pg.Token_WHEN:
			within, condition = true, -1
		case t == pg.Token_AND && within && condition < 0:
			condition, _ = r.next(i)
		case t == pg.Token_THEN && within:
			clauses = append(clauses, whenClause{condition: condition, end: last, then: i})
			within = false
		case t == pg.Token_RETURNING:
			return clauses, len(clauses) == len(s.MergeWhenClauses)
		}
		before, last = t, i
	}
	return clauses, len(clauses) == len(s.MergeWhenClauses)
}
