package rewrite

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/secret"
	"github.com/pgseal/pgseal/policy"
)

// Execute is an EXECUTE of SQL. What it does depends on what its name stands for in
// the session, which Bind is told.
type Execute struct {
	Name string

	args        []argument
	list        span     // the arguments with their brackets; {-1, -1} when where they lie is not sure
	explained   bool     // it stands within EXPLAIN
	simple      bool     // it came in a simple Query
	stores      string   // what makes a table of its rows; empty when nothing does
	rawDoubtful bool     // an earlier statement of the text may change raw mode
	before      *earlier // what earlier statements of the text may have changed; nil: nothing
}

// argument is an argument of EXECUTE.
type argument struct {
	kind     argumentKind
	at       span  // with a cast around it
	valueAt  int   // where the literal itself begins
	position int   // for errors, in characters from 1
	number   int32 // of a parameter

	value    secret.Text // of a literal, in text form
	constant constantKind
	cast     *policy.Type // that a literal or NULL is cast to, nil without a cast
}

type argumentKind uint8

const (
	argOther   argumentKind = iota // an expression, or a literal whose form is not taken
	argLiteral                     // a literal
	argNull                        // NULL
	argParam                       // $n of the message: EXECUTE has none (EvaluateParams)
)

// execute reads the arguments of EXECUTE.
func (r *resolver) execute(s *pg.ExecuteStmt, behindAS bool) {
	e := &Execute{Name: s.Name, simple: !r.env.Extended, before: r.before.kept(), rawDoubtful: r.before.changesRaw(r.env)}
	r.st.Execute, r.st.NumOutputs, r.st.NoParams = e, -1, true
	r.exprs(s.Params, &scope{}, inExpression)
	for _, n := range s.Params {
		e.args = append(e.args, r.argument(n))
	}
	e.list = r.argumentList(behindAS)
}

func (r *resolver) argument(n *pg.Node) argument {
	location := locationOf(n, -1)
	a := argument{position: r.positions.at(location)}
	bare := n
	tc := n.GetTypeCast()
	if tc != nil {
		bare = tc.Arg
	}
	if ref := bare.GetParamRef(); ref != nil {
		a.kind, a.number = argParam, ref.Number
		return a
	}
	c := bare.GetAConst()
	if c == nil {
		return a
	}
	a.valueAt = int(c.Location)
	var ok bool
	if tc != nil {
		cast, known := typeOf(tc.TypeName)
		if !known {
			return a
		}
		a.cast = &cast
		a.at, ok = r.castSpan(tc)
	} else {
		a.at, ok = r.constantSpan(c.Location)
	}
	switch {
	case !ok:
	case c.Isnull:
		a.kind = argNull
	default:
		if a.value, a.constant = constantText(c); a.constant != otherConstant {
			a.kind = argLiteral
		}
	}
	return a
}

// argumentList finds the brackets around the arguments by the statement's tokens:
// EXECUTE, a name, the brackets. EXPLAIN's options, which come first, stand in
// brackets themselves; in CREATE TABLE AS the EXECUTE follows an AS.
func (r *resolver) argumentList(behindAS bool) span {
	depth, before := 0, pg.Token_NUL
	first := sort.Search(len(r.tokens), func(i int) bool { return int(r.tokens[i].Start) >= r.st.Start })
	for i := first; i < len(r.tokens); i++ {
		t := r.tokens[i]
		if t.Token == pg.Token_SQL_COMMENT || t.Token == pg.Token_C_COMMENT {
			continue
		}
		switch t.Token {
		case pg.Token_ASCII_40:
			depth++
		case pg.Token_ASCII_41:
			depth--
		case pg.Token_EXECUTE:
			if depth == 0 && (!behindAS || before == pg.Token_AS) {
				return r.listBehind(i)
			}
		}
		before = t.Token
	}
	return span{-1, -1}
}

// listBehind gives the brackets that follow an EXECUTE and its name, or the place
// where they would.
func (r *resolver) listBehind(execute int) span {
	name, _ := r.next(execute)
	if uescape, t := r.next(name); t == pg.Token_UESCAPE {
		name, _ = r.next(uescape)
	}
	open, t := r.next(name)
	if t != pg.Token_ASCII_40 && name < len(r.tokens) {
		end := int(r.tokens[name].End)
		return span{end, end}
	}
	depth := 0
	for i := open; t == pg.Token_ASCII_40 && i < len(r.tokens); i++ {
		switch r.tokens[i].Token {
		case pg.Token_ASCII_40:
			depth++
		case pg.Token_ASCII_41:
			if depth--; depth == 0 {
				return r.between(open, i)
			}
		}
	}
	return span{-1, -1}
}

// Prepared is what the name of an EXECUTE stands for in the session.
type Prepared struct {
	Statement *Statement
	Declared  []uint32 // the types that the client declared for parameters, zero for none
	Sealed    bool     // what it means may come to touch something sealed
}

func (p *Prepared) declared(number int) uint32 {
	if number <= len(p.Declared) {
		return p.Declared[number-1]
	}
	return 0
}

// Bind gives the statement that an EXECUTE is: the arguments for sealed parameters
// are its literals, its outputs those of the prepared statement. Ran tells that
// another statement which called functions was executed before it in the same text.
// A prepared statement that is not known (nil) is executed without arguments: the
// server does not know it either, and shall not see what was meant for it.
func (e *Execute) Bind(st *Statement, p *Prepared, ran bool) Statement {
	b := binding{Execute: e, st: *st, prepared: p}
	if p == nil {
		b.strip()
	} else {
		b.bind(ran)
	}
	if b.refusal != nil {
		return Statement{Start: st.Start, End: st.End, Refusal: b.refusal}
	}
	return b.st
}

// binding is a Bind under way.
type binding struct {
	*Execute
	st       Statement
	prepared *Prepared
	refusal  *pgerr.Error
}

func (b *binding) refuse(e *pgerr.Error) {
	if b.refusal == nil {
		b.refusal = e
	}
}

// strip takes the arguments out.
func (b *binding) strip() {
	switch {
	case len(b.args) == 0:
	case b.st.NumParams > 0: // the message that brings their values is not to be sent
		b.refuseParam(&argument{number: int32(b.st.NumParams), position: b.args[0].position})
	case b.list.start < 0:
		b.refuse(&pgerr.Error{
			Code: pgerr.FeatureNotSupported, Message: "EXECUTE of a prepared statement that pgseal has not seen being prepared is not supported in this form",
			Hint: "Prepare the statement in this session.", Anchor: string(sqlPrepare),
		})
	default:
		b.st.Edits = []Edit{{b.list.start, b.list.end, ""}}
	}
}

func (b *binding) bind(ran bool) {
	p := b.prepared.Statement
	switch {
	case p.Copy != nil || p.Prepare != nil || p.Execute != nil:
		b.refuse(&pgerr.Error{
			Code: pgerr.FeatureNotSupported, Message: "EXECUTE of a prepared statement that is no query is not supported here",
			Detail: "pgseal does not follow sealed values through it.", Hint: "Bind it through the extended query protocol, or send the statement itself.",
			Anchor: string(sqlPrepare),
		})
		return
	case b.rawDoubtful && b.prepared.Sealed:
		b.refuse(errSetting(RawSetting))
		return
	case b.before != nil && b.prepared.Sealed && (b.before.path && p.UsesPath || b.before.relations || len(b.before.names) > 0 || b.before.sealedDDL):
		b.refuse(&pgerr.Error{
			Code:    pgerr.FeatureNotSupported,
			Message: fmt.Sprintf("an earlier statement of the same text may change what prepared statement %q means", b.Name),
			Detail:  "It names a sealed relation.", Hint: "Send the statements one by one.", Anchor: string(ddlThenUse),
		})
		return
	}
	if i := slices.IndexFunc(p.Literals, func(l Literal) bool { return l.Org.Kind == OrgParam }); i >= 0 {
		c := p.Literals[i].Column
		b.refuse(&pgerr.Error{
			Code: pgerr.FeatureNotSupported, Message: fmt.Sprintf("EXECUTE of prepared statement %q is not supported", b.Name),
			Detail: "It has a literal for sealed column " + c.QualifiedName() + " whose org is a parameter.", Hint: "Bind it through the extended query protocol.",
			Anchor: string(sqlPrepare), Schema: c.Table.Schema, Table: c.Table.Name, Column: c.Name,
		})
		return
	}
	if len(p.Params)+len(p.Orgs) > 0 {
		if n := max(p.NumParams, len(b.prepared.Declared)); len(b.args) != n {
			b.refuse(&pgerr.Error{ // as EvaluateParams says it
				Code: pgerr.SyntaxError, Message: fmt.Sprintf("wrong number of parameters for prepared statement %q", b.Name),
				Detail: fmt.Sprintf("Expected %d parameters but got %d.", n, len(b.args)),
			})
			return
		}
		for i := range p.Params {
			b.seal(&p.Params[i])
		}
	}
	for i := range p.OneOrg {
		b.oneOrg(&p.OneOrg[i])
	}
	if len(p.Orgs) > 0 {
		b.writeOrg(p.Orgs[0].Org)
	}
	b.st.Pure, b.st.NumOutputs, b.st.Raw, b.st.Held = p.Pure, p.NumOutputs, p.Raw, p.Held.elsewhere()
	for _, o := range p.Outputs {
		o.Org = b.outputOrg(o.Org)
		b.st.Outputs = append(b.st.Outputs, o)
	}
	switch {
	case b.stores != "" && len(b.st.Outputs) > 0:
		c := b.st.Outputs[0].Column
		b.refuse(&pgerr.Error{
			Code: pgerr.FeatureNotSupported, Message: "sealed column " + c.QualifiedName() + " cannot be stored by " + b.stores,
			Detail: "A sealed value opens only in its own column and org.", Hint: "Create the table and insert the values through pgseal.",
			Anchor: string(copiedElsewhere), Schema: c.Table.Schema, Table: c.Table.Name, Column: c.Name,
		})
	case b.stores != "":
		b.st.NumOutputs, b.st.Pure = 0, false
	}
	if b.explained {
		b.st.Outputs, b.st.NumOutputs, b.st.Pure = nil, -1, false
	}
	for i := range b.st.Outputs {
		if o := &b.st.Outputs[i]; b.simple && p.Writes && mayFail(o.Steps) {
			b.refuse(refuseFailing(o.Column))
		}
	}
	before := earlier{ran: ran}
	if b.before != nil {
		before = *b.before
		before.ran = ran
	}
	if e := before.refusal(&b.st); e != nil {
		b.refuse(e)
	}
}

// writeOrg adds the argument for the parameter that the session's org is given in.
func (b *binding) writeOrg(org OrgRef) {
	place := OrgPlace{At: b.list.end - 1, Before: ", ", Org: org}
	if len(b.args) == 0 {
		place.At, place.Before, place.After = b.list.end, "(", ")"
	}
	if b.list.start < 0 || len(b.args) > 0 && b.list.end == b.list.start {
		b.refuse(&pgerr.Error{
			Code: pgerr.FeatureNotSupported, Message: fmt.Sprintf("EXECUTE of prepared statement %q is not supported in this form", b.Name),
			Detail: "pgseal adds the session's org to its arguments, and cannot tell where they end.", Hint: "Name the org in the prepared statement.",
			Anchor: string(sqlPrepare),
		})
		return
	}
	b.st.Orgs = []OrgPlace{place}
}

// seal makes the argument of a sealed parameter a literal to seal.
func (b *binding) seal(p *Param) {
	if p.Array {
		b.sealArray(p)
		return
	}
	a, c := &b.args[p.Number-1], p.Column
	of, declared := c.Type, cmp.Or(b.prepared.declared(p.Number), p.TypeOID) // what the argument is coerced to
	typeOID := declared
	if t, ok := policy.TypeOfOID(declared); ok && declared != c.Type.OID() {
		of = t
	} else if declared = 0; a.cast == nil {
		typeOID = a.constant.oid(a.value)
	} else {
		typeOID = 0
	}
	switch {
	case a.kind == argParam:
		b.refuseParam(a)
	case a.kind == argOther:
		b.refuseColumn(sqlPrepare, a, c, "can be given only a literal or NULL as an argument of EXECUTE",
			"pgseal seals values that it sees; the result of an expression it does not see.", "Compute the value in the application.")
	case p.Via != nil && !castFits(*p.Via, c.Type):
		b.refuseColumn(otherType, a, c, "is assigned an argument that the prepared statement casts to another type",
			"Its type is "+c.Type.String()+".", "Prepare the statement without the cast.")
	case a.cast != nil && !castFits(*a.cast, of):
		b.refuseColumn(otherType, a, c, "is assigned a value cast to another type",
			"Its type is "+of.String()+".", "Leave the cast away, or cast to "+of.String()+".")
	case a.kind == argNull:
		if a.cast != nil {
			b.st.Edits = append(b.st.Edits, Edit{a.at.start, a.at.end, "NULL"})
		}
	case a.cast == nil && declared != 0 && !a.constant.sameText(of, a.value):
		b.refuseColumn(otherType, a, c, "is assigned a value that is converted twice",
			"The parameter is declared as "+of.String()+".", "Write the argument as a string, or as it is declared.")
	case a.cast == nil && !a.constant.assignable(of):
		b.refuse(&pgerr.Error{ // as EvaluateParams says it
			Code: "42804", Message: fmt.Sprintf("parameter $%d of type %s cannot be coerced to the expected type %s", p.Number, a.constant, policy.Type{Kind: of.Kind, Array: of.Array}),
			Hint: "You will need to rewrite or cast the expression.", Position: a.position,
		})
	default:
		org, ok := b.org(p)
		if ok {
			b.st.Literals = append(b.st.Literals, Literal{Start: a.at.start, End: a.at.end, At: a.valueAt, Value: a.value, TypeOID: typeOID, Declared: declared != 0, Column: c, Org: org, Cut: p.Cut || a.cast != nil && cuts(*a.cast)})
		}
	}
}

// sealArray makes the argument of a parameter whose elements are sealed a literal.
func (b *binding) sealArray(p *Param) {
	a, c := &b.args[p.Number-1], p.Column
	declared := cmp.Or(b.prepared.declared(p.Number), p.TypeOID)
	switch {
	case a.kind == argParam:
		b.refuseParam(a)
	case a.kind == argNull:
		if a.cast != nil {
			b.st.Edits = append(b.st.Edits, Edit{a.at.start, a.at.end, "NULL"})
		}
	case a.kind != argLiteral || a.constant != unknownConstant || a.cast != nil && a.cast.OID() != declared:
		b.refuseColumn(sqlPrepare, a, c, "can be given only a literal or NULL as an argument of EXECUTE",
			"pgseal seals values that it sees; the result of an expression it does not see.", "Write the array as a literal: '{…}'.")
	case p.Org.Kind == OrgElement:
		b.refuseColumn(orgForm, a, c, "is written for an org that pgseal cannot tell",
			"The orgs are in another argument of EXECUTE.", "Bind the prepared statement itself.")
	default:
		if org, ok := b.org(p); ok {
			b.st.Literals = append(b.st.Literals, Literal{Start: a.at.start, End: a.at.end, At: a.valueAt, Value: a.value, TypeOID: declared, Declared: true, Column: c, Org: org, Array: true, ByText: p.ByText})
		}
	}
}

// refuseParam says what Postgres says (EvaluateParams), but earlier: Postgres says it
// when it runs the EXECUTE, and has been sent the parameter's value by then.
func (b *binding) refuseParam(a *argument) {
	b.refuse(&pgerr.Error{
		Code: "42P02", Message: fmt.Sprintf("there is no parameter $%d", a.number), Position: a.position,
		Hint: "EXECUTE takes no parameters of the extended query protocol: bind the prepared statement itself.",
	})
}

func (b *binding) refuseColumn(a anchor, arg *argument, c *policy.Column, what, detail, hint string) {
	b.refuse(&pgerr.Error{
		Code: pgerr.FeatureNotSupported, Message: "sealed column " + c.QualifiedName() + " " + what, Detail: detail, Hint: hint,
		Anchor: string(a), Position: arg.position, Schema: c.Table.Schema, Table: c.Table.Name, Column: c.Name,
	})
}

// org finds the org of a sealed parameter's value.
func (b *binding) org(p *Param) (OrgRef, bool) {
	if p.Org.Kind != OrgParam {
		return p.Org, true
	}
	if org, ok := b.orgArgument(p.Org); ok {
		return org, true
	}
	at := &b.args[p.Number-1]
	if p.Org.Param <= len(b.args) {
		at = &b.args[p.Org.Param-1]
	}
	b.refuseColumn(orgForm, at, p.Column, "is written for an org that pgseal cannot tell",
		fmt.Sprintf("Argument %d of EXECUTE, the row's org, is an expression or NULL, or a literal that is not of its type.", p.Org.Param),
		"Give the org as a literal.")
	return OrgRef{}, false
}

// oneOrg refuses arguments that are several orgs, where they must be one.
func (b *binding) oneOrg(one *OneOrg) {
	var first OrgRef
	for i, org := range one.Orgs {
		if org.Kind == OrgParam {
			org, _ = b.orgArgument(org)
		}
		if i == 0 {
			first = org
		}
		if org.Kind == OrgUnknown || org != first {
			elsewhere := *one.Refusal
			elsewhere.Position = 0
			b.refuse(&elsewhere)
			return
		}
	}
}

// outputOrg tells what is known of the org of the rows that are returned.
func (b *binding) outputOrg(org OrgRef) OrgRef {
	if org.Kind != OrgParam {
		return org
	}
	known, _ := b.orgArgument(org)
	return known
}

// orgArgument reads an org from the argument that it is given as: a literal, as the
// declared type of its parameter and then as the org column's.
func (b *binding) orgArgument(org OrgRef) (OrgRef, bool) {
	if org.Param > len(b.args) || b.args[org.Param-1].kind != argLiteral {
		return OrgRef{}, false
	}
	a := &b.args[org.Param-1]
	as := b.prepared.declared(org.Param)
	if as == 0 || as == oidUnknown {
		as = org.TypeOID
	}
	if !knownOrgType(as) || a.cast != nil && (a.cast.OID() != as || len(a.cast.Mods) > 0) {
		return OrgRef{}, false
	}
	text, ok := canonicalOrg(a.value.Reveal(), a.constant, as)
	if ok && as != org.TypeOID {
		text, ok = canonicalOrg(text, unknownConstant, org.TypeOID)
	}
	if !ok || text == "" {
		return OrgRef{}, false
	}
	return OrgRef{Kind: OrgValue, Value: text}, true
}
