package proxy_test

import (
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// TestComputedIsPostgresOwn: where a user's function may be meant, pgseal computes
// nothing unless pg_catalog's is named.
func TestComputedIsPostgresOwn(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	length := func(name string) (n int, err error) {
		err = conn.QueryRow(t.Context(), "SELECT "+name+"(body) FROM notes WHERE id = 1").Scan(&n)
		return n, err
	}
	want, err := length("length")
	if err != nil || want == 0 {
		t.Fatalf("length: %d, %v", want, err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE FUNCTION length(varchar) RETURNS int LANGUAGE sql AS 'SELECT -1'"); err != nil {
		t.Fatal(err)
	}
	if n, err := length("length"); codeOf(err) != pgerr.FeatureNotSupported {
		t.Errorf("with a function of the same name: %d, %v, want a refusal", n, err)
	}
	if n, err := length("pg_catalog.length"); err != nil || n != want {
		t.Errorf("pg_catalog.length: %d, %v, want %d", n, err, want)
	}
}

// TestComputedParametersStayHere: the server gets no value for a parameter of what is
// computed.
func TestComputedParametersStayHere(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	var plan string
	// The plan shows the values that the server got.
	rows, err := conn.Query(t.Context(), "EXPLAIN (VERBOSE) SELECT left(body, $1), doc ->> $2 FROM notes", 3, "canary")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan += line + "\n"
	}
	if rows.Err() != nil || strings.Contains(plan, "canary") || !strings.Contains(plan, "body") {
		t.Errorf("the server's plan: %v\n%s", rows.Err(), plan)
	}
}

// TestComputedInExecute: what may fail for a value is not computed in an EXECUTE of a
// simple Query that writes rows, though its statement was prepared where it may be.
func TestComputedInExecute(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	exec := func(sql string) error {
		_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		return err
	}
	const update = "UPDATE notes SET title = 'written', body = $1 WHERE id = 1 AND org_id = 'acme' RETURNING body::int"
	if _, err := conn.Prepare(t.Context(), "p", update); err != nil {
		t.Fatal(err)
	}
	if result := conn.PgConn().ExecParams(t.Context(), "PREPARE q AS "+update, nil, nil, nil, nil).Read(); result.Err != nil {
		t.Fatal(result.Err)
	}
	for _, sql := range []string{"EXECUTE p ('no number')", "EXECUTE q ('no number')", "EXECUTE p ('7')"} {
		if err := exec(sql); codeOf(err) != pgerr.FeatureNotSupported || !strings.Contains(err.Error(), "body") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if err := exec("EXPLAIN ANALYZE EXECUTE p ('1'); DEALLOCATE q"); err != nil {
		t.Error(err)
	}
	if _, err := conn.Exec(t.Context(), "p", "no number"); codeOf(err) != "22P02" {
		t.Errorf("in the extended protocol: %v", err)
	}
	var title, body string
	if err := conn.QueryRow(t.Context(), "SELECT title, body FROM notes WHERE id = 1").Scan(&title, &body); err != nil || body != "1" {
		t.Errorf("%q %q, %v", title, body, err)
	}
}
