package suites_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/proxytest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// pgxSetup is what pgx's testsetup makes in its database, as far as the server
// has the extensions.
const pgxSetup = `
DO $$ BEGIN CREATE EXTENSION hstore; EXCEPTION WHEN OTHERS THEN NULL; END $$;
DO $$ BEGIN CREATE EXTENSION ltree; EXCEPTION WHEN OTHERS THEN NULL; END $$;
CREATE DOMAIN uint64 AS numeric(20,0)`

// TestPgx runs pgx's own test suite against Postgres and through pgseal, which
// seals nothing that it touches: each test must end alike.
func TestPgx(t *testing.T) {
	module := copyModule(t, "github.com/jackc/pgx/v5")
	binaries := compileTests(t, module)
	// At the same time, each on a database of its own: much of the suite waits.
	var direct, through map[string]string
	var both sync.WaitGroup
	dsn := pgxDatabase(t)
	both.Go(func() { direct = runTests(t, binaries, dsn) })
	dsnThrough := proxytest.Start(t, proxytest.Options{Database: pgxDatabase(t)}).Through
	both.Go(func() { through = runTests(t, binaries, dsnThrough) })
	both.Wait()
	counts := map[string]int{}
	for name, outcome := range direct {
		counts[outcome]++
		if through[name] != outcome {
			t.Errorf("%s: %s against Postgres, %s through pgseal", name, outcome, through[name])
		}
	}
	for name := range through {
		if _, ok := direct[name]; !ok {
			t.Errorf("%s ran through pgseal only", name)
		}
	}
	t.Logf("%d tests of pgx: %v", len(direct), counts)
	if counts["pass"] < 500 {
		t.Errorf("only %d tests of pgx passed against Postgres itself: the suite did not run", counts["pass"])
	}
}

func pgxDatabase(t *testing.T) string {
	t.Helper()
	dsn := pgtest.Database(t)
	proxytest.Exec(t, dsn, pgxSetup)
	return dsn
}

// copyModule copies a module of go.mod to a folder that can be written to.
func copyModule(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatalf("find %s: %v", module, err)
	}
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(strings.TrimSpace(string(out)))); err != nil {
		t.Fatal(err)
	}
	return folder
}

// compileTests compiles the tests of every package of a module that uses the
// database, and gives the binaries by their packages' folders.
func compileTests(t *testing.T, module string) map[string]string {
	t.Helper()
	binaries := map[string]string{}
	for _, folder := range []string{".", "pgconn", "pgtype", "pgxpool", "stdlib", "tracelog", "multitracer"} {
		binary := filepath.Join(t.TempDir(), "suite.test")
		cmd := exec.Command("go", "test", "-c", "-vet=off", "-o", binary, "./"+folder)
		cmd.Dir = module
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("compile the tests of %s: %v\n%s", folder, err, out)
		}
		binaries[filepath.Join(module, folder)] = binary
	}
	return binaries
}

// packageName is a folder's name under pgx's own folder, "pgx" for that.
func packageName(folder string) string {
	if name := filepath.Base(folder); strings.Trim(name, "0123456789") != "" {
		return name
	}
	return "pgx"
}

// temporary are the paths of temporary folders, which some tests have in their
// names.
var temporary = regexp.MustCompile(`/[^ =']*/Test[^/]*/[0-9]+`)

// runTests runs the suites on a database, and gives each test's outcome.
func runTests(t *testing.T, binaries map[string]string, dsn string) map[string]string {
	t.Helper()
	outcomes := map[string]string{}
	for folder, binary := range binaries {
		cmd := exec.Command("go", "tool", "test2json", "-p", packageName(folder), binary, "-test.v=test2json", "-test.short", "-test.timeout=5m")
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "PGX_TEST_DATABASE="+dsn, "PGX_TEST_TCP_CONN_STRING="+dsn)
		out, err := cmd.Output() // that tests fail is seen in the outcomes
		if len(out) == 0 {
			t.Errorf("run the tests of %s: %v", folder, err)
		}
		lines := bufio.NewScanner(bytes.NewReader(out))
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			var event struct{ Action, Package, Test string }
			if json.Unmarshal(lines.Bytes(), &event) != nil || event.Test == "" {
				continue
			}
			switch event.Action {
			case "pass", "fail", "skip":
				outcomes[temporary.ReplaceAllString(event.Package+"."+event.Test, "TMP")] = event.Action
			}
		}
	}
	return outcomes
}
