package pgtest

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/postgres"
)

// Databases are the databases of one server that scripts are played in. A
// script gets one that is as good as new: to make one costs Postgres 300 files, and
// to empty it next to nothing.
type Databases struct {
	Server *postgres.Server

	t testing.TB // whose end is the databases'

	mu   sync.Mutex
	free []string // DSNs, emptied
}

// NewDatabases is a set without databases yet, which go with the test.
func NewDatabases(t testing.TB, server *postgres.Server) *Databases {
	t.Helper()
	return &Databases{Server: server, t: t}
}

// Take is the DSN of an empty database, which is the test's until it ends.
func (d *Databases) Take(t testing.TB) (dsn string) {
	t.Helper()
	d.mu.Lock()
	if n := len(d.free); n > 0 {
		dsn, d.free = d.free[n-1], d.free[:n-1]
	}
	d.mu.Unlock()
	if dsn == "" {
		dsn = DatabaseOn(d.t, d.Server)
	}
	t.Cleanup(func() {
		if err := emptyDatabase(dsn); err != nil {
			t.Error(err)
			return
		}
		d.mu.Lock()
		d.free = append(d.free, dsn)
		d.mu.Unlock()
	})
	return dsn
}

// emptyDatabase ends the database's sessions, drops all schemas of its own and makes
// public as it is in a new one. What lives outside of schemas (settings of the
// database, large objects, publications) stays: no script makes such things.
func emptyDatabase(dsn string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.PgConn().Exec(ctx, `
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
SET client_min_messages = warning;
DO $$
DECLARE
	s name;
BEGIN
	FOR s IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
		EXECUTE format('DROP SCHEMA %I CASCADE', s);
	END LOOP;
	CREATE SCHEMA public;
	IF current_setting('server_version_num')::int < 150000 THEN
		GRANT ALL ON SCHEMA public TO PUBLIC;
	ELSE
		ALTER SCHEMA public OWNER TO pg_database_owner;
		GRANT USAGE ON SCHEMA public TO PUBLIC;
	END IF;
END $$`).ReadAll()
	return err
}
