package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/policy"
)

// columnDef resolves a column's declaration. One of the policy's must have the
// policy's type, which is replaced, and nothing that computes on its values.
func (r *resolver) columnDef(d *pg.ColumnDef, t *policy.Table, sc *scope) {
	var c *policy.Column
	if t != nil {
		c = t.Column(d.Colname)
	}
	for _, n := range d.Constraints {
		r.columnConstraint(n.GetConstraint(), c, d, sc)
	}
	r.expr(d.RawDefault, sc, inDefault)
	r.touches = r.touches || isSealedType(d.TypeName)
	if c == nil {
		if t != nil && t.Org.Kind == policy.OrgFromColumn && t.Org.Value == d.Colname {
			r.checkOrgType(d, t)
		}
		return
	}
	r.dropCollation(d.CollClause)
	if d.RawDefault != nil && !isNull(d.RawDefault) {
		r.refuseDefault(c, d.Location)
	}
	if d.TypeName != nil { // nil for a partition's column options
		r.sealType(d.TypeName, c, d.StorageName != "")
	}
}

// dropCollation takes a COLLATE clause away: bytea has none, and nothing compares
// sealed values.
func (r *resolver) dropCollation(k *pg.CollateClause) {
	if k == nil {
		return
	}
	first := r.tokenAt(k.Location)
	if first < 0 || r.tokens[first].Token != pg.Token_COLLATE {
		return
	}
	last := first
	for i := range k.Collname {
		if i > 0 {
			last, _ = r.next(last)
		}
		last, _ = r.next(last)
	}
	if last < len(r.tokens) {
		r.drop(first, last)
	}
}

// drop takes tokens out of the text, and the space before them.
func (r *resolver) drop(first, last int) {
	r.st.Edits = append(r.st.Edits, Edit{Start: int(r.tokens[first-1].End), End: int(r.tokens[last].End)})
}

// dropDefault takes DEFAULT NULL away, which says nothing: the server would keep it
// as one of the stored type's.
func (r *resolver) dropDefault(k *pg.Constraint) {
	first := r.tokenAt(k.Location)
	at, ok := r.nullSpan(k.RawExpr)
	if !ok || first < 0 || r.tokens[first].Token != pg.Token_DEFAULT {
		return
	}
	r.st.Edits = append(r.st.Edits, Edit{Start: int(r.tokens[first-1].End), End: at.end})
}

// nullSpan is the range of a NULL that may be cast.
func (r *resolver) nullSpan(n *pg.Node) (span, bool) {
	if tc := n.GetTypeCast(); tc != nil {
		return r.castSpan(tc)
	}
	first, last, ok := r.constantTokens(n.GetAConst().GetLocation())
	if !ok {
		return span{}, false
	}
	first, last = r.brackets(first, last, len(r.tokens))
	return r.between(first, last), true
}

// checkOrgType notices an org column of a type that no org can be read from.
func (r *resolver) checkOrgType(d *pg.ColumnDef, t *policy.Table) {
	if typ, ok := typeOf(d.TypeName); d.TypeName != nil && ok && !knownOrgType(typ.OID()) {
		r.refuse(ddlType, d.Location, "org column "+t.QualifiedName()+"."+d.Colname+" is of a type that pgseal cannot read an org from", "",
			"Make it text, character varying, smallint, integer, bigint or uuid.")
	}
}

// sealType replaces a declared type by pgseal.sealed. Sealed values do not compress:
// from version 16 on, where a column's declaration can say so, the server is told not to
// try.
func (r *resolver) sealType(name *pg.TypeName, c *policy.Column, stored bool) {
	if isSealedType(name) {
		return
	}
	declared, ok := typeOf(name)
	if ok && !r.checkScale(name, declared) {
		return
	}
	if !ok || !declaredAs(declared, c.Type) {
		r.refuseColumn(ddlType, name.Location, c, "is declared as "+r.typeText(name)+", not as the policy's "+c.Type.String(),
			"pgseal replaces the policy's type by the one that sealed values are stored as.", "Declare it as "+c.Type.String()+", or change the policy.")
		return
	}
	first := r.tokenAt(name.Location)
	if first < 0 {
		r.refuseForm(c, name.Location)
		return
	}
	last, ok := r.typeTokens(first)
	if !ok {
		r.refuseForm(c, name.Location)
		return
	}
	at := r.between(first, last)
	r.st.Edits = append(r.st.Edits, Edit{Start: at.start, End: at.end, Text: r.sealedType(stored)})
}

// typeText is a type's name as it is written.
func (r *resolver) typeText(name *pg.TypeName) string {
	first := r.tokenAt(name.Location)
	if first < 0 {
		return "another type"
	}
	last, ok := r.typeTokens(first)
	if !ok {
		last = first
	}
	at := r.between(first, last)
	return r.text[at.start:at.end]
}

func (r *resolver) sealedType(stored bool) string {
	if stored || r.snapshot.ServerVersion < 160000 {
		return "pgseal.sealed"
	}
	return "pgseal.sealed STORAGE EXTERNAL"
}

// storeApart tells the server the same of a column that ALTER TABLE adds, before version
// 16: by one more command of the statement, which is done behind the addition
// (AT_PASS_MISC).
func (r *resolver) storeApart(d *pg.ColumnDef) {
	first := r.tokenAt(d.Location)
	if first < 0 || r.snapshot.ServerVersion == 0 || r.snapshot.ServerVersion >= 160000 {
		return
	}
	last, depth := first, 0
	for i, t := first, r.tokens[first].Token; i < len(r.tokens); i, t = r.next(i) {
		switch {
		case t == pg.Token_ASCII_40 || t == pg.Token_ASCII_91:
			depth++
		case t == pg.Token_ASCII_41 || t == pg.Token_ASCII_93:
			depth--
		case depth == 0 && (t == pg.Token_ASCII_44 || t == pg.Token_ASCII_59):
			i = len(r.tokens)
		}
		if i < len(r.tokens) {
			last = i
		}
	}
	at := int(r.tokens[last].End)
	r.st.Edits = append(r.st.Edits, Edit{Start: at, End: at, Text: ", ALTER COLUMN " + outputAlias(d.Colname) + " SET STORAGE EXTERNAL"})
}

func isNull(n *pg.Node) bool {
	if tc := n.GetTypeCast(); tc != nil {
		n = tc.Arg
	}
	return n.GetAConst().GetIsnull()
}

func (r *resolver) refuseDefault(c *policy.Column, location int32) {
	r.refuseColumn(ddlConstraint, location, c, "cannot have a default other than NULL",
		"The server would store it in plain.", "Give the value in each INSERT.")
}
