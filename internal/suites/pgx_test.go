package suites_test

import (
	"testing"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// pgxSetup is what pgx's testsetup makes in its database, as far as the server
// has the extensions.
const pgxSetup = `
DO $$ BEGIN CREATE EXTENSION hstore; EXCEPTION WHEN OTHERS THEN NULL; END $$;
DO $$ BEGIN CREATE EXTENSION ltree; EXCEPTION WHEN OTHERS THEN NULL; END $$;
CREATE DOMAIN uint64 AS numeric(20,0)`

// TestPgx runs pgx's own test suite.
func TestPgx(t *testing.T) {
	module := copyModule(t, "github.com/jackc/pgx/v5")
	s := &suite{
		binaries: compileTests(t, module, ".", "pgconn", "pgtype", "pgxpool", "stdlib", "tracelog", "multitracer"),
		tests:    ".", plain: pgxDatabase(t), behind: pgxDatabase(t), passedDirectly: 500,
		environment: func(dsn string) []string {
			return []string{"PGX_TEST_DATABASE=" + dsn, "PGX_TEST_TCP_CONN_STRING=" + dsn}
		},
	}
	s.compare(t)
}

func pgxDatabase(t *testing.T) string {
	t.Helper()
	dsn := pgtest.Database(t)
	proxytest.Exec(t, dsn, pgxSetup)
	return dsn
}
