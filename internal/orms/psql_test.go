package orms_test

import (
	"os"
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

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
