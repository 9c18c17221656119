package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"
)

// ctes is a level of WITH queries. Without RECURSIVE each query is a level of
// its own, so that it sees only those before it.
type ctes struct {
	parent *ctes
	list   []*cte
}

// cte is a WITH query. It is resolved when it is first named, or at the end of
// its WITH clause.
type cte struct {
	def   *pg.CommonTableExpr
	scope *scope // what its query can see
	state cteState
	result
	selfNamed bool // its own query names it
}

type cteState uint8

const (
	cteNew cteState = iota
	cteResolving
	cteProvisional // the first arm of a recursive union is known
	cteDone
)

func (c *ctes) find(name string) *cte {
	for ; c != nil; c = c.parent {
		for _, q := range c.list {
			if q.def.Ctename == name {
				return q
			}
		}
	}
	return nil
}

// with adds a WITH clause's queries to the scope.
func (r *resolver) with(w *pg.WithClause, sc *scope) {
	if w == nil {
		return
	}
	var all []*cte
	if w.Recursive {
		level := &ctes{parent: sc.ctes}
		for _, n := range w.Ctes {
			q := &cte{def: n.GetCommonTableExpr(), scope: &scope{parent: sc.parent, ctes: level}}
			level.list = append(level.list, q)
		}
		all, sc.ctes = level.list, level
	} else {
		for _, n := range w.Ctes {
			q := &cte{def: n.GetCommonTableExpr(), scope: &scope{parent: sc.parent, ctes: sc.ctes}}
			sc.ctes = &ctes{parent: sc.ctes, list: []*cte{q}}
			all = append(all, q)
		}
	}
	for _, q := range all {
		r.resolveCTE(q)
	}
}

func (r *resolver) resolveCTE(q *cte) {
	if q.state != cteNew {
		return
	}
	q.state = cteResolving
	if s := q.def.Ctequery.GetSelectStmt(); s != nil {
		q.result = r.selectStmt(s, q.scope, selectOptions{recursive: q})
	} else {
		q.result = r.query(q.def.Ctequery, q.scope)
	}
	q.fields = renamed(q.fields, q.def.Aliascolnames)
	q.state = cteDone
	if q.def.SearchClause == nil && q.def.CycleClause == nil {
		return
	}
	if f := q.sealed(); f != nil {
		r.refuseUse(f.value, inCycle)
	}
	q.open = true // the clauses add columns
}

// firstArm is told of the first arm of the union that a recursive query may be.
func (q *cte) firstArm(left result) {
	q.result = result{fields: renamed(append([]field(nil), left.fields...), q.def.Aliascolnames), open: left.open}
	q.state = cteProvisional
}

// cteEntry makes the entry of a WITH query that a FROM clause names.
func (r *resolver) cteEntry(q *cte, v *pg.RangeVar) *entry {
	switch q.state {
	case cteNew:
		r.resolveCTE(q)
	case cteResolving, cteProvisional:
		q.selfNamed = true
		if q.state == cteResolving {
			return &entry{name: v.Relname, result: result{open: true}}
		}
	}
	return &entry{name: v.Relname, result: result{fields: clone(q.fields, v.Location), open: q.open}}
}
