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
