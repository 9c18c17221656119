package rewrite

import (
	"errors"
	"strings"
	"testing"
)

func TestCacheable(t *testing.T) {
	r := New(fixture(), Limits{})
	tests := map[string]bool{
		"INSERT INTO spans (org_id, note) VALUES ($1, $2)":       true,
		"INSERT INTO spans (org_id, note) VALUES ($1, 'secret')": false,
		"SELECT note FROM spans":                                 true,
		"SELECT upper(note) FROM spans":                          false,
		"SELECT * FROM planned":                                  false,
		"SELECT note FROM spans WHERE":                           false,
	}
	for text, want := range tests {
		if got := r.Plan(text, env).Cacheable(); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// The positions of a refusal count characters.
func TestPositionCountsCharacters(t *testing.T) {
	p := New(fixture(), Limits{}).Plan("SELECT 'äöü☃', upper(note) FROM spans", env)
	if e := p.Statements[0].Refusal; e == nil || e.Position != 22 {
		t.Errorf("%+v", e)
	}
}

func TestUnreadableTexts(t *testing.T) {
	r := New(fixture(), Limits{})
	for text, code := range map[string]string{
		"SELECT note FROM spans \x00 x":      "0A000",
		"SELECT note, '\xff' FROM spans":     "22021",
		"SELECT * FROM U&\"\\0073\" -- \x00": "0A000",
	} {
		if p := r.Plan(text, env); p.Refusal == nil || p.Refusal.Code != code {
			t.Errorf("%q: %s", text, render("", p))
		}
	}
	if p := r.Plan("SELECT \"\" FROM users -- \xff", env); !p.Relay {
		t.Error("a text that names nothing sealed is refused")
	}
}

// A panic while planning is a refusal, and says nothing of the statement.
func TestPanicRefuses(t *testing.T) {
	r := New(fixture(), Limits{})
	r.views.Store(r.snapshot.Relation("public", "span_view").OID, "not what belongs there")
	p := r.Plan("SELECT * FROM span_view WHERE 'secret' = 'secret'", env)
	if p.Refusal == nil || p.Refusal.Anchor != string(internalError) || strings.Contains(p.Refusal.Message+p.Refusal.Detail, "secret") {
		t.Errorf("%s", render("", p))
	}
}

func TestSplicePlan(t *testing.T) {
	text := "/* a */ INSERT INTO spans (org_id, note, attributes) VALUES ('acme', 'x', $1::jsonb);\nSELECT upper(note) FROM spans ; SELECT id FROM spans; "
	p := New(fixture(), Limits{}).Plan(text, env)
	literal := func(dst []byte, st *Statement, i int) ([]byte, error) {
		return append(append(append(dst, '<'), st.Literals[i].Value.Reveal()...), '>'), nil
	}
	got, err := SplicePlan([]byte("dst "), text, p, " REFUSED ", literal, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "dst /* a */ INSERT INTO spans (org_id, note, attributes) VALUES ('acme', <x>, $1::pgseal.sealed); REFUSED ; SELECT id FROM spans; "
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	failure := errors.New("no key")
	_, err = Splice(nil, text, &p.Statements[0], func(dst []byte, _ int) ([]byte, error) { return dst, failure }, nil)
	if !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
}

func TestSpliceRefusesOverlap(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("overlapping edits were spliced")
		}
	}()
	_, _ = Splice(nil, "SELECT 1", &Statement{End: 8, Edits: []Edit{{0, 7, "a"}, {3, 8, "b"}}}, nil, nil)
}

func BenchmarkPlan(b *testing.B) {
	r := New(fixture(), Limits{})
	row := "(1, 'acme', 'n', '{\"a\": 1}', 'note')"
	for _, bench := range []struct{ name, text string }{
		{"point select", "SELECT id, org_id, attributes FROM spans WHERE org_id = $1 AND id = $2"},
		{"insert of 10 parameters", "INSERT INTO spans (id, org_id, name, attributes, note) VALUES ($1, $2, $3, $4, $5), ($6, $7, $8, $9, $10)"},
		{"insert of literals", "INSERT INTO spans (id, org_id, name, attributes, note) VALUES " + row},
		{"insert of 100 rows", "INSERT INTO spans (id, org_id, name, attributes, note) VALUES " + row + strings.Repeat(", "+row, 99)},
		{"join", "SELECT s.id, s.attributes, u.name FROM spans s JOIN users u ON u.id = s.id WHERE s.org_id = $1 AND u.name IN ('a', 'b') ORDER BY s.id DESC LIMIT 100"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bench.text)))
			for b.Loop() {
				if p := r.Plan(bench.text, env); len(p.Statements) != 1 || p.Statements[0].Refusal != nil {
					b.Fatal("not planned")
				}
			}
		})
	}
}
