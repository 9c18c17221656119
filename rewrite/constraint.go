package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/policy"
)

// columnConstraint resolves a constraint that stands at a column.
func (r *resolver) columnConstraint(k *pg.Constraint, c *policy.Column, d *pg.ColumnDef, sc *scope) {
	if k == nil {
		return
	}
	if c == nil {
		r.constraint(k, sc)
		return
	}
	switch k.Contype {
	case pg.ConstrType_CONSTR_NULL, pg.ConstrType_CONSTR_NOTNULL:
	case pg.ConstrType_CONSTR_DEFAULT:
		if !isNull(k.RawExpr) {
			r.refuseDefault(c, k.Location)
			return
		}
		r.dropDefault(k)
	case pg.ConstrType_CONSTR_CHECK: // it may ask for NOT NULL
		r.constraint(k, sc)
	case pg.ConstrType_CONSTR_ATTR_DEFERRABLE, pg.ConstrType_CONSTR_ATTR_NOT_DEFERRABLE, pg.ConstrType_CONSTR_ATTR_DEFERRED, pg.ConstrType_CONSTR_ATTR_IMMEDIATE:
		// of the constraint before it
	case pg.ConstrType_CONSTR_GENERATED:
		r.refuseColumn(ddlConstraint, k.Location, c, "cannot be a generated column", "The server would compute its values, and store them in plain.", "Give the value in each INSERT.")
	case pg.ConstrType_CONSTR_IDENTITY:
		r.refuseColumn(ddlConstraint, k.Location, c, "cannot be an identity column", "The server would store its values in plain.", "Give the value in each INSERT.")
	default:
		r.refuseUse(value{column: c, location: k.Location}, clauseOf(k.Contype))
	}
}

// clauseOf names a constraint.
func clauseOf(t pg.ConstrType) clause {
	switch t {
	case pg.ConstrType_CONSTR_DEFAULT:
		return inDefault
	case pg.ConstrType_CONSTR_GENERATED:
		return inGenerated
	case pg.ConstrType_CONSTR_PRIMARY:
		return inPrimaryKey
	case pg.ConstrType_CONSTR_UNIQUE:
		return inUnique
	case pg.ConstrType_CONSTR_EXCLUSION:
		return inExclusion
	case pg.ConstrType_CONSTR_FOREIGN:
		return inForeignKey
	}
	return inCheck
}

// constraint resolves a constraint that is not at a sealed column.
func (r *resolver) constraint(k *pg.Constraint, sc *scope) {
	if k == nil {
		return
	}
	where := clauseOf(k.Contype)
	r.expr(k.RawExpr, sc, where)
	r.expr(k.WhereClause, sc, where)
	for _, list := range [][]*pg.Node{k.Keys, k.Including, k.FkAttrs, k.FkDelSetCols} {
		for _, n := range list {
			r.definedOn(n.GetString_().GetSval(), sc, k.Location, where)
		}
	}
	for _, n := range k.Exclusions {
		for _, part := range n.GetList().GetItems() {
			r.definedOn(part.GetIndexElem().GetName(), sc, k.Location, where)
			r.expr(part.GetIndexElem().GetExpr(), sc, where)
		}
	}
	if k.Pktable != nil {
		referenced := r.tableScope(k.Pktable)
		for _, n := range k.PkAttrs {
			r.definedOn(n.GetString_().GetSval(), referenced, k.Location, where)
		}
	}
}
