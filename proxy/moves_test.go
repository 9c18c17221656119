package proxy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/policy"
)

// startWithMoves has tables of two sealed columns, with org columns of several types.
func startWithMoves(t *testing.T) *proxytest.Fixture {
	t.Helper()
	p := &policy.Policy{}
	for _, table := range []string{"texts", "folded", "ints", "uuids"} {
		p.Tables = append(p.Tables, policy.NewTable("public", table, policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org"},
			policy.Column{Name: "secret", Type: policy.Type{Kind: policy.Text}}, policy.Column{Name: "other", Type: policy.Type{Kind: policy.Text}}))
	}
	f := proxytest.Start(t, proxytest.Options{Policy: p})
	addOrgs(t, f, "1", "2", uuidOrg, uuidOrg2, "ACME")
	proxytest.Exec(t, f.Through, `
		CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		CREATE TABLE texts (id int PRIMARY KEY, org varchar(10), secret text, other text);
		CREATE TABLE folded (id int PRIMARY KEY, org text COLLATE folded, secret text, other text);
		CREATE TABLE ints (id int PRIMARY KEY, org smallint, secret text, other text);
		CREATE TABLE uuids (id int PRIMARY KEY, org uuid, secret text, other text)`)
	for _, sql := range []string{"CREATE VIEW shown AS SELECT id AS key, org AS whose, secret AS s, other AS o FROM texts",
		"CREATE VIEW hides AS SELECT id AS key, org AS whose, secret AS s FROM texts"} {
		proxytest.Exec(t, f.Through, sql)
	}
	proxytest.Exec(t, f.Through, fmt.Sprintf(`
		INSERT INTO texts VALUES (1, 'acme', 'old', 'old'), (2, 'globex', 'old', 'old'), (3, 'globex', 'old', NULL), (4, NULL, NULL, NULL);
		INSERT INTO folded VALUES (1, 'acme', 'old', 'old');
		INSERT INTO ints VALUES (1, 1, 'old', 'old');
		INSERT INTO uuids VALUES (1, '%s', 'old', 'old')`, uuidOrg))
	return f
}

// rowsOf reads a table's rows through pgseal, with the org that each value must have
// been sealed for.
func rowsOf(t *testing.T, conn *pgx.Conn, table string) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), "SELECT id, org::text, COALESCE(secret, '-'), COALESCE(other, '-'), org FROM "+table+" ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var id int
		var org *string
		var secret, other string
		if err := row.Scan(&id, &org, &secret, &other, nil); err != nil {
			return "", err
		}
		if org == nil {
			return fmt.Sprintf("%d %s %s", id, secret, other), nil
		}
		return fmt.Sprintf("%d %s %s %s", id, *org, secret, other), nil
	})
	if err != nil {
		t.Errorf("%s: %v", table, err)
	}
	return strings.Join(all, ", ")
}

// TestMoves: a row gets another org only together with all of its sealed columns; what
// is assigned to the org column again changes nothing.
func TestMoves(t *testing.T) {
	f := startWithMoves(t)
	conn := proxytest.Connect(t, f.Through)
	const texts = "1 acme old old, 2 globex old old, 3 globex old -, 4 - -"
	for _, c := range []struct {
		sql   string
		args  []any
		table string
		want  string // empty: it fails, and nothing is stored
	}{
		{"UPDATE texts SET org = $1, secret = $2 WHERE id = $3", []any{"acme", "new", 1}, "texts", "1 acme new old, 2 globex old old, 3 globex old -, 4 - -"},
		{"UPDATE texts SET org = $1, secret = $2 WHERE id = $3", []any{"acme", "new", 2}, "texts", ""},
		{"UPDATE texts SET org = $1, secret = $2 WHERE id < $3", []any{"acme", "new", 3}, "texts", ""},
		{"UPDATE texts SET org = $1, secret = $2 WHERE id = $3", []any{"acme", "new", 3}, "texts", "1 acme old old, 2 globex old old, 3 acme new -, 4 - -"},
		{"UPDATE texts SET org = $1 WHERE id = 3", []any{"acme"}, "texts", ""},
		{"UPDATE texts SET org = $1 WHERE id = 4", []any{"acme"}, "texts", "1 acme old old, 2 globex old old, 3 globex old -, 4 acme - -"},
		{"UPDATE texts SET org = $1, secret = $2, other = other WHERE id = 1", []any{"acme", nil}, "texts", "1 acme - old, 2 globex old old, 3 globex old -, 4 - -"},
		{"UPDATE texts SET org = $1, secret = COALESCE(secret, $2), other = NULL WHERE id = 2", []any{"acme", "new"}, "texts", ""},
		{"UPDATE texts SET (org, secret) = ('globex', $1) WHERE org = $2 AND other IS NULL", []any{"new", "globex"}, "texts", "1 acme old old, 2 globex old old, 3 globex new -, 4 - -"},
		{"UPDATE texts t SET org = v.org, secret = v.s FROM (VALUES (1, 'acme', $1), (2, 'globex', 'b')) v (id, org, s) WHERE v.id = t.id", []any{"a"}, "texts", "1 acme a old, 2 globex b old, 3 globex old -, 4 - -"},
		{"UPDATE texts t SET org = v.org, secret = v.s FROM (VALUES (1, 'acme', $1), (2, 'acme', 'b')) v (id, org, s) WHERE v.id = t.id", []any{"a"}, "texts", ""},
		{"UPDATE texts SET org = s.org FROM texts s WHERE texts.id = 2 AND s.id = 3", nil, "texts", texts},
		{"UPDATE texts SET org = s.org FROM texts s WHERE texts.id = 2 AND s.id = 1", nil, "texts", ""},
		{"INSERT INTO texts VALUES (1, 'acme', 'x', NULL), (2, 'globex', $1, NULL) ON CONFLICT (id) DO UPDATE SET org = EXCLUDED.org, secret = EXCLUDED.secret", []any{"y"}, "texts", "1 acme x old, 2 globex y old, 3 globex old -, 4 - -"},
		{"INSERT INTO texts VALUES (2, 'acme', $1, NULL) ON CONFLICT (id) DO UPDATE SET org = EXCLUDED.org, secret = EXCLUDED.secret", []any{"y"}, "texts", ""},
		{"WITH u AS (UPDATE texts SET org = 'acme' WHERE id = 2 RETURNING id) SELECT * FROM u", nil, "texts", ""},
		{"EXPLAIN ANALYZE UPDATE texts SET org = 'acme' WHERE id = 2", nil, "texts", ""},
		{"UPDATE shown SET whose = $1, s = $2 WHERE key = 1", []any{"acme", "new"}, "texts", "1 acme new old, 2 globex old old, 3 globex old -, 4 - -"},
		{"UPDATE shown SET whose = $1, s = $2 WHERE key = 3", []any{"acme", "new"}, "texts", "1 acme old old, 2 globex old old, 3 acme new -, 4 - -"},
		{"UPDATE hides SET whose = $1, s = $2 WHERE key = 1", []any{"acme", "new"}, "texts", "1 acme new old, 2 globex old old, 3 globex old -, 4 - -"},
		{"UPDATE hides SET whose = $1, s = $2 WHERE key = 3", []any{"acme", "new"}, "texts", ""},
		{"UPDATE folded SET org = $1", []any{"acme"}, "folded", "1 acme old old"},
		{"UPDATE folded SET org = $1", []any{"ACME"}, "folded", ""},
		{"UPDATE ints SET org = $1, other = $2", []any{1, "new"}, "ints", "1 1 old new"},
		{"UPDATE ints SET org = 2, other = $1", []any{"new"}, "ints", ""},
		{"UPDATE ints SET org = ' 1 ', other = $1", []any{"new"}, "ints", "1 1 old new"},
		{"UPDATE uuids SET org = $1, other = $2", []any{strings.ToUpper(uuidOrg), "new"}, "uuids", "1 " + uuidOrg + " old new"},
		{"UPDATE uuids SET org = $1, other = $2", []any{uuidOrg2, "new"}, "uuids", ""},
	} {
		before := rowsOf(t, conn, c.table)
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
			_, err := conn.Exec(t.Context(), c.sql, append([]any{mode}, c.args...)...)
			var e *pgconn.PgError
			switch {
			case c.want == "" && (!errors.As(err, &e) || e.Code != pgerr.FeatureNotSupported || e.Position == 0 || e.ColumnName == "" || !strings.Contains(e.Hint, "org-moves")):
				t.Errorf("%s, %s: %v", mode, c.sql, err)
			case c.want != "" && err != nil:
				t.Errorf("%s, %s: %v", mode, c.sql, err)
			}
			want := c.want
			if want == "" {
				want = before
			}
			if got := rowsOf(t, conn, c.table); got != want {
				t.Errorf("%s, %s: %s, want %s", mode, c.sql, got, want)
			}
			if c.want != "" {
				reset(t, f)
			}
		}
	}
}

// reset writes the rows of startWithMoves anew.
func reset(t *testing.T, f *proxytest.Fixture) {
	t.Helper()
	proxytest.Exec(t, f.Through, fmt.Sprintf(`
		UPDATE texts SET org = 'acme', secret = 'old', other = 'old' WHERE id = 1;
		UPDATE texts SET org = 'globex', secret = 'old', other = 'old' WHERE id = 2;
		UPDATE texts SET org = 'globex', secret = 'old', other = NULL WHERE id = 3;
		UPDATE ints SET org = 1, secret = 'old', other = 'old';
		UPDATE uuids SET org = '%s', secret = 'old', other = 'old'`, uuidOrg))
	proxytest.Exec(t, f.Direct, "UPDATE texts SET org = NULL WHERE id = 4")
}

// TestPreparedMoves: a statement that is prepared once is held to each org that it is
// run for.
func TestPreparedMoves(t *testing.T) {
	f := startWithMoves(t)
	conn := proxytest.Connect(t, f.Through)
	run := func(sql string, args ...any) error {
		_, err := conn.Exec(t.Context(), sql, args...)
		return err
	}
	for _, text := range []string{"PREPARE p AS UPDATE texts SET org = $1, secret = $2 WHERE id = $3", "PREPARE q (text, int) AS UPDATE texts SET secret = 'q', org = $1 WHERE id = $2"} {
		if err := run(text); (err != nil) != strings.Contains(text, "'q'") {
			t.Fatalf("%s: %v", text, err)
		}
	}
	for name, text := range map[string]string{"m": "UPDATE texts SET org = $1, secret = $2 WHERE id = $3", "n": "UPDATE texts SET org = $1 WHERE id = $2"} {
		if _, err := conn.Prepare(t.Context(), name, text); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		sql   string
		args  []any
		moves bool
	}{
		{"m", []any{"acme", "a", 1}, false},
		{"m", []any{"globex", "b", 1}, true},
		{"m", []any{"globex", "c", 2}, false},
		{"m", []any{"acme", "d", 2}, true},
		{"n", []any{nil, 4}, false},
		{"n", []any{nil, 3}, true},
		{"n", []any{"globex", 3}, false},
		{"EXECUTE p ('acme', 'e', 1)", nil, false},
		{"EXECUTE p ('globex', 'f', 1)", nil, true},
		{"EXECUTE p ('globex', 'g', 2)", nil, false},
	} {
		err := run(c.sql, c.args...)
		var e *pgconn.PgError
		if c.moves != (errors.As(err, &e) && strings.Contains(e.Hint, "org-moves")) || !c.moves && err != nil {
			t.Errorf("%s %v: %v", c.sql, c.args, err)
		}
	}
	if got, want := rowsOf(t, conn, "texts"), "1 acme e old, 2 globex g old, 3 globex old -, 4 - -"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
