package orms_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/clienttest"
)

// psql plays its backslash commands, one after the other.
func psql(t *testing.T) clienttest.Program {
	t.Helper()
	path := clienttest.Tool(t, "psql", "postgresql-client")
	return func(t *testing.T, dsn string) string {
		t.Helper()
		var out strings.Builder
		out.WriteString("version\t" + clienttest.ToolVersion(t, path) + "\n")
		for _, part := range []struct{ feature, file string }{
			{"create schema", "testdata/schema.sql"}, {"create", "testdata/rows.sql"}, {"introspection", "testdata/psql/introspection.sql"},
		} {
			printed, err := clienttest.ToolOutput(t, path, "\\t\nSELECT 'playing: "+part.feature+"';\n\\t\n\\set ECHO all\n"+readFile(t, part.file), "-X", "-q", "-d", dsn)
			if err != nil {
				t.Fatalf("psql, %s: %v\n%s", part.feature, err, printed)
			}
			clienttest.FeatureLines(&out, part.feature, printed, false)
		}
		return out.String()
	}
}

// pgDump dumps the schema and the rows of the tables that psql has made.
func pgDump(t *testing.T) clienttest.Program {
	t.Helper()
	psql, path := clienttest.Tool(t, "psql", "postgresql-client"), clienttest.Tool(t, "pg_dump", "postgresql-client")
	return func(t *testing.T, dsn string) string {
		t.Helper()
		var out strings.Builder
		out.WriteString("version\t" + clienttest.ToolVersion(t, path) + "\n")
		run := func(feature, path, input string, args ...string) {
			printed, err := clienttest.ToolOutput(t, path, input, args...)
			if err != nil {
				t.Fatalf("%s: %v\n%s", path, err, printed)
			}
			clienttest.FeatureLines(&out, feature, restriction.ReplaceAllString(printed, "$1 n"), false)
		}
		run("create schema", psql, readFile(t, "testdata/schema.sql"), "-X", "-d", dsn)
		run("create", psql, readFile(t, "testdata/rows.sql"), "-X", "-d", dsn)
		run("introspection", psql, "SELECT 'playing: introspection'", "-X", "-d", dsn)
		run("introspection", path, "", "--schema-only", "--exclude-schema=pgseal", "-d", dsn)
		run("read", psql, "SELECT 'playing: read'", "-X", "-d", dsn)
		run("read", path, "", "--data-only", "--exclude-schema=pgseal", "-d", dsn)
		run("read", path, "", "--data-only", "--column-inserts", "--table=notes", "-d", dsn)
		return out.String()
	}
}

// restriction is a random word in dumps.
var restriction = regexp.MustCompile(`(\\(?:un)?restrict) \w+`)

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
