package rewrite

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/policy"
)

// onConflict resolves ON CONFLICT. Within has the target's entry. It tells whether a
// row that is updated is known to be of the same org as the one that was to be inserted.
func (r *resolver) onConflict(c *pg.OnConflictClause, row *insertRow, e *entry, within *scope) (sameOrg bool) {
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

	set := &assignments{resolver: r, relation: row.relation, entry: e, scope: both, excluded: excluded, insertOrg: &row.known}
	if row.several {
		set.insertOrg = nil
	}
	column := orgColumn(row.relation)
	switch {
	case column == nil: // of one org all, or misconfigured
		set.sameOrg = true
	case c.Action != pg.OnConflictAction_ONCONFLICT_UPDATE:
		return true
	case row.setsSealed(c.TargetList, column):
		set.sameOrg = r.conflictsWithin(c.Infer, row.relation, column) || set.demandsOrg(c.WhereClause)
	}
	set.org = func(col *policy.Column, location int32) (OrgRef, bool) {
		if !row.several && row.known.Kind != OrgUnknown {
			return row.known, true
		}
		e := errNoOrg(col, r.positions.at(location), "The rows that are inserted are of several orgs, or of one that pgseal cannot tell.",
			"Assign EXCLUDED."+col.Name+", which is the value that was to be inserted.")
		if org, ok := r.oneOrg(row, e); ok {
			return org, true
		}
		if r.refusal == nil {
			r.refusal = e
		}
		return OrgRef{}, false
	}
	set.resolve(c.TargetList)
	return set.sameOrg
}

// oneOrg has the rows held to one org, which parameters tell, when the statement is run;
// e is the error if they are of several.
func (r *resolver) oneOrg(row *insertRow, e *pgerr.Error) (org OrgRef, ok bool) {
	if row.unknown {
		return OrgRef{}, false
	}
	for _, o := range row.orgs {
		switch {
		case o.Kind == OrgValue && org.Kind != OrgValue, o.Kind == OrgParam && org.Kind == OrgUnknown:
			org = o
		case o.Kind != OrgParam: // another value, or a setting
			return OrgRef{}, false
		}
	}
	if !row.one {
		row.one = true
		r.st.OneOrg = append(r.st.OneOrg, OneOrg{row.orgs, e})
	}
	return org, org.Kind != OrgUnknown
}

// setsSealed tells whether SET assigns a sealed column or the org.
func (row *insertRow) setsSealed(list []*pg.Node, org *catalog.Column) bool {
	return slices.ContainsFunc(list, func(n *pg.Node) bool {
		name := n.GetResTarget().GetName()
		c := row.relation.Column(name)
		return name == org.Name || c != nil && c.Policy != nil
	})
}

// conflictsWithin tells whether rows that are in conflict have the same org: it is one
// of the columns that the conflict is about.
func (r *resolver) conflictsWithin(infer *pg.InferClause, rel *catalog.Relation, org *catalog.Column) bool {
	if infer == nil {
		return false
	}
	if infer.Conname != "" {
		has, known := rel.Key(infer.Conname, org.Name)
		if !known {
			r.needCatalog()
		}
		return has
	}
	return slices.ContainsFunc(infer.IndexElems, func(n *pg.Node) bool {
		e := n.GetIndexElem() // by a collation of its own, other orgs might be equal
		return e.GetName() == org.Name && len(e.Collation) == 0 && len(e.Opclass) == 0
	})
}

// demandsOrg tells whether WHERE holds the row in conflict to the org of the inserted
// one: org = EXCLUDED.org, or org = what is inserted there, joined by AND with the rest.
func (a *assignments) demandsOrg(n *pg.Node) bool {
	if b := n.GetBoolExpr(); b != nil && b.Boolop == pg.BoolExprType_AND_EXPR {
		return slices.ContainsFunc(b.Args, a.demandsOrg)
	}
	e := n.GetAExpr()
	if e == nil || e.Kind != pg.A_Expr_Kind_AEXPR_OP || len(e.Name) != 1 || e.Name[0].GetString_().GetSval() != "=" {
		return false
	}
	demands := func(column, other *pg.Node) bool {
		if !a.keepsOrg(column, a.entry) {
			return false
		}
		if a.keepsOrg(other, a.excluded) {
			return true
		}
		org, ok := orgOf(other, entryOrigin(a.entry).typeOID)
		return ok && a.insertOrg != nil && org == *a.insertOrg
	}
	return demands(e.Lexpr, e.Rexpr) || demands(e.Rexpr, e.Lexpr)
}

// held tells whether a value that is stored must be held to the org of the row that it
// comes into, which is one in conflict, and may be of another org than the inserted one,
// or one that a cursor stands on.
func (a *assignments) held() bool {
	if a.env.Raw || a.moved.Kind != OrgUnknown {
		return false
	}
	return a.excluded != nil && !a.sameOrg || a.currentOf && orgColumn(a.relation) != nil
}

// hold writes, around a value that is sealed for the inserted row's org or the session's,
// what makes the statement fail in a row of another org: there the column would get a
// value that the type pgseal.sealed refuses, and the proxy knows the error by that.
func (a *assignments) hold(val *pg.Node, c *policy.Column) (behind Edit, ok bool) {
	at, ok := a.valueSpan(val)
	if !ok {
		a.refuseForm(c, locationOf(val, -1))
		return Edit{}, false
	}
	a.st.Held = &Held{Column: c, At: a.positions.at(locationOf(val, -1))}
	behind = Edit{at.end, at.end, ` ELSE '\x'::pgseal.sealed END)`}
	if a.currentOf {
		session, ok := a.sessionOrg(orgColumn(a.relation), c, locationOf(val, -1))
		if ok {
			a.writeOrg(at.start, "(CASE WHEN "+a.entry.reference(orgColumn(a.relation))+" = ", session, " THEN ")
		}
		return behind, ok
	}
	org := quoteIdentifier(orgColumn(a.relation).Name)
	a.st.Edits = append(a.st.Edits, Edit{at.start, at.start, "(CASE WHEN " + quoteIdentifier(a.entry.name) + "." + org + " IS NOT DISTINCT FROM excluded." + org + " THEN "})
	return behind, true
}

// assignHeld assigns a value that stands in the text, and holds the row to its org.
func (a *assignments) assignHeld(to *target, val *pg.Node, c *policy.Column) {
	_, seen := seenOutput(val)
	if !a.held() || !seen || isNull(val) {
		a.assign(val, to, a.org, a.scope, inSet, false)
		return
	}
	behind, ok := a.hold(val, c)
	a.assign(val, to, a.org, a.scope, inSet, true)
	if ok {
		a.st.Edits = append(a.st.Edits, behind)
	}
}

// holdColumn holds the row in conflict to the org of what a column or query gives, which
// may be cast to the column's own type.
func (a *assignments) holdColumn(n *pg.Node, v *value, c *policy.Column) {
	if tc := n.GetTypeCast(); tc != nil {
		n = tc.Arg
	}
	excluded := a.excluded != nil && v.column != nil && v.origin != nil && v.origin == entryOrigin(a.excluded)
	if excluded || v.cells != nil {
		if behind, ok := a.hold(n, c); ok {
			a.st.Edits = append(a.st.Edits, behind)
		}
	}
}

// valueSpan is the range of a column, query, parameter or literal, the latter two with a
// cast around them.
func (r *resolver) valueSpan(n *pg.Node) (span, bool) {
	if tc := n.GetTypeCast(); tc != nil && sealable(tc.Arg) {
		return r.castSpan(tc)
	}
	if _, at, ok := r.plusNumber(n); ok {
		return at, true
	}
	switch {
	case n.GetParamRef() != nil:
		return r.tokenSpan(n.GetParamRef().Location)
	case n.GetAConst() != nil:
		return r.constantSpan(n.GetAConst().Location)
	case n.GetColumnRef() != nil:
		first := r.tokenAt(n.GetColumnRef().Location)
		last, ok := r.nameTokens(first)
		if !ok {
			return span{}, false
		}
		return r.between(first, last), true
	case n.GetSubLink() != nil:
		open := r.tokenAt(n.GetSubLink().Location)
		if open < 0 || r.tokens[open].Token != pg.Token_ASCII_40 {
			return span{}, false
		}
		end, ok := r.closing(open)
		return r.between(open, end), ok
	}
	return span{}, false
}
