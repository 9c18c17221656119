package rewrite

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// from adds FROM items to the scope, one after another.
func (r *resolver) from(list []*pg.Node, sc *scope) {
	for _, n := range list {
		it := r.fromItem(n, sc, sc.items)
		sc.items = append(slices.Clip(sc.items), it)
	}
}

// fromItem resolves a FROM item. Beside are the items that LATERAL can see.
func (r *resolver) fromItem(node *pg.Node, sc *scope, beside []*item) *item {
	lateral := &scope{parent: sc.parent, items: beside, ctes: sc.ctes}
	switch n := node.Node.(type) {
	case *pg.Node_RangeVar:
		return single(r.table(n.RangeVar, sc), n.RangeVar.Alias)
	case *pg.Node_RangeSubselect:
		within := &scope{parent: sc.parent, ctes: sc.ctes}
		if n.RangeSubselect.Lateral {
			within = lateral
		}
		return single(&entry{result: r.query(n.RangeSubselect.Subquery, within)}, n.RangeSubselect.Alias)
	case *pg.Node_RangeFunction:
		return r.function(n.RangeFunction, lateral)
	case *pg.Node_RangeTableSample:
		before := len(r.reads.refs)
		it := r.fromItem(n.RangeTableSample.Relation, sc, beside)
		r.reads.refs = r.reads.refs[:before]
		r.exprs(n.RangeTableSample.Args, lateral, inSample)
		r.expr(n.RangeTableSample.Repeatable, lateral, inSample)
		return it
	case *pg.Node_JoinExpr:
		return r.join(n.JoinExpr, sc, beside)
	case *pg.Node_RangeTableFunc:
		r.generic(n.RangeTableFunc.ProtoReflect(), lateral, inFunction)
		return single(&entry{result: result{open: true}}, n.RangeTableFunc.Alias)
	case *pg.Node_JsonTable:
		r.generic(n.JsonTable.ProtoReflect(), lateral, inFunction)
		return single(&entry{result: result{open: true}}, n.JsonTable.Alias)
	}
	r.generic(node.ProtoReflect(), lateral, inFunction)
	return &item{result: result{open: true}}
}

// single is an item of one entry, under its alias.
func single(e *entry, alias *pg.Alias) *item {
	if alias != nil {
		e.name, e.schema = alias.Aliasname, ""
		e.fields = renamed(e.fields, alias.Colnames)
	}
	return &item{entries: []*entry{e}, result: e.result}
}

// table makes the entry of a relation or WITH query. One that is not known has
// columns that are not known.
func (r *resolver) table(v *pg.RangeVar, sc *scope) *entry {
	if v.Schemaname == "" {
		if q := sc.ctes.find(v.Relname); q != nil {
			return r.cteEntry(q, v)
		}
	}
	rel := r.relation(v)
	r.readsCatalog(rel, v)
	if rel == nil {
		r.readsAbsent(v)
		return &entry{name: v.Relname, schema: v.Schemaname, result: result{open: true}}
	}
	return r.newEntry(rel, v.Location)
}

// join resolves a JOIN: its two sides, its condition, its merged columns.
func (r *resolver) join(j *pg.JoinExpr, sc *scope, beside []*item) *item {
	left := r.fromItem(j.Larg, sc, beside)
	right := r.fromItem(j.Rarg, sc, append(slices.Clip(beside), left))
	it := &item{entries: append(slices.Clip(left.entries), right.entries...), result: result{open: left.open || right.open}}

	names, where := usingNames(j, left, right), inUsing
	if j.IsNatural {
		where = inNatural
		r.reads.stars = true // it names columns without writing them
		// A side whose columns are not known may have one of the sealed name.
		if side := left.sealed(); right.open && side != nil {
			r.refuseUse(side.value, where)
		}
		if side := right.sealed(); left.open && side != nil {
			r.refuseUse(side.value, where)
		}
	}
	var merged []field
	for _, name := range names {
		m := field{name: name}
		for _, side := range []*item{left, right} {
			if i := fieldNamed(side.fields, name); i >= 0 {
				if side.fields[i].column != nil {
					r.refuseUse(side.fields[i].value, where)
				}
				m.orgOf = append(m.orgOf, side.fields[i].orgOf...)
			}
		}
		merged = append(merged, m)
	}
	it.fields = without(without(slices.Clip(merged), left.fields, names), right.fields, names)
	if j.JoinUsingAlias != nil {
		it.entries = append(it.entries, &entry{name: j.JoinUsingAlias.Aliasname, result: result{fields: merged}})
	}
	if j.Quals != nil {
		both := &scope{parent: sc.parent, items: []*item{{entries: it.entries, result: it.result}}, ctes: sc.ctes}
		r.expr(j.Quals, both, inJoin)
		if j.Jointype == pg.JoinType_JOIN_INNER {
			r.orgEqualities(j.Quals, both)
		}
	}
	if j.Alias != nil {
		return single(&entry{result: it.result}, j.Alias)
	}
	return it
}

// usingNames are the columns that USING or NATURAL merges.
func usingNames(j *pg.JoinExpr, left, right *item) []string {
	var names []string
	for _, n := range j.UsingClause {
		names = append(names, n.GetString_().GetSval())
	}
	if j.IsNatural {
		for i := range left.fields {
			if fieldNamed(right.fields, left.fields[i].name) >= 0 {
				names = append(names, left.fields[i].name)
			}
		}
	}
	return names
}

func fieldNamed(fields []field, name string) int {
	return slices.IndexFunc(fields, func(f field) bool { return f.name == name })
}

// without appends the fields that do not have one of the names.
func without(dst, fields []field, names []string) []field {
	for _, f := range fields {
		if !slices.Contains(names, f.name) {
			dst = append(dst, f)
		}
	}
	return dst
}
