package proxy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// TestFact40SettingsChangeFromOutside: settings that are changed for all sessions,
// idle ones too, are reported when Postgres reports them, and hold for opened
// values from then on.
func TestFact40SettingsChangeFromOutside(t *testing.T) {
	server := pgtest.Private(t, postgres.Options{})
	plain := pgtest.DatabaseOn(t, server)
	f := proxytest.Start(t, proxytest.Options{Database: pgtest.DatabaseOn(t, server)})
	clients := map[string]*wireTest{}
	for _, dsn := range []string{plain, f.Through} {
		proxytest.Exec(t, dsn, proxytest.NotesTable)
		proxytest.Exec(t, dsn, "INSERT INTO notes (id, org_id, at) VALUES (1, 'acme', '2026-01-02 03:04:05+00')")
		clients[dsn] = dialWire(t, dsn)
		clients[dsn].run("Q SELECT at FROM notes\nwait Z\nQ LISTEN news\nwait Z")
	}
	for _, sql := range []string{"ALTER SYSTEM SET datestyle = 'German'", "ALTER SYSTEM SET timezone = 'Asia/Tokyo'", "SELECT pg_reload_conf()"} {
		proxytest.Exec(t, f.Direct, sql)
	}
	play := func(dsn string) []string {
		c := clients[dsn]
		// Each session is told of the change by its next statement, once it has reread
		// the files.
		c.run("Q SELECT pg_sleep(0.01)\nwait Z")
		for !reported(c.player.Lines, "DateStyle") {
			c.run("Q SELECT pg_sleep(0.01)\nwait Z")
		}
		c.player.Lines = nil
		proxytest.Exec(t, dsn, "NOTIFY news, 'while it is idle'")
		c.run("wait A")
		return c.run("Q SELECT at FROM notes\nwait Z\nP | SELECT at FROM notes\nB\nE\nS\nwait Z")
	}
	if diff := cmp.Diff(play(plain), play(f.Through)); diff != "" {
		t.Errorf("-Postgres +pgseal:\n%s", diff)
	}
}

// reported tells whether a setting was reported in a transcript.
func reported(lines []string, name string) bool {
	for _, line := range lines {
		if len(line) > 2+len(name) && line[:2+len(name)] == "S "+name {
			return true
		}
	}
	return false
}
