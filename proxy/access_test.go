package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/crypto/audit"
	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/policy"
)

// globexSecret is what the user of acme must never see, nor the server store for it.
const globexSecret = "canary-of-globex"

// startWithAccess has tables whose orgs are told in all ways, with a value of acme and
// one of globex where a table has both, and the DSN of a user that may use acme alone.
func startWithAccess(t *testing.T) (f *proxytest.Fixture, limited string) {
	t.Helper()
	columns := []policy.Column{
		{Name: "secret", Type: policy.Type{Kind: policy.Text}},
		{Name: "masked", Type: policy.Type{Kind: policy.Text}, OnUnreadable: policy.OnUnreadableMask, Mask: "***"},
		{Name: "nulled", Type: policy.Type{Kind: policy.Text}, OnUnreadable: policy.OnUnreadableNull},
		{Name: "doc", Type: policy.Type{Kind: policy.JSONB}},
	}
	secret := columns[:1]
	p := &policy.Policy{
		Tables: []*policy.Table{
			policy.NewTable("public", "t", policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org"}, columns...),
			policy.NewTable("public", "by_setting", policy.OrgSource{Kind: policy.OrgFromSetting, Value: "pgseal.org"}, secret...),
			policy.NewTable("public", "by_app", policy.OrgSource{Kind: policy.OrgFromSetting, Value: "app.tenant"}, secret...),
			policy.NewTable("public", "by_value", policy.OrgSource{Kind: policy.OrgFixed, Value: "globex"}, secret...),
			policy.NewTable("public", "by_number", policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org"}, secret...),
		},
		Access: []policy.Access{{User: "of_acme", Orgs: []string{"acme", "1"}}, {User: "postgres", Orgs: []string{"*"}}, {User: "of_all", Orgs: []string{"*"}}},
	}
	f = proxytest.Start(t, proxytest.Options{Policy: p, Audit: audit.Options{Interval: 20 * time.Millisecond, Period: 50 * 365 * 24 * time.Hour}}) // one that does not end during a test
	proxytest.Exec(t, f.Through, `
		CREATE TABLE t (id int PRIMARY KEY, org text, secret text, masked text, nulled text, doc jsonb, n int);
		CREATE TABLE by_setting (id int PRIMARY KEY, secret text);
		CREATE TABLE by_app (id int PRIMARY KEY, secret text);
		CREATE TABLE by_value (id int PRIMARY KEY, secret text);
		CREATE TABLE by_number (id int PRIMARY KEY, org int, secret text)`)
	proxytest.Exec(t, f.Through, fmt.Sprintf(`
		INSERT INTO t VALUES (1, 'acme', 'a', 'a', 'a', '{"k": "a"}'), (2, 'globex', '%[1]s', '%[1]s', '%[1]s', '{"k": "%[1]s"}');
		INSERT INTO by_value VALUES (2, '%[1]s')`, globexSecret))
	proxytest.Exec(t, f.Through+"&options=-c%20pgseal.org%3Dglobex", fmt.Sprintf("INSERT INTO by_setting VALUES (2, '%s')", globexSecret))
	proxytest.Exec(t, f.Through, "CREATE VIEW v AS SELECT id, org, secret FROM t")
	proxytest.Exec(t, f.Through, "CREATE FUNCTION rows_of_t() RETURNS SETOF t LANGUAGE sql AS 'SELECT * FROM t'")
	proxytest.Exec(t, f.Direct, `
		CREATE FUNCTION become(o text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('pgseal.org', o, false); END $$;
		DO $$ BEGIN CREATE ROLE of_acme LOGIN; CREATE ROLE of_all LOGIN SUPERUSER; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
		GRANT of_all TO of_acme; ALTER ROLE of_acme RESET ALL;
		GRANT ALL ON ALL TABLES IN SCHEMA public TO of_acme`)
	return f, strings.Replace(f.Through, "//postgres@", "//of_acme@", 1)
}

// answer is all that a client got.
type answer struct {
	data bytes.Buffer
	err  error
}

func (a *answer) add(results []*pgconn.Result, err error) {
	for _, r := range results {
		for _, row := range r.Rows {
			for _, value := range row {
				a.data.Write(append(value, ' '))
			}
		}
		if err == nil {
			err = r.Err
		}
	}
	a.err = err
}

// ask sends statements in one of several ways. In the extended protocol the last is
// asked for in text, then in binary.
func ask(t *testing.T, conn *pgx.Conn, way string, sql ...string) *answer {
	t.Helper()
	a := &answer{}
	c := conn.PgConn()
	for i, statement := range sql {
		if way == "simple" || i < len(sql)-1 {
			a.add(c.Exec(t.Context(), statement).ReadAll())
		} else {
			format := []int16{0}
			if way == "binary" {
				format[0] = 1
			}
			a.add([]*pgconn.Result{c.ExecParams(t.Context(), statement, nil, nil, nil, format).Read()}, nil)
		}
		if a.err != nil {
			break
		}
	}
	if c.TxStatus() != 'I' {
		if _, err := c.Exec(context.Background(), "ROLLBACK").ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// TestAccessToReading: a user of acme sees no value of globex, however it is asked for.
// It is an error with on_unreadable null or mask too: those are for a key that is away.
func TestAccessToReading(t *testing.T) {
	f, limited := startWithAccess(t)
	conn := proxytest.Connect(t, limited)
	refused := func(way, what string, a *answer) {
		t.Helper()
		if codeOf(a.err) != pgerr.InsufficientPrivilege {
			t.Errorf("%s, %s: %v, want %s", way, what, a.err, pgerr.InsufficientPrivilege)
		}
		if strings.Contains(a.data.String(), globexSecret) || strings.Contains(a.data.String(), "***") {
			t.Errorf("%s, %s: got %q", way, what, a.data.String())
		}
	}
	queries := [][]string{
		{"SELECT secret FROM t WHERE id = 2"}, {"SELECT * FROM t"}, {"TABLE t"}, {"SELECT t FROM (SELECT secret FROM t) t(t)"},
		{"SELECT masked FROM t WHERE id = 2"}, {"SELECT nulled FROM t WHERE id = 2"}, {"SELECT left(masked, 2) FROM t"}, {"SELECT left(nulled, 2) FROM t"},
		{"SELECT secret FROM v"}, {"SELECT a.secret FROM t a JOIN t b ON a.id = b.id + 1"}, {"SELECT secret FROM t WHERE id = 1 UNION ALL SELECT secret FROM t WHERE id = 2"},
		{"WITH c AS (SELECT secret FROM t) SELECT * FROM c"}, {"SELECT (SELECT secret FROM t WHERE id = 2)"}, {"SELECT secret FROM rows_of_t()"},
		{"SELECT x.secret FROM t, LATERAL (SELECT secret FROM t i WHERE i.id = t.id) x"},
		{"SELECT array_agg(secret) FROM t"}, {"SELECT array_agg(masked) FROM t"}, {"SELECT array_agg(left(nulled, 1)) FROM t"},
		{"SELECT doc ->> 'k' FROM t"}, {"SELECT doc -> 'k' FROM t"}, {"SELECT COALESCE(secret, 'x') FROM t"}, {"SELECT length(secret), id FROM t"}, {"SELECT secret::bytea FROM t"},
		{"SELECT CASE WHEN id = 2 THEN secret END FROM t"}, {"SELECT first_value(secret) OVER (ORDER BY id DESC) FROM t"},
		{"BEGIN", "UPDATE t SET n = 1 WHERE id = 2 RETURNING secret"}, {"BEGIN", "DELETE FROM t WHERE id = 2 RETURNING masked"},
		{"BEGIN", "UPDATE t SET masked = masked RETURNING *"}, {"BEGIN", "WITH d AS (DELETE FROM t RETURNING nulled) SELECT * FROM d"},
		{"SELECT secret FROM by_setting"}, {"SELECT secret FROM by_value"},
		{"SET pgseal.org = 'acme'", "SELECT secret FROM by_setting"},
		{"PREPARE p AS SELECT secret FROM t", "EXECUTE p"}, {"PREPARE p AS SELECT masked FROM t WHERE id = 2", "EXECUTE p"},
		{"BEGIN", "DECLARE c CURSOR FOR SELECT secret FROM t", "FETCH ALL FROM c"}, {"BEGIN", "DECLARE c CURSOR FOR SELECT masked FROM t WHERE id = 2", "FETCH c"},
		{"SET ROLE of_all", "SELECT secret FROM t"}, {"RESET ROLE", "SELECT secret FROM t"},
	}
	for _, sql := range queries {
		what := strings.Join(sql, "; ")
		for _, way := range []string{"simple", "text", "binary"} {
			refused(way, what, ask(t, conn, way, sql...))
			if strings.Contains(what, "PREPARE") {
				ask(t, conn, "simple", "DEALLOCATE p")
			}
		}
	}
	for _, sql := range []string{
		"COPY t TO STDOUT", "COPY t (masked) TO STDOUT (FORMAT csv)", "COPY t (nulled) TO STDOUT (FORMAT binary)", "COPY (SELECT secret FROM v) TO STDOUT",
		"COPY (SELECT left(masked, 1) FROM t) TO STDOUT", "COPY (SELECT array_agg(secret) FROM t) TO STDOUT",
	} {
		a := &answer{}
		_, a.err = conn.PgConn().CopyTo(t.Context(), &a.data, sql)
		refused("copy", sql, a)
	}
	// A statement that is prepared once, a portal that is fetched in pieces, the key of
	// acme at hand, and back again.
	for range 2 {
		var secret string
		if err := conn.QueryRow(t.Context(), "SELECT secret FROM t WHERE id = $1", 1).Scan(&secret); err != nil || secret != "a" {
			t.Errorf("acme's own: %q, %v", secret, err)
		}
		if err := conn.QueryRow(t.Context(), "SELECT secret FROM t WHERE id = $1", 2).Scan(&secret); codeOf(err) != pgerr.InsufficientPrivilege {
			t.Errorf("globex's: %q, %v", secret, err)
		}
	}
	var rows int
	if err := proxytest.Connect(t, f.Direct).QueryRow(t.Context(), "SELECT count(*) FROM t").Scan(&rows); err != nil || rows != 2 {
		t.Errorf("%d rows: what was deleted behind a value that did not open came back not: %v", rows, err)
	}
	if strings.Contains(f.Log.String(), globexSecret) {
		t.Error("the log has a value")
	}
}

// TestAccessComesBeforeTheKey: who may not use an org does not learn what has become of
// its key, nor sees a mask.
func TestAccessComesBeforeTheKey(t *testing.T) {
	f, limited := startWithAccess(t)
	if err := f.KMS.Disable(f.Keys["globex"]); err != nil {
		t.Fatal(err)
	}
	all := proxytest.Connect(t, f.Through)
	eventually(t, "PS001", func() bool {
		return codeOf(ask(t, all, "text", "SELECT secret FROM t WHERE id = 2").err) == pgerr.KeyUnavailable
	})
	conn := proxytest.Connect(t, limited)
	for _, sql := range []string{
		"SELECT secret FROM t WHERE id = 2", "SELECT masked FROM t WHERE id = 2", "SELECT nulled FROM t WHERE id = 2", "SELECT array_agg(nulled) FROM t",
		"INSERT INTO t (id, org, secret) VALUES (3, 'globex', 'x')",
	} {
		for _, way := range []string{"simple", "text"} {
			if a := ask(t, conn, way, sql); codeOf(a.err) != pgerr.InsufficientPrivilege || a.data.Len() > 0 {
				t.Errorf("%s, %s: %q, %v", way, sql, a.data.String(), a.err)
			}
		}
	}
}

// TestAccessToWriting: a user of acme stores nothing for globex.
func TestAccessToWriting(t *testing.T) {
	f, limited := startWithAccess(t)
	direct := proxytest.Connect(t, f.Direct)
	stored := func() (all string) {
		t.Helper()
		err := direct.QueryRow(t.Context(), `SELECT pg_catalog.string_agg(r, ' ' ORDER BY r) FROM (SELECT t::text FROM t UNION ALL SELECT b::text FROM by_setting b
			UNION ALL SELECT b::text FROM by_app b UNION ALL SELECT b::text FROM by_value b UNION ALL SELECT b::text FROM by_number b) AS x(r)`).Scan(&all)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := stored()
	conn := proxytest.Connect(t, limited)
	check := func(what string, err error) {
		t.Helper()
		if codeOf(err) != pgerr.InsufficientPrivilege {
			t.Errorf("%s: %v, want %s", what, err, pgerr.InsufficientPrivilege)
		}
		if conn.PgConn().TxStatus() != 'I' {
			proxytestExec(t, conn, "ROLLBACK")
		}
	}
	for _, sql := range [][]string{
		{"INSERT INTO t (id, org, secret) VALUES (3, 'globex', 'x')"}, {"INSERT INTO t (id, org, secret) VALUES (3, 'acme', 'x'), (4, 'globex', 'x')"},
		{"INSERT INTO t (id, org, secret) SELECT id, org, secret FROM (VALUES (3, 'globex', 'x')) AS n(id, org, secret)"},
		{"INSERT INTO v VALUES (3, 'globex', 'x')"}, {"WITH i AS (INSERT INTO t (id, org, secret) VALUES (3, 'globex', 'x') RETURNING id) SELECT * FROM i"},
		{"INSERT INTO t (id, org, secret) VALUES (1, 'globex', 'x') ON CONFLICT (id) DO UPDATE SET secret = EXCLUDED.secret"},
		{"UPDATE t SET secret = 'x' WHERE org = 'globex'"}, {"UPDATE t SET secret = 'x', org = 'globex' WHERE id = 1"}, {"UPDATE t SET masked = 'x' WHERE org = 'globex' AND id = 2"},
		{"MERGE INTO t USING (VALUES (3)) AS n(id) ON t.id = n.id WHEN NOT MATCHED THEN INSERT (id, org, secret) VALUES (3, 'globex', 'x')"},
		{"INSERT INTO by_value VALUES (3, 'x')"}, {"UPDATE by_value SET secret = 'x'"},
		{"PREPARE w AS INSERT INTO t (id, org, secret) VALUES (3, 'globex', 'x')"}, {"PREPARE w AS INSERT INTO t (id, org, secret) VALUES ($1, $2, $3)", "EXECUTE w(3, 'globex', 'x')"},
		{"SELECT become('globex')", "INSERT INTO by_setting VALUES (3, 'x')"}, {"SELECT become('globex')", "UPDATE t SET secret = 'x'"},
		{"SELECT become('globex')", "INSERT INTO t (id, secret) VALUES (3, 'x')"}, {"SET ROLE of_all", "INSERT INTO by_value VALUES (3, 'x')"},
		{"RESET ROLE", "SELECT set_config('pgseal.' || 'org', 'globex', false)", "INSERT INTO by_setting VALUES (3, 'x')"},
		{"SELECT set_config('app.' || 'tenant', 'globex', false)", "INSERT INTO by_app VALUES (3, 'x')"},
	} {
		for _, way := range []string{"simple", "text"} {
			check(way+", "+strings.Join(sql, "; "), ask(t, conn, way, sql...).err)
			if strings.HasPrefix(sql[0], "PREPARE") {
				ask(t, conn, "simple", "DEALLOCATE w")
			}
		}
	}
	for _, c := range []struct {
		sql  string
		args []any
	}{
		{"INSERT INTO t (id, org, secret) VALUES ($1, $2, $3)", []any{3, "globex", "x"}},
		{"INSERT INTO t (id, org, secret) VALUES ($1, 'acme', $2), ($3, $4, $5)", []any{3, "x", 4, "globex", "x"}},
		{"INSERT INTO t (id, org, secret) SELECT * FROM unnest($1::int[], $2::text[], $3::text[])", []any{[]int{3, 4}, []string{"acme", "globex"}, []string{"x", "y"}}},
		{"UPDATE t SET secret = $1 WHERE org = $2", []any{"x", "globex"}},
		{"INSERT INTO t (id, org, secret) VALUES (3, $1, 'x')", []any{"globex"}}, {"UPDATE t SET secret = 'x', org = $1 WHERE id = 1", []any{"globex"}},
		{"INSERT INTO t (id, org, secret) VALUES (1, $1, $2) ON CONFLICT (id) DO UPDATE SET secret = EXCLUDED.secret", []any{"globex", "x"}},
		{"UPDATE t SET secret = $1, org = $2 WHERE id = 1", []any{"x", "globex"}},
		{"INSERT INTO by_value VALUES (3, $1)", []any{"x"}},
		{"INSERT INTO by_setting VALUES (3, $1)", []any{"x"}}, // the setting is globex still
		{"UPDATE t SET secret = $1 WHERE id = 2", []any{"x"}},
		{"INSERT INTO by_number VALUES (3, $1, $2)", []any{2, "x"}},
	} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
			_, err := conn.Exec(t.Context(), c.sql, append([]any{mode}, c.args...)...)
			check(mode.String()+", "+c.sql, err)
		}
	}
	for _, c := range []struct{ sql, data string }{
		{"COPY t (id, org, secret) FROM STDIN", "3\tacme\tx\n4\tglobex\tx\n"}, {"COPY t (id, org, secret) FROM STDIN (FORMAT csv)", "3,globex,x\n"},
		{"COPY by_value FROM STDIN", "3\tx\n"}, {"COPY by_setting FROM STDIN", "3\tx\n"},
	} {
		_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(c.data), c.sql)
		check(c.sql, err)
	}
	_, err := conn.CopyFrom(t.Context(), pgx.Identifier{"t"}, []string{"id", "org", "secret"}, pgx.CopyFromRows([][]any{{3, "globex", "x"}}))
	check("binary COPY", err)
	if after := stored(); after != before {
		t.Errorf("stored: %s, before: %s", after, before)
	}
	// What is allowed goes on the same connection.
	proxytestExec(t, conn, "SET pgseal.org = 'acme'")
	proxytestExec(t, conn, "INSERT INTO by_setting VALUES (10, 'x')")
	if _, err := conn.Exec(t.Context(), "INSERT INTO t (id, org, secret) VALUES (10, 'acme', $1)", "x"); err != nil {
		t.Error(err)
	}
}

// TestAccessToSettings: what orgs come from cannot be set to an org that the user may not
// use, where pgseal sees it; where it does not, nothing is sealed for it (see
// TestAccessToWriting).
func TestAccessToSettings(t *testing.T) {
	f, limited := startWithAccess(t)
	conn := proxytest.Connect(t, limited)
	const setting = "SELECT coalesce(current_setting('pgseal.org', true), '') || '/' || coalesce(current_setting('app.tenant', true), '')"
	for _, c := range []struct {
		sql, code string
	}{
		{"SET pgseal.org = 'globex'", "42501"}, {"SET SESSION PGSEAL.ORG TO globex", "42501"}, {`SET LOCAL "pgseal".org = 'globex'`, "42501"}, {"SET app.tenant = 'globex'", "42501"},
		{"SELECT set_config('pgseal.org', 'globex', false)", "42501"}, {"SELECT pg_catalog.set_config('app.tenant'::text, 'globex', true)", "42501"},
		{"PREPARE s AS SELECT set_config('pgseal.org', 'globex', false)", "42501"}, {"SET pgseal.org = 2", "42501"}, {"SET pgseal.org = 'whatever'", "42501"},
		{"SET pgseal.org = 'acme'", ""}, {"SET pgseal.org = ''", ""}, {"SET pgseal.org = ' 01 '", ""}, {"SET app.tenant TO acme", ""}, {"SET pgseal.org TO DEFAULT", ""},
		{"RESET pgseal.org", ""}, {"RESET ALL", ""}, {"DISCARD ALL", ""}, {"SET pgseal.other = 'globex'", ""}, {"SELECT 'SET pgseal.org = globex'", ""},
	} {
		for _, way := range []string{"simple", "text"} {
			if err := ask(t, conn, way, c.sql).err; codeOf(err) != c.code {
				t.Errorf("%s, %s: %v, want %q", way, c.sql, err, c.code)
			}
		}
	}
	if got := read(t, conn, setting); !strings.HasSuffix(got, "[/]") && !strings.HasSuffix(got, "[/acme]") {
		t.Errorf("set to %s", got)
	}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec} {
		for org, code := range map[string]string{"globex": "42501", "acme": "", "": ""} {
			_, err := conn.Exec(t.Context(), "SELECT set_config('pgseal.org', $1, false)", mode, org)
			if codeOf(err) != code {
				t.Errorf("set_config by a parameter, %q: %v, want %q", org, err, code)
			}
		}
	}
	// A failed SET is an error like any: it stands where it stood, and aborts the block.
	a := ask(t, conn, "simple", "BEGIN; SET LOCAL pgseal.org = 'globex'; SELECT 'not reached'")
	if codeOf(a.err) != "42501" || strings.Contains(a.data.String(), "reached") {
		t.Errorf("%q, %v", a.data.String(), a.err)
	}
	// A user of all orgs may.
	proxytestExec(t, proxytest.Connect(t, f.Through), "SET pgseal.org = 'globex'")
	// It is the user who logged in that counts, also when it becomes another.
	all := proxytest.Connect(t, f.Through)
	proxytestExec(t, all, "SET SESSION AUTHORIZATION of_acme")
	proxytestExec(t, all, "SET pgseal.org = 'globex'")
	if err := ask(t, all, "text", "SELECT secret FROM t WHERE id = 2").err; err != nil {
		t.Errorf("of the user who logged in: %v", err)
	}
}

// TestAccessAtTheStart: the start-up packet cannot set it either; what the database has
// for the role is there, and of no use.
func TestAccessAtTheStart(t *testing.T) {
	f, limited := startWithAccess(t)
	for options, code := range map[string]string{
		"-c pgseal.org=globex": "42501", "-cpgseal.org=globex": "42501", "--pgseal.org=globex": "42501", "-c PGSEAL.ORG=globex -c pgseal.org=acme": "42501",
		`-c app.tenant=glob\ex`: "42501", "-c search_path=x -c pgseal.org=globex": "42501", "-c": "", "-c pgseal.org=acme": "", "-c app.other=globex": "",
	} {
		conn, err := pgx.Connect(t.Context(), withOptions(t, limited, options))
		if err == nil {
			_ = conn.Close(t.Context())
		}
		if got := codeOf(err); options != "-c" && got != code || options == "-c" && got == "42501" { // that one the server refuses
			t.Errorf("%s: %v, want %q", options, err, code)
		}
	}
	config, err := pgx.ParseConfig(limited)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["PgSeal.Org"] = "globex"
	if _, err := pgx.ConnectConfig(t.Context(), config); codeOf(err) != "42501" {
		t.Errorf("as a parameter of its own: %v", err)
	}
	proxytest.Exec(t, f.Direct, "ALTER ROLE of_acme SET pgseal.org = 'globex'")
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), f.Direct)
		if err == nil {
			_, err = conn.Exec(context.Background(), "ALTER ROLE of_acme RESET ALL")
			_ = conn.Close(context.Background())
		}
		if err != nil {
			t.Error(err)
		}
	})
	conn := proxytest.Connect(t, limited)
	for _, sql := range []string{"INSERT INTO by_setting VALUES (3, 'x')", "UPDATE t SET secret = 'x'"} {
		if err := ask(t, conn, "text", sql).err; codeOf(err) != "42501" {
			t.Errorf("by the role's setting, %s: %v", sql, err)
		}
	}
	proxytestExec(t, conn, "SET pgseal.org = 'acme'")
	proxytestExec(t, conn, "INSERT INTO by_setting VALUES (3, 'x')")
	proxytestExec(t, conn, "RESET pgseal.org")
	if err := ask(t, conn, "text", "INSERT INTO by_setting VALUES (4, 'x')").err; codeOf(err) != "42501" {
		t.Errorf("reset to the role's setting: %v", err)
	}
}

// TestAuditLog: opens and refusals come to be in the keystore's log and in the
// structured one, each once, and without a value.
func TestAuditLog(t *testing.T) {
	f, limited := startWithAccess(t)
	config, err := pgx.ParseConfig(limited)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["application_name"] = "my\napp"
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for range 3 {
		for _, sql := range []string{
			"SELECT secret FROM t WHERE id = 1", "SELECT masked FROM t WHERE id = 2", "INSERT INTO t (id, org, secret) VALUES (3, 'globex', 'plaintext-1')",
			"INSERT INTO t (id, secret, org) VALUES (3, 'acme', 'plaintext-2')", // the columns are mixed up
			"SET pgseal.org = 'globex'",
		} {
			ask(t, conn, "text", sql)
		}
	}
	for range 3 { // another session of the same user
		if a := ask(t, proxytest.Connect(t, limited), "binary", "SELECT secret, nulled FROM t WHERE id = 1"); a.err != nil {
			t.Error(a.err)
		}
	}
	if _, err := pgx.Connect(t.Context(), withOptions(t, limited, "-c pgseal.org=globex")); codeOf(err) != "42501" {
		t.Error(err)
	}
	kinds := func() map[string]int {
		events, err := f.Store.FindEvents(t.Context(), keystore.EventFilter{})
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]int{}
		for _, e := range events {
			if e.Actor.Name == "of_acme" || e.Actor.Name == "(not authenticated)" {
				n := 1
				if count := e.Detail["count"]; count != "" {
					if _, err := fmt.Sscan(count, &n); err != nil {
						t.Error(err)
					}
				}
				found[strings.Join([]string{e.Actor.Name, e.Action, e.Detail["how"], e.Org + e.Detail["org"], e.Detail["column"]}, ", ")] += n
				if e.Detail["database"] == "" || e.Actor.Process != "sandbox" || e.Detail["client"] == "" {
					t.Errorf("%+v", e)
				}
			}
		}
		return found
	}
	want := map[string]int{
		"of_acme, open data, open, acme, public.t.secret":               1,
		"of_acme, refuse access, open, globex, public.t.masked":         3,
		"of_acme, refuse access, seal, globex, public.t.secret":         3,
		"of_acme, refuse access, seal, (not known), public.t.secret":    3,
		"of_acme, refuse access, set, globex, ":                         3,
		"(not authenticated), refuse access, start-up packet, globex, ": 1,
	}
	eventually(t, "the audit log", func() bool {
		for what, n := range kinds() {
			if want[what] < n {
				t.Fatalf("%d times: %s", n, what)
			}
		}
		return fmt.Sprint(kinds()) == fmt.Sprint(want)
	})
	if v, err := f.Store.VerifyAudit(t.Context()); err != nil || v.Break != nil {
		t.Errorf("%+v, %v", v.Break, err)
	}
	events, err := f.Store.FindEvents(t.Context(), keystore.EventFilter{Actor: "of_acme"})
	if err != nil {
		t.Fatal(err)
	}
	everything := fmt.Sprint(events) + f.Log.String()
	for _, value := range []string{globexSecret, "plaintext-1", "plaintext-2"} {
		if strings.Contains(everything, value) {
			t.Errorf("a log has %s", value)
		}
	}
	if !strings.Contains(everything, `my\\napp`) && !strings.Contains(everything, `my\napp`) || strings.Contains(fmt.Sprint(events), "my\napp") {
		t.Error("the client's name of itself is not escaped")
	}
	if !strings.Contains(f.Log.String(), "hash="+events[0].Hash.String()) {
		t.Error("the structured log does not have the last entry's hash")
	}
}

// TestOpensAreToldOnceAPeriod: by all sessions of a user together, and again in the next
// period, by a session that has had the key all the time.
func TestOpensAreToldOnceAPeriod(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Audit: audit.Options{Interval: 20 * time.Millisecond, Period: 500 * time.Millisecond}})
	proxytest.Exec(t, f.Through, proxytest.NotesTable)
	proxytest.Exec(t, f.Through, "INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', 'a'), (2, 'globex', 'g')")
	conns := []*pgx.Conn{proxytest.Connect(t, f.Through), proxytest.Connect(t, f.Through)}
	begin := time.Now()
	count := func() int {
		events, err := f.Store.FindEvents(t.Context(), keystore.EventFilter{Org: "acme", Except: []string{"add key"}})
		if err != nil {
			t.Fatal(err)
		}
		return len(events)
	}
	eventually(t, "a third entry", func() bool {
		for _, conn := range conns {
			if a := ask(t, conn, "text", "SELECT body FROM notes"); a.err != nil {
				t.Fatal(a.err)
			}
		}
		return count() >= 3
	})
	if periods := int(time.Since(begin)/(500*time.Millisecond)) + 2; count() > periods {
		t.Errorf("%d entries in %d periods", count(), periods)
	}
}
