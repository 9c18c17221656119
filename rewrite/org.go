package rewrite

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/policy"
)

// orgFinder tells the org of the row that a value is stored in, and refuses when
// the statement does not. The location is that of the value.
type orgFinder func(c *policy.Column, location int32) (OrgRef, bool)

// OIDs of the types that an org column can have (pg_type.dat): those whose text
// is the same however a value was written.
const (
	oidInt8    = 20
	oidInt2    = 21
	oidInt4    = 23
	oidText    = 25
	oidVarchar = 1043
	oidUUID    = 2950
	oidUnknown = 705
)

func knownOrgType(oid uint32) bool {
	switch oid {
	case oidInt2, oidInt4, oidInt8, oidText, oidVarchar, oidUUID:
		return true
	}
	return false
}

// orgOf gives the org that an expression stands for: a literal or parameter,
// either cast to the org column's own type or to one whose text is the same.
func orgOf(n *pg.Node, typeOID uint32) (OrgRef, bool) {
	if !knownOrgType(typeOID) {
		return OrgRef{}, false
	}
	if tc := n.GetTypeCast(); tc != nil {
		t, ok := typeOf(tc.TypeName)
		if !ok || !castKeeps(&t, typeOID) {
			return OrgRef{}, false
		}
		n, typeOID = tc.Arg, t.OID()
	}
	if p := n.GetParamRef(); p != nil && p.Number >= 1 && p.Number <= 65535 {
		return OrgRef{Kind: OrgParam, Param: int(p.Number), TypeOID: typeOID}, true
	}
	a := n.GetAConst()
	if a == nil || a.Isnull {
		return OrgRef{}, false
	}
	text, kind := constantText(a)
	org, ok := canonicalOrg(text.Reveal(), kind, typeOID)
	return OrgRef{Kind: OrgValue, Value: org}, ok && org != ""
}

// canonicalOrg is the text that Postgres gives the org column's value back as.
func canonicalOrg(text string, kind constantKind, typeOID uint32) (string, bool) {
	if kind != unknownConstant && kind != integerConstant {
		return "", false
	}
	switch typeOID {
	case oidText, oidVarchar:
		if kind == integerConstant { // 007 is 7
			n, err := strconv.ParseInt(text, 10, 64)
			return strconv.FormatInt(n, 10), err == nil
		}
		return text, true
	case oidInt2, oidInt4, oidInt8:
		bits := map[uint32]int{oidInt2: 16, oidInt4: 32, oidInt8: 64}[typeOID]
		n, err := strconv.ParseInt(strings.Trim(text, " \t\n\v\f\r"), 10, bits)
		return strconv.FormatInt(n, 10), err == nil
	case oidUUID:
		digits := strings.ToLower(strings.ReplaceAll(text, "-", ""))
		if len(digits) != 32 || kind != unknownConstant {
			return "", false
		}
		if _, err := hex.DecodeString(digits); err != nil {
			return "", false
		}
		return strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-"), true
	}
	return "", false
}

// orgEqualities notes, for each row whose org a WHERE clause demands, which it
// is: org = value or value = org, joined by AND with the rest.
func (r *resolver) orgEqualities(n *pg.Node, sc *scope) {
	if b := n.GetBoolExpr(); b != nil && b.Boolop == pg.BoolExprType_AND_EXPR {
		for _, arg := range b.Args {
			r.orgEqualities(arg, sc)
		}
		return
	}
	left, right, ok := equality(n)
	if !ok {
		return
	}
	if left.GetColumnRef() != nil && right.GetColumnRef() != nil {
		r.sameOrgs(left.GetColumnRef(), right.GetColumnRef(), sc)
		return
	}
	column, other := left, right
	if column.GetColumnRef() == nil {
		column, other = other, column
	}
	ref := column.GetColumnRef()
	if ref == nil || other.GetAConst() == nil && other.GetParamRef() == nil && other.GetTypeCast() == nil {
		return
	}
	for _, o := range r.sameLevel(ref, sc).orgOf {
		if org, ok := orgOf(other, o.typeOID); ok && o.org.Kind == OrgUnknown {
			o.org = org
		}
	}
}

// equality takes left = right apart.
func equality(n *pg.Node) (left, right *pg.Node, ok bool) {
	e := n.GetAExpr()
	if e == nil || e.Kind != pg.A_Expr_Kind_AEXPR_OP || len(e.Name) != 1 || e.Name[0].GetString_().GetSval() != "=" {
		return nil, nil, false
	}
	return e.Lexpr, e.Rexpr, true
}

// sameOrgs notes that rows of this query have the same org as others: of this query,
// or of one that it stands in, whose row is the same for all of this query's.
func (r *resolver) sameOrgs(left, right *pg.ColumnRef, sc *scope) {
	peek := func(ref *pg.ColumnRef) value {
		refusal, fresh := r.refusal, r.needsFresh
		v := r.column(ref, sc)
		r.refusal, r.needsFresh = refusal, fresh
		return v
	}
	for _, side := range [][2]*pg.ColumnRef{{left, right}, {right, left}} {
		other := peek(side[1])
		if other.doubtful { // a column nearer by, that is not known, may be meant
			continue
		}
		for _, o := range r.sameLevel(side[0], sc).orgOf {
			o.sameAs = append(o.sameAs, other.orgOf...)
		}
	}
}

// sameOrg tells whether two rows have the same org.
func sameOrg(a, b *origin) bool {
	if a.typeOID != b.typeOID {
		return false
	}
	return a == b || slices.Contains(a.sameAs, b) || slices.Contains(b.sameAs, a) || a.org.Kind != OrgUnknown && a.org == b.org
}

// sameLevel resolves a reference to a row of this very query. An outer query's
// rows are not bound by what a subquery's WHERE demands: it may stand under NOT.
func (r *resolver) sameLevel(ref *pg.ColumnRef, sc *scope) value {
	refusal, fresh := r.refusal, r.needsFresh
	v := r.column(ref, &scope{items: sc.items, ctes: sc.ctes})
	r.refusal, r.needsFresh = refusal, fresh // the clause itself was walked already
	return v
}

// fixedOrg gives the org of a table whose rows don't tell it.
func fixedOrg(t *policy.Table) (OrgRef, bool) {
	switch t.Org.Kind {
	case policy.OrgFixed:
		return OrgRef{Kind: OrgValue, Value: t.Org.Value}, true
	case policy.OrgFromSetting:
		return OrgRef{Kind: OrgSetting, Value: t.Org.Value}, true
	}
	return OrgRef{}, false
}

// orgColumn is the relation's org column, nil when its org comes from elsewhere
// or the relation lacks it.
func orgColumn(rel *catalog.Relation) *catalog.Column {
	if rel == nil {
		return nil
	}
	return rel.OrgColumn
}

// orgOrRefuse reads the org from the value that is stored into, or compared
// with, the org column.
func (r *resolver) orgOrRefuse(n *pg.Node, column *catalog.Column, c *policy.Column) (OrgRef, bool) {
	org, ok := orgOf(n, column.TypeOID)
	if ok {
		return org, true
	}
	if !knownOrgType(column.TypeOID) {
		r.refuseOrgType(column, c, locationOf(n, -1))
		return OrgRef{}, false
	}
	r.refuseColumn(orgForm, locationOf(n, -1), c, "is written for an org that pgseal cannot tell",
		"The org column "+column.Name+" is given an expression or NULL, or a literal that is not of its type.",
		"Give "+column.Name+" as a parameter or literal.")
	return OrgRef{}, false
}

func (r *resolver) refuseOrgType(column *catalog.Column, c *policy.Column, location int32) {
	r.refuseColumn(orgForm, location, c, "is written for an org that pgseal cannot tell",
		"The org column "+column.Name+" is of a type that pgseal cannot read an org from.",
		"Make it text, character varying, smallint, integer, bigint or uuid.")
}

func (r *resolver) refuseNoOrg(c *policy.Column, location int32, detail, hint string) {
	if r.refusal == nil {
		r.refusal = errNoOrg(c, r.positions.at(location), detail, hint)
	}
}

func errNoOrg(c *policy.Column, position int, detail, hint string) *pgerr.Error {
	return &pgerr.Error{
		Code: pgerr.FeatureNotSupported, Message: "sealed column " + c.QualifiedName() + " is written, but the statement does not tell the row's org",
		Detail: detail, Hint: hint, Anchor: string(orgMissing), Position: position,
		Schema: c.Table.Schema, Table: c.Table.Name, Column: c.Name,
	}
}
