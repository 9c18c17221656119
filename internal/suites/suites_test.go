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

// suite is a driver's own tests, and the two databases that they run on.
type suite struct {
	binaries       map[string]string         // by the folder that they run in
	tests          string                    // which ones: a regular expression
	except         string                    // and which not; empty: none
	plain, behind  string                    // DSNs; pgseal stands in front of behind
	environment    func(dsn string) []string // tells the tests their database
	passedDirectly int                       // at least so many
}

// compare runs a suite against Postgres and through pgseal, which seals nothing
// that it touches: each test must end alike. Both at the same time: much of a
// suite waits.
func (s *suite) compare(t *testing.T) {
	t.Helper()
	f := proxytest.Start(t, proxytest.Options{Database: s.behind})
	var direct, through map[string]string
	var both sync.WaitGroup
	both.Go(func() { direct = s.run(t, s.plain) })
	both.Go(func() { through = s.run(t, f.Through) })
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
	t.Logf("%d tests: %v", len(direct), counts)
	if counts["pass"] < s.passedDirectly {
		t.Errorf("only %d tests passed against Postgres itself: the suite did not run", counts["pass"])
	}
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

// compileTests compiles the tests of a module's folders, and gives the binaries
// by them.
func compileTests(t *testing.T, module string, folders ...string) map[string]string {
	t.Helper()
	binaries := map[string]string{}
	for _, folder := range folders {
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

// packageName is a folder's name, "root" for the module's own.
func packageName(folder string) string {
	if name := filepath.Base(folder); strings.Trim(name, "0123456789") != "" {
		return name
	}
	return "root"
}

// temporary are the paths of temporary folders, which some tests have in their
// names.
var temporary = regexp.MustCompile(`/[^ =']*/Test[^/]*/[0-9]+`)

// run runs the suite on a database, and gives each test's outcome.
func (s *suite) run(t *testing.T, dsn string) map[string]string {
	t.Helper()
	outcomes := map[string]string{}
	for folder, binary := range s.binaries {
		cmd := exec.Command("go", "tool", "test2json", "-p", packageName(folder), binary, "-test.v=test2json", "-test.short", "-test.timeout=5m", "-test.run="+s.tests, "-test.skip="+s.except)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), s.environment(dsn)...)
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
