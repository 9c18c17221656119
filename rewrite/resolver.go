package rewrite

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/policy"
)

// resolver plans one statement. Its methods go on after a refusal, which is
// kept; the statement's other results don't count then.
type resolver struct {
	rewriter  *Rewriter
	snapshot  *catalog.Snapshot
	env       Env
	text      string
	tokens    []*pg.ScanToken // of the whole text
	positions *positions      // in the whole text
	st        *Statement
	before    *earlier
	refusal   *pgerr.Error

	needsPath, needsFresh bool

	touches    bool // a sealed relation is named
	ddl        bool
	defines    bool            // it defines something by names alone, so an older catalog does
	calls      bool            // it calls a function, which may do anything
	inView     bool            // the text is a view's definition
	qualifies  bool            // and its relations are to be named with their schema
	viewsAbove map[uint32]bool // the views that are being resolved, to notice a cycle

	computes bool // outputs may be computed after opening
	writes   bool // it writes rows

	params map[int]*sealedParam
	reads  catalogReads
	shows  bool              // it makes a view that shows sealed columns, or an org
	made   *catalog.Relation // what a statement makes of a table with sealed columns, nil when that is not known

	wants     map[any]map[int]want   // by the rowList's node and column; see seen.go
	wantsMore bool                   // there is one that the statement was not resolved with
	computed  map[int]*computedParam // parameters that are arguments of what is computed
}

// sealedParam is a parameter that is sealed, and where.
type sealedParam struct {
	Param
	locations map[int32]bool
}

// resolve resolves the statement, and once more where it was found that values are to
// be sealed which a query hands on: see seen.go.
func (r *resolver) resolve(n *pg.Node) {
	first, st := *r, *r.st
	for {
		r.statement(n)
		if !r.wantsMore {
			return
		}
		wants := r.wants
		*r, *r.st = first, st
		r.wants = wants
	}
}

func (r *resolver) needCatalog() {
	if !r.env.CatalogIsFresh {
		r.needsFresh = true
	}
}

// seal marks a parameter as sealed.
func (r *resolver) seal(ref *pg.ParamRef, c *policy.Column, org OrgRef, f form) {
	n := int(ref.Number)
	if r.params == nil {
		r.params = make(map[int]*sealedParam)
	}
	p := r.params[n]
	if p == nil {
		p = &sealedParam{Param: Param{Number: n, Position: r.positions.at(ref.Location), Column: c, Org: org, TypeOID: f.as, Via: f.via, Cut: f.cut, Array: f.array, ByText: f.array && f.atRun}}
		if f.via != nil && !castFits(*f.via, c.Type) {
			p.TypeOID = f.via.OID()
		}
		if f.as != 0 || f.array {
			p.Position = r.positions.at(f.place)
		}
		r.params[n] = p
	}
	if p.Column != c || p.Org != org || p.Cut != f.cut || p.Array != f.array || !sameCast(p.Via, f.via, c.Type) {
		r.refuseShared(c, ref)
	}
	if p.locations == nil {
		p.locations = make(map[int32]bool)
	}
	p.locations[ref.Location] = true
}

// sameCast tells whether a parameter that is cast so in one place and so in another has
// one meaning as a value of a type.
func sameCast(a, b *policy.Type, t policy.Type) bool {
	if (a == nil || castFits(*a, t)) && (b == nil || castFits(*b, t)) {
		return true
	}
	return a != nil && b != nil && sameType(*a, *b)
}

func (r *resolver) refuseShared(c *policy.Column, ref *pg.ParamRef) {
	r.refuseColumn(sharedParameter, ref.Location, c, "shares its parameter with another place",
		"The parameter's value is sealed for this column and org, so it can't stand anywhere else in the statement.",
		"Give the value as a second parameter there.")
}

// finish completes the statement once it was walked.
func (r *resolver) finish() {
	if r.refusal != nil {
		return
	}
	st := r.st
	st.Writes = r.writes
	r.checkParams()
	if !r.env.Raw {
		r.showTypes(r.rewriter.logicalTypes)
	}
	st.Raw = st.Raw || r.env.Raw && (len(r.params)+len(st.Literals) > 0 || st.Copy != nil)
	if len(r.params) > 0 {
		for _, p := range r.params {
			st.Params = append(st.Params, p.Param)
		}
		slices.SortFunc(st.Params, func(a, b Param) int { return cmp.Compare(a.Number, b.Number) })
	}
	for _, p := range r.computed {
		st.StepParams = append(st.StepParams, p.StepParam)
	}
	slices.SortFunc(st.StepParams, func(a, b StepParam) int { return cmp.Compare(a.Number, b.Number) })
	slices.SortStableFunc(st.Edits, func(a, b Edit) int { return cmp.Compare(a.Start, b.Start) })
	slices.SortStableFunc(st.Orgs, func(a, b OrgPlace) int { return cmp.Compare(a.At, b.At) })
	slices.SortFunc(st.Literals, func(a, b Literal) int { return cmp.Compare(a.Start, b.Start) })
}

// ownTokens are the statement's tokens, of those of the whole text.
func (r *resolver) ownTokens() []*pg.ScanToken {
	at := func(offset int) int {
		i, _ := slices.BinarySearchFunc(r.tokens, int32(offset), func(t *pg.ScanToken, at int32) int { return cmp.Compare(t.Start, at) })
		return i
	}
	return r.tokens[at(r.st.Start):at(r.st.End)]
}

// checkParams refuses a parameter that also stands where it is not sealed. It
// goes by the statement's tokens, so it does not depend on what was walked.
func (r *resolver) checkParams() {
	for _, t := range r.ownTokens() {
		if r.newNumber(t) {
			r.refuse(literalForm, t.Start, "a number is written in a form that Postgres reads otherwise before version 16", "", "Write it in decimal digits alone.")
		}
		if t.Token != pg.Token_PARAM {
			continue
		}
		n, ok := paramNumber(r.text[t.Start:t.End])
		if !ok {
			continue
		}
		r.st.NumParams = max(r.st.NumParams, n)
		if p := r.params[n]; p != nil && !p.locations[t.Start] {
			r.refuseShared(p.Column, &pg.ParamRef{Number: int32(n), Location: t.Start})
		}
		if p := r.computed[n]; p != nil && !slices.Contains(p.locations, t.Start) {
			r.refuse(sharedParameter, t.Start, "parameter $"+strconv.Itoa(n)+" also stands in what is computed of a sealed column",
				"What is computed there is computed by pgseal, so the parameter's value does not reach the server.", "Give the value as a second parameter here.")
		}
	}
}

// newNumber tells whether a number in the statement is written as no server before 16
// reads it: 0x1F, 1_000.
func (r *resolver) newNumber(t *pg.ScanToken) bool {
	if r.env.NewNumbers || t.Token != pg.Token_ICONST && t.Token != pg.Token_FCONST || len(r.params)+len(r.st.Literals) == 0 {
		return false
	}
	return int(t.Start) >= r.st.Start && int(t.End) <= r.st.End && strings.ContainsAny(r.text[t.Start:t.End], "_xXoObB")
}

func paramNumber(s string) (int, bool) {
	n := 0
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' || n > 1<<20 {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return n, n > 0
}

// outputs sets the statement's result columns.
func (r *resolver) outputs(res result) {
	r.st.NumOutputs = len(res.fields)
	if res.open {
		r.st.NumOutputs = -1
		if f := res.sealed(); f != nil {
			r.refuseColumn(unknownColumns, f.location, f.column, "is selected beside columns that pgseal cannot count",
				"A * stands for the columns of a function or relation that pgseal does not know.",
				"Name the columns instead of *.")
		}
		return
	}
	for i := range res.fields {
		f := &res.fields[i]
		switch {
		case f.column == nil:
			continue
		case f.misconfigured:
			r.refuseMisconfigured(f.column, f.location)
		case f.otherType:
			r.refuseColumn(notComputable, f.location, f.column, "is stored from a value that is returned too, as another type",
				"It would be handed out as the column's type.", "Cast the value to "+f.column.Type.String()+" where it is written.")
		case f.doubtful:
			r.refuseColumn(ambiguousName, f.location, f.column, "may not be what the name stands for",
				"Columns that pgseal does not know are nearer, and may have the same name.", "Qualify the column with its table's name or alias.")
		}
		if r.env.Raw {
			continue
		}
		o := Output{Index: i, Column: f.column, Type: f.logicalType(), NoModifier: f.array || f.unmodified, Array: f.array, Steps: f.steps, Org: outputOrg(res.fields, f.origin)}
		if len(f.steps) > 0 {
			o.Program = r.program(f)
		}
		r.st.Outputs = append(r.st.Outputs, o)
	}
}

// outputOrg tells where the org of a row of a result is known from.
func outputOrg(fields []field, o *origin) OrgRef {
	if o == nil {
		return OrgRef{}
	}
	if knownOrgType(o.typeOID) {
		for i := range fields {
			if slices.Contains(fields[i].orgOf, o) {
				return OrgRef{Kind: OrgField, Field: i, TypeOID: o.typeOID}
			}
		}
	}
	return o.org
}
