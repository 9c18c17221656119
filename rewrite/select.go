package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"
)

// query resolves a statement that can stand within another one.
func (r *resolver) query(n *pg.Node, sc *scope) result {
	switch n := n.GetNode().(type) {
	case *pg.Node_SelectStmt:
		return r.selectStmt(n.SelectStmt, sc, selectOptions{})
	case *pg.Node_InsertStmt:
		r.writes = true
		return r.insert(n.InsertStmt, sc)
	case *pg.Node_UpdateStmt:
		r.writes = true
		return r.update(n.UpdateStmt, sc)
	case *pg.Node_DeleteStmt:
		r.writes = true
		return r.delete(n.DeleteStmt, sc)
	case *pg.Node_MergeStmt:
		r.writes = true
		return r.merge(n.MergeStmt, sc)
	}
	r.refuseStatement("this kind of query", -1)
	return result{open: true}
}

// selectOptions tell where a SELECT stands.
type selectOptions struct {
	recursive *cte // it is the whole query of this WITH query
}

// selectStmt resolves a SELECT, VALUES or TABLE, or a set operation. The scope
// is the one that it stands in.
func (r *resolver) selectStmt(s *pg.SelectStmt, outer *scope, o selectOptions) result {
	sc := &scope{parent: outer, ctes: outer.ctes}
	r.with(s.WithClause, sc)
	var out result
	switch {
	case s.Op != pg.SetOperation_SETOP_NONE && s.Op != pg.SetOperation_SET_OPERATION_UNDEFINED:
		out = r.setOperation(s, sc, o)
	case len(s.ValuesLists) > 0:
		out = r.values(s, sc)
	default:
		out = r.plainSelect(s, sc)
	}
	for _, n := range s.SortClause {
		r.sortItem(n.GetSortBy().GetNode(), out, sc, inOrderBy)
	}
	r.expr(s.LimitCount, sc, inLimit)
	r.expr(s.LimitOffset, sc, inLimit)
	r.reads.kept = r.reads.kept || len(s.LockingClause) > 0
	if s.IntoClause != nil {
		r.storedElsewhere(out, "SELECT INTO")
		r.newRelation(s.IntoClause.Rel)
	}
	return out
}

func (r *resolver) plainSelect(s *pg.SelectStmt, sc *scope) result {
	r.from(s.FromClause, sc)
	r.expr(s.WhereClause, sc, inWhere)
	r.orgEqualities(s.WhereClause, sc)
	out := r.selectList(s, sc)
	for _, n := range s.GroupClause {
		r.groupItem(n, out, sc)
	}
	r.expr(s.HavingClause, sc, inHaving)
	for _, n := range s.WindowClause {
		r.expr(n, sc, inWindow)
	}
	for _, n := range s.DistinctClause {
		if n.GetNode() != nil {
			r.sortItem(n, out, sc, inDistinct)
		} else if f := out.sealed(); f != nil { // plain DISTINCT compares all columns
			r.refuseUse(f.value, inDistinct)
		}
	}
	return out
}

// selectList resolves the output list of a SELECT.
func (r *resolver) selectList(s *pg.SelectStmt, sc *scope) result {
	var out result
	l := &rowList{key: s, row: make([]seenItem, len(s.TargetList))}
	rd := r.read(l)
	for i, n := range s.TargetList {
		t := n.GetResTarget()
		item, seen := seenListItem(t.GetVal())
		if !seen {
			r.outputItem(n, sc, &out)
			continue
		}
		l.row[i] = item
		f := field{name: t.Name}
		if _, wanted := rd.wants[i]; !wanted {
			f.value = r.bare(t.Val, sc)
		}
		if f.name == "" {
			f.name = outputName(t.Val)
		}
		f.location = locationOf(t.Val, t.Location)
		rd.mark(&f, i)
		out.fields = append(out.fields, f)
	}
	r.sealWanted(rd)
	return out
}

// outputList resolves the output list of RETURNING.
func (r *resolver) outputList(list []*pg.Node, sc *scope) result {
	var out result
	for _, n := range list {
		r.outputItem(n, sc, &out)
	}
	return out
}

func (r *resolver) outputItem(n *pg.Node, sc *scope, out *result) {
	t := n.GetResTarget()
	if t == nil {
		r.expr(n, sc, inOutput)
		out.open = true
		return
	}
	r.output(t, sc, out)
}

func (r *resolver) output(t *pg.ResTarget, sc *scope, out *result) {
	if ref := r.reference(t.Val, sc); ref != nil && isStar(ref) {
		r.expand(ref, sc, out)
		return
	}
	v, ok := r.compute(t, sc)
	if !ok {
		v = r.bare(t.Val, sc)
	}
	f := field{name: t.Name, value: v}
	if f.name == "" {
		f.name = outputName(t.Val)
	}
	if ind := t.Val.GetAIndirection(); ind != nil && len(ind.Indirection) > 0 && ind.Indirection[len(ind.Indirection)-1].GetAStar() != nil {
		out.open = true // (composite).*
	}
	out.fields = append(out.fields, f)
}

// bare gives the value of an output that hands a column on as it is; all other
// expressions are held to have no sealed column in them.
func (r *resolver) bare(node *pg.Node, sc *scope) value {
	if ref := r.reference(node, sc); ref != nil {
		v := r.column(ref, sc)
		if v.whole {
			r.refuseUse(v, inOutput)
		}
		return v
	}
	switch n := node.GetNode().(type) {
	case *pg.Node_AConst:
		return value{null: n.AConst.Isnull, location: n.AConst.Location}
	case *pg.Node_TypeCast:
		if v, ok := r.castCell(n.TypeCast, sc); ok {
			return v
		}
		if r.inView && n.TypeCast.Arg.GetAConst().GetIsnull() {
			return value{null: true, location: n.TypeCast.Location} // as pg_get_viewdef writes NULL
		}
	case *pg.Node_SubLink:
		if n.SubLink.SubLinkType != pg.SubLinkType_EXPR_SUBLINK {
			break
		}
		res := r.query(n.SubLink.Subselect, sc.inner())
		if len(res.fields) != 1 || res.open {
			if f := res.sealed(); f != nil {
				r.refuseUse(f.value, inOutput)
			}
			return value{}
		}
		v := res.fields[0].value
		v.orgOf, v.null = nil, false
		return v
	case *pg.Node_CaseExpr, *pg.Node_CoalesceExpr, *pg.Node_FuncCall:
		if v, ok := r.handsOn(node, sc); ok {
			return v
		}
	}
	r.expr(node, sc, inOutput)
	return value{}
}

func isStar(ref *pg.ColumnRef) bool {
	return len(ref.Fields) > 0 && ref.Fields[len(ref.Fields)-1].GetAStar() != nil
}

// expand replaces * and table.* by the columns that they stand for.
func (r *resolver) expand(ref *pg.ColumnRef, sc *scope, out *result) {
	r.reads.stars = true
	add := func(res result) {
		for _, f := range res.fields {
			f.location = ref.Location
			if f.misconfigured && !r.inView {
				r.refuseMisconfigured(f.column, ref.Location)
			}
			out.fields = append(out.fields, f)
		}
		out.open = out.open || res.open
	}
	if len(ref.Fields) == 1 {
		for _, it := range sc.items {
			add(it.result)
		}
		return
	}
	names := make([]string, 0, 3)
	for _, f := range ref.Fields[:len(ref.Fields)-1] {
		names = append(names, f.GetString_().GetSval())
	}
	if e := sc.entry(names); e != nil {
		add(e.result)
		return
	}
	// a composite column's fields, or an error there
	if v, _ := r.unqualified(names[0], sc); v.column != nil {
		v.location = ref.Location
		r.refuseUse(v, inOutput)
	}
	out.open = true
}

// values resolves a VALUES list that is not INSERT's own.
func (r *resolver) values(s *pg.SelectStmt, sc *scope) result {
	var out result
	rd := r.read(&rowList{key: s, lists: s.ValuesLists})
	for i, n := range s.ValuesLists {
		items := n.GetList().GetItems()
		out.open = out.open || expands(items)
		if i == 0 {
			out.fields = make([]field, len(items))
			for j := range items {
				out.fields[j].name, out.fields[j].location = columnN(j+1), locationOf(items[j], -1)
			}
		}
		for j, item := range items {
			if _, wanted := rd.wants[j]; !wanted {
				r.expr(item, sc, inValues)
			}
		}
	}
	if out.open {
		return out
	}
	for j := range out.fields {
		rd.mark(&out.fields[j], j)
	}
	r.sealWanted(rd)
	return out
}

// sortItem walks an item of ORDER BY or DISTINCT ON: an output's number or
// name, else an expression (findTargetlistEntrySQL92).
func (r *resolver) sortItem(n *pg.Node, out result, sc *scope, where clause) {
	if f, is := outputNamed(n, out); is {
		if f != nil {
			f.location = locationOf(n, f.location)
			r.refuseUse(f.value, where)
		}
		return
	}
	r.expr(n, sc, where)
}

// groupItem walks an item of GROUP BY, where a column goes before an output of
// the same name; both are looked at.
func (r *resolver) groupItem(n *pg.Node, out result, sc *scope) {
	if set := n.GetGroupingSet(); set != nil {
		for _, item := range set.Content {
			r.groupItem(item, out, sc)
		}
		return
	}
	f, is := outputNamed(n, out)
	if f != nil {
		f.location = locationOf(n, f.location)
		r.refuseUse(f.value, inGroupBy)
		return
	}
	if is && n.GetAConst() != nil {
		return
	}
	r.expr(n, sc, inGroupBy)
}

// outputNamed tells whether n stands for an output, by number or name, and
// gives the first sealed one that it may stand for.
func outputNamed(n *pg.Node, out result) (sealed *field, is bool) {
	if c := n.GetAConst(); c != nil {
		i := c.GetIval()
		if i == nil {
			return nil, false
		}
		if at := int(i.Ival) - 1; at >= 0 && at < len(out.fields) && !out.open {
			if f := out.fields[at]; f.column != nil {
				return &f, true
			}
			return nil, true
		}
		if f := out.sealed(); out.open && f != nil {
			c := *f
			return &c, true
		}
		return nil, true
	}
	ref := n.GetColumnRef()
	if ref == nil || len(ref.Fields) != 1 || ref.Fields[0].GetString_() == nil {
		return nil, false
	}
	for _, f := range out.fields {
		if f.name == ref.Fields[0].GetString_().Sval {
			is = true
			if f.column != nil {
				return &f, true
			}
		}
	}
	return nil, is
}
