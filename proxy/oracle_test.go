package proxy_test

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/proxytest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestOracle plays each script of testdata/wire against a plain Postgres and
// through pgseal with sealed columns, and through pgseal with none: the server's
// messages must be the same.
func TestOracle(t *testing.T) {
	files, err := filepath.Glob("testdata/wire/*.wire")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d scripts found (%v), want all of them", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".wire"), func(t *testing.T) {
			t.Parallel()
			script := readScript(t, file)
			plain := pgtest.Database(t)
			needsVersion(t, plain, script)
			proxytest.Exec(t, plain, proxytest.NotesTable)
			want := dialWire(t, plain).run(script)
			for name, o := range map[string]proxytest.Options{"sealed": {}, "nothing sealed": {Policy: proxytest.UnrelatedPolicy()}} {
				f := proxytest.Start(t, o)
				proxytest.Exec(t, f.Through, proxytest.NotesTable)
				got := dialWire(t, f.Through).run(script)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: pgseal's answers differ from Postgres's (-Postgres +pgseal):\n%s", name, diff)
				}
			}
		})
	}
}

// needsVersion skips a script whose first line names a newer Postgres than the one
// that the tests run with: "# needs Postgres 17".
func needsVersion(t *testing.T, dsn, script string) {
	t.Helper()
	word, ok := strings.CutPrefix(strings.SplitN(script, "\n", 2)[0], "# needs Postgres ")
	if !ok {
		return
	}
	needed, err := strconv.Atoi(word)
	if err != nil {
		t.Fatal(err)
	}
	var version int
	err = proxytest.Connect(t, dsn).QueryRow(t.Context(), "SELECT current_setting('server_version_num')::int / 10000").Scan(&version)
	if err != nil {
		t.Fatal(err)
	}
	if version < needed {
		t.Skipf("Postgres is %d, the script needs %d", version, needed)
	}
}
