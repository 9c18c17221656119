package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/policy"
)

// Prepare is the prepared statement that SQL's PREPARE makes.
type Prepare struct {
	Name string
	// Statement is what is run, by EXECUTE or by a Bind. Its edits and literals
	// are the PREPARE's own, and so are the places of its Orgs: where it has any, the
	// session's org is given to each execution in a parameter behind all others.
	Statement Statement
	// Declared are the types that the PREPARE declares for parameters: zero where it
	// leaves one open, OtherType where pgseal does not know it.
	Declared []uint32
	Effects  Effects // of each execution
	// Sealed: the text of the PREPARE names something sealed, so what the statement
	// means may come to touch it.
	Sealed bool
}

// OtherType stands for the OID of a type that pgseal does not know.
const OtherType = ^uint32(0)

// prepare resolves PREPARE.
func (r *resolver) prepare(s *pg.PrepareStmt) {
	r.st.Prepare = &Prepare{Name: s.Name}
	r.computes = true
	r.outputs(r.query(s.Query, &scope{}))
	r.noComputedParams("PREPARE")
	if q := s.Query.GetSelectStmt(); q != nil {
		r.st.Pure = pure(q.ProtoReflect())
	}
	for i, n := range s.Argtypes {
		r.st.Prepare.Declared = append(r.st.Prepare.Declared, r.declare(n.GetTypeName(), r.params[i+1]))
	}
}

// declare reads the declared type of a parameter. One that is sealed is declared as
// pgseal.sealed instead; its value is converted from the declared type first.
func (r *resolver) declare(name *pg.TypeName, p *sealedParam) uint32 {
	oid := uint32(OtherType)
	switch t, ok := typeOf(name); {
	case ok:
		oid = policy.Type{Kind: t.Kind, Array: t.Array}.OID() // modifiers do nothing there
	case isUnknownType(name), isSealedType(name): // the server finds out
		oid = 0
	}
	if p == nil {
		return oid
	}
	if oid == OtherType {
		r.refuseColumn(otherType, name.GetLocation(), p.Column, "is assigned a parameter declared as a type that pgseal does not convert",
			"Its type is "+p.Column.Type.String()+".", "Declare the parameter as "+p.Column.Type.String()+", or as unknown.")
		return oid
	}
	as := "pgseal.sealed"
	if p.Array {
		as = "pgseal.sealed[]"
	}
	r.retype(name, p.Column, as)
	return oid
}

// isUnknownType tells whether a parameter's type is left to the server
// (variable_paramref_hook).
func isUnknownType(t *pg.TypeName) bool {
	return len(t.GetNames()) == 1 && t.Names[0].GetString_().GetSval() == "unknown" && len(t.ArrayBounds) == 0
}

// keepPrepared moves what PREPARE's statement takes and returns to where it is
// looked for when it is run.
func (r *resolver) keepPrepared() {
	p := r.st.Prepare
	if p == nil || r.refusal != nil {
		return
	}
	st := r.st
	if r.env.Raw && len(st.Params) > 0 {
		r.refuse(sqlPrepare, -1, "PREPARE of a statement that writes sealed columns is not supported while "+RawSetting+" is on",
			"", "Prepare it through the extended query protocol.")
		return
	}
	p.Statement = Statement{Params: st.Params, NumParams: st.NumParams, NumOutputs: st.NumOutputs, Outputs: st.Outputs, Pure: st.Pure, Writes: r.writes, UsesPath: st.UsesPath}
	p.Statement.Orgs, p.Statement.Held, p.Statement.OneOrg = st.Orgs, st.Held, st.OneOrg
	st.Params, st.NumParams, st.NumOutputs, st.Outputs, st.Pure, st.OneOrg = nil, 0, 0, nil, false, nil
	p.Statement.NumParams = max(p.Statement.NumParams, len(p.Declared))
	if r.calls {
		p.Effects |= CallsFunctions
	}
	found := scan(r.rewriter, r.text[st.Start:st.End])
	p.Sealed = found.sealed || found.hidden
}
