package proxy_test

import (
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// TestPreparedUnderAnotherSearchPath: the server analyses a prepared statement
// anew when search_path has changed, and a name then stands for another table. A
// sealed value must not go to a plain column so, nor plaintext to a sealed one.
func TestPreparedUnderAnotherSearchPath(t *testing.T) {
	server := pgtest.Private(t, postgres.Options{Settings: map[string]string{
		"log_statement": "all", "log_parameter_max_length": "-1", "log_parameter_max_length_on_error": "-1",
	}})
	f := proxytest.Start(t, proxytest.Options{Database: server.DSN("postgres")})
	proxytest.Exec(t, f.Through, proxytest.NotesTable)
	proxytest.Exec(t, f.Through, "CREATE SCHEMA other; CREATE TABLE other.notes (id int, org_id text, body text)")
	got := dialWire(t, f.Through).run(`
		P sealed | INSERT INTO notes (id, org_id, body) VALUES ($1, 'acme', $2) |
		S
		wait Z
		Q SET search_path = other
		wait Z
		B _ sealed | '1' 'x'
		E _ 0
		S
		wait Z
		P plain | INSERT INTO notes (id, org_id, body) VALUES ($1, 'acme', $2) |
		S
		wait Z
		B _ plain | '2' 'in plain'
		E _ 0
		S
		wait Z
		Q SET search_path = public
		wait Z
		B _ plain | '3' 'canary0003zq'
		E _ 0
		S
		wait Z
		B _ sealed | '4' 'canary0004zq'
		E _ 0
		S
		wait Z
		Q SELECT n.id, o.id FROM public.notes n, other.notes o
		wait Z`)
	const replanned = `E ERROR 0A000 cached plan must not change result type detail="" position=0`
	want := []string{
		"1", "Z I", "C SET", "Z I", replanned, "Z I",
		"1", "Z I", "2", "C INSERT 0 1", "Z I", "C SET", "Z I", replanned, "Z I",
		"2", "C INSERT 0 1", "Z I",
		"T id:1,23,4,-1,0 id:1,23,4,-1,0", `D "4" "2"`, "C SELECT 1", "Z I",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	proxytest.Exec(t, f.Direct, "CHECKPOINT")
	noCanary(t, server)
}
