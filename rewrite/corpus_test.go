package rewrite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/sqlcorpus"
)

// TestCorpus plans what programs really send (internal/orms has caught it): nothing
// may be refused but what searches a sealed column.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	system := readCorpus(t, systemRelations)
	all, rewritten, refused := 0, 0, 0
	for _, file := range files {
		if file == systemRelations {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			c := readCorpus(t, file)
			r := New(sqlcorpus.Snapshot(system, c), Limits{})
			if len(c.Statements) == 0 {
				t.Error("no statements")
			}
			for i := range c.Statements {
				st := &c.Statements[i]
				all++
				env := Env{StandardStrings: true, UTF8: true, SearchPath: []string{"pg_catalog", "public"}, CatalogIsFresh: true, Extended: st.Extended, SealedNames: true}
				p := r.Plan(st.Text, env)
				switch reason := refusalOf(p); {
				case p.NeedsCatalog || p.NeedsSearchPath:
					t.Errorf("no plan: %.300s", st.Text)
				case reason != "" && st.Refused:
					refused++
				case reason != "":
					t.Errorf("%s: refused, %s: %.500s", st.At, reason, st.Text)
				case st.Refused:
					t.Errorf("%s: not refused: %.500s", st.At, st.Text)
				case !p.Relay:
					rewritten++
				}
			}
		})
	}
	t.Logf("%d statements of %d programs: %d refused, all of which search a sealed column; %d planned, the others relayed", all, len(files)-1, refused, rewritten)
}

// systemRelations are the system's own relations, of Postgres 15, and pgseal's.
const systemRelations = "testdata/corpus/system.txt"

func readCorpus(t *testing.T, file string) *sqlcorpus.Corpus {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := sqlcorpus.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return c
}

// refusalOf says why a plan refuses, empty when it does not.
func refusalOf(p *Plan) string {
	if p.Refusal != nil {
		return p.Refusal.Message
	}
	for i := range p.Statements {
		if r := p.Statements[i].Refusal; r != nil {
			return r.Message
		}
	}
	return ""
}
