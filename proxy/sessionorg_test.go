package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/policy"
)

const (
	uuidOrg  = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	uuidOrg2 = "6ba7b811-9dad-11d1-80b4-00c04fd430c8"
)

// startWithSessionOrgs has tables with org columns of several types. Rows 1 and 2 are
// of one org (acme, 1, uuidOrg), row 3 is of another (globex, 2, uuidOrg2).
func startWithSessionOrgs(t *testing.T) *proxytest.Fixture {
	t.Helper()
	p := &policy.Policy{Access: []policy.Access{{User: "only_acme", Orgs: []string{"acme"}}, {User: "postgres", Orgs: []string{"*"}}}}
	for _, table := range []string{"by_text", "by_varchar", "by_int", "by_uuid"} {
		p.Tables = append(p.Tables, policy.NewTable("public", table, policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org"},
			policy.Column{Name: "secret", Type: policy.Type{Kind: policy.Text}}))
	}
	f := proxytest.Start(t, proxytest.Options{Policy: p})
	addOrgs(t, f, "1", "2", uuidOrg, uuidOrg2)
	proxytest.Exec(t, f.Through, `
		CREATE TABLE by_text (id int PRIMARY KEY, org text, secret text);
		CREATE TABLE by_varchar (id int PRIMARY KEY, org varchar(40), secret text);
		CREATE TABLE by_int (id int PRIMARY KEY, org int, secret text);
		CREATE TABLE by_uuid (id int PRIMARY KEY, org uuid, secret text)`)
	proxytest.Exec(t, f.Through, fmt.Sprintf(`
		INSERT INTO by_text VALUES (1, 'acme', 'old'), (2, 'acme', 'old'), (3, 'globex', 'old');
		INSERT INTO by_varchar VALUES (1, 'acme', 'old'), (2, 'acme', 'old'), (3, 'globex', 'old');
		INSERT INTO by_int VALUES (1, 1, 'old'), (2, 1, 'old'), (3, 2, 'old');
		INSERT INTO by_uuid VALUES (1, '%[1]s', 'old'), (2, '%[1]s', 'old'), (3, '%[2]s', 'old')`, uuidOrg, uuidOrg2))
	return f
}

// addOrgs gives orgs a key.
func addOrgs(t *testing.T, f *proxytest.Fixture, orgs ...string) {
	t.Helper()
	for _, org := range orgs {
		if err := f.Store.AddOrgKey(t.Context(), keystore.OrgKey{Org: org, Name: org, Key: kms.Key{ARN: f.Keys["acme"]}}, keystore.Actor{Name: "test"}); err != nil {
			t.Fatal(err)
		}
	}
}

// secrets reads a table through pgseal, with the org column so that each value must
// have been sealed for its row's org.
func secrets(t *testing.T, f *proxytest.Fixture, table string) string {
	t.Helper()
	rows, err := proxytest.Connect(t, f.Through).Query(t.Context(), "SELECT id, org::text AS o, org, secret FROM "+table+" ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var id int
		var org, secret string
		err := row.Scan(&id, &org, nil, &secret)
		return fmt.Sprintf("%d=%s", id, secret), err
	})
	if err != nil {
		t.Errorf("%s: %v", table, err)
	}
	return strings.Join(all, " ")
}

// TestSessionOrg: an UPDATE that names no org is for the session's, and touches no
// other's rows, however the statement comes.
func TestSessionOrg(t *testing.T) {
	f := startWithSessionOrgs(t)
	conn := proxytest.Connect(t, f.Through)
	simple := func(sql string) error {
		_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		return err
	}
	for _, table := range []struct{ name, org, spelled string }{
		{"by_text", "acme", "acme"}, {"by_varchar", "acme", "acme"}, {"by_int", "1", " 01 "}, {"by_uuid", uuidOrg, strings.ToUpper(uuidOrg)},
	} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
			if err := simple("SET pgseal.org = '" + table.spelled + "'"); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				sql  string
				args []any
				rows int64
				want string
			}{
				{"UPDATE %s SET secret = $1", []any{"a"}, 2, "1=a 2=a 3=old"},
				{"UPDATE %s SET secret = $1 WHERE id = $2 -- the second", []any{"b", 2}, 1, "1=a 2=b 3=old"},
				{"UPDATE %s t SET secret = $1 WHERE id = $2 OR id = $3 RETURNING org", []any{"c", 1, 3}, 1, "1=c 2=b 3=old"},
				{"UPDATE %s SET secret = 'd' WHERE id > 0", nil, 2, "1=d 2=d 3=old"},
				{"UPDATE %s SET secret = 'e' WHERE id = $1", []any{1}, 1, "1=e 2=d 3=old"},
				{"WITH u AS (UPDATE %s SET secret = $2 WHERE id = $1 RETURNING id) SELECT id FROM u", []any{2, "f"}, 1, "1=e 2=f 3=old"},
				{"UPDATE %s SET secret = $1 WHERE id = 3", []any{"g"}, 0, "1=e 2=f 3=old"},
			} {
				tag, err := conn.Exec(t.Context(), fmt.Sprintf(c.sql, table.name), append([]any{mode}, c.args...)...)
				if err != nil || tag.RowsAffected() != c.rows {
					t.Errorf("%v, %s of %s: %v, %v", mode, c.sql, table.name, tag, err)
				}
				if got := secrets(t, f, table.name); got != c.want {
					t.Errorf("%v, %s of %s: %s, want %s", mode, c.sql, table.name, got, c.want)
				}
			}
		}
	}
}

// TestSessionOrgOfPrepared: what a prepared statement writes is for the session's org of
// each execution.
func TestSessionOrgOfPrepared(t *testing.T) {
	f := startWithSessionOrgs(t)
	conn := proxytest.Connect(t, f.Through)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	is := func(want string) {
		t.Helper()
		if got := secrets(t, f, "by_text"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	d, err := conn.Prepare(t.Context(), "up", "UPDATE by_text SET secret = $1 WHERE id <> $2")
	if err != nil || len(d.ParamOIDs) != 2 || d.ParamOIDs[0] != 25 || d.ParamOIDs[1] != 23 {
		t.Fatalf("prepared with %v, %v", d, err)
	}
	exec("SET pgseal.org = 'acme'")
	exec("up", "a", 2)
	is("1=a 2=old 3=old")
	exec("BEGIN")
	exec("SET LOCAL pgseal.org = 'globex'")
	exec("up", "g", 2)
	exec("COMMIT")
	is("1=a 2=old 3=g")
	exec("up", "b", 1)
	is("1=a 2=b 3=g")

	exec("PREPARE sql AS UPDATE by_text SET secret = $1 WHERE id <> $2", pgx.QueryExecModeSimpleProtocol)
	exec("EXECUTE sql('c', 2)", pgx.QueryExecModeSimpleProtocol)
	is("1=c 2=b 3=g")
	exec("SET pgseal.org = 'globex'")
	exec("EXECUTE sql ( 'h', 2 /* not the second */ )", pgx.QueryExecModeSimpleProtocol)
	exec("EXPLAIN ANALYZE EXECUTE sql('i', 2)", pgx.QueryExecModeSimpleProtocol)
	is("1=c 2=b 3=i")
	exec("EXECUTE up('j', 0)", pgx.QueryExecModeSimpleProtocol)
	is("1=c 2=b 3=j")
	if r := conn.PgConn().ExecPrepared(t.Context(), "sql", [][]byte{[]byte("k"), []byte("0")}, nil, nil).Read(); r.Err != nil {
		t.Error(r.Err)
	}
	is("1=c 2=b 3=k")

	// Literals are sealed with the statement.
	exec("PREPARE fixed AS UPDATE by_text SET secret = 'l' WHERE id <> 2", pgx.QueryExecModeSimpleProtocol)
	exec("EXECUTE fixed", pgx.QueryExecModeSimpleProtocol)
	is("1=c 2=b 3=l")
	if _, err := conn.Prepare(t.Context(), "fixed2", "UPDATE by_text SET secret = 'm' WHERE id <> $1"); err != nil {
		t.Fatal(err)
	}
	exec("fixed2", 2)
	is("1=c 2=b 3=m")
	exec("SET pgseal.org = 'acme'")
	for _, sql := range []string{"EXECUTE fixed", "EXECUTE fixed2(2)"} {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); codeOf(err) != pgerr.FeatureNotSupported {
			t.Errorf("%s, for another org than it was prepared for: %v", sql, err)
		}
	}
	if r := conn.PgConn().ExecPrepared(t.Context(), "fixed2", [][]byte{[]byte("2")}, nil, nil).Read(); codeOf(r.Err) != pgerr.FeatureNotSupported {
		t.Errorf("a Bind for another org than it was prepared for: %v", r.Err)
	}
	is("1=c 2=b 3=m")
	if r := conn.PgConn().ExecPrepared(t.Context(), "up", [][]byte{[]byte("x"), []byte("0"), []byte("globex")}, nil, nil).Read(); codeOf(r.Err) != pgerr.ProtocolViolation {
		t.Errorf("a Bind with an org of the client's: %v", r.Err)
	}
	if _, err := conn.PgConn().Exec(t.Context(), "EXECUTE up('x', 0, 'globex')").ReadAll(); codeOf(err) != pgerr.SyntaxError {
		t.Errorf("an EXECUTE with an org of the client's: %v", err)
	}
	is("1=c 2=b 3=m")
}

// TestSessionOrgRefusals: no org, none that the column can have, or one that is not this
// user's.
func TestSessionOrgRefusals(t *testing.T) {
	f := startWithSessionOrgs(t)
	proxytest.Exec(t, f.Direct, `DO $$ BEGIN CREATE ROLE only_acme LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
		GRANT ALL ON ALL TABLES IN SCHEMA public TO only_acme`)
	for _, c := range []struct{ user, setting, table, code string }{
		{"postgres", "RESET pgseal.org", "by_text", pgerr.FeatureNotSupported},
		{"postgres", "SET pgseal.org = ''", "by_text", pgerr.FeatureNotSupported},
		{"postgres", "SET pgseal.org = 'acme'", "by_int", pgerr.FeatureNotSupported},
		{"postgres", "SET pgseal.org = 'acme'", "by_uuid", pgerr.FeatureNotSupported},
		{"postgres", "SET pgseal.org = 'initech'", "by_text", pgerr.NoKey},
		{"only_acme", "SELECT set_config('pgseal.' || 'org', 'globex', false)", "by_text", pgerr.InsufficientPrivilege}, // what SET would be refused
	} {
		conn := proxytest.Connect(t, strings.Replace(f.Through, "//postgres@", "//"+c.user+"@", 1))
		if _, err := conn.Exec(t.Context(), c.setting); err != nil {
			t.Fatal(err)
		}
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
			for _, sql := range []string{"UPDATE %s SET secret = 'x'", "UPDATE %s SET secret = $1", "UPDATE %s SET secret = 'x' WHERE id = 3"} {
				args := []any{mode}
				if strings.Contains(sql, "$1") {
					args = append(args, "x")
				}
				if _, err := conn.Exec(t.Context(), fmt.Sprintf(sql, c.table), args...); codeOf(err) != c.code {
					t.Errorf("%s as %s, %s, %s: %v, want %s", c.setting, c.user, sql, mode, err, c.code)
				}
			}
		}
		if _, err := conn.Exec(t.Context(), "UPDATE "+c.table+" SET secret = NULL WHERE id = 0"); err != nil {
			t.Errorf("%s: nothing is sealed: %v", c.setting, err)
		}
	}
	for _, table := range []string{"by_text", "by_int", "by_uuid"} {
		if got := secrets(t, f, table); got != "1=old 2=old 3=old" {
			t.Errorf("%s: %s", table, got)
		}
	}
}

// TestSessionOrgIsOneReading: values and rows are of the org that the setting gave when
// they were sealed, whatever it is by the time that the statement runs.
func TestSessionOrgIsOneReading(t *testing.T) {
	f := startWithSessionOrgs(t)
	proxytest.Exec(t, f.Direct, `
		CREATE FUNCTION become() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('pgseal.org', 'globex', false); RETURN NEW; END $$;
		CREATE TRIGGER before_statement BEFORE UPDATE ON by_text EXECUTE FUNCTION become();
		CREATE TRIGGER before_row BEFORE UPDATE ON by_text FOR EACH ROW EXECUTE FUNCTION become()`)
	conn := proxytest.Connect(t, f.Through)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		for _, c := range []struct {
			sql  string
			args []any
		}{{"UPDATE by_text SET secret = 'a'", nil}, {"UPDATE by_text SET secret = $1", []any{"a"}}} {
			for _, sql := range []string{"SET pgseal.org = 'acme'", c.sql} {
				args := []any{mode}
				if sql == c.sql {
					args = append(args, c.args...)
				}
				if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
					t.Errorf("%s: %v", sql, err)
				}
			}
			if got := secrets(t, f, "by_text"); got != "1=a 2=a 3=old" {
				t.Errorf("%s, %s: %s", mode, c.sql, got)
			}
		}
	}
}

// TestSessionOrgBesideAllParameters: the session's org is a parameter more, which a
// statement that uses all of them has no room for.
func TestSessionOrgBesideAllParameters(t *testing.T) {
	f := startWithSessionOrgs(t)
	conn := proxytest.Connect(t, f.Through)
	if _, err := conn.Exec(t.Context(), "SET pgseal.org = 'acme'"); err != nil {
		t.Fatal(err)
	}
	for count, code := range map[int]string{65535: "0A000", 65534: ""} {
		types := make([]uint32, count)
		for i := range types {
			types[i] = 25
		}
		_, err := conn.PgConn().Prepare(t.Context(), fmt.Sprint("s", count), "UPDATE by_text SET secret = $1", types)
		if got := codeOf(err); got != code {
			t.Errorf("%d parameters: %v, want SQLSTATE %q", count, err, code)
		}
	}
}
