package proxy_test

import (
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// TestFetchInRawMode: a FETCH gives what is stored while pgseal.raw is on, as pg_dump
// --inserts needs it, and what the application sees while it is off.
func TestFetchInRawMode(t *testing.T) {
	f, dumper := startRaw(t, proxytest.Options{})
	const query = "SELECT id, body FROM notes ORDER BY id"
	stored := read(t, proxytest.Connect(t, f.Direct), query)
	conn := proxytest.Connect(t, withOptions(t, dumper, "-c pgseal.raw=on"))
	proxytestExec(t, conn, "BEGIN")
	proxytestExec(t, conn, "DECLARE c SCROLL CURSOR FOR "+query)
	if got := read(t, conn, "FETCH ALL FROM c"); got != stored {
		t.Errorf("FETCH in raw mode: %s, want %s", got, stored)
	}
	rows, err := conn.Query(t.Context(), "FETCH BACKWARD 1 FROM c")
	if err != nil {
		t.Fatal(err)
	}
	rows.Close()
	if oid := rows.FieldDescriptions()[1].DataTypeOID; rows.Err() != nil || oid != 17 {
		t.Errorf("FETCH in raw mode, extended: type %d, %v", oid, rows.Err())
	}
	proxytestExec(t, conn, "SET pgseal.raw = off")
	if got := read(t, conn, "FETCH BACKWARD ALL FROM c"); got != pgerr.InsufficientPrivilege { // it may open no org
		t.Errorf("FETCH out of raw mode: %s", got)
	}
}

// TestFetchOfWhatDoesNotOpen: a value that was moved from another org's row is an
// error of the FETCH, and of its transaction.
func TestFetchOfWhatDoesNotOpen(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{})
	proxytest.Exec(t, f.Through, proxytest.NotesTable)
	proxytest.Exec(t, f.Through, `INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', 'a'), (2, 'globex', 'b'), (3, 'acme', 'c')`)
	proxytest.Exec(t, f.Direct, `UPDATE notes SET body = (SELECT body FROM notes WHERE id = 2) WHERE id = 3`)
	for name, declare := range map[string]string{
		"org in WHERE":      "DECLARE c CURSOR FOR SELECT body FROM notes WHERE org_id = 'acme' ORDER BY id",
		"org in the result": "DECLARE c CURSOR FOR SELECT body, org_id FROM notes WHERE id <> 2 ORDER BY id",
		"with hold":         "COMMIT; DECLARE c CURSOR WITH HOLD FOR SELECT body, org_id FROM notes WHERE id <> 2 ORDER BY id; BEGIN",
	} {
		conn := proxytest.Connect(t, f.Through)
		proxytestExec(t, conn, "BEGIN")
		proxytestExec(t, conn, declare)
		if got := read(t, conn, "FETCH c"); !strings.HasPrefix(got, "body:25") || !strings.Contains(got, "[a") {
			t.Errorf("%s: the first row: %s", name, got)
		}
		if got := read(t, conn, "FETCH c"); got != pgerr.DoesNotOpen {
			t.Errorf("%s: the moved value: %s", name, got)
		}
		if got := read(t, conn, "SELECT 1"); got != "25P02" {
			t.Errorf("%s: the transaction goes on: %s", name, got)
		}
		proxytestExec(t, conn, "ROLLBACK")
		// In the extended protocol, and by an Execute of the cursor itself.
		proxytestExec(t, conn, "BEGIN")
		proxytestExec(t, conn, strings.ReplaceAll(declare, "CURSOR WITH HOLD", "SCROLL CURSOR WITH HOLD"))
		if _, err := conn.PgConn().ExecParams(t.Context(), "FETCH ALL FROM c", nil, nil, nil, []int16{1}).Close(); codeOf(err) != pgerr.DoesNotOpen {
			t.Errorf("%s: the moved value, extended: %v", name, err)
		}
		if got := read(t, conn, "SELECT 1"); got != "25P02" {
			t.Errorf("%s: the transaction goes on, extended: %s", name, got)
		}
	}
}
