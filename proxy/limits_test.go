package proxy_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/proxy"
)

// TestDeepStatements: a statement that would overflow the parser's stack is an
// error, where it is parsed at all, and the session goes on.
func TestDeepStatements(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	for name, sql := range map[string]string{
		"operators": "SELECT id, " + strings.Repeat("1+", 24000) + "1 FROM notes",
		"brackets":  "SELECT id, " + strings.Repeat("(", 24000) + "1" + strings.Repeat(")", 24000) + " FROM notes",
		"NOT":       "SELECT id FROM notes WHERE " + strings.Repeat("NOT ", 24000) + "true",
		"UNION ALL": strings.Repeat("SELECT id FROM notes UNION ALL ", 24000) + "SELECT 1",
		"joins":     "SELECT 1 FROM notes" + strings.Repeat(" CROSS JOIN plain", 24000),
		"casts":     "SELECT id" + strings.Repeat("::int", 24000) + " FROM notes",
	} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
			if _, err := conn.Exec(t.Context(), sql, mode); codeOf(err) != pgerr.StatementTooComplex {
				t.Errorf("%s, %s: %.200v, want %s", name, mode, err, pgerr.StatementTooComplex)
			}
		}
	}
	if body, err := selectBody(t, conn, 1); err != nil || *body != "of acme" {
		t.Errorf("afterwards: %v, %v", body, err)
	}
}

// TestLargeMessages: a message above the limit is refused without being held,
// one below it goes through, and what is relayed has no limit.
func TestLargeMessages(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{Limits: proxy.Limits{MessageBytes: 1 << 20}})
	conn := proxytest.Connect(t, f.Through)
	big, small := strings.Repeat("x", 2<<20), strings.Repeat("y", 1<<19)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeCacheStatement} {
		if _, err := conn.Exec(t.Context(), "UPDATE notes SET body = $1 WHERE id = 1 AND org_id = 'acme'", mode, big); codeOf(err) != pgerr.ProgramLimitExceeded {
			t.Errorf("%s, above the limit: %v, want %s", mode, err, pgerr.ProgramLimitExceeded)
		}
		if _, err := conn.Exec(t.Context(), "UPDATE notes SET body = $1 WHERE id = 1 AND org_id = 'acme'", mode, small); err != nil {
			t.Errorf("%s, below the limit: %v", mode, err)
		}
		if body, err := selectBody(t, conn, 1); err != nil || *body != small {
			t.Errorf("%s: %d bytes come back, %v", mode, len(*body), err)
		}
	}
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT length(repeat('z', 4 << 20))").Scan(&n); err != nil || n != 4<<20 {
		t.Errorf("%d, %v", n, err)
	}
	var text string
	if err := conn.QueryRow(t.Context(), "SELECT repeat('z', 4 << 20)").Scan(&text); err != nil || len(text) != 4<<20 {
		t.Errorf("a large plain value: %d bytes, %v", len(text), err)
	}
	_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader("1\t"+strings.Repeat("w", 4<<20)+"\n"), "COPY plain FROM STDIN")
	if err != nil {
		t.Errorf("COPY of a large plain value: %v", err)
	}
}

// TestServerEndsTheSession: what the server says at the end reaches the client.
func TestServerEndsTheSession(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	pid := conn.PgConn().PID()
	if _, err := proxytest.Connect(t, f.Direct).Exec(t.Context(), "SELECT pg_terminate_backend($1)", pid); err != nil {
		t.Fatal(err)
	}
	var one int
	if err := conn.QueryRow(t.Context(), "SELECT 1").Scan(&one); codeOf(err) != pgerr.AdminShutdown {
		t.Errorf("%v, want %s", err, pgerr.AdminShutdown)
	}
}
