package proxy_test

import (
	"path/filepath"
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
