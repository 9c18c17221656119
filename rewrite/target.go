package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
)

// target is a column that a statement stores into.
type target struct {
	name     string
	column   *catalog.Column // nil when the snapshot has none such
	location int32
}

// sealed is the policy's column, nil when the target is plain.
func (t *target) sealed() *policy.Column {
	if t.column == nil {
		return nil
	}
	return t.column.Policy
}

// targetRelation finds the relation that a statement writes. Nil with a refusal
// or with more to be learned first, or for one that is Postgres's to answer for.
func (r *resolver) targetRelation(v *pg.RangeVar) *catalog.Relation {
	rel := r.relation(v)
	if rel == nil {
		r.refuseAbsent(v)
		return nil
	}
	if rel.IsView() {
		return r.viewTarget(v, rel)
	}
	return rel
}

// target finds a column of the relation. A write to one of the policy's columns
// that the database does not have, or has as another type, is refused.
func (r *resolver) target(rel *catalog.Relation, t *pg.ResTarget) target {
	out := target{name: t.Name, location: t.Location}
	if rel == nil {
		return out
	}
	out.column = rel.Column(t.Name)
	if out.column == nil {
		if rel.CarriesSealed() || rel.Policy != nil {
			r.needCatalog()
		}
		if rel.Policy != nil {
			if c := rel.Policy.Column(t.Name); c != nil {
				r.refuseMisconfigured(c, t.Location)
			}
			r.refuseUnknown(rel, t)
		}
		return out
	}
	if c := out.column.Policy; c != nil {
		if !out.column.Sealed {
			r.refuseMisconfigured(c, t.Location)
		}
		if len(t.Indirection) > 0 {
			r.refuseColumn(notAValue, t.Location, c, "cannot be assigned in part", "Only the whole value is sealed.", "Assign the whole value.")
		}
	}
	return out
}

// refuseUnknown says what Postgres would say of a column that is not there. The
// name may be a sealed column's, misspelled: its value is none for the server's
// log.
func (r *resolver) refuseUnknown(rel *catalog.Relation, t *pg.ResTarget) {
	if r.refusal != nil || !r.env.CatalogIsFresh || systemColumns[t.Name] {
		return
	}
	r.refusal = &pgerr.Error{
		Code: "42703", Message: "column \"" + t.Name + "\" of relation \"" + rel.Name + "\" does not exist",
		Position: r.positions.at(t.Location), Schema: rel.Schema, Table: rel.Name, Column: t.Name,
	}
}

// assign resolves what is stored into a target. At is the statement's FROM and
// WITH; cast tells that a sealed value must carry its type.
func (r *resolver) assign(n *pg.Node, t *target, org orgFinder, at *scope, where clause, cast bool) value {
	c := t.sealed()
	switch {
	case c == nil && t.column != nil && t.column.Sealed:
		r.assignOrphan(n, t, at, where)
		return value{}
	case c == nil:
		r.expr(n, at, where)
		return value{}
	}
	if isChoice(n) {
		one := &choice{resolver: r, column: c, org: org, scope: at, where: where}
		one.assign(n)
	} else {
		r.assignSealed(n, c, org, form{cast: cast})
	}
	return value{column: c, location: t.location}
}

// assignOrphan holds a sealed column that the policy does not name to NULL and
// itself: a value would be plaintext in the server's log, and refused there.
func (r *resolver) assignOrphan(n *pg.Node, t *target, at *scope, where clause) {
	switch v := n.GetNode().(type) {
	case *pg.Node_SetToDefault:
	case *pg.Node_AConst:
		if v.AConst.Isnull {
			return
		}
		r.refuseOrphan(t)
	case *pg.Node_ColumnRef:
		if value := r.column(v.ColumnRef, at); value.column != nil {
			r.refuseUse(value, where)
		}
	default:
		r.refuseOrphan(t)
	}
}

func (r *resolver) refuseOrphan(t *target) {
	r.refuse(misconfiguredColumn, t.location, "column "+t.name+" is of type pgseal.sealed, but the policy does not name it",
		"pgseal does not know its logical type or where its org comes from, so it can't seal a value for it.",
		"Add the column to the policy.")
}

// refuseOrphanUse refuses to compare, or compute on, a sealed column that the policy does
// not name: it would give no right answer, and what it is compared with may be plaintext.
func (r *resolver) refuseOrphanUse(ref *pg.ColumnRef) {
	r.refuse(misconfiguredColumn, ref.Location, "column "+lastName(ref.Fields)+" is of type pgseal.sealed, but the policy does not name it",
		"Its values are sealed, so they cannot be searched or computed on.", "Select the column as it is, or add it to the policy.")
}

// form is how a sealed value is written in the place of the client's.
type form struct {
	// cast: it carries its type, since nothing around it tells Postgres what it is.
	cast bool
	// as is the type that Postgres gives the client's value where it has none of its
	// own, zero for the column's; place where it says that such a one does not fit.
	as    uint32
	place int32
	// cut: a cast cuts what is too long.
	cut bool
	// via is the type that it is cast to, nil for none.
	via *policy.Type
	// atRun: it is text to Postgres, which reads it as the column's type when the
	// statement runs: errors have no place in the text then.
	atRun bool
	// array: it is a parameter for an array whose elements are sealed one by one.
	array bool
}

// assignSealed seals what is stored into a sealed column: a parameter or a
// literal, either cast to the column's own type; or NULL or DEFAULT.
func (r *resolver) assignSealed(n *pg.Node, c *policy.Column, org orgFinder, f form) {
	bare, whole := n, span{-1, -1}
	if tc := n.GetTypeCast(); tc != nil && sealable(tc.Arg) {
		var ok bool
		if f.via, ok = r.castOf(tc, c, f); !ok {
			return
		}
		bare = tc.Arg
		cast, _ := castType(tc.TypeName)
		f.cut = cuts(cast)
		if whole, ok = r.castSpan(tc); !ok {
			r.refuseForm(c, locationOf(tc.Arg, tc.Location))
			return
		}
	}
	if number, at, ok := r.plusNumber(bare); ok {
		bare, whole = number, at
	}
	switch v := bare.GetNode().(type) {
	case *pg.Node_SetToDefault:
		return
	case *pg.Node_ParamRef:
		if v.ParamRef.Number < 1 || v.ParamRef.Number > 65535 { // Bind can't carry it
			r.refuseForm(c, v.ParamRef.Location)
			return
		}
		ref, ok := r.orgFor(org, c, v.ParamRef.Location)
		if !ok {
			return
		}
		r.seal(v.ParamRef, c, ref, f)
		if whole.start < 0 && f.cast {
			if whole, ok = r.tokenSpan(v.ParamRef.Location); !ok {
				r.refuseForm(c, v.ParamRef.Location)
				return
			}
		}
		if whole.start >= 0 {
			r.st.Edits = append(r.st.Edits, Edit{whole.start, whole.end, "$" + itoa(v.ParamRef.Number) + "::pgseal.sealed"})
		}
	case *pg.Node_AConst:
		if v.AConst.Isnull {
			if whole.start < 0 && f.cast {
				whole, _ = r.constantSpan(v.AConst.Location)
			}
			if whole.end > 0 {
				r.st.Edits = append(r.st.Edits, Edit{whole.start, whole.end, "NULL::pgseal.sealed"})
			}
			return
		}
		r.assignLiteral(v.AConst, c, org, whole, f)
	default:
		r.refuseNotAValue(c, n)
	}
}

func (r *resolver) refuseNotAValue(c *policy.Column, n *pg.Node) {
	r.refuseColumn(notAValue, locationOf(n, -1), c, "can be assigned only a parameter, a literal, NULL or DEFAULT",
		"pgseal seals values that it sees; the result of an expression it does not see.",
		"Compute the value in the application and give it as a parameter.")
}

// castOf is the type that a value is cast to on its way into a column; not ok when that
// is refused.
func (r *resolver) castOf(tc *pg.TypeCast, c *policy.Column, f form) (via *policy.Type, ok bool) {
	t := r.storedType(c)
	cast, known := castType(tc.TypeName)
	if known && !r.checkScale(tc.TypeName, cast) {
		return nil, false
	}
	fits, seen := known && castFits(cast, t), !r.env.Raw && !f.cast && f.as == 0
	declared := uint32(0) // of a constant that is no string
	if a := tc.Arg.GetAConst(); a != nil && !a.Isnull {
		text, kind := constantText(a)
		declared = kind.oid(text)
	}
	switch {
	case r.env.Raw && isSealedType(tc.TypeName), fits && !seen:
		return nil, true
	case fits && len(cast.Mods) == 0 && declared == 0:
		return &cast, true
	case !known || !seen:
		r.refuseColumn(otherType, locationOf(tc.Arg, tc.Location), c, "is assigned a value cast to another type",
			"Its type is "+t.String()+".", "Leave the cast away, or cast to "+t.String()+".")
		return nil, false
	}
	if err := pgtypes.CastAssignable(declared, cast, t, c.Name, r.serverMajor()); err != nil {
		if r.refusal == nil {
			r.refusal = r.placed(err, c, locationOf(tc.Arg, tc.Location))
			if r.refusal.Code == "42846" && tc.Location >= 0 {
				r.refusal.Position = r.positions.at(tc.Location)
			}
		}
		return nil, false
	}
	return &cast, true
}

// sealable tells whether a cast's argument is a value that can be seen.
func sealable(n *pg.Node) bool { return n.GetAConst() != nil || n.GetParamRef() != nil }

func (r *resolver) refuseForm(c *policy.Column, location int32) {
	r.refuseColumn(literalForm, location, c, "is assigned a value in a form that pgseal does not take",
		"Where the literal ends is not sure.", "Give the value as a parameter, or as a literal in single quotes.")
}

func (r *resolver) assignLiteral(a *pg.A_Const, c *policy.Column, org orgFinder, whole span, f form) {
	text, kind := constantText(a)
	if kind == otherConstant {
		r.refuseForm(c, a.Location)
		return
	}
	via := f.via
	if via != nil && kind == unknownConstant && len(via.Mods) == 0 && castFits(*via, c.Type) {
		via = nil // what it is to the column already
	}
	if t := r.storedType(c); via == nil && !kind.assignable(t) {
		if r.refusal == nil {
			r.refusal = &pgerr.Error{
				Code:     "42804",
				Message:  "column \"" + c.Name + "\" is of type " + policy.Type{Kind: t.Kind, Array: t.Array}.String() + " but expression is of type " + kind.String(),
				Hint:     "You will need to rewrite or cast the expression.",
				Position: r.positions.at(a.Location),
				Schema:   c.Table.Schema, Table: c.Table.Name, Column: c.Name,
			}
		}
		return
	}
	oid, read := kind.oid(text), false
	if oid == 0 && whole.start < 0 { // a cast makes it the column's
		// Postgres reads a string as another type than text at once, and converts it at run.
		oid, read = f.as, f.as != 0 && f.as != oidText
	}
	if whole.start < 0 {
		var ok bool
		if whole, ok = r.constantSpan(a.Location); !ok {
			r.refuseForm(c, a.Location)
			return
		}
	}
	ref, ok := r.orgFor(org, c, a.Location)
	if !ok {
		return
	}
	r.st.Literals = append(r.st.Literals, Literal{Start: whole.start, End: whole.end, At: int(a.Location), Value: text, TypeOID: oid, Declared: read, Via: via, Column: c, Org: ref, Cast: f.cast, Cut: f.cut, AtRun: f.atRun})
}
