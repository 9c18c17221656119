package clients_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/internal/clienttest"
)

// processID is in what psql says of notifications.
var processID = regexp.MustCompile(`PID \d+`)

// psql plays the features of testdata/psql, each in a session of its own.
func psql(t *testing.T) clienttest.Program {
	t.Helper()
	path := clienttest.Tool(t, "psql", "postgresql-client")
	text, err := os.ReadFile("testdata/psql/features.sql")
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, dsn string) string {
		t.Helper()
		var out strings.Builder
		out.WriteString("version\t" + clienttest.ToolVersion(t, path) + "\n")
		for i, part := range strings.Split(string(text), "-- feature: ") {
			feature, script, _ := strings.Cut(part, "\n")
			if i == 0 {
				continue
			}
			printed, err := clienttest.ToolOutput(t, path, script, "-X", "-d", dsn)
			if err != nil {
				t.Fatalf("psql, %s: %v\n%s", feature, err, printed)
			}
			clienttest.FeatureLines(&out, feature, processID.ReplaceAllString(printed, "PID n"), feature == "errors" || feature == "transactions")
		}
		clienttest.FeatureLines(&out, "cancel", interrupted(t, path, dsn), true)
		return out.String()
	}
}

// interrupted is what psql prints when it is interrupted while a query runs.
func interrupted(t *testing.T, path, dsn string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clienttest.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-X", "-d", dsn, "-c", `\warn ready`, "-c", "SELECT pg_sleep(30)")
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "HOME=/nonexistent")
	printed, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for lines := bufio.NewScanner(printed); lines.Scan(); {
		out.WriteString(lines.Text() + "\n")
		if lines.Text() == "ready" { // so it has connected
			time.Sleep(500 * time.Millisecond)
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("psql was not interrupted")
	}
	return out.String()
}

// dump is pg_dump and pg_restore: the table is dumped, dropped and restored.
func dump(t *testing.T) clienttest.Program {
	t.Helper()
	pgDump, pgRestore := clienttest.Tool(t, "pg_dump", "postgresql-client"), clienttest.Tool(t, "pg_restore", "postgresql-client")
	psql := clienttest.Tool(t, "psql", "postgresql-client")
	return func(t *testing.T, dsn string) string {
		t.Helper()
		must := func(path string, args ...string) string {
			t.Helper()
			out, err := clienttest.ToolOutput(t, path, "", args...)
			if err != nil {
				t.Fatalf("%s: %v\n%s", filepath.Base(path), err, out)
			}
			return out
		}
		var out strings.Builder
		out.WriteString("version\t" + clienttest.ToolVersion(t, pgDump) + "\n")
		must(psql, "-X", "-d", dsn, "-c", `INSERT INTO items (id, org, t, jb, raw, i4) VALUES
			(1, 'acme', E'secret\ttext \\ Grüße', '{"secret": 1}', '\x00ff', 7), (2, 'globex', NULL, NULL, NULL, NULL)`)
		for _, format := range []string{"custom", "plain"} {
			file := filepath.Join(t.TempDir(), "dump")
			must(pgDump, "--format="+format, "--table=items", "--file="+file, "--dbname="+dsn)
			must(psql, "-X", "-d", dsn, "-c", "DROP TABLE items")
			if format == "custom" {
				must(pgRestore, "--exit-on-error", "--dbname="+dsn, file)
			} else {
				must(psql, "-X", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", file)
			}
			clienttest.FeatureLines(&out, "dump and restore", must(psql, "-X", "-d", dsn, "-c", "SELECT * FROM items ORDER BY id"), false)
		}
		return out.String()
	}
}

// processed is what pgbench counts, in its words.
var processed = regexp.MustCompile(`(?m)^(query mode|number of transactions actually processed|number of failed transactions): .*$`)

// bench is pgbench in its three modes: on its own tables, and on sealed columns.
func bench(t *testing.T) clienttest.Program {
	t.Helper()
	path := clienttest.Tool(t, "pgbench", "postgresql-contrib")
	return func(t *testing.T, dsn string) string {
		t.Helper()
		var out strings.Builder
		out.WriteString("version\t" + clienttest.ToolVersion(t, path) + "\n")
		play := func(args ...string) {
			t.Helper()
			printed, err := clienttest.ToolOutput(t, path, "", append(args, dsn)...)
			if err != nil {
				t.Fatalf("pgbench: %v\n%s", err, printed)
			}
			clienttest.FeatureLines(&out, "pgbench", strings.Join(processed.FindAllString(printed, -1), "\n"), false)
		}
		play("-i", "-q")
		for i, mode := range []string{"simple", "extended", "prepared"} {
			play("-n", "-M", mode, "-c", "2", "-t", "20")
			play("-n", "-M", mode, "-t", "20", fmt.Sprintf("--random-seed=%d", i+1), "-f", "testdata/pgbench/sealed.sql")
		}
		return out.String()
	}
}
