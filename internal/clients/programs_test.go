package clients_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// program plays a client's features against a database, and gives what it printed.
type program func(t *testing.T, dsn string) string

// client is a client, and how its program is made ready: install skips the test,
// with the command that helps, when the machine lacks what it needs.
type client struct {
	name    string
	install func(t *testing.T) program
}

// clients are in the table's order.
var clients = []client{
	{"psql", psql},
	{"pg_dump", dump},
	{"pgbench", bench},
	{"pgx", func(*testing.T) program { return playPgx }},
	{"lib/pq", func(*testing.T) program { return playPQ }},
	{"psycopg2", python("psycopg2", "psycopg2_client.py")},
	{"psycopg", python("psycopg", "psycopg_client.py")},
	{"asyncpg", python("asyncpg", "asyncpg_client.py")},
	{"node-postgres", node("pg_client.mjs")},
	{"postgres.js", node("postgres_client.mjs")},
	{"JDBC", jdbc},
}

// programLimit ends a program that hangs.
const programLimit = 3 * time.Minute

// run runs a program, in a folder, that gets the DSN as its last argument.
func run(folder, name string, args ...string) program {
	return func(t *testing.T, dsn string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), programLimit)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, append(args, dsn)...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C.UTF-8", "PGSSLROOTCERT=", "PYTHONDONTWRITEBYTECODE=1")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s%s", filepath.Base(name), err, out, stderrOf(err))
		}
		return string(out)
	}
}

func stderrOf(err error) []byte {
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.Stderr
	}
	return nil
}

// python is a client that is a Python module, of Debian's packages.
func python(module, script string) func(t *testing.T) program {
	return func(t *testing.T) program {
		t.Helper()
		for _, name := range []string{"python3", "/usr/bin/python3"} { // the first one on PATH may not be Debian's
			path, err := exec.LookPath(name)
			if err == nil && exec.Command(path, "-c", "import "+module).Run() == nil {
				return run("testdata/python", path, script)
			}
		}
		t.Skipf("no Python here has %s: apt-get install python3-%s", module, module)
		return nil
	}
}

// node is a client that is a package of npm's, installed as the lock file says.
func node(script string) func(t *testing.T) program {
	return func(t *testing.T) program {
		t.Helper()
		for _, name := range []string{"node", "npm"} {
			if _, err := exec.LookPath(name); err != nil {
				t.Skipf("%s is not on this machine: apt-get install nodejs npm", name)
			}
		}
		folder := t.TempDir()
		if err := os.CopyFS(folder, os.DirFS("testdata/node")); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error")
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("npm cannot install the packages of internal/clients/testdata/node (npm ci): %v\n%s", err, out)
		}
		return run(folder, "node", script)
	}
}

// jdbcDriver is where Debian puts it.
const jdbcDriver = "/usr/share/java/postgresql.jar"

// jdbc is Postgres's JDBC driver, of Debian's packages.
func jdbc(t *testing.T) program {
	t.Helper()
	if _, err := os.Stat(jdbcDriver); err != nil {
		t.Skipf("%s is not on this machine: apt-get install libpostgresql-jdbc-java", jdbcDriver)
	}
	for _, name := range []string{"javac", "java"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not on this machine: apt-get install default-jdk-headless", name)
		}
	}
	classes := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "javac", "-encoding", "UTF-8", "-cp", jdbcDriver, "-d", classes, "testdata/java/JdbcClient.java").CombinedOutput()
	if err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	return run("", "java", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", jdbcDriver+string(os.PathListSeparator)+classes, "JdbcClient")
}
