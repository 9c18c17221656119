package orms_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pgseal/pgseal/internal/clienttest"
)

// mappers are in the table's order.
var mappers = []struct {
	name    string
	install func(t *testing.T) clienttest.Program // skips the test when the machine lacks what it needs
}{
	{"pgx", func(*testing.T) clienttest.Program { return playPgx }},
	{"Django", python([]string{"django_program.py"}, "django", "psycopg2")},
	{"SQLAlchemy", python([]string{"sqlalchemy_program.py", "psycopg2"}, "sqlalchemy", "alembic", "psycopg2")},
	{"SQLAlchemy, asyncpg", python([]string{"sqlalchemy_program.py", "asyncpg"}, "sqlalchemy", "alembic", "asyncpg")},
	{"ActiveRecord", activeRecord},
	{"GORM", gorm},
	{"TypeORM", node("typeorm_program.mjs")},
	{"Sequelize", node("sequelize_program.mjs")},
	{"Prisma", node("prisma_program.mjs")},
	{"JDBC metadata", func(t *testing.T) clienttest.Program { return clienttest.Java(t, "testdata/java/Metadata.java") }},
	{"psql", psql},
	{"pg_dump", pgDump},
}

func python(args []string, modules ...string) func(t *testing.T) clienttest.Program {
	return func(t *testing.T) clienttest.Program {
		t.Helper()
		return clienttest.Run("testdata/python", clienttest.Python(t, modules...), args...)
	}
}

// node is a mapper that is a package of npm's.
func node(script string) func(t *testing.T) clienttest.Program {
	return func(t *testing.T) clienttest.Program {
		t.Helper()
		folder := clienttest.NodeFolder(t, "testdata/node")
		if err := os.WriteFile(filepath.Join(folder, "rows.sql"), []byte(readFile(t, "testdata/rows.sql")), 0o600); err != nil {
			t.Fatal(err)
		}
		return clienttest.Run(folder, "node", script)
	}
}

// activeRecord is Ruby on Rails' mapper, of Debian's packages.
func activeRecord(t *testing.T) clienttest.Program {
	t.Helper()
	path, err := exec.LookPath("ruby")
	if err != nil || exec.Command(path, "-e", "require 'active_record'; require 'pg'").Run() != nil {
		t.Skip("no Ruby here has ActiveRecord and pg: apt-get install ruby-activerecord ruby-pg")
	}
	return clienttest.Run("testdata/ruby", path, "activerecord_program.rb")
}

// gorm is a program in a Go module of its own, so that pgseal does not depend on
// GORM.
func gorm(t *testing.T) clienttest.Program {
	t.Helper()
	folder, err := filepath.Abs("testdata/gorm")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "gormprogram")
	for _, args := range [][]string{{"mod", "download"}, {"build", "-o", binary, "."}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = folder
		out, err := cmd.CombinedOutput()
		if err != nil && args[0] == "mod" {
			t.Skipf("the modules of internal/orms/testdata/gorm are not to be had (go mod download): %v\n%s", err, out)
		}
		if err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	}
	return clienttest.Run("", binary)
}
