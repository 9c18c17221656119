package rewrite

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// expr walks an expression and refuses every sealed column in it, but for those
// in IS [NOT] NULL and count(column). Node types without a rule of their own are
// walked by reflection, so that none is passed over.
func (r *resolver) expr(n *pg.Node, sc *scope, where clause) {
	if n == nil {
		return
	}
	if ref := r.reference(n, sc); ref != nil && !isStar(ref) {
		switch v := r.column(ref, sc); {
		case v.column != nil:
			r.refuseUse(v, where)
		case v.orphan && !r.inView && where != inUsingType: // whose result is a plain column
			r.refuseOrphanUse(ref)
		}
		return
	}
	switch n := n.Node.(type) {
	case nil:
	case *pg.Node_AConst, *pg.Node_ParamRef, *pg.Node_SetToDefault:
	case *pg.Node_ColumnRef: // a star
		if v := r.column(n.ColumnRef, sc); v.column != nil {
			r.refuseUse(v, where)
		}
	case *pg.Node_TypeCast:
		r.expr(n.TypeCast.Arg, sc, where)
	case *pg.Node_AExpr:
		r.expr(n.AExpr.Lexpr, sc, where)
		r.expr(n.AExpr.Rexpr, sc, where)
	case *pg.Node_BoolExpr:
		r.exprs(n.BoolExpr.Args, sc, where)
	case *pg.Node_List:
		r.exprs(n.List.Items, sc, where)
	case *pg.Node_NullTest:
		r.nullSafe(n.NullTest.Arg, sc, where)
	case *pg.Node_FuncCall:
		r.call(n.FuncCall, sc, where)
	case *pg.Node_SubLink:
		r.subLink(n.SubLink, sc, where)
	case *pg.Node_SelectStmt, *pg.Node_InsertStmt, *pg.Node_UpdateStmt, *pg.Node_DeleteStmt, *pg.Node_MergeStmt:
		res := r.query(&pg.Node{Node: n}, sc.inner())
		if f := res.sealed(); f != nil {
			r.refuseUse(f.value, where)
		}
	case *pg.Node_RangeVar:
		r.relation(n.RangeVar)
	default:
		r.generic((&pg.Node{Node: n}).ProtoReflect(), sc, where)
	}
}

func (r *resolver) exprs(list []*pg.Node, sc *scope, where clause) {
	for _, n := range list {
		r.expr(n, sc, where)
	}
}

// generic walks whatever is in a message.
func (r *resolver) generic(m protoreflect.Message, sc *scope, where clause) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				r.message(v.List().Get(i).Message(), sc, where)
			}
		default:
			r.message(v.Message(), sc, where)
		}
		return true
	})
}

func (r *resolver) message(m protoreflect.Message, sc *scope, where clause) {
	switch m := m.Interface().(type) {
	case *pg.Node:
		r.expr(m, sc, where)
	case *pg.ColumnRef:
		r.expr(&pg.Node{Node: &pg.Node_ColumnRef{ColumnRef: m}}, sc, where)
	case *pg.SelectStmt:
		r.expr(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: m}}, sc, where)
	case *pg.RangeVar:
		r.relation(m)
	case *pg.FuncCall:
		r.call(m, sc, where)
	default:
		r.generic(m.ProtoReflect(), sc, where)
	}
}

// nullSafe walks an argument that is only asked whether it is NULL.
func (r *resolver) nullSafe(n *pg.Node, sc *scope, where clause) {
	if ref := n.GetColumnRef(); ref != nil {
		if v := r.column(ref, sc); len(v.steps) > 0 { // NULL of a value that is not
			r.refuseUse(v, where)
		}
		return
	}
	r.expr(n, sc, where)
}

// call walks a function call. count(column) asks only whether it is NULL.
func (r *resolver) call(f *pg.FuncCall, sc *scope, where clause) {
	name, system := functionName(f)
	if system {
		r.calledSetting(name, f.Args)
	}
	r.readsRows(f.Args, sc)
	r.calls = r.calls || !system || !harmlessFunctions[name]
	if system && name == "count" && len(f.Args) == 1 && !f.AggDistinct && len(f.AggOrder) == 0 && !f.FuncVariadic {
		r.nullSafe(f.Args[0], sc, where)
	} else if system && (name == "num_nulls" || name == "num_nonnulls") && !f.FuncVariadic {
		for _, arg := range f.Args {
			r.nullSafe(arg, sc, where)
		}
	} else {
		r.exprs(f.Args, sc, where)
		r.exprs(f.AggOrder, sc, where)
	}
	r.expr(f.AggFilter, sc, where)
	if f.Over != nil {
		r.generic(f.Over.ProtoReflect(), sc, inWindow)
	}
}

// harmlessFunctions are of those that a function's name without a schema mostly
// stands for: aggregates and the like, which change no setting.
var harmlessFunctions = map[string]bool{
	"count": true, "sum": true, "min": true, "max": true, "avg": true, "now": true, "lower": true, "upper": true, "length": true,
	"gen_random_uuid": true, "nextval": true, "generate_series": true, "unnest": true, "row_number": true, "string_agg": true, "array_agg": true,
}

// functionName gives a function's name, and whether pg_catalog's can be meant.
func functionName(f *pg.FuncCall) (name string, system bool) {
	if len(f.Funcname) == 0 {
		return "", false
	}
	name = f.Funcname[len(f.Funcname)-1].GetString_().GetSval()
	return name, len(f.Funcname) == 1 || strings.EqualFold(f.Funcname[0].GetString_().GetSval(), "pg_catalog")
}

// subLink walks a subquery in an expression.
func (r *resolver) subLink(s *pg.SubLink, sc *scope, where clause) {
	res := r.query(s.Subselect, sc.inner())
	r.expr(s.Testexpr, sc, where)
	f := res.sealed()
	if f == nil {
		return
	}
	switch s.SubLinkType {
	case pg.SubLinkType_EXISTS_SUBLINK:
	case pg.SubLinkType_ANY_SUBLINK, pg.SubLinkType_ALL_SUBLINK:
		r.refuseUse(f.value, inComparison)
	case pg.SubLinkType_ARRAY_SUBLINK:
		r.refuseUse(f.value, inArray)
	default:
		r.refuseUse(f.value, where)
	}
}
