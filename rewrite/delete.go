package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"
)

// delete resolves DELETE, and gives what it returns.
func (r *resolver) delete(s *pg.DeleteStmt, outer *scope) result {
	at := &scope{parent: outer, ctes: outer.ctes}
	r.with(s.WithClause, at)
	e := &entry{name: s.Relation.Relname, result: result{open: true}}
	if rel := r.relation(s.Relation); rel != nil {
		e = r.newEntry(rel, s.Relation.Location)
	} else {
		r.readsAbsent(s.Relation)
	}
	at.items = []*item{single(e, s.Relation.Alias)}
	r.from(s.UsingClause, at)
	r.expr(s.WhereClause, at, inWhere)
	r.orgEqualities(s.WhereClause, at)
	return r.returning(s.ReturningList, at, e, e.fields)
}
