package proxy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// TestLockedView: a transaction that locks a view holds up neither the statements that
// do not read it nor the catalog's being read for them. Those that do read it wait for
// the lock on the server, as without pgseal, or are refused where pgseal does not know
// the view's definition yet.
func TestLockedView(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{})
	for _, sql := range []string{
		proxytest.NotesTable, "CREATE VIEW bodies AS SELECT id, body FROM notes", "CREATE VIEW documents AS SELECT id, doc FROM notes",
		"INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', 'one'); INSERT INTO plain VALUES (1, 'p')",
	} {
		proxytest.Exec(t, f.Through, sql)
	}
	read := func(conn *pgx.Conn, sql string) (value string, err error) {
		err = conn.QueryRow(t.Context(), sql, pgx.QueryExecModeExec).Scan(&value)
		return value, err
	}
	want := func(conn *pgx.Conn, sql, value string) {
		t.Helper()
		if got, err := read(conn, sql); got != value || err != nil {
			t.Errorf("%s gives %q, %v; want %q", sql, got, err, value)
		}
	}
	others := func(conn *pgx.Conn) {
		t.Helper()
		want(conn, "SELECT v FROM plain", "p")
		want(conn, "SELECT count(body)::text FROM notes", "1")
		want(conn, "SELECT count(doc)::text FROM documents", "0")
	}
	conn, locker := proxytest.Connect(t, f.Through), proxytest.Connect(t, f.Direct)
	transact := func(sql string) {
		t.Helper()
		if _, err := locker.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	const lock = "BEGIN; DROP VIEW bodies" // LOCK would lock notes too

	want(conn, "SELECT body FROM bodies", "one") // the definition is known from here on
	transact(lock)
	proxytest.Exec(t, f.Through, "CREATE TABLE another (id int)") // the catalog is read again
	others(conn)
	answered := make(chan string, 1)
	waiting := proxytest.Connect(t, f.Through)
	go func() {
		value, err := read(waiting, "SELECT body FROM bodies")
		if err != nil {
			value = err.Error()
		}
		answered <- value
	}()
	watch := proxytest.Connect(t, f.Direct)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		n, err := read(watch, "SELECT count(*)::text FROM pg_catalog.pg_locks WHERE NOT granted AND mode = 'AccessShareLock'")
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the statement does not wait for the lock: %v", err)
		}
		if n == "1" {
			break
		}
	}
	others(conn)
	transact("ROLLBACK")
	if got := <-answered; got != "one" {
		t.Errorf("when the lock is let go: %s", got)
	}

	transact(lock)
	begun := proxytest.Connect(t, proxytest.Start(t, proxytest.Options{Database: f.Direct}).Through)
	others(begun)
	if _, err := read(begun, "SELECT count(body)::text FROM bodies"); codeOf(err) != pgerr.FeatureNotSupported || !strings.Contains(err.Error(), "view public.bodies yet") {
		t.Errorf("a view that cannot be read yet: %v", err)
	}
	transact("ROLLBACK")
	want(begun, "SELECT count(body)::text FROM bodies", "1")
}
