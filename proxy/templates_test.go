package proxy

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// plansOf are plans of a table t with an id and a sealed column c.
func plansOf(t testing.TB) *snapshotPlans {
	t.Helper()
	s, column := newOfflineSession(t, policy.Text)
	table := column.Table
	relation := &catalog.Relation{OID: 1, Schema: table.Schema, Name: table.Name, Kind: 'r', Columns: []*catalog.Column{
		{Name: "id", Num: 1, TypeOID: 23}, {Name: column.Name, Num: 2, TypeOID: 99, Sealed: true},
	}}
	s.server.plans.most = 1000
	plans, err := s.server.plans.replace(catalog.New(1, 99, s.server.config.Policy, []*catalog.Relation{relation}))
	if err != nil {
		t.Fatal(err)
	}
	return plans
}

var usualEnv = rewrite.Env{StandardStrings: true, UTF8: true}

// TestTemplatesAreLearned: the third text of a shape is not parsed any more, and has
// the plan that parsing would give.
func TestTemplatesAreLearned(t *testing.T) {
	plans := plansOf(t)
	s := &shaper{}
	for i := range 5 {
		text := fmt.Appendf(nil, "INSERT INTO t (id, c) VALUES (%d, '%0*d')", i, 10*i, i)
		_, effects := plans.rewriter.Scan(text)
		s.has = s.shape.Read(text)
		found := plans.templates.find(s, text, effects)
		if (found != nil) != (i >= 2) {
			t.Errorf("text %d is found: %v", i, found != nil)
		}
		got := plans.plan(text, usualEnv, s)
		if want := plans.rewriter.Plan(string(text), usualEnv); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\ngot  %+v\nwant %+v", text, got, want)
		}
		plans.templates.shapes.Wait()
		plans.templates.plans.Wait()
	}
	// What has no template is planned each time, and looked at once.
	for i := range 5 {
		text := fmt.Appendf(nil, "SELECT c, %d FROM t", i)
		plans.plan(text, usualEnv, s)
		plans.templates.shapes.Wait()
		if i >= 2 && (s.record == nil || !s.record.none) {
			t.Errorf("text %d: %+v", i, s.record)
		}
	}
}

// TestTemplatesKeepNoValues: a text with a value to seal that is none of its shape's
// leaves nothing behind, however often it comes.
func TestTemplatesKeepNoValues(t *testing.T) {
	plans := plansOf(t)
	for _, text := range []string{
		"INSERT INTO t (id, c) VALUES (1, 1e3)", "INSERT INTO t (id, c) VALUES (1, TRUE)", "INSERT INTO t (id, c) VALUES (1, 99999999999999999999)",
		"INSERT INTO t (id, c) VALUES (1, -5)", "INSERT INTO t (id, c) VALUES (1, 007)", "INSERT INTO t (id, c) VALUES (1, 'a'::text)", "INSERT INTO t (id, c) SELECT 1, c + 1e3 FROM t",
	} {
		s := &shaper{}
		for range 3 {
			plans.plan([]byte(text), usualEnv, s)
			plans.templates.shapes.Wait()
			plans.templates.plans.Wait()
		}
		if _, kept := plans.templates.shapes.Get(s.shape.Key()); !s.has || kept {
			t.Errorf("%s: has a shape: %v, which is kept: %v", text, s.has, kept)
		}
	}
}

// TestTemplateAllocations: a statement with its values in its text costs no more
// than the plan, its literals and their values.
func TestTemplateAllocations(t *testing.T) {
	plans := plansOf(t)
	s := &shaper{}
	text := []byte("INSERT INTO t (id, c) VALUES (1, 'value')")
	for range 3 {
		plans.plan(text, usualEnv, s)
		plans.templates.shapes.Wait()
		plans.templates.plans.Wait()
	}
	most := 3.0
	if raceDetector {
		most += 2 // the caches' pools lose some of what they are given then
	}
	if allocs := testing.AllocsPerRun(100, func() { plans.plan(text, usualEnv, s) }); allocs > most {
		t.Errorf("%v allocations", allocs)
	}
}
