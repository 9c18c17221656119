package orms_test

import (
	"bytes"
	"flag"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgseal/pgseal/internal/clienttest"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/sqlcorpus"
)

var update = flag.Bool("update", false, "write docs/orms.md and the statements in rewrite/testdata/corpus")

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestMappers plays every mapper.
func TestMappers(t *testing.T) {
	logging := postgres.Options{LogStatementAll: true, Settings: map[string]string{"log_line_prefix": sqlcorpus.LogPrefix}}
	direct, behind := pgtest.Private(t, logging), pgtest.Private(t, logging)
	outcomes := newOutcomes()
	t.Run("all", func(t *testing.T) {
		for _, m := range mappers {
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				play(t, m.name, m.install(t), direct, behind, outcomes)
			})
		}
	})
	if *update {
		f := proxytest.Start(t, proxytest.Options{Database: pgtest.DatabaseOn(t, behind), Policy: testPolicy()})
		writeSystem(t, f.Direct)
	}
	outcomes.check(t)
	logged, err := os.ReadFile(behind.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(logged, []byte("SELECT 'playing: ")) {
		t.Error("the server's log has no statements: they are not searched for values")
	}
	if at := bytes.Index(logged, []byte("secret")); at >= 0 {
		t.Errorf("a value stands in the server's log: %.300q", logged[at-min(at, 100):])
	}
}

// play plays a mapper against Postgres and through pgseal, and compares.
func play(t *testing.T, name string, program clienttest.Program, direct, behind *postgres.Server, o *outcomes) {
	plain := withOrg(t, pgtest.DatabaseOn(t, direct))
	f := proxytest.Start(t, proxytest.Options{Database: pgtest.DatabaseOn(t, behind), Policy: testPolicy()})
	through := withOrg(t, f.Through)

	want := clienttest.ReadTranscript(t, program(t, plain), features)
	got := clienttest.ReadTranscript(t, program(t, through), features)
	s := catch(t, direct, plain, f.Direct)
	s.check(t, name, want.Version, clienttest.ReadRows(t, plain, "SHOW server_version")[0])
	o.program(name, want.Version, s)
	t.Logf("%d statements sent, %d different ones, %d of them refused", s.sent, len(s.corpus.Statements), s.refused)
	for _, feature := range want.Features {
		t.Run(feature, func(t *testing.T) {
			if feature == searching {
				compareSearches(t, want.Lines[feature], got.Lines[feature])
			} else {
				compare(t, want.Lines[feature], got.Lines[feature])
			}
			o.feature(name, feature, !t.Failed())
		})
	}
	if diff := cmp.Diff(want.Features, got.Features); diff != "" {
		t.Errorf("the program did not play the same features (-Postgres +pgseal):\n%s", diff)
	}
	for _, sql := range []string{"SELECT * FROM authors ORDER BY id", "SELECT * FROM notes ORDER BY id"} {
		wrote := clienttest.ReadRows(t, plain, sql)
		if diff := cmp.Diff(wrote, clienttest.ReadRows(t, through, sql)); diff != "" {
			t.Errorf("the rows that the program wrote differ (-Postgres +pgseal):\n%.4000s", diff)
		}
		if len(wrote) == 0 {
			t.Errorf("no row: %s", sql)
		}
	}
	for _, column := range testPolicy().Table("public", "notes").Columns {
		if values, sealed := clienttest.CountSealed(t, f.Direct, "notes", column.Name); values == 0 || sealed != values {
			t.Errorf("notes.%s has %d values, %d of them sealed", column.Name, values, sealed)
		}
	}
}

// withOrg is a DSN whose sessions have the setting that orgs come from.
func withOrg(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("the DSN is not a URL")
	}
	query := u.Query()
	query.Set("options", "-c pgseal.org=acme")
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String()
}

// compare compares what a program saw of a feature.
func compare(t *testing.T, want, got []string) {
	t.Helper()
	for _, line := range want {
		if strings.HasPrefix(line, "FAILED") {
			t.Errorf("against Postgres itself: %s", line)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the program saw differs (-Postgres +pgseal):\n%s", diff)
	}
}

// compareSearches compares what came of searches: each line is a label, and what
// came of it.
func compareSearches(t *testing.T, want, got []string) {
	t.Helper()
	var refused []string
	for _, line := range want {
		label, outcome, _ := strings.Cut(line, " ")
		if !strings.HasPrefix(outcome, "found ") {
			t.Errorf("against Postgres itself: %s", line)
		}
		refused = append(refused, label+" refused 0A000")
	}
	if diff := cmp.Diff(refused, got); diff != "" {
		t.Errorf("not every search is refused (-want +pgseal):\n%s", diff)
	}
}
