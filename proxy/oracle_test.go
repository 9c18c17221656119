package proxy_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/wirescript"
	"github.com/pgseal/pgseal/policy"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestOracle plays each script of testdata/wire against a plain Postgres and
// through pgseal with sealed columns, and through pgseal with none: the server's
// messages must be the same.
func TestOracle(t *testing.T) {
	databases := pgtest.NewDatabases(t, pgtest.Server(t))
	for _, file := range wireScripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".wire"), func(t *testing.T) {
			t.Parallel()
			compareWire(t, databases, file, map[string]*policy.Policy{
				"sealed": proxytest.WirePolicy(), "nothing sealed": proxytest.UnrelatedPolicy(),
			})
		})
	}
}

// wireScripts are the files of all scripts.
func wireScripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/wire/*.wire")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d scripts found (%v), want all of them", len(files), err)
	}
	return files
}

// needsVersion skips a script whose first line names a newer Postgres than the
// server: "# needs Postgres 17".
func needsVersion(t *testing.T, server *postgres.Server, script string) {
	t.Helper()
	needed, err := wirescript.Needs(script)
	if err != nil {
		t.Fatal(err)
	}
	if needed == 0 {
		return
	}
	if major := pgtest.Major(t, server); major < needed {
		t.Skipf("Postgres is %d, the script needs %d", major, needed)
	}
}

// compareWire plays a script against a server and through pgseal in front of it,
// with each of the policies.
func compareWire(t *testing.T, databases *pgtest.Databases, file string, policies map[string]*policy.Policy) {
	t.Helper()
	script := readScript(t, file)
	needsVersion(t, databases.Server, script)
	plain := databases.Take(t)
	proxytest.Exec(t, plain, proxytest.NotesTable)
	want := dialWire(t, plain).run(script)
	for name, p := range policies {
		f := proxytest.Start(t, proxytest.Options{Database: databases.Take(t), Policy: p})
		proxytest.Exec(t, f.Through, proxytest.NotesTable)
		got := dialWire(t, f.Through).run(script)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: pgseal's answers differ from Postgres's (-Postgres +pgseal):\n%s", name, diff)
		}
	}
}
