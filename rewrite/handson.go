package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/pgexpr"
)

// Expressions that hand a sealed column on unchanged: CASE and COALESCE whose results
// are the same column or NULL, the window functions that give a row's value, and
// array_agg, whose elements are opened one by one. They are the server's to run.

// handed is what an expression may hand on, and what else is in it.
type handed struct {
	values   []value
	null     bool       // it may be NULL where no value is
	others   bool       // it may be of another row than the one at hand
	plain    []*pg.Node // expressions in which no sealed column may be
	windows  []*pg.WindowDef
	location int32
}

// handsOn resolves an expression that hands a sealed column on; not ok when it is none.
// Nothing is resolved then.
func (r *resolver) handsOn(n *pg.Node, sc *scope) (v value, ok bool) {
	if !r.computes {
		return value{}, false
	}
	if f := n.GetFuncCall(); f != nil && isArrayAgg(f) {
		return r.arrayAgg(f, sc)
	}
	h := &handed{location: locationOf(n, -1)}
	if !r.collect(n, sc, h) || len(h.values) == 0 {
		return value{}, false
	}
	if v, ok = h.value(); !ok {
		return value{}, false
	}
	r.exprs(h.plain, sc, inOutput)
	for _, w := range h.windows {
		r.generic(w.ProtoReflect(), sc, inWindow)
	}
	return v, true
}

// collect finds the results of an expression; false when one is no column or NULL.
func (r *resolver) collect(n *pg.Node, sc *scope, h *handed) bool {
	switch e := n.GetNode().(type) {
	case nil:
		h.null = true
	case *pg.Node_ColumnRef:
		v, _ := r.lookUpColumn(e.ColumnRef, sc)
		h.values = append(h.values, v)
		return !isStar(e.ColumnRef) && v.column != nil && !v.wanted && !v.whole && !v.misconfigured && !v.array
	case *pg.Node_AConst:
		h.null = true
		return e.AConst.Isnull
	case *pg.Node_CaseExpr:
		h.plain = append(h.plain, e.CaseExpr.Arg)
		for _, when := range e.CaseExpr.Args {
			h.plain = append(h.plain, when.GetCaseWhen().GetExpr())
			if !r.collect(when.GetCaseWhen().GetResult(), sc, h) {
				return false
			}
		}
		return r.collect(e.CaseExpr.Defresult, sc, h)
	case *pg.Node_CoalesceExpr:
		for _, arg := range e.CoalesceExpr.Args {
			if !r.collect(arg, sc, h) {
				return false
			}
		}
	case *pg.Node_FuncCall:
		return r.collectWindow(e.FuncCall, sc, h)
	default:
		return false
	}
	return true
}

// valueFunctions are the window functions that give the value of a row: of the others'
// arguments the offset is plain, and the default is handed on.
var valueFunctions = map[string]bool{"first_value": true, "last_value": true, "nth_value": true, "lag": true, "lead": true}

func (r *resolver) collectWindow(f *pg.FuncCall, sc *scope, h *handed) bool {
	name, system := functionName(f)
	if !system || !valueFunctions[name] || r.snapshot.Shadows(name) && len(f.Funcname) == 1 || f.Over == nil || f.AggFilter != nil || len(f.Args) == 0 || f.FuncVariadic {
		return false
	}
	h.null, h.others = true, true // a function's result has no modifiers, as if NULL were one of them
	h.windows = append(h.windows, f.Over)
	for i, arg := range f.Args {
		if i == 1 {
			h.plain = append(h.plain, arg)
		} else if !r.collect(arg, sc, h) {
			return false
		}
	}
	return true
}

// value is the one value that all results are; not ok when they differ.
func (h *handed) value() (v value, ok bool) {
	v = h.values[0]
	for _, other := range h.values[1:] {
		if other.column != v.column || !pgexpr.Equal(other.steps, v.steps) {
			return value{}, false
		}
		v.doubtful, v.unmodified = v.doubtful || other.doubtful, v.unmodified || other.unmodified
		v.origin = v.origin.or(other.origin)
	}
	if h.others && v.origin != nil {
		v.origin = v.origin.ofAnyRow()
	}
	if h.null { // then Postgres gives the result no modifiers (exprTypmod)
		v.unmodified = true
	}
	v.cells, v.null, v.orgOf = nil, false, nil
	v.location = h.values[0].location
	return v, true
}

// or is the origin of what is of the one row or the other, nil when nothing is known.
func (o *origin) or(other *origin) *origin {
	switch {
	case o == other:
		return o
	case o == nil || other == nil || o.table != other.table || o.org != other.org:
		return nil
	}
	return o.ofAnyRow()
}

// ofAnyRow is the origin of what is of another row of the same kind: its org is known as
// far as it is the same for all.
func (o *origin) ofAnyRow() *origin { return &origin{table: o.table, org: o.org} }

func isArrayAgg(f *pg.FuncCall) bool {
	name, system := functionName(f)
	return system && name == "array_agg" && len(f.Args) == 1 && !f.AggDistinct && !f.AggWithinGroup && !f.FuncVariadic
}

// arrayAgg resolves array_agg of a sealed column, or of what is computed of one.
func (r *resolver) arrayAgg(f *pg.FuncCall, sc *scope) (v value, ok bool) {
	if !computable(f.Args[0]) || r.snapshot.Shadows("array_agg") && len(f.Funcname) == 1 {
		return value{}, false
	}
	c := r.computation(f.Args[0], sc)
	if c == nil || c.typ.Array || c.changed && r.env.Raw || !r.computeWith(c) {
		return value{}, false
	}
	if c.changed {
		before, behind := r.aroundColumn(r.between(c.first, c.last), c)
		r.st.Edits = append(r.st.Edits, before, behind)
	}
	r.exprs(f.AggOrder, sc, inOrderBy)
	r.expr(f.AggFilter, sc, inOutput)
	v = c.column
	if f.Over != nil {
		r.generic(f.Over.ProtoReflect(), sc, inWindow)
		if v.origin != nil {
			v.origin = v.origin.ofAnyRow()
		}
	}
	v.cells, v.null, v.orgOf = nil, false, nil
	v.steps, v.array, v.location = c.steps, true, f.Location
	return v, true
}
