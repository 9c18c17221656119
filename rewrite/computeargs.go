package rewrite

import (
	"slices"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/pgexpr"
	"github.com/pgseal/pgseal/internal/secret"
	"github.com/pgseal/pgseal/policy"
)

// operand is an argument of a step as it stands in the statement.
type operand struct {
	pgexpr.Arg
	first, last int   // its tokens, with brackets and cast
	cast        bool  // it is cast
	location    int32 // of a parameter
}

// operand reads an argument: a constant or a parameter, as it is or cast.
func (r *resolver) operand(n *pg.Node) (*operand, bool) {
	a := &operand{Arg: pgexpr.Arg{OID: pgexpr.OIDUnknown}}
	value, whole, ok := n, span{}, true
	if tc := n.GetTypeCast(); tc != nil {
		t, known := typeOf(tc.TypeName)
		if !known || len(t.Mods) > 0 || !sealable(tc.Arg) || !slices.Contains(operandTypes, t.OID()) {
			return nil, false
		}
		if whole, ok = r.castSpan(tc); !ok {
			return nil, false
		}
		a.OID, a.cast, value = t.OID(), true, tc.Arg
	}
	switch v := value.GetNode().(type) {
	case *pg.Node_ParamRef:
		if v.ParamRef.Number < 1 || v.ParamRef.Number > 65535 { // Bind can't carry it
			return nil, false
		}
		a.Param, a.location = int(v.ParamRef.Number), v.ParamRef.Location
		if !a.cast {
			whole, ok = r.tokenSpan(v.ParamRef.Location)
		}
	case *pg.Node_AConst:
		if !a.constant(v.AConst) {
			return nil, false
		}
		if !a.cast {
			whole, ok = r.constantSpan(v.AConst.Location)
		}
	case *pg.Node_AArrayExpr:
		if a.cast || !a.textArray(v.AArrayExpr) {
			return nil, false
		}
		whole, ok = r.arraySpan(v.AArrayExpr.Location)
	default:
		return nil, false
	}
	a.first, a.last = r.tokenAt(int32(whole.start)), r.tokenEndingAt(int32(whole.end))
	if !ok || a.first < 0 || a.last < 0 {
		return nil, false
	}
	a.first, a.last = r.brackets(a.first, a.last, len(r.tokens))
	return a, true
}

// operandTypes are the types that an argument can be cast to.
var operandTypes = []uint32{pgexpr.OIDText, pgexpr.OIDVarchar, pgexpr.OIDInt2, pgexpr.OIDInt4, pgexpr.OIDTextArray}

// constant reads a constant: a string, an integer, or NULL.
func (a *operand) constant(c *pg.A_Const) bool {
	text, kind := constantText(c)
	switch {
	case c.Isnull:
		a.Null = true
		return true
	case kind == integerConstant && kind.oid(text) == oidInt4 && !a.cast:
		a.OID, a.Text = pgexpr.OIDInt4, text
		return true
	case kind != unknownConstant && (kind != integerConstant || a.OID == pgexpr.OIDTextArray):
		return false
	}
	a.Text = text
	if a.OID == pgexpr.OIDInt2 || a.OID == pgexpr.OIDInt4 {
		bits := 32
		if a.OID == pgexpr.OIDInt2 {
			bits = 16
		}
		n, err := strconv.ParseInt(strings.TrimSpace(text.Reveal()), 10, bits)
		if err != nil { // Postgres's to refuse
			return false
		}
		a.Text = secret.Text(strconv.FormatInt(n, 10))
	}
	return true
}

// textArray reads ARRAY['a', 'b'], which is a text[].
func (a *operand) textArray(array *pg.A_ArrayExpr) bool {
	if len(array.Elements) == 0 {
		return false
	}
	var b strings.Builder
	for i, n := range array.Elements {
		c := n.GetAConst()
		if c == nil {
			return false
		}
		text, kind := constantText(c)
		b.WriteByte("{,"[min(i, 1)])
		switch {
		case c.Isnull:
			b.WriteString("NULL")
		case kind == unknownConstant:
			b.WriteString(`"` + arrayQuoter.Replace(text.Reveal()) + `"`)
		default:
			return false
		}
	}
	a.OID, a.Text = pgexpr.OIDTextArray, secret.Text(b.String()+"}")
	return true
}

// arrayQuoter quotes an element of an array's text (array_out).
var arrayQuoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// arraySpan is the range of an ARRAY[…] of constants.
func (r *resolver) arraySpan(location int32) (span, bool) {
	first := r.tokenAt(location)
	if first < 0 || r.tokens[first].Token != pg.Token_ARRAY {
		return span{}, false
	}
	last, t := r.next(first)
	for t != pg.Token_ASCII_93 && last < len(r.tokens) {
		last, t = r.next(last)
	}
	if last >= len(r.tokens) {
		return span{}, false
	}
	return r.between(first, last), true
}

// tokenEndingAt finds the token that ends at a place, -1 when none does.
func (r *resolver) tokenEndingAt(end int32) int {
	i, ok := slices.BinarySearchFunc(r.tokens, end, func(t *pg.ScanToken, at int32) int { return int(t.End - at) })
	if !ok {
		return -1
	}
	return i
}

// takes tells whether a step can have the operand as its i-th argument, and notes it
// when it is a parameter.
func (c *computation) takes(a *operand, step *pgexpr.Step, i int) bool {
	arg := step.Args()[i]
	if a.Param == 0 {
		return true
	}
	t, ok := policy.TypeOfOID(arg.OID)
	if a.cast {
		t, ok = policy.TypeOfOID(a.OID)
	}
	c.params = append(c.params, computedParam{
		StepParam: StepParam{Number: a.Param, OID: t.OID(), Fixed: a.cast || !step.Overloaded()}, locations: []int32{a.location}, typ: t.String(),
	})
	return ok
}

// computeWith notes the parameters of an expression. One that is of another type
// elsewhere has no one meaning.
func (r *resolver) computeWith(c *computation) bool {
	for _, p := range c.params {
		known := r.computed[p.Number]
		switch {
		case known == nil:
			if r.computed == nil {
				r.computed = make(map[int]*computedParam)
			}
			r.computed[p.Number] = &p
		case known.StepParam != p.StepParam:
			return false
		default:
			known.locations = append(known.locations, p.locations...)
		}
	}
	return true
}

// computedEdits put the bare column in the place of an expression, under the name that
// Postgres would give it. They are around the column, so that what the server says of it
// has its place in the client's text. A parameter of the expression stays in the
// statement for its type's sake; the server gets no value for it.
func (r *resolver) computedEdits(t *pg.ResTarget, c *computation) ([]Edit, bool) {
	first, last := r.brackets(c.first, c.last, len(r.tokens))
	after, next := r.next(last)
	if r.tokens[first].Start != t.Location || t.Name == "" && !endsOutput(next) && after < len(r.tokens) {
		return nil, false
	}
	at := r.between(first, last)
	before, behind := r.aroundColumn(at, c)
	if t.Name == "" {
		behind.Text += " AS " + outputAlias(outputName(t.Val))
	}
	return []Edit{before, behind}, true
}

// aroundColumn replaces what is around the column in an expression, whose range is at.
func (r *resolver) aroundColumn(at span, c *computation) (before, behind Edit) {
	before, behind = Edit{Start: at.start, End: c.ref.start}, Edit{Start: c.ref.end, End: at.end}
	if len(c.params) == 0 {
		return before, behind
	}
	var b strings.Builder
	b.WriteString("CASE WHEN ")
	for i, p := range c.params {
		if i > 0 {
			b.WriteString(" OR ")
		}
		b.WriteString("$" + strconv.Itoa(p.Number) + "::" + p.typ + " IS NULL")
	}
	before.Text = b.String() + " THEN " + r.text[c.ref.start:c.ref.end] + " ELSE "
	behind.Text = " END"
	return before, behind
}

// endsOutput tells whether a token can follow an output that has no name of its own.
func endsOutput(t pg.Token) bool {
	switch t {
	case pg.Token_ASCII_44, pg.Token_ASCII_41, pg.Token_ASCII_59, pg.Token_FROM, pg.Token_WHERE, pg.Token_GROUP_P, pg.Token_HAVING, pg.Token_WINDOW,
		pg.Token_ORDER, pg.Token_LIMIT, pg.Token_OFFSET, pg.Token_FETCH, pg.Token_FOR, pg.Token_UNION, pg.Token_EXCEPT, pg.Token_INTERSECT:
		return true
	}
	return false
}

// outputAlias is a name in double quotes.
func outputAlias(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// noComputedParams refuses parameters of what is computed where no Bind gives their
// values.
func (r *resolver) noComputedParams(where string) {
	for n, p := range r.computed {
		r.refuse(notComputable, p.locations[0], "parameter $"+strconv.Itoa(n)+" cannot be used in what is computed of a sealed column in "+where,
			"pgseal computes on opened values itself, and does not see the parameter there.", "Write the value as a literal.")
		return
	}
}
