package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/policy"
)

// onConflict resolves ON CONFLICT. Within has the target's entry.
func (r *resolver) onConflict(c *pg.OnConflictClause, row *insertRow, e *entry, within *scope) {
	if c.Infer != nil {
		for _, n := range c.Infer.IndexElems {
			if name := n.GetIndexElem().GetName(); name != "" {
				if v, _ := r.unqualified(name, within); v.column != nil {
					v.location = c.Infer.Location
					r.refuseUse(v, inConflict)
				}
			}
			r.expr(n.GetIndexElem().GetExpr(), within, inConflict)
		}
		r.expr(c.Infer.WhereClause, within, inConflict)
	}
	excluded := r.newEntry(row.relation, c.Location)
	excluded.name, excluded.schema = "excluded", ""
	// A bare name is the target's; Postgres finds it ambiguous.
	both := &scope{parent: within.parent, ctes: within.ctes, items: []*item{{entries: []*entry{e, excluded}, result: e.result}}}
	r.expr(c.WhereClause, both, inConflict)
	set := &assignments{
		resolver: r, relation: row.relation, entry: e, scope: both, excluded: excluded,
		org: func(col *policy.Column, location int32) (OrgRef, bool) {
			if row.several || row.known.Kind == OrgUnknown {
				r.refuseNoOrg(col, location, "The rows that are inserted are of several orgs, or of one that pgseal cannot tell.",
					"Assign EXCLUDED."+col.Name+", which is the value that was to be inserted.")
				return OrgRef{}, false
			}
			return row.known, true
		},
		insertOrg: &row.known,
	}
	if row.several {
		set.insertOrg = nil
	}
	set.resolve(c.TargetList)
}
