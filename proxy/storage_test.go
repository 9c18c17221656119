package proxy_test

import (
	"testing"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// TestStorage: the server is told not to try to compress sealed values, in each version's
// way; but not by CREATE TABLE of 14 and 15, which cannot say so.
func TestStorage(t *testing.T) {
	pgtest.EachVersion(t, func(t *testing.T, server *postgres.Server) {
		f := proxytest.Start(t, proxytest.Options{Database: pgtest.DatabaseOn(t, server)})
		created := "e"
		if pgtest.Major(t, server) < 16 {
			created = "x"
		}
		direct := proxytest.Connect(t, f.Direct)
		want := func(column, storage string) {
			t.Helper()
			var got string
			err := direct.QueryRow(t.Context(), "SELECT attstorage::text FROM pg_attribute WHERE attrelid = 'notes'::regclass AND attname = $1", column).Scan(&got)
			if err != nil || got != storage {
				t.Errorf("%s: storage %q, %v; want %q", column, got, err, storage)
			}
		}
		proxytest.Exec(t, f.Through, "CREATE TABLE notes (id int, org_id text, body text, doc jsonb)")
		want("doc", created)
		want("org_id", "x")
		proxytest.Exec(t, f.Through, "ALTER TABLE notes ALTER COLUMN doc SET STORAGE EXTERNAL")
		want("doc", "e")
		proxytest.Exec(t, f.Through, `ALTER TABLE notes ADD COLUMN raw bytea DEFAULT NULL, ADD amount numeric CHECK (id > 0), ADD COLUMN more numeric(10, 2); ALTER TABLE notes ADD f float8`)
		for _, column := range []string{"raw", "amount", "f"} {
			want(column, "e")
		}
		want("more", "m")
		proxytest.Exec(t, f.Through, "ALTER TABLE notes ADD COLUMN IF NOT EXISTS ok bool; ALTER TABLE notes ADD COLUMN IF NOT EXISTS id int")
		want("ok", created)
	})
}
