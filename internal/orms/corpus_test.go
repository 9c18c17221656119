package orms_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/sqlcorpus"
	"github.com/pgseal/pgseal/rewrite"
)

const corpusFolder = "../../rewrite/testdata/corpus"

// sentBy is what a program sent to Postgres itself, and what pgseal's rewriter, under
// the catalog of the database behind pgseal, says to it.
type sentBy struct {
	sent    int // statements
	corpus  *sqlcorpus.Corpus
	refused int // of the corpus's
}

// catch reads from the log what came to the database, and plans it. Outside of the
// feature "searches" nothing may be refused.
func catch(t *testing.T, server *postgres.Server, plain, behind string) *sentBy {
	t.Helper()
	logged, err := os.ReadFile(server.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	all := sqlcorpus.ReadLog(string(logged), databaseOf(t, plain))
	snapshot := loadCatalog(t, behind)
	s := &sentBy{sent: len(all), corpus: &sqlcorpus.Corpus{Relations: relationsOf(snapshot, false), Statements: sqlcorpus.Distinct(all)}}
	rewriter := rewrite.New(snapshot, rewrite.Limits{})
	for i := range s.corpus.Statements {
		st := &s.corpus.Statements[i]
		refusal := refusalOf(rewriter.Plan(st.Text, environment(st.Extended)))
		if st.Refused = refusal != nil; st.Refused {
			s.refused++
		}
		if st.Refused && st.At != searching {
			t.Errorf("%s: refused, %s: %.1000s", st.At, refusal.Message, st.Text)
		}
	}
	return s
}

// environment is the session in which statements are planned.
func environment(extended bool) rewrite.Env {
	return rewrite.Env{
		StandardStrings: true, UTF8: true, SearchPath: []string{"pg_catalog", "public"}, CatalogIsFresh: true, Extended: extended, SealedNames: true,
	}
}

func refusalOf(p *rewrite.Plan) *pgerr.Error {
	refusal := p.Refusal
	for i := range p.Statements {
		if r := p.Statements[i].Refusal; r != nil {
			refusal = r
		}
	}
	return refusal
}

// check compares the file with what was caught, or writes it: all that a program
// sends must be in its file, if that is of the same versions. What differs in values
// only is not written anew.
func (s *sentBy) check(t *testing.T, mapper, version, server string) {
	t.Helper()
	numbers := append(strings.Split(version, "."), "")
	major, _, _ := strings.Cut(server, ".")
	s.corpus.Of = mapper + " " + strings.TrimSuffix(numbers[0]+"."+numbers[1], ".") + ", Postgres " + major
	file := filepath.Join(corpusFolder, strings.ToLower(strings.NewReplacer(", ", "-", " ", "-").Replace(mapper))+".txt")
	text, err := os.ReadFile(file)
	if err != nil && !*update {
		t.Fatal(err)
	}
	kept, err := sqlcorpus.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for _, st := range kept.Statements {
		known[st.Key()] = st.Text
	}
	for i := range s.corpus.Statements {
		st := &s.corpus.Statements[i]
		old, ok := known[st.Key()]
		switch {
		case ok:
			st.Text = old
		case !*update && kept.Of == s.corpus.Of:
			t.Errorf("%s is not in %s: run go test ./internal/orms -update", st.Text, file)
		}
	}
	if *update {
		if err := os.WriteFile(file, s.corpus.Format(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// relationsOf are a snapshot's relations in public or, with system set, elsewhere, in
// the order of their names.
func relationsOf(snapshot *catalog.Snapshot, system bool) []*catalog.Relation {
	var list []*catalog.Relation
	for r := range snapshot.All() {
		if system == (r.Schema != "public") {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *catalog.Relation) int {
		return strings.Compare(a.Schema+"."+a.Name, b.Schema+"."+b.Name)
	})
	return list
}

// writeSystem writes the file of the system's relations.
func writeSystem(t *testing.T, behind string) {
	t.Helper()
	c := &sqlcorpus.Corpus{Relations: relationsOf(loadCatalog(t, behind), true)}
	if err := os.WriteFile(filepath.Join(corpusFolder, "system.txt"), c.Format(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// loadCatalog loads the catalog of a database.
func loadCatalog(t *testing.T, dsn string) *catalog.Snapshot {
	t.Helper()
	conn := proxytest.Connect(t, dsn)
	snapshot, err := catalog.Load(t.Context(), querier{conn.PgConn()}, testPolicy(), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

// querier is a catalog.Querier over a connection.
type querier struct{ conn *pgconn.PgConn }

func (q querier) Query(ctx context.Context, sql string) ([][]string, error) {
	results, err := q.conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, row := range results[len(results)-1].Rows {
		texts := make([]string, len(row))
		for i, value := range row {
			texts[i] = string(value)
		}
		rows = append(rows, slices.Clip(texts))
	}
	return rows, nil
}

func databaseOf(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("the DSN is not a URL")
	}
	return strings.TrimPrefix(u.Path, "/")
}
