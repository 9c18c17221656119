package rewrite

import (
	"bytes"
	"reflect"
	"slices"
	"strconv"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// Template is the plan of all texts of one shape that have the same values in those
// places that a plan depends on, as the org's. It holds no value that is sealed.
type Template struct {
	key     []byte       // Shape.FixedKey of its texts
	plan    Plan         // of the text that it was made from, without its values
	values  []shapeValue // of that text
	sealed  []int        // for each of the plan's Literals, the number of its value
	effects Effects      // those that the words in its values have no part in
}

// Varies tells which of a shape's values a plan does not depend on.
type Varies []bool

// Key is what texts of the shape have in common. It holds until the next Read.
func (s *Shape) Key() []byte { return s.key }

// FixedKey appends the key that tells the texts of one Template from others: the
// shape's, and the values that the plan depends on.
func (s *Shape) FixedKey(dst, text []byte, varies Varies) []byte {
	dst = append(dst, s.key...)
	for i, v := range s.values {
		if i >= len(varies) || !varies[i] {
			dst = append(append(dst, 0), text[v.start:v.end]...)
		}
	}
	return dst
}

// Template makes the template of the plan that r has made of a text in env, which
// shape was read from. With varies, from another text of the shape, it holds for
// those places; without, it finds them out. It is nil when there is none: then each
// such text is planned by itself.
//
// A plan depends on few of its text's values, and on which is found out by trial: the
// text is planned again with others in their places, and what comes out has to be
// what the template says, to the last position. Only those are tried where whatever
// stands there is taken for a value: in VALUES and SET, compared with a column, in
// LIMIT and OFFSET.
func (r *Rewriter) Template(text string, shape *Shape, plan *Plan, env Env, varies Varies) (*Template, Varies) {
	t := &Template{plan: *plan, values: slices.Clone(shape.values)}
	if !templated(plan) || !t.findSealed() {
		return nil, nil
	}
	if varies == nil {
		varies = r.findVarying(t, text, env)
	}
	if slices.ContainsFunc(t.sealed, func(i int) bool { return !varies[i] }) || !slices.Contains(varies, true) {
		return nil, nil // the value would be in the key; or no other text has it
	}
	effects, ok := r.tried(t, text, env, varies)
	if !ok {
		return nil, nil
	}
	t.effects = effects
	t.key = shape.FixedKey(nil, []byte(text), varies)
	st := t.plan.Statements[0]
	st.Literals = slices.Clone(st.Literals)
	for i := range st.Literals {
		st.Literals[i].Value = ""
	}
	t.plan.Statements = []Statement{st}
	return t, varies
}

// templated tells whether a plan is of the kind that templates are made of.
func templated(p *Plan) bool {
	if p.Relay || p.Refusal != nil || p.NeedsSearchPath || p.NeedsCatalog || len(p.Statements) != 1 {
		return false
	}
	st := &p.Statements[0]
	return st.Refusal == nil && len(st.Params)+len(st.StepParams)+len(st.ShowsTypes)+len(st.SetsOrg) == 0 && st.Held == nil && st.Copy == nil &&
		st.Prepare == nil && st.Execute == nil && st.Cursor == nil && len(st.Deallocates) == 0 && !st.Raw && !holdsValues(st)
}

// Templated tells whether a plan of a text that the shape was read from may have a
// template, and the shape's key has none of the values in it that are sealed.
func (s *Shape) Templated(p *Plan) bool {
	t := &Template{plan: *p, values: s.values}
	return templated(p) && t.findSealed()
}

// findSealed finds the values that are sealed; false when one is more than a value.
func (t *Template) findSealed() bool {
	for _, l := range t.plan.Statements[0].Literals {
		i := slices.IndexFunc(t.values, func(v shapeValue) bool { return v.start == l.Start && v.end == l.End && l.At == l.Start })
		if i < 0 || len(l.Orgs) > 0 || l.Array {
			return false
		}
		t.sealed = append(t.sealed, i)
	}
	return true
}

// maxTried is how many values of a text are tried one by one.
const maxTried = 32

// findVarying finds the values that the plan does not depend on: all that are free,
// or, when it depends on some of these, as many of them as it does not.
func (r *Rewriter) findVarying(t *Template, text string, env Env) Varies {
	varies := make(Varies, len(t.values))
	free := freeConstants(text)
	count := 0
	for i, v := range t.values {
		if varies[i] = free[v.start]; varies[i] {
			count++
		}
	}
	if _, ok := r.tried(t, text, env, varies); ok || count > maxTried {
		return varies
	}
	some := make(Varies, len(t.values))
	for i := range varies {
		if some[i] = varies[i]; some[i] {
			_, some[i] = r.tried(t, text, env, some)
		}
	}
	return some
}

// others are what values are exchanged for: among the strings are one that needs
// care, and such as an org can be of any type.
var others = [][marks + 1]string{
	{markString: `'it''s another'`, markInt: "7", markBigint: "3000000000", markDecimal: "12.75"},
	{markString: `'123'`, markInt: "424242", markBigint: "9007199254740993", markDecimal: "0.5"},
	{markString: `'00000000-1111-2222-3333-444444444444'`, markInt: "2147483647", markBigint: "9223372036854775807", markDecimal: "100000.0625"},
}

// tried plans the text with other values in the places that vary, and tells whether
// the template would have given the same plans; and what effects they have. A plan
// may depend on whether two values are equal. So there are texts in which all that
// vary are, in which none is, and in which they are what one is that does not vary.
func (r *Rewriter) tried(t *Template, text string, env Env, varies Varies) (effects Effects, ok bool) {
	try := func(value func(i int, kind byte) string) bool {
		changed := exchange(text, t.values, varies, value)
		want := r.Plan(string(changed), env)
		var shape Shape
		if !shape.Read(changed) || len(shape.values) != len(t.values) || !templated(want) {
			return false
		}
		effects |= want.Effects
		return reflect.DeepEqual(t.Plan(changed, &shape, want.Effects), want)
	}
	for _, other := range others {
		if !try(func(_ int, kind byte) string { return other[kind] }) {
			return 0, false
		}
	}
	for i, v := range t.values {
		if varies[i] {
			continue
		}
		fixed := text[v.start:v.end]
		if !try(func(_ int, kind byte) string {
			if kind == v.kind {
				return fixed
			}
			return others[0][kind]
		}) {
			return 0, false
		}
	}
	ok = try(func(i int, kind byte) string {
		n := strconv.Itoa(i + 1)
		switch kind {
		case markString:
			return "'" + n + "0'"
		case markBigint:
			return "50000000000" + n
		case markDecimal:
			return n + ".25"
		}
		return n + "1"
	})
	return effects, ok
}

// exchange puts other values in the places of those that vary.
func exchange(text string, values []shapeValue, varies Varies, value func(i int, kind byte) string) []byte {
	var changed []byte
	at := 0
	for i, v := range values {
		if varies[i] {
			changed = append(append(changed, text[at:v.start]...), value(i, v.kind)...)
			at = v.end
		}
	}
	return append(changed, text[at:]...)
}

// Key is the template's FixedKey.
func (t *Template) Key() []byte { return t.key }

// Fits tells whether a text with that FixedKey has this template.
func (t *Template) Fits(key []byte) bool { return bytes.Equal(t.key, key) }

// Plan is the plan of a text of the template's shape. The effects are those that the
// scan of the text tells of.
func (t *Template) Plan(text []byte, shape *Shape, scanned Effects) *Plan {
	// One for both: a plan lives and dies with its statement.
	made := &struct {
		plan       Plan
		statements [1]Statement
	}{plan: t.plan}
	made.plan.Statements = made.statements[:]
	made.plan.Effects = t.effects | scanned
	st := &made.statements[0]
	*st = t.plan.Statements[0]
	m := mover{old: t.values, new: shape.values}
	st.Start, st.End = m.move(st.Start), m.move(st.End)
	if len(st.Edits) > 0 {
		st.Edits = slices.Clone(st.Edits)
		m.reset()
		for i := range st.Edits {
			e := &st.Edits[i]
			e.Start, e.End = m.move(e.Start), m.move(e.End)
		}
	}
	if len(st.Orgs) > 0 {
		st.Orgs = slices.Clone(st.Orgs)
		m.reset()
		for i := range st.Orgs {
			st.Orgs[i].At = m.move(st.Orgs[i].At)
		}
	}
	if len(st.Literals) > 0 {
		st.Literals = slices.Clone(st.Literals)
		for i := range st.Literals {
			v := shape.values[t.sealed[i]]
			l := &st.Literals[i]
			l.Start, l.End, l.At, l.Value = v.start, v.end, v.start, v.denotes(text)
		}
	}
	return &made.plan
}

// mover moves positions in one text to where they are in another of its shape.
// Positions come in their order.
type mover struct {
	old, new []shapeValue
	at       int // values before the last position
	by       int
}

func (m *mover) reset() { m.at, m.by = 0, 0 }

func (m *mover) move(pos int) int {
	for ; m.at < len(m.old) && m.old[m.at].end <= pos; m.at++ {
		m.by += (m.new[m.at].end - m.new[m.at].start) - (m.old[m.at].end - m.old[m.at].start)
	}
	return pos + m.by
}

// freeConstants are the places, by their offset, of constants that stand where any
// value may.
func freeConstants(text string) map[int]bool {
	tree, err := pg.Parse(text)
	if err != nil || len(tree.Stmts) != 1 {
		return nil
	}
	f := freeFinder{text: text, at: map[int]bool{}}
	n := tree.Stmts[0].Stmt
	switch {
	case n.GetInsertStmt() != nil:
		f.selects(n.GetInsertStmt().SelectStmt.GetSelectStmt())
	case n.GetSelectStmt() != nil:
		f.selects(n.GetSelectStmt())
	case n.GetUpdateStmt() != nil:
		for _, t := range n.GetUpdateStmt().TargetList {
			f.constant(t.GetResTarget().GetVal())
		}
		f.condition(n.GetUpdateStmt().WhereClause)
	case n.GetDeleteStmt() != nil:
		f.condition(n.GetDeleteStmt().WhereClause)
	}
	return f.at
}

type freeFinder struct {
	text string
	at   map[int]bool
}

func (f *freeFinder) selects(s *pg.SelectStmt) {
	if s == nil {
		return
	}
	for _, row := range s.ValuesLists {
		for _, item := range row.GetList().GetItems() {
			f.constant(item)
		}
	}
	f.condition(s.WhereClause)
	f.constant(s.LimitCount)
	f.constant(s.LimitOffset)
}

// condition looks at comparisons of columns with constants, joined by AND, OR and NOT.
func (f *freeFinder) condition(n *pg.Node) {
	for _, arg := range n.GetBoolExpr().GetArgs() {
		f.condition(arg)
	}
	e := n.GetAExpr()
	if e == nil {
		return
	}
	switch e.Kind {
	case pg.A_Expr_Kind_AEXPR_OP, pg.A_Expr_Kind_AEXPR_IN, pg.A_Expr_Kind_AEXPR_LIKE, pg.A_Expr_Kind_AEXPR_ILIKE,
		pg.A_Expr_Kind_AEXPR_BETWEEN, pg.A_Expr_Kind_AEXPR_NOT_BETWEEN:
	default:
		return
	}
	switch {
	case e.Kind == pg.A_Expr_Kind_AEXPR_OP && !comparison(e):
	case e.Lexpr.GetColumnRef() != nil:
		f.constant(e.Rexpr)
		for _, item := range e.Rexpr.GetList().GetItems() {
			f.constant(item)
		}
	case e.Rexpr.GetColumnRef() != nil:
		f.constant(e.Lexpr)
	}
}

// comparison tells whether an operator compares, and gives nothing of its arguments.
func comparison(e *pg.A_Expr) bool {
	if len(e.Name) != 1 {
		return false
	}
	switch e.Name[0].GetString_().GetSval() {
	case "=", "<>", "<", "<=", ">", ">=":
		return true
	}
	return false
}

func (f *freeFinder) constant(n *pg.Node) {
	c := n.GetAConst()
	if c == nil || c.Isnull {
		return
	}
	at := int(c.Location)
	if at >= 0 && at < len(f.text) && f.text[at] == '-' { // a negative number begins at its sign
		at++
	}
	f.at[at] = true
}
