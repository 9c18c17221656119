package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/proxytest"
)

// TestSessionOrgOfInsert: an INSERT that names no org gives its rows the session's, and
// seals for it, however the statement comes.
func TestSessionOrgOfInsert(t *testing.T) {
	f := startWithSessionOrgs(t)
	conn, reader := proxytest.Connect(t, f.Through), proxytest.Connect(t, f.Through)
	for _, table := range []struct{ name, org, spelled string }{
		{"by_text", "acme", "acme"}, {"by_varchar", "acme", "acme"}, {"by_int", "1", " 01 "}, {"by_uuid", uuidOrg, strings.ToUpper(uuidOrg)},
	} {
		if _, err := conn.PgConn().Exec(t.Context(), "SET pgseal.org = '"+table.spelled+"'").ReadAll(); err != nil {
			t.Fatal(err)
		}
		id := 10
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
			for _, c := range []struct {
				sql  string // %s the table, # two ids
				args []any
				want string // values of the two ids
			}{
				{"INSERT INTO %s (id, secret) VALUES (#1, 'a'), (#2, 'b')", nil, "a b"},
				{"INSERT INTO %s (id, secret) VALUES (#1, $1), (#2, $2)", []any{"c", "d"}, "c d"},
				{"INSERT INTO %s (secret, id) VALUES ('é', (#1)), (('x'), #2) -- the end", nil, "é x"},
				{"INSERT INTO %s (id, org, secret) VALUES (#1, DEFAULT, $1), (#2, DEFAULT, 'x')", []any{"e"}, "e x"},
				{"INSERT INTO %s VALUES (#1, DEFAULT, $1), (#2, DEFAULT, 'y');", []any{"f"}, "f y"},
				{"INSERT INTO %s (id, secret) SELECT v.id, v.secret FROM (VALUES (#1, 'g'), (#2, 'h')) AS v(id, secret) WHERE v.id > 0", nil, "g h"},
				{"INSERT INTO %s (id, secret) SELECT #1, 'i' UNION ALL SELECT #2, $1", []any{"j"}, "i j"},
				{"INSERT INTO %s (id, secret) SELECT DISTINCT ON (n) #1 + n, 'k' FROM generate_series(0, 1) n, %[1]s LIMIT 2", nil, "k k"},
				{"WITH i AS (INSERT INTO %s (id, secret) VALUES (#1, 'l') RETURNING id) INSERT INTO %[1]s (id, secret) SELECT id + 1, 'm' FROM i", nil, "l m"},
			} {
				id += 2
				sql := fmt.Sprintf(strings.NewReplacer("#1", fmt.Sprint(id), "#2", fmt.Sprint(id+1)).Replace(c.sql), table.name)
				if _, err := conn.Exec(t.Context(), sql, append([]any{mode}, c.args...)...); err != nil {
					t.Errorf("%v, %s: %v", mode, sql, err)
					continue
				}
				var got, orgs string
				err := reader.QueryRow(t.Context(),
					fmt.Sprintf("SELECT secret, org::text, org FROM %s WHERE id = %d", table.name, id)).Scan(&got, &orgs, nil)
				var second string
				if err == nil {
					err = reader.QueryRow(t.Context(),
						fmt.Sprintf("SELECT secret, org FROM %s WHERE id = %d", table.name, id+1)).Scan(&second, nil)
				}
				if got += " " + second; err != nil || got != c.want || orgs != table.org {
					t.Errorf("%v, %s: %q of %q, %v", mode, sql, got, orgs, err)
				}
			}
		}
	}
}

// TestSessionOrgOfPreparedInsert: each execution of a prepared INSERT is for the
// session's org of then, and none is without one.
func TestSessionOrgOfPreparedInsert(t *testing.T) {
	f := startWithSessionOrgs(t)
	conn := proxytest.Connect(t, f.Through)
	exec := func(want, sql string, args ...any) {
		t.Helper()
		_, err := conn.Exec(t.Context(), sql, args...)
		if got := fmt.Sprint(err); (want == "") != (err == nil) || !strings.Contains(got, want) && want != "" {
			t.Errorf("%s: %v, want %q", sql, err, want)
		}
	}
	d, err := conn.Prepare(t.Context(), "in", "INSERT INTO by_text (id, secret) VALUES ($1, $2)")
	if err != nil || len(d.ParamOIDs) != 2 || d.ParamOIDs[0] != 23 || d.ParamOIDs[1] != 25 {
		t.Fatalf("prepared with %v, %v", d, err)
	}
	exec("pgseal.org is not set", "in", 10, "x")
	exec("pgseal.org is not set", "INSERT INTO by_text (id, secret) VALUES (10, 'x')")
	exec("", "INSERT INTO by_text (id, secret) VALUES (10, NULL)")
	exec("", "SET pgseal.org = 'acme'")
	exec("", "in", 11, "a")
	exec("", "SET pgseal.org = 'globex'")
	exec("", "in", 12, "g")
	exec("", "PREPARE p (int, text) AS INSERT INTO by_text (id, secret) VALUES ($1, $2)")
	exec("", "EXECUTE p (13, 'h')")
	exec("", "SET pgseal.org = 'acme'")
	exec("", "EXECUTE p (14, 'b')")
	exec("", "SET pgseal.org = ''")
	exec("pgseal.org is not set", "EXECUTE p (15, 'x')")
	var orgs string
	err = conn.QueryRow(t.Context(), "SELECT string_agg(id || '=' || COALESCE(org, ''), ' ' ORDER BY id) FROM by_text WHERE id > 9").Scan(&orgs)
	if want := "10= 11=acme 12=globex 13=globex 14=acme"; err != nil || orgs != want {
		t.Errorf("%s, %v, want %s", orgs, err, want)
	}
	exec("", "DELETE FROM by_text WHERE id = 10")
	if got, want := secrets(t, f, "by_text"), "1=old 2=old 3=old 11=a 12=g 13=h 14=b"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
