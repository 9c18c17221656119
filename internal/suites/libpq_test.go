package suites_test

import (
	"net/url"
	"testing"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// TestLibPQ runs lib/pq's own test suite, without its examples, which end the
// process. Those of its tests that need the servers and files of its own set-up
// fail both ways. Left out is what gives the server a tenth of a second, and panics
// else: package clients plays LISTEN and cancels with lib/pq.
func TestLibPQ(t *testing.T) {
	module := copyModule(t, "github.com/lib/pq")
	s := &suite{
		binaries: compileTests(t, module, ".", "hstore"),
		tests:    "^Test", except: "^Test.*(Listen|Notif|Cancel)", plain: libPQDatabase(t), behind: libPQDatabase(t), passedDirectly: 500,
		environment: func(dsn string) []string {
			u, err := url.Parse(dsn)
			if err != nil {
				t.Error("the DSN is not a URL")
				return nil
			}
			return []string{
				"PGHOST=" + u.Hostname(), "PGPORT=" + u.Port(), "PGUSER=" + u.User.Username(), "PGDATABASE=pqgo", "PGSSLMODE=disable",
			}
		},
	}
	s.compare(t)
}

// libPQDatabase is a database with the names that lib/pq's tests expect, on a
// server of its own: they end other sessions.
func libPQDatabase(t *testing.T) string {
	t.Helper()
	server := pgtest.Private(t, postgres.Options{SuperUser: "pqgo"})
	proxytest.Exec(t, server.DSN("postgres"), "CREATE DATABASE pqgo")
	return server.DSN("pqgo")
}
