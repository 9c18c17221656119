package proxy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// TestLateLiterals: a literal whose org is a parameter is sealed for the org that each
// Bind brings, or the Bind is refused and nothing is stored.
func TestLateLiterals(t *testing.T) {
	f := startWithMoves(t)
	conn := proxytest.Connect(t, f.Through)
	if _, err := conn.Exec(t.Context(), "SET pgseal.org = 'acme'"); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"new":     "INSERT INTO texts (id, org, secret, other) VALUES ($1, $2, 'a', 'b')",
		"update":  "UPDATE texts SET secret = 'c', other = COALESCE(other, 'd') WHERE org = $1",
		"session": "WITH w AS (UPDATE texts SET secret = 'e' WHERE id = 1 RETURNING id) INSERT INTO texts (id, org, secret) SELECT id + 100, $1, 'f' FROM w",
		"upsert":  "INSERT INTO ints (id, org, secret) VALUES (1, $1, 'g') ON CONFLICT (id) DO UPDATE SET secret = 'h'",
	} {
		if _, err := conn.Prepare(t.Context(), name, text); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	described, err := conn.Prepare(t.Context(), "described", "INSERT INTO uuids (id, org, secret) VALUES ($1, $2, 'x')")
	if err != nil || len(described.ParamOIDs) != 2 || described.ParamOIDs[1] != 2950 {
		t.Errorf("described: %v, %v", described, err)
	}
	for _, c := range []struct {
		name  string
		args  []any
		code  string // of the error, none without
		table string
		want  string
	}{
		{"new", []any{10, "acme"}, "", "texts", "1 acme old old, 2 globex old old, 3 globex old -, 4 - -, 10 acme a b"},
		{"new", []any{11, "globex"}, "", "texts", "1 acme old old, 2 globex old old, 3 globex old -, 4 - -, 10 acme a b, 11 globex a b"},
		{"new", []any{12, nil}, pgerr.FeatureNotSupported, "", ""},
		{"new", []any{12, "nobody"}, "PS004", "", ""},
		{"update", []any{"globex"}, "", "texts", "1 acme old old, 2 globex c old, 3 globex c d, 4 - -, 10 acme a b, 11 globex c b"},
		{"upsert", []any{1}, "", "ints", "1 1 h old"},
		{"upsert", []any{2}, pgerr.FeatureNotSupported, "ints", "1 1 h old"}, // the row is another org's
	} {
		_, err := conn.Exec(t.Context(), c.name, c.args...)
		if codeOf(err) != c.code || err != nil && c.code == "" {
			t.Errorf("%s %v: %v, want %q", c.name, c.args, err, c.code)
		}
		if c.table != "" {
			if got := rowsOf(t, conn, c.table); got != c.want {
				t.Errorf("%s %v: %s, want %s", c.name, c.args, got, c.want)
			}
		}
	}
	if _, err := conn.Exec(t.Context(), "session", "globex"); err != nil {
		t.Error(err)
	}
	if got := rowsOf(t, conn, "texts"); !strings.Contains(got, "1 acme e old") || !strings.Contains(got, "101 globex f -") {
		t.Errorf("by the session's org and a parameter's: %s", got)
	}
	var e *pgconn.PgError
	if _, err := conn.Exec(t.Context(), "EXECUTE new (20, 'acme')", pgx.QueryExecModeSimpleProtocol); !errors.As(err, &e) || e.Code != pgerr.FeatureNotSupported || e.ColumnName != "secret" {
		t.Errorf("EXECUTE: %v", err)
	}
}

// TestRowsOfOneOrg: what an upsert of several rows stores of its own is for the one org
// that they are of, or nothing is stored.
func TestRowsOfOneOrg(t *testing.T) {
	f := startWithMoves(t)
	conn := proxytest.Connect(t, f.Through)
	const upsert = "INSERT INTO texts (id, org, secret) VALUES ($1, $2, $3), ($4, $5, $6) ON CONFLICT (id) DO UPDATE SET secret = $7, other = 'o'"
	if _, err := conn.Prepare(t.Context(), "m", upsert); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []any
		code string
		want string
	}{
		{[]any{1, "acme", "x", 10, "acme", "y", "z"}, "", "1 acme z o, 2 globex old old, 3 globex old -, 4 - -, 10 acme y -"},
		{[]any{1, "acme", "x", 11, "globex", "y", "leaks"}, pgerr.FeatureNotSupported, ""},
		{[]any{1, "acme", "x", 11, nil, "y", "leaks"}, pgerr.FeatureNotSupported, ""},
		{[]any{1, "acme", "x", 2, "acme", "y", "leaks"}, pgerr.FeatureNotSupported, ""}, // row 2 is globex's
		{[]any{2, "globex", nil, 3, "globex", nil, "q"}, "", "1 acme z o, 2 globex q o, 3 globex q o, 4 - -, 10 acme y -"},
	} {
		before := rowsOf(t, conn, "texts")
		if _, err := conn.Exec(t.Context(), "m", c.args...); codeOf(err) != c.code {
			t.Errorf("%v: %v, want %q", c.args, err, c.code)
		}
		if c.want == "" {
			c.want = before
		}
		if got := rowsOf(t, conn, "texts"); got != c.want {
			t.Errorf("%v: %s, want %s", c.args, got, c.want)
		}
	}
}
