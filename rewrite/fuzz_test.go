package rewrite

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/policy"
)

// check holds a plan to what must be true of any: no panic within, everything in
// range and in order, what is sealed gone from the text that is sent.
func check(t *testing.T, text string, p *Plan) {
	t.Helper()
	at := 0
	for i := range p.Statements {
		st := &p.Statements[i]
		if st.Start < at || st.End < st.Start || st.End > len(text) {
			t.Fatalf("statement %d is at %d to %d", i, st.Start, st.End)
		}
		at = st.End
		if st.Refusal != nil {
			if st.Refusal.Anchor == string(internalError) {
				t.Fatal("a panic within")
			}
			if len(st.Edits)+len(st.Literals)+len(st.Params)+len(st.Outputs) > 0 {
				t.Fatal("a refused statement has results")
			}
			continue
		}
		last := -1
		for _, o := range st.Outputs {
			if o.Index <= last || o.Index >= st.NumOutputs || o.Column == nil {
				t.Fatalf("output %d of %d", o.Index, st.NumOutputs)
			}
			last = o.Index
		}
		for j, param := range st.Params {
			if param.Number < 1 || param.Column == nil || j > 0 && st.Params[j-1].Number >= param.Number || param.Org.Kind == OrgUnknown && !st.Raw {
				t.Fatalf("param %+v", param)
			}
		}
		for j, l := range st.Literals {
			if l.Start < st.Start || l.End > st.End || l.End <= l.Start || j > 0 && st.Literals[j-1].End > l.Start || l.Org.Kind == OrgUnknown && !st.Raw {
				t.Fatalf("literal at %d to %d", l.Start, l.End)
			}
		}
		for j, o := range st.Orgs {
			if o.At < st.Start || o.At > st.End || j > 0 && st.Orgs[j-1].At > o.At || o.Org.Kind != OrgSetting || !knownOrgType(o.Org.TypeOID) {
				t.Fatalf("org %+v", o)
			}
		}
	}
	if p.Refusal != nil && p.Refusal.Anchor == string(internalError) {
		t.Fatal("a panic within")
	}
	if len(p.Statements) > 0 {
		checkSplice(t, text, p)
		checkBound(t, text, bindAll(p))
	}
}

// checkBound holds what EXECUTE is bound to: its literals lie within it, in order,
// and apart from its edits.
func checkBound(t *testing.T, text string, p *Plan) {
	t.Helper()
	for i := range p.Statements {
		st := &p.Statements[i]
		for _, l := range st.Literals {
			if l.Start < st.Start || l.End > st.End || l.End <= l.Start || l.Org.Kind == OrgUnknown && !st.Raw || st.Execute != nil && l.Org.Kind == OrgParam {
				t.Fatalf("literal at %d to %d, org %+v", l.Start, l.End, l.Org)
			}
		}
		if st.Refusal != nil && len(st.Edits)+len(st.Literals)+len(st.Params)+len(st.Outputs) > 0 {
			t.Fatal("a refused statement has results")
		}
	}
	nothing := func(dst []byte, _ *Statement, _ int) ([]byte, error) { return dst, nil }
	if _, err := SplicePlan(nil, text, p, "SELECT 1", nothing, nothing); err != nil {
		t.Fatal(err)
	}
}

// checkSplice plans the rewritten text again: it must parse, and seal what the
// first plan sealed, from literals that are all placeholders now.
func checkSplice(t *testing.T, text string, p *Plan) {
	t.Helper()
	sealed := 0
	// pgseal takes no sealed values from clients, so the types that it writes are left
	// out: what stands there is the policy's type, or none.
	typed := *p
	typed.Statements = slices.Clone(p.Statements)
	for i := range typed.Statements {
		st := &typed.Statements[i]
		st.Edits = slices.DeleteFunc(slices.Clone(st.Edits), func(e Edit) bool {
			holdsMove := strings.HasPrefix(e.Text, "(CASE WHEN ") && strings.HasSuffix(e.Text, "(") || strings.Contains(e.Text, "pg_catalog.encode(") // an org, which must stay a value
			return holdsMove || strings.HasSuffix(strings.TrimSuffix(e.Text, "[]"), "pgseal.sealed")
		})
	}
	sent, err := SplicePlan(nil, text, &typed, "SELECT 1", func(dst []byte, st *Statement, i int) ([]byte, error) {
		sealed++
		l := &st.Literals[i]
		if l.Array {
			t, _ := policy.TypeOfOID(l.TypeOID)
			return fmt.Appendf(dst, "'{placeholder %d}'::%s", sealed, t), nil
		}
		dst = fmt.Appendf(dst, "'placeholder %d'", sealed)
		if l.Cast && !st.Raw {
			dst = fmt.Appendf(dst, "::%s", l.Column.Type)
		}
		return dst, nil
	}, func(dst []byte, _ *Statement, _ int) ([]byte, error) { return append(dst, "'7'"...), nil })
	if err != nil {
		t.Fatal(err)
	}
	if sealed == 0 {
		return
	}
	env := Env{StandardStrings: true, UTF8: true, SearchPath: []string{"pg_catalog", "public"}, CatalogIsFresh: true, NewNumbers: true}
	env.Raw = slices.ContainsFunc(p.Statements, func(st Statement) bool { return st.Raw })
	again := New(fixture(), Limits{}).Plan(strings.ReplaceAll(string(sent), `'\x'::pgseal.sealed`, "NULL"), env) // of Statement.Held
	found := 0
	for i := range again.Statements {
		for _, l := range again.Statements[i].Literals {
			found++
			if !strings.HasPrefix(strings.TrimPrefix(l.Value.Reveal(), "{"), "placeholder ") {
				t.Fatalf("a sealed column's literal was left in %s", sent)
			}
		}
	}
	if found != sealed {
		t.Fatalf("%d literals were sealed, %d are found in %s", sealed, found, sent)
	}
}

func TestInvariants(t *testing.T) {
	r := New(fixture(), Limits{})
	for _, g := range corpus(t) {
		check(t, g.text, r.Plan(g.text, g.env()))
	}
}

func FuzzPlan(f *testing.F) {
	seeds := corpus(f)
	if len(seeds) < 300 {
		f.Fatal("too few seeds")
	}
	for _, g := range seeds {
		f.Add(g.text, g.env().CatalogIsFresh)
	}
	r := New(fixture(), Limits{})
	f.Fuzz(func(t *testing.T, text string, fresh bool) {
		env := Env{StandardStrings: true, UTF8: true, SearchPath: []string{"pg_catalog", "public"}, CatalogIsFresh: fresh}
		check(t, text, r.Plan(text, env))
		env.MayRaw, env.Raw = true, true
		check(t, text, r.Plan(text, env))
	})
}
