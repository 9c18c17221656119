package rewrite

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgexpr"
	"github.com/pgseal/pgseal/policy"
)

var update = flag.Bool("update", false, "write the plans into testdata as they are")

// golden is a case of a data file: options, a text, and the plan that it gets.
//
//	=== fresh path=public extended
//	SELECT …
//	---
//	the plan
type golden struct {
	file    string
	line    int
	options []string
	text    string
	want    string
}

// plan plans the case; the option run binds its EXECUTEs too.
func (g *golden) plan(r *Rewriter) *Plan {
	p := r.Plan(g.text, g.env())
	if slices.Contains(g.options, "run") {
		p = bindAll(p)
	}
	return p
}

func (g *golden) env() Env {
	env := Env{StandardStrings: true, UTF8: true, SearchPath: []string{"pg_catalog", "public"}}
	for _, o := range g.options {
		switch name, value, _ := strings.Cut(o, "="); name {
		case "run":
		case "known":
			env.SealedNames = true
		case "fresh":
			env.CatalogIsFresh = true
		case "extended":
			env.Extended = true
		case "path":
			env.SearchPath = nil
			if value != "" {
				env.SearchPath = strings.Split(value, ",")
			}
		case "local":
			env.LocalSettings = true
		case "numbers16":
			env.NewNumbers = true
		case "latin1":
			env.UTF8 = false
		case "mayraw":
			env.MayRaw = true
		case "raw":
			env.MayRaw, env.Raw = true, true
		case "backslash":
			env.StandardStrings = false
		default:
			panic("unknown option " + o)
		}
	}
	return env
}

func corpus(t testing.TB) []golden {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no data files: %v", err)
	}
	var all []golden
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(data))
		lines.Buffer(nil, 1<<20)
		into := 0 // 0 nothing, 1 text, 2 plan
		for n := 1; lines.Scan(); n++ {
			line := lines.Text()
			switch {
			case strings.HasPrefix(line, "==="):
				all = append(all, golden{file: file, line: n, options: strings.Fields(line[3:])})
				into = 1
			case line == "---" && into == 1:
				into = 2
			case into == 1:
				all[len(all)-1].text += line + "\n"
			case into == 2:
				all[len(all)-1].want += line + "\n"
			}
		}
	}
	for i := range all {
		all[i].text = strings.TrimSuffix(all[i].text, "\n")
		all[i].want = strings.TrimSpace(all[i].want)
	}
	return all
}

func TestGolden(t *testing.T) {
	r := New(fixture(), Limits{})
	all := corpus(t)
	for i := range all {
		g := &all[i]
		got := strings.TrimSpace(render(g.text, g.plan(r)))
		if *update {
			g.want = got
		} else if got != g.want {
			t.Errorf("%s:%d: %s\ngot:\n%s\nwant:\n%s", g.file, g.line, g.text, got, g.want)
		}
	}
	if len(all) < 300 {
		t.Errorf("only %d cases", len(all))
	}
	if *update {
		rewriteFiles(t, all)
	}
}

func rewriteFiles(t *testing.T, all []golden) {
	files := map[string]*strings.Builder{}
	for _, g := range all {
		b := files[g.file]
		if b == nil {
			b = &strings.Builder{}
			files[g.file] = b
		}
		fmt.Fprintf(b, "%s\n%s\n---\n%s\n\n", strings.TrimSpace("=== "+strings.Join(g.options, " ")), g.text, g.want)
	}
	for name, b := range files {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// bindAll binds each EXECUTE to what the text's earlier PREPAREs have made.
func bindAll(p *Plan) *Plan {
	bound := *p
	bound.Statements = nil
	prepared := map[string]*Prepared{}
	ran := false
	for i := range p.Statements {
		st := &p.Statements[i]
		if made := st.Prepare; made != nil {
			prepared[made.Name] = &Prepared{Statement: &made.Statement, Declared: made.Declared, Sealed: made.Sealed}
			ran = ran || made.Effects&CallsFunctions != 0
		}
		one := *st
		if st.Execute != nil {
			one = st.Execute.Bind(st, prepared[st.Execute.Name], ran)
		}
		bound.Statements = append(bound.Statements, one)
	}
	return &bound
}

// render prints a plan. A sealed literal is printed with its value, which no
// other code may do.
func render(text string, p *Plan) string {
	var b strings.Builder
	switch {
	case p.Relay:
		b.WriteString("relay\n")
	case p.NeedsSearchPath:
		b.WriteString("needs search_path\n")
	case p.NeedsCatalog:
		b.WriteString("needs catalog\n")
	case p.Refusal != nil:
		b.WriteString("whole text " + renderRefusal(text, p.Refusal))
	}
	for _, e := range []struct {
		flag Effects
		name string
	}{{ChangesCatalog, "catalog"}, {ChangesSettings, "settings"}, {NamesStatements, "names"}, {ExecutesStatements, "executes"}, {CallsFunctions, "calls"}, {UsesCursors, "cursors"}} {
		if p.Effects&e.flag != 0 {
			b.WriteString("effect " + e.name + "\n")
		}
	}
	for i := range p.Statements {
		if len(p.Statements) > 1 {
			fmt.Fprintf(&b, "statement %d\n", i+1)
		}
		renderStatement(&b, text, &p.Statements[i])
	}
	return b.String()
}

func renderRefusal(text string, e *pgerr.Error) string {
	at := ""
	if e.Position > 0 {
		at = string([]rune(text)[e.Position-1:])
		at = " at " + strings.SplitN(at[:min(len(at), 24)], "\n", 2)[0]
	}
	anchor := e.Anchor
	if anchor == "" {
		anchor = "postgres"
	}
	return fmt.Sprintf("refused %s %s%s\n  %s\n", e.Code, anchor, at, e.Message)
}

// catalogTexts puts names in the place of the long texts that stand for catalog
// relations, which TestLogicalTypes looks at.
var catalogTexts = sync.OnceValue(func() *strings.Replacer {
	types := New(fixture(), Limits{}).logicalTypes()
	var pairs []string
	for oid, text := range types.views {
		pairs = append(pairs, text, "{"+fixture().ByOID(oid).Name+"}")
	}
	return strings.NewReplacer(append(pairs, "(SELECT "+strings.Join(types.columns, ", "), "{pg_attribute", types.from+")", "}")...)
})

func renderStatement(b *strings.Builder, text string, st *Statement) {
	if st.Refusal != nil {
		b.WriteString(renderRefusal(text, st.Refusal))
		return
	}
	if len(st.Edits)+len(st.Literals)+len(st.Orgs) > 0 && st.End > 0 { // of what PREPARE makes there is no text of its own
		out, err := Splice(nil, text, st, func(dst []byte, i int) ([]byte, error) {
			return fmt.Appendf(dst, "<%d>", i), nil
		}, func(dst []byte, i int) ([]byte, error) {
			return fmt.Appendf(dst, "<%s>", renderOrg(st.Orgs[i].Org)), nil
		})
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(b, "sends %s\n", strings.TrimSpace(catalogTexts().Replace(string(out))))
	}
	for i, l := range st.Literals {
		kind, cast := "", ""
		if l.TypeOID != 0 {
			kind = fmt.Sprintf(" of type %d", l.TypeOID)
		}
		if l.Via != nil {
			kind += " cast to " + l.Via.String()
		}
		if l.Cast {
			cast = " cast"
		}
		fmt.Fprintf(b, "seals <%d> %q%s for %s, org %s%s\n", i, l.Value.Reveal(), kind, l.Column.QualifiedName(), renderOrg(l.Org), cast)
	}
	for _, p := range st.Params {
		cast := ""
		if p.Via != nil && !(castFits(*p.Via, p.Column.Type) && len(p.Via.Mods) == 0) {
			cast = " cast to " + p.Via.String()
		}
		if p.Array {
			cast += fmt.Sprintf(" elements of type %d", p.TypeOID)
		}
		if p.ByText {
			cast += " by text"
		}
		fmt.Fprintf(b, "seals $%d%s for %s, org %s\n", p.Number, cast, p.Column.QualifiedName(), renderOrg(p.Org))
	}
	if len(st.Orgs) > 0 && st.End == 0 {
		fmt.Fprintf(b, "takes org %s\n", renderOrg(st.Orgs[0].Org))
	}
	for _, p := range st.StepParams {
		fmt.Fprintf(b, "computes with $%d of type %d", p.Number, p.OID)
		if p.Fixed {
			b.WriteString(" whatever it is declared as")
		}
		b.WriteString("\n")
	}
	if st.Raw {
		b.WriteString("raw\n")
	}
	for _, one := range st.OneOrg {
		b.WriteString("demands one org of")
		for _, org := range one.Orgs {
			b.WriteString(" " + renderOrg(org))
		}
		b.WriteString("\n")
	}
	switch h := st.Held; {
	case h == nil:
	case h.Moves:
		fmt.Fprintf(b, "holds rows with %s to their org\n", h.Column.QualifiedName())
	default:
		fmt.Fprintf(b, "holds %s to the inserted org\n", h.Column.QualifiedName())
	}
	fmt.Fprintf(b, "outputs %d", st.NumOutputs)
	if st.Pure {
		b.WriteString(" pure")
	}
	b.WriteString("\n")
	for _, o := range st.Outputs {
		fmt.Fprintf(b, "opens %d as %s%s, org %s\n", o.Index, o.Column.QualifiedName(), renderSteps(o.Steps)+renderMade(o.Array, o.Type, o.Column.Type), renderOrg(o.Org))
	}
	if c := st.Copy; c != nil {
		fmt.Fprintf(b, "copy in=%v format=%d delimiter=%q quote=%q escape=%q null=%q", c.In, c.Format, c.Delimiter, c.Quote, c.Escape, c.Null)
		for _, o := range []struct {
			name string
			set  bool
			as   any
		}{
			{"header", c.Header != CopyNoHeader, c.Header}, {"default", c.HasDefault, fmt.Sprintf("%q", c.Default)}, {"encoding", c.Encoding != "", c.Encoding},
			{"adds-org", c.AddsOrg != nil, c.AddsOrg != nil}, {"ignore-errors", c.IgnoreErrors, true}, {"doubtful", c.Doubtful, true},
		} {
			if o.set {
				fmt.Fprintf(b, " %s=%v", o.name, o.as)
			}
		}
		b.WriteString("\n")
		for i, f := range c.Fields {
			forced := ""
			for _, force := range []struct {
				name string
				set  bool
			}{{"quote", f.ForceQuote}, {"not null", f.ForceNotNull}, {"null", f.ForceNull}} {
				if force.set {
					forced += ", force " + force.name
				}
			}
			if f.Column != nil {
				fmt.Fprintf(b, "field %d %s%s, org %s%s\n", i, f.Column.QualifiedName(), renderSteps(f.Steps)+renderMade(f.Array, f.Type, f.Column.Type), renderOrg(f.Org), forced)
			} else if forced != "" {
				fmt.Fprintf(b, "field %d %s%s\n", i, f.Name, forced)
			}
		}
	}
	if len(st.Deallocates) > 0 {
		fmt.Fprintf(b, "deallocates %q\n", st.Deallocates)
	}
	if p := st.Prepare; p != nil {
		fmt.Fprintf(b, "prepares %q, declared %d of %d", p.Name, p.Declared, p.Statement.NumParams)
		if p.Sealed {
			b.WriteString(" sealed")
		}
		b.WriteString("\n")
		renderStatement(b, text, &p.Statement)
	}
	if c := st.Cursor; c != nil {
		fmt.Fprintf(b, "cursor %q: %s", c.Name, [...]string{DeclaresCursor: "declared", FetchesCursor: "fetched", MovesCursor: "moved", ClosesCursor: "closed"}[c.Op])
		if c.Hold {
			b.WriteString(" with hold")
		}
		if c.before != nil {
			b.WriteString(", after changes")
		}
		b.WriteString("\n")
		if c.Op == DeclaresCursor {
			renderStatement(b, text, &c.Query)
		}
	}
	if st.Execute != nil {
		fmt.Fprintf(b, "executes %q with %d\n", st.Execute.Name, len(st.Execute.args))
	}
}

// renderSteps prints what is computed, with its arguments, and of which type it is.
func renderSteps(steps []pgexpr.Step) string {
	if len(steps) == 0 {
		return ""
	}
	text := ", computes"
	for i := range steps {
		text += " " + steps[i].String()
		for _, a := range steps[i].Args() {
			switch {
			case a.Param > 0:
				text += fmt.Sprintf(" $%d", a.Param)
			case a.Null:
				text += " NULL"
			default:
				text += fmt.Sprintf(" %q", a.Text.Reveal())
			}
		}
	}
	return text + ", " + steps[len(steps)-1].Type().String()
}

// renderMade prints what the type of a value is when it is not its column's.
func renderMade(array bool, typ, column policy.Type) string {
	switch {
	case array:
		return ", an array, " + typ.String()
	case typ.Kind == column.Kind && len(typ.Mods) < len(column.Mods):
		return ", without modifiers"
	}
	return ""
}

func renderOrg(o OrgRef) string {
	switch o.Kind {
	case OrgValue:
		return "value " + o.Value
	case OrgParam:
		return fmt.Sprintf("$%d (%d)", o.Param, o.TypeOID)
	case OrgSetting:
		return "setting " + o.Value
	case OrgElement:
		return fmt.Sprintf("element of $%d (%d)", o.Param, o.TypeOID)
	case OrgField:
		return fmt.Sprintf("field %d (%d)", o.Field, o.TypeOID)
	}
	return "unknown"
}
