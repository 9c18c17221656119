package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
)

// Writes through views that Postgres makes writes to their tables
// (view_query_is_auto_updatable, rewriteTargetView): simple queries of one table, or of
// another such view. To what is assigned, such a view is the table, with columns of
// other names and maybe fewer.

// writtenView is what a view is to a write.
type writtenView struct {
	// as is the view with the policy of the table's columns; nil when writes go
	// elsewhere, or nowhere, or the table has no policy.
	as      *catalog.Relation
	notRead bool   // the snapshot has no definition
	doubted bool   // it may change a row's org although there is no as
	why     string // why there is no as
}

// viewTarget finds what a write through a view stores into. Nil with a refusal or with
// more to be learned first.
func (r *resolver) viewTarget(v *pg.RangeVar, view *catalog.Relation) *catalog.Relation {
	w := r.rewriter.writtenView(view, nil)
	switch {
	case w.as != nil:
		r.touch(v.Location)
		return w.as
	case !view.CarriesSealed() && !w.doubted:
		return view
	case w.notRead && !r.env.CatalogIsFresh:
		r.needsFresh = true
		return nil
	}
	r.refuse(viewWrite, v.Location, "view "+view.Schema+"."+view.Name+" leads to sealed columns and cannot be written through pgseal",
		w.why, "Write to the table itself.")
	return nil
}

// writtenView resolves a view for writes, or gives what was found before.
func (rw *Rewriter) writtenView(view *catalog.Relation, above map[uint32]bool) *writtenView {
	if known, ok := rw.written.Load(view.OID); ok {
		return known.(*writtenView)
	}
	found := rw.resolveWritten(view, above)
	if len(above) == 0 { // within a cycle the result depends on where it was entered
		rw.written.Store(view.OID, found)
	}
	return found
}

func (rw *Rewriter) resolveWritten(view *catalog.Relation, above map[uint32]bool) *writtenView {
	switch {
	case view.Redirected:
		return &writtenView{why: "Its rules or INSTEAD OF triggers decide where a value goes."}
	case view.Definition == "":
		return &writtenView{notRead: true, why: "pgseal cannot read its definition yet: the transaction that made it has not ended."}
	}
	const complex = "Its query is not one that Postgres writes through."
	_, tree, e := rw.parse(view.Definition)
	if e != nil || len(tree.Stmts) != 1 {
		return &writtenView{why: complex}
	}
	s := tree.Stmts[0].Stmt.GetSelectStmt()
	from, ok := simpleQuery(s)
	if !ok || len(s.TargetList) != len(view.Columns) {
		return &writtenView{why: complex}
	}
	base := rw.snapshot.Relation(from.Schemaname, from.Relname)
	if base == nil {
		return &writtenView{why: complex}
	}
	if base.IsView() {
		within := map[uint32]bool{view.OID: true}
		for oid := range above {
			within[oid] = true
		}
		if within[base.OID] {
			return &writtenView{why: complex}
		}
		w := rw.writtenView(base, within)
		if w.as == nil {
			return &writtenView{notRead: w.notRead, doubted: w.doubted, why: w.why}
		}
		base = w.as
	}
	if base.Policy == nil {
		return &writtenView{why: complex}
	}
	as, ok := asWritten(view, base, s.TargetList)
	if !ok {
		return &writtenView{doubted: true, why: "It shows the org column twice."}
	}
	return &writtenView{as: as}
}

// simpleQuery tells whether a query is one of a single relation that leaves its rows as
// they are, and gives that.
func simpleQuery(s *pg.SelectStmt) (from *pg.RangeVar, ok bool) {
	if s == nil || s.Op > pg.SetOperation_SETOP_NONE || len(s.ValuesLists) > 0 || s.WithClause != nil ||
		len(s.DistinctClause)+len(s.GroupClause)+len(s.WindowClause) > 0 || s.HavingClause != nil || s.LimitCount != nil || s.LimitOffset != nil ||
		len(s.FromClause) != 1 {
		return nil, false
	}
	from = s.FromClause[0].GetRangeVar()
	return from, from != nil && from.Schemaname != "" && len(from.GetAlias().GetColnames()) == 0
}

// asWritten gives the view's columns the policy of the table's that they are. It is
// not ok when a name is missing that tells whether the org is changed.
func asWritten(view, base *catalog.Relation, outputs []*pg.Node) (_ *catalog.Relation, ok bool) {
	as := *view
	as.Policy, as.Base, as.OrgColumn = base.Policy, base, nil
	if base.Base != nil {
		as.Base = base.Base
	}
	as.Columns = make([]*catalog.Column, len(view.Columns))
	for i, shown := range view.Columns {
		c := *shown
		as.Columns[i] = &c
		ref := outputs[i].GetResTarget().GetVal().GetColumnRef()
		if ref == nil || isStar(ref) {
			continue
		}
		of := base.Column(lastName(ref.Fields))
		if of == nil {
			continue
		}
		c.Policy, c.TypeOID, c.Sealed = of.Policy, of.TypeOID, of.Sealed
		switch {
		case of != base.OrgColumn:
		case as.OrgColumn != nil:
			return nil, false
		default:
			as.OrgColumn = &c
		}
	}
	return &as, true
}

// tableOf is the table that a write to a relation goes to.
func tableOf(rel *catalog.Relation) *catalog.Relation {
	if rel.Base != nil {
		return rel.Base
	}
	return rel
}

// refuseHiddenOrg refuses to write a sealed column through a view that shows no org.
func (r *resolver) refuseHiddenOrg(view *catalog.Relation, c *policy.Column, location int32) {
	r.refuseNoOrg(c, location, "View "+view.Schema+"."+view.Name+" does not show the org column "+c.Table.Org.Value+".",
		"Write to the table itself, or let the view show "+c.Table.Org.Value+".")
}
