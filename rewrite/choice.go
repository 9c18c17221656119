package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
)

// choice is an expression that is stored in a sealed column and hands one of several
// values on: CASE, COALESCE, either cast to the column's type. Each of the values is
// sealed where it stands. Django's bulk_update is made of these.
type choice struct {
	*resolver
	column *policy.Column
	org    orgFinder
	scope  *scope
	where  clause // of what chooses
	// other resolves a value that is no literal or parameter, and refuses it unless it is
	// sealed for the target; cast is what it is cast to on its way. Nil where there can be
	// none such.
	other func(n *pg.Node, cast *policy.Type)

	// hold writes something around a value, and gives what is to stand behind it; see
	// assignments.hold. Nil where nothing is.
	hold func(n *pg.Node, c *policy.Column) (behind Edit, ok bool)

	common commonType // of the values at hand
	cast   *policy.Type
}

// isChoice tells whether an expression is one.
func isChoice(n *pg.Node) bool {
	if tc := n.GetTypeCast(); tc != nil {
		return isChoice(tc.Arg)
	}
	return n.GetCaseExpr() != nil || n.GetCoalesceExpr() != nil
}

// values calls visit with each value that a choice can hand on, not looking into casts.
func values(n *pg.Node, visit func(*pg.Node)) {
	switch e := n.GetNode().(type) {
	case *pg.Node_CaseExpr:
		for _, w := range e.CaseExpr.Args {
			values(w.GetCaseWhen().GetResult(), visit)
		}
		if e.CaseExpr.Defresult != nil {
			values(e.CaseExpr.Defresult, visit)
		}
	case *pg.Node_CoalesceExpr:
		for _, arg := range e.CoalesceExpr.Args {
			values(arg, visit)
		}
	default:
		visit(n)
	}
}

// assign resolves the choice and seals its values.
func (c *choice) assign(n *pg.Node) {
	if tc := n.GetTypeCast(); tc != nil {
		c.retyped(tc)
		return
	}
	outer := c.common
	c.common = commonType{place: locationOf(n, -1)}
	values(n, func(n *pg.Node) { c.common.add(n) })
	if c.cast != nil { // by way of text or a number, whose text it is
		c.common.fixed = true
	}
	if !c.checkCommon(&c.common, c.column) {
		return
	}
	c.choose(n)
	c.common = outer
}

// choose walks what chooses, and seals what is chosen from.
func (c *choice) choose(n *pg.Node) {
	switch e := n.GetNode().(type) {
	case *pg.Node_CaseExpr:
		c.expr(e.CaseExpr.Arg, c.scope, c.where)
		for _, w := range e.CaseExpr.Args {
			c.expr(w.GetCaseWhen().GetExpr(), c.scope, c.where)
			c.choose(w.GetCaseWhen().GetResult())
		}
		if e.CaseExpr.Defresult != nil {
			c.choose(e.CaseExpr.Defresult)
		}
	case *pg.Node_CoalesceExpr:
		for _, arg := range e.CoalesceExpr.Args {
			c.choose(arg)
		}
	default:
		c.value(n)
	}
}

func (c *choice) value(n *pg.Node) {
	_, seen := seenOutput(n)
	switch {
	case seen:
		f := form{cast: true, as: c.common.as, place: c.common.place}
		if c.cast != nil && n.GetTypeCast() == nil {
			f.atRun = true
		}
		if c.hold == nil || isNull(n) {
			c.assignSealed(n, c.column, c.org, f)
			return
		}
		behind, ok := c.hold(n, c.column)
		c.assignSealed(n, c.column, c.org, f)
		if ok {
			c.st.Edits = append(c.st.Edits, behind)
		}
	case isChoice(n): // a cast one
		c.assign(n)
	case c.other != nil:
		c.other(n, c.cast)
	default:
		c.refuseNotAValue(c.column, n)
	}
}

// retyped resolves a choice that is cast to the column's own type, which on the server
// is pgseal.sealed.
func (c *choice) retyped(tc *pg.TypeCast) {
	t := c.storedType(c.column)
	cast, ok := typeOf(tc.TypeName)
	switch {
	case c.env.Raw && isSealedType(tc.TypeName):
	case !ok || !castFits(cast, t):
		c.refuseColumn(otherType, tc.TypeName.GetLocation(), c.column, "is assigned a value cast to another type",
			"Its type is "+t.String()+".", "Leave the cast away, or cast to "+t.String()+".")
		return
	default:
		c.retype(tc.TypeName, c.column, "pgseal.sealed")
	}
	outer := c.cast
	c.cast = &cast
	c.assign(tc.Arg)
	c.cast = outer
}

// commonType is what decides of which type Postgres takes several values that stand
// for one to be (select_common_type): strings and parameters without a cast take the
// others' type, and are text where nothing else has one.
type commonType struct {
	oid    uint32 // of the values that have a type, zero for none
	fixed  bool   // it is the sealed column's, by a column or a query
	params bool
	place  int32 // where Postgres finds that the type is wrong

	as uint32 // the type of those that have none of their own, zero for the sealed column's
}

func (t *commonType) add(n *pg.Node) {
	t.params = t.params || n.GetParamRef() != nil
	t.oid = commonOID(t.oid, ownType(n))
	if _, seen := seenOutput(n); !seen {
		t.fixed = true
	}
}

// checkCommon finds the type of the values that have none, and refuses what Postgres
// does not store in the column.
func (r *resolver) checkCommon(t *commonType, c *policy.Column) bool {
	to := r.storedType(c)
	switch {
	case r.env.Raw || t.oid == to.OID():
		return true
	case t.fixed:
		if t.oid != 0 && t.oid != oidText && character(to.OID()) {
			r.refuseColumn(notAValue, t.place, c, "is assigned one of several values of several types",
				"Postgres takes them for one type.", "Write all values alike, or cast each to "+to.String()+".")
			return false
		}
		return true
	}
	common := t.oid
	if common == 0 {
		common = oidText
	}
	if common == to.OID() {
		return true
	}
	t.as = common
	if t.oid == 0 && t.params { // the client may declare another
		return true
	}
	if err := pgtypes.Assignable(common, to, c.Name); err != nil {
		if r.refusal == nil {
			r.refusal = r.placed(err, c, t.place)
		}
		return false
	}
	return true
}
