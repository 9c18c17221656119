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

// TestConflictWithAnotherOrg: ON CONFLICT DO UPDATE stores nothing that is sealed for
// the inserted row's org into another org's row, and else does what Postgres does.
func TestConflictWithAnotherOrg(t *testing.T) {
	f := startWithSessionOrgs(t)
	proxytest.Exec(t, f.Through, "ALTER TABLE by_text ADD CONSTRAINT by_org UNIQUE (org, id)")
	conn := proxytest.Connect(t, f.Through)
	refused := func(sql string, args ...any) {
		t.Helper()
		_, err := conn.Exec(t.Context(), sql, args...)
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != pgerr.FeatureNotSupported || e.ColumnName != "secret" || !strings.Contains(e.Hint, "org-conflict") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	accepted := func(want string, sql string, args ...any) {
		t.Helper()
		if tag, err := conn.Exec(t.Context(), sql, args...); err != nil || tag.String() != want {
			t.Errorf("%s: %v, %v, want %s", sql, tag, err, want)
		}
	}
	is := func(want string) {
		t.Helper()
		if got := secrets(t, f, "by_text"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	const insert = "INSERT INTO by_text AS k (id, org, secret) VALUES "
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		refused(insert+"($1, $2, $3) ON CONFLICT (id) DO UPDATE SET secret = EXCLUDED.secret", mode, 3, "acme", "x")
		refused(insert+"(3, 'acme', 'y') ON CONFLICT (id) DO UPDATE SET secret = 'x'", mode)
		refused(insert+"(9, 'acme', 'y'), (3, 'acme', 'z') ON CONFLICT ON CONSTRAINT by_text_pkey DO UPDATE SET secret = COALESCE($1, k.secret)", mode, "x")
		refused("EXPLAIN ANALYZE "+insert+"(3, 'acme', 'y') ON CONFLICT (id) DO UPDATE SET (org, secret) = (k.org, EXCLUDED.secret)", mode)
	}
	is("1=old 2=old 3=old")
	accepted("PREPARE", "PREPARE p AS "+insert+"(3, $1, $2) ON CONFLICT (id) DO UPDATE SET secret = EXCLUDED.secret")
	refused("EXECUTE p ('acme', 'x')")
	accepted("INSERT 0 1", "EXECUTE p ('globex', 'new')")
	is("1=old 2=old 3=new")

	accepted("INSERT 0 1", insert+"(1, 'acme', 'a') ON CONFLICT (id) DO UPDATE SET secret = EXCLUDED.secret")
	accepted("INSERT 0 1", insert+"(2, 'acme', NULL) ON CONFLICT (id) DO UPDATE SET secret = COALESCE(EXCLUDED.secret, k.secret)")
	accepted("INSERT 0 0", insert+"(3, 'acme', 'x') ON CONFLICT (id) DO UPDATE SET secret = EXCLUDED.secret WHERE k.org = EXCLUDED.org")
	accepted("INSERT 0 2", insert+"(2, 'acme', 'b'), (3, 'globex', 'c') ON CONFLICT (id, org) DO UPDATE SET secret = EXCLUDED.secret")
	is("1=a 2=b 3=c")
	accepted("INSERT 0 1", insert+"(3, 'globex', 'd') ON CONFLICT ON CONSTRAINT by_org DO UPDATE SET secret = CASE WHEN k.id > 2 THEN EXCLUDED.secret ELSE k.secret END")
	accepted("INSERT 0 1", insert+"(1, 'globex', 'moved') ON CONFLICT (id) DO UPDATE SET org = EXCLUDED.org, secret = EXCLUDED.secret")
	is("1=moved 2=b 3=d")
	var secret string
	if err := conn.QueryRow(t.Context(), insert+"(1, 'globex', 'r') ON CONFLICT (org, id) DO UPDATE SET secret = EXCLUDED.secret RETURNING secret").Scan(&secret); err != nil || secret != "r" {
		t.Errorf("returned %q, %v", secret, err)
	}
}
