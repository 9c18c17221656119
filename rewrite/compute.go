package rewrite

import (
	"errors"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgexpr"
	"github.com/pgseal/pgseal/policy"
)

// What is computed after opening: in the output list of SELECT and RETURNING an
// expression of pgexpr's functions on a sealed column, with constants and parameters
// for arguments. In the statement the bare column takes its place, with the name that
// Postgres would give the output; the plan keeps the expression as steps.
//
// The value is still a sealed one to the statement: what would compare or store it is
// refused as for the bare column.

// computation is an expression that is computed after opening.
type computation struct {
	column      value
	steps       []pgexpr.Step
	typ         policy.Type
	ref         span // the column's reference
	first, last int  // the expression's tokens, without brackets around it
	params      []computedParam
	changed     bool // it is more than the column's name
}

// computedParam is a parameter that is an argument of steps.
type computedParam struct {
	StepParam
	locations []int32
	typ       string // as a cast to it is written
}

// compute resolves an output that is computed after opening; not ok when it is none.
func (r *resolver) compute(t *pg.ResTarget, sc *scope) (v value, ok bool) {
	if !r.computes || r.env.Raw || !computable(t.Val) {
		return value{}, false
	}
	c := r.computation(t.Val, sc)
	if c == nil || !c.changed || r.refusal != nil {
		return value{}, false
	}
	edits, ok := r.computedEdits(t, c)
	if !ok {
		return value{}, false
	}
	if !r.computeWith(c) {
		return value{}, false
	}
	r.st.Edits = append(r.st.Edits, edits...)
	v = c.column
	v.cells, v.null, v.orgOf = nil, false, nil
	v.steps, v.location = c.steps, int32(r.tokens[c.first].Start)
	return v, true
}

// program makes the program of a field's steps.
func (r *resolver) program(f *field) *pgexpr.Program {
	p, err := pgexpr.Compile(f.steps, nil)
	if err != nil { // an argument that is not of its type: Postgres's to refuse, had it been sent
		r.refuseUse(f.value, inOutput)
	}
	if r.writes && !r.env.Extended && mayFail(f.steps) && r.refusal == nil {
		r.refusal = refuseFailing(f.column)
		r.refusal.Position = r.positions.at(f.location)
	}
	return p
}

func mayFail(steps []pgexpr.Step) bool {
	return slices.ContainsFunc(steps, func(s pgexpr.Step) bool { return s.MayFail() })
}

// refuseFailing refuses what may fail for a value when the server has written rows.
func refuseFailing(c *policy.Column) *pgerr.Error {
	return &pgerr.Error{
		Code: pgerr.FeatureNotSupported, Message: "sealed column " + c.QualifiedName() + " cannot be computed on so in a statement that writes rows",
		Detail: "It may fail for a value, and a simple Query has written the rows by then.",
		Hint:   "Return the column as it is, compute in a SELECT of its own, or use the extended query protocol.",
		Anchor: string(notComputable), Schema: c.Table.Schema, Table: c.Table.Name, Column: c.Name,
	}
}

// computable tells whether an expression is of the form of steps on a column, which is
// not resolved yet.
func computable(n *pg.Node) bool {
	for range DefaultMaxNesting {
		switch e := n.GetNode().(type) {
		case *pg.Node_ColumnRef:
			return !isStar(e.ColumnRef)
		case *pg.Node_TypeCast:
			n = e.TypeCast.Arg
		case *pg.Node_AExpr:
			if e.AExpr.Kind != pg.A_Expr_Kind_AEXPR_OP || e.AExpr.Lexpr == nil {
				return false
			}
			n = e.AExpr.Lexpr
		case *pg.Node_FuncCall:
			f := e.FuncCall
			if len(f.Args) == 0 || len(f.AggOrder) > 0 || f.AggFilter != nil || f.Over != nil || f.AggDistinct || f.AggStar || f.AggWithinGroup || f.FuncVariadic {
				return false
			}
			n = f.Args[0]
		case *pg.Node_CoalesceExpr:
			if len(e.CoalesceExpr.Args) != 2 {
				return false
			}
			n = e.CoalesceExpr.Args[0]
		default:
			return false
		}
	}
	return false
}

// computation resolves an expression; nil when it is not computed after opening.
func (r *resolver) computation(n *pg.Node, sc *scope) *computation {
	switch e := n.GetNode().(type) {
	case *pg.Node_ColumnRef:
		return r.computedColumn(e.ColumnRef, sc)
	case *pg.Node_TypeCast:
		if c := r.computation(e.TypeCast.Arg, sc); c != nil {
			return r.computedCast(e.TypeCast, c)
		}
	case *pg.Node_AExpr:
		if c := r.computation(e.AExpr.Lexpr, sc); c != nil {
			return r.computedOperator(e.AExpr, c)
		}
	case *pg.Node_FuncCall:
		if c := r.computation(e.FuncCall.Args[0], sc); c != nil {
			return r.computedFunction(e.FuncCall, c)
		}
	case *pg.Node_CoalesceExpr:
		if c := r.computation(e.CoalesceExpr.Args[0], sc); c != nil {
			return r.computedDefault(e.CoalesceExpr, c)
		}
	}
	return nil
}

// computedColumn is the column that all begins with. What is handed on by a subquery
// may be computed already.
func (r *resolver) computedColumn(ref *pg.ColumnRef, sc *scope) *computation {
	v, _ := r.lookUpColumn(ref, sc)
	if v.column == nil || v.array || v.wanted || v.whole || v.misconfigured {
		return nil
	}
	first := r.tokenAt(ref.Location)
	if first < 0 {
		return nil
	}
	last, ok := r.partsTokens(first, len(ref.Fields))
	if !ok {
		return nil
	}
	return &computation{column: v, steps: slices.Clip(v.steps), typ: v.logicalType(), ref: r.between(first, last), first: first, last: last}
}

// partsTokens gives the last token of a name of several parts with dots between them.
func (r *resolver) partsTokens(first, parts int) (last int, ok bool) {
	last = first
	for i := range parts {
		if i > 0 {
			dot, t := r.next(last)
			if t != pg.Token_ASCII_46 {
				return 0, false
			}
			last, _ = r.next(dot)
		}
		switch {
		case last < len(r.tokens) && r.tokens[last].Token == pg.Token_UIDENT:
			if uescape, t := r.next(last); t == pg.Token_UESCAPE {
				if last, t = r.next(uescape); t != pg.Token_SCONST {
					return 0, false
				}
			}
		case last >= len(r.tokens) || !isWord(r.tokens[last]):
			return 0, false
		}
	}
	return last, true
}

// isWord tells whether a token is an identifier, quoted or not, or a keyword.
func isWord(t *pg.ScanToken) bool {
	return t.Token == pg.Token_IDENT || t.KeywordKind != pg.KeywordKind_NO_KEYWORD
}

// widen takes in the brackets around the expression.
func (r *resolver) widen(c *computation) {
	c.first, c.last = r.brackets(c.first, c.last, len(r.tokens))
}

// computedCast adds value::type or CAST(value AS type).
func (r *resolver) computedCast(tc *pg.TypeCast, c *computation) *computation {
	to, ok := castType(tc.TypeName)
	at, typeFirst := r.tokenAt(tc.Location), r.tokenAt(tc.TypeName.GetLocation())
	if !ok || at < 0 || typeFirst < 0 || !r.checkScale(tc.TypeName, to) {
		return nil
	}
	typeLast, ok := r.typeTokens(typeFirst)
	if !ok {
		return nil
	}
	r.widen(c)
	after, _ := r.next(c.last)
	switch r.tokens[at].Token {
	case pg.Token_TYPECAST:
		if begins, _ := r.next(at); after != at || begins != typeFirst {
			return nil
		}
		c.last = typeLast
	case pg.Token_CAST:
		open, bracket := r.next(at)
		value, _ := r.next(open)
		as := after
		begins, _ := r.next(as)
		end, closing := r.next(typeLast)
		if bracket != pg.Token_ASCII_40 || value != c.first || as >= len(r.tokens) || r.tokens[as].Token != pg.Token_AS || begins != typeFirst || closing != pg.Token_ASCII_41 {
			return nil
		}
		c.first, c.last = at, end
	default:
		return nil
	}
	c.changed = true
	if sameType(c.typ, to) { // a cast that does nothing: the output is the column still
		return c
	}
	step, err := pgexpr.Cast(c.typ, to, r.serverMajor())
	if err != nil {
		r.cannotCast(err, tc.Location, c)
		return nil
	}
	c.steps, c.typ = append(c.steps, step), to
	return c
}

// cannotCast says what Postgres would say of a cast that there is none for, or why
// pgseal does not do it.
func (r *resolver) cannotCast(err error, location int32, c *computation) {
	var e *pgerr.Error
	if r.refusal != nil || !errors.As(err, &e) {
		return
	}
	placed := *e
	placed.Position = r.positions.at(location)
	if e.Anchor != "" {
		policyColumn := c.column.column
		placed.Schema, placed.Table, placed.Column = policyColumn.Table.Schema, policyColumn.Table.Name, policyColumn.Name
	}
	r.refusal = &placed
}

// computedOperator adds value -> argument and its kin.
func (r *resolver) computedOperator(e *pg.A_Expr, c *computation) *computation {
	at := r.tokenAt(e.Location)
	if at < 0 || len(e.Name) != 1 || r.tokens[at].Token == pg.Token_OPERATOR {
		return nil
	}
	name := e.Name[0].GetString_().GetSval()
	if r.snapshot.Shadows(name) || r.text[r.tokens[at].Start:r.tokens[at].End] != name {
		return nil
	}
	r.widen(c)
	if after, _ := r.next(c.last); after != at {
		return nil
	}
	a, ok := r.operand(e.Rexpr)
	if begins, _ := r.next(at); !ok || a.first != begins {
		return nil
	}
	step, ok := pgexpr.Operator(name, c.typ, a.Arg)
	if !ok || !c.takes(a, &step, 0) {
		return nil
	}
	c.last, c.changed = a.last, true
	c.steps, c.typ = append(c.steps, step), step.Type()
	return c
}

// computedFunction adds function(value, arguments), and substring(value FROM a FOR b).
func (r *resolver) computedFunction(f *pg.FuncCall, c *computation) *computation {
	name, system := functionName(f)
	first := r.tokenAt(f.Location)
	if !system || first < 0 || r.snapshot.Shadows(name) && len(f.Funcname) == 1 {
		return nil
	}
	sqlSyntax := f.Funcformat == pg.CoercionForm_COERCE_SQL_SYNTAX
	parts := len(f.Funcname)
	if sqlSyntax {
		if parts = 1; name != "substring" || r.tokens[first].Token != pg.Token_SUBSTRING {
			return nil
		}
	}
	last, ok := r.partsTokens(first, parts)
	open, bracket := r.next(last)
	if !ok || bracket != pg.Token_ASCII_40 {
		return nil
	}
	c.first, c.last = r.bracketsWithin(c.first, c.last, open)
	if begins, _ := r.next(open); begins != c.first {
		return nil
	}
	args := make([]pgexpr.Arg, 0, len(f.Args)-1)
	found := make([]*operand, 0, len(f.Args)-1)
	end := c.last
	written, separators := f.Args[1:], []pg.Token{pg.Token_ASCII_44, pg.Token_ASCII_44}
	if sqlSyntax {
		written, separators = r.substringClauses(written, end)
	}
	for i, n := range written {
		separator, t := r.next(end)
		begins, _ := r.next(separator)
		a, ok := r.operand(n)
		if i >= len(separators) || t != separators[i] || !ok || a.first != begins {
			return nil
		}
		args, found, end = append(args, a.Arg), append(found, a), a.last
	}
	if sqlSyntax && len(separators) > 0 && separators[0] == pg.Token_FOR {
		args, found = r.forFirst(args, found)
	}
	closing, t := r.next(end)
	steps, ok := pgexpr.Function(name, c.typ, args)
	if t != pg.Token_ASCII_41 || !ok {
		return nil
	}
	for i, a := range found { // of these types and no others
		if a == nil {
			continue
		}
		if !c.takes(a, &steps[len(steps)-1], i) {
			return nil
		}
	}
	c.first, c.last, c.changed = first, closing, true
	c.steps, c.typ = append(c.steps, steps...), steps[len(steps)-1].Type()
	return c
}

// substringClauses gives what is written behind the value of substring(value FROM a FOR b),
// in the order of the text, and the words in front of each. FOR may stand alone, and first:
// the grammar then makes the start 1 and casts the length to integer, or turns the two
// (substr_list).
func (r *resolver) substringClauses(args []*pg.Node, behind int) (written []*pg.Node, separators []pg.Token) {
	_, word := r.next(behind)
	if word != pg.Token_FOR || len(args) != 2 {
		return args, []pg.Token{pg.Token_FROM, pg.Token_FOR}
	}
	if tc := args[1].GetTypeCast(); tc != nil && tc.Location < 0 && args[0].GetAConst().GetLocation() < 0 {
		return []*pg.Node{tc.Arg}, []pg.Token{pg.Token_FOR}
	}
	return []*pg.Node{args[1], args[0]}, []pg.Token{pg.Token_FOR, pg.Token_FROM}
}

// forFirst puts the arguments of substring(value FOR b) and substring(value FOR b FROM a)
// into the function's order. What the text does not have is nil in found.
func (r *resolver) forFirst(args []pgexpr.Arg, found []*operand) ([]pgexpr.Arg, []*operand) {
	if len(args) == 2 {
		slices.Reverse(args)
		slices.Reverse(found)
		return args, found
	}
	length := args[0]
	if length.OID == pgexpr.OIDUnknown { // cast, as it has no type of its own
		length.OID = pgexpr.OIDInt4
	}
	return []pgexpr.Arg{{OID: pgexpr.OIDInt4, Text: "1"}, length}, []*operand{nil, found[0]}
}

// computedDefault adds COALESCE(value, argument).
func (r *resolver) computedDefault(e *pg.CoalesceExpr, c *computation) *computation {
	first := r.tokenAt(e.Location)
	if first < 0 || r.tokens[first].Token != pg.Token_COALESCE {
		return nil
	}
	open, bracket := r.next(first)
	if bracket != pg.Token_ASCII_40 {
		return nil
	}
	c.first, c.last = r.bracketsWithin(c.first, c.last, open)
	comma, t := r.next(c.last)
	a, ok := r.operand(e.Args[1])
	if begins, _ := r.next(open); begins != c.first || t != pg.Token_ASCII_44 || !ok {
		return nil
	}
	closing, t := r.next(a.last)
	if begins, _ := r.next(comma); begins != a.first || t != pg.Token_ASCII_41 {
		return nil
	}
	step, ok := pgexpr.Default(c.typ, a.Arg)
	if !ok || !c.takes(a, &step, 0) {
		return nil
	}
	c.first, c.last, c.changed = first, closing, true
	c.steps, c.typ = append(c.steps, step), step.Type()
	return c
}

// bracketsWithin widens a range by the brackets around it, but for the one at open.
func (r *resolver) bracketsWithin(first, last, open int) (int, int) {
	for {
		before, bracket := r.previous(first)
		after, closing := r.next(last)
		if bracket != pg.Token_ASCII_40 || closing != pg.Token_ASCII_41 || before <= open {
			return first, last
		}
		first, last = before, after
	}
}
