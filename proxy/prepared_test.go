package proxy_test

import (
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// TestExecuteOfWhatDoesNotOpen: a value that was moved from another org's row is an
// error of the EXECUTE that returns it, and in the extended protocol what that wrote
// is undone.
func TestExecuteOfWhatDoesNotOpen(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{})
	proxytest.Exec(t, f.Through, proxytest.NotesTable)
	proxytest.Exec(t, f.Through, `INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', 'a'), (2, 'globex', 'b')`)
	proxytest.Exec(t, f.Direct, `UPDATE notes SET body = (SELECT body FROM notes WHERE id = 2) WHERE id = 1`)
	conn := proxytest.Connect(t, f.Through)
	proxytestExec(t, conn, "PREPARE u AS UPDATE notes SET title = $1 WHERE org_id = 'acme' RETURNING body")
	proxytestExec(t, conn, "PREPARE r AS SELECT body FROM notes WHERE org_id = $1")
	if got := read(t, conn, "EXECUTE r('acme')"); got != pgerr.DoesNotOpen {
		t.Errorf("EXECUTE of a read: %s", got)
	}
	if got := read(t, conn, "EXECUTE r('globex')"); got != "body:25 [b]" {
		t.Errorf("EXECUTE of a read that opens: %s", got)
	}
	if _, err := conn.PgConn().ExecParams(t.Context(), "EXECUTE u('new')", nil, nil, nil, nil).Close(); codeOf(err) != pgerr.DoesNotOpen {
		t.Errorf("EXECUTE of a write: %v", err)
	}
	if got := read(t, conn, "SELECT title FROM notes WHERE id = 1"); strings.Contains(got, "new") {
		t.Errorf("the write was kept: %s", got)
	}
}

// TestExecuteUnderAnotherSearchPath is TestPreparedUnderAnotherSearchPath for names
// that SQL prepares and runs.
func TestExecuteUnderAnotherSearchPath(t *testing.T) {
	server := pgtest.Private(t, postgres.Options{Settings: map[string]string{"log_statement": "all"}})
	f := proxytest.Start(t, proxytest.Options{Database: server.DSN("postgres")})
	proxytest.Exec(t, f.Through, proxytest.NotesTable)
	proxytest.Exec(t, f.Through, "CREATE SCHEMA other; CREATE TABLE other.notes (id int, org_id text, body text)")
	got := dialWire(t, f.Through).run(`
		Q PREPARE sealed AS INSERT INTO notes (id, org_id, body) VALUES ($1, 'acme', $2)
		wait Z
		P extended | EXECUTE sealed(1, 'canary0001zq') |
		S
		wait Z
		Q SET search_path = other
		wait Z
		Q EXECUTE sealed(1, 'canary0001zq')
		wait Z
		B _ extended
		E _ 0
		S
		wait Z
		B _ sealed | '1' 'canary0001zq'
		S
		wait Z
		Q PREPARE plain AS INSERT INTO notes (id, org_id, body) VALUES ($1, 'acme', $2); EXECUTE plain(2, 'in plain')
		wait Z
		Q SET search_path = public
		wait Z
		Q EXECUTE plain(3, 'canary0003zq')
		wait Z
		Q EXECUTE sealed(4, 'canary0004zq')
		wait Z
		B _ extended
		E _ 0
		S
		wait Z
		Q DEALLOCATE sealed; PREPARE sealed AS SELECT $1::int, $2::text
		wait Z
		B _ extended
		E _ 0
		S
		wait Z
		Q SELECT n.id, o.id FROM public.notes n, other.notes o ORDER BY 1
		wait Z`)
	const replanned = `E ERROR 0A000 cached plan must not change result type detail="" position=0`
	want := []string{
		"C PREPARE", "Z I", "1", "Z I", "C SET", "Z I",
		replanned, "Z I", replanned, "Z I", replanned, "Z I",
		"C PREPARE", "C INSERT 0 1", "Z I", "C SET", "Z I",
		replanned, "Z I", "C INSERT 0 1", "Z I", "2", "C INSERT 0 1", "Z I",
		"C DEALLOCATE", "C PREPARE", "Z I", replanned, "Z I",
		"T id:1,23,4,-1,0 id:1,23,4,-1,0", `D "1" "2"`, `D "4" "2"`, "C SELECT 2", "Z I",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	proxytest.Exec(t, f.Direct, "CHECKPOINT")
	noCanary(t, server)
}
