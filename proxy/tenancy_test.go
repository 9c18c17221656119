package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/policy"
)

// sealedUnder asks the database, past pgseal, under which org each row's value
// is sealed: by the data key in its header.
const sealedUnder = `SELECT string_agg(t.id || '=' || k.org, ' ' ORDER BY t.id)
	FROM %s t JOIN pgseal.data_keys k ON k.id = ('x' || encode(substr(t.secret, 5, 8), 'hex'))::bit(64)::bigint`

func tenancyPolicy(access ...policy.Access) *policy.Policy {
	secret := policy.Column{Name: "secret", Type: policy.Type{Kind: policy.Text}}
	return &policy.Policy{
		Tables: []*policy.Table{
			policy.NewTable("public", "by_column", policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org"}, secret),
			policy.NewTable("public", "by_setting", policy.OrgSource{Kind: policy.OrgFromSetting, Value: "pgseal.org"}, secret),
			policy.NewTable("public", "by_value", policy.OrgSource{Kind: policy.OrgFixed, Value: "globex"}, secret),
		},
		Access: access,
	}
}

const tenancyTables = `
CREATE TABLE by_column (id int PRIMARY KEY, org text, secret text);
CREATE TABLE by_setting (id int PRIMARY KEY, secret text);
CREATE TABLE by_value (id int PRIMARY KEY, secret text)`

// TestOrgSources: each value is sealed under the org that the policy says, of
// several on one connection, in both protocols and in COPY.
func TestOrgSources(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Policy: tenancyPolicy()})
	proxytest.Exec(t, f.Through, tenancyTables)
	conn := proxytest.Connect(t, f.Through)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	exec("INSERT INTO by_column VALUES (1, 'acme', 'x'), (2, 'globex', 'x')", pgx.QueryExecModeSimpleProtocol)
	exec("INSERT INTO by_column VALUES ($1, $2, $3), ($4, $5, $6)", 3, "globex", "x", 4, "acme", "x")
	exec("UPDATE by_column SET org = $1, secret = $2 WHERE id = $3", "globex", "x", 1)
	if _, err := conn.CopyFrom(t.Context(), pgx.Identifier{"by_column"}, []string{"id", "org", "secret"}, pgx.CopyFromRows([][]any{{8, "globex", "x"}, {9, "acme", "x"}})); err != nil {
		t.Errorf("binary COPY: %v", err)
	}
	_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader("5\tacme\tx\n6\tglobex\tx\n"), "COPY by_column FROM STDIN")
	if err != nil {
		t.Error(err)
	}

	if _, err := conn.Exec(t.Context(), "INSERT INTO by_setting VALUES (1, 'x')"); codeOf(err) != pgerr.FeatureNotSupported {
		t.Errorf("no setting: %v, want a refusal", err)
	}
	exec("SET pgseal.org = 'acme'")
	exec("INSERT INTO by_setting VALUES (2, $1)", "x")
	exec("BEGIN")
	exec("SET LOCAL pgseal.org = 'globex'")
	exec("INSERT INTO by_setting VALUES (3, $1)", "x")
	exec("COMMIT")
	exec("INSERT INTO by_setting VALUES (4, $1)", "x")
	exec("SELECT set_config('pgseal.org', 'globex', false)")
	exec("INSERT INTO by_setting VALUES (5, 'x')", pgx.QueryExecModeSimpleProtocol)
	exec("BEGIN")
	exec("SET pgseal.org = 'acme'")
	exec("ROLLBACK")
	exec("INSERT INTO by_setting VALUES (6, $1)", "x")
	withOption := proxytest.Connect(t, f.Through+"&options=-c%20pgseal.org%3Dacme")
	if _, err := withOption.Exec(t.Context(), "INSERT INTO by_setting VALUES (7, $1)", "x"); err != nil {
		t.Error(err)
	}
	exec("INSERT INTO by_value VALUES (1, $1)", "x")

	for table, want := range map[string]string{
		"by_column":  "1=globex 2=globex 3=globex 4=acme 5=acme 6=globex 8=globex 9=acme",
		"by_setting": "2=acme 3=globex 4=acme 5=globex 6=globex 7=acme",
		"by_value":   "1=globex",
	} {
		var got string
		if err := proxytest.Connect(t, f.Direct).QueryRow(t.Context(), strings.ReplaceAll(sealedUnder, "%s", table)).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s: sealed under %s, want %s", table, got, want)
		}
	}
}

// TestOrgSettingChangesUnseen: a function, a procedure or a prepared statement
// changes the setting, and no word of the text tells. In one text with the write
// the change comes too late to be seen, so the write is refused.
func TestOrgSettingChangesUnseen(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Policy: tenancyPolicy()})
	proxytest.Exec(t, f.Through, tenancyTables)
	proxytest.Exec(t, f.Direct, `
		CREATE FUNCTION become(o text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('pgseal.org', o, false); END $$;
		CREATE PROCEDURE begin_as(o text) LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('pgseal.org', o, false); END $$`)
	conn := proxytest.Connect(t, f.Through)
	exec := func(sql string) error {
		_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		return err
	}
	if err := exec("PREPARE became AS SELECT set_config('pgseal.org', 'globex', false)"); err != nil {
		t.Fatal(err)
	}
	want := ""
	for i, change := range []string{
		"SELECT become('globex')", "CALL begin_as('globex')", "EXECUTE became", "SELECT * FROM become('globex')",
	} {
		id := 10 * i
		for _, sql := range []string{
			"SET pgseal.org = 'acme'", fmt.Sprintf("INSERT INTO by_setting VALUES (%d, 'x')", id+1),
			change, fmt.Sprintf("INSERT INTO by_setting VALUES (%d, 'x')", id+2),
		} {
			if err := exec(sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
		want += fmt.Sprintf("%d=acme %d=globex ", id+1, id+2)
	}
	for _, sql := range []string{
		"SET pgseal.org = 'acme'; INSERT INTO by_setting VALUES (100, 'x')",
		"BEGIN; SET LOCAL pgseal.org = 'acme'; INSERT INTO by_setting VALUES (100, 'x'); COMMIT",
		"SELECT become('acme'); INSERT INTO by_setting VALUES (100, 'x')",
	} {
		if err := exec(sql); codeOf(err) != pgerr.FeatureNotSupported {
			t.Errorf("%s: %v, want a refusal", sql, err)
		}
		_ = exec("ROLLBACK") // of the one with BEGIN
	}
	var got string
	if err := proxytest.Connect(t, f.Direct).QueryRow(t.Context(), strings.ReplaceAll(sealedUnder, "%s", "by_setting")).Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != strings.TrimSpace(want) {
		t.Errorf("sealed under %s, want %s", got, want)
	}
}

// TestAccess: a database user opens, and writes for, the orgs that the policy
// names for it.
func TestAccess(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Policy: tenancyPolicy(
		policy.Access{User: "reader_of_acme", Orgs: []string{"acme"}},
		policy.Access{User: "postgres", Orgs: []string{"*"}},
	)})
	proxytest.Exec(t, f.Through, tenancyTables)
	proxytest.Exec(t, f.Through, "INSERT INTO by_column VALUES (1, 'acme', 'a'), (2, 'globex', 'g')")
	proxytest.Exec(t, f.Direct, `DO $$ BEGIN CREATE ROLE reader_of_acme LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
		GRANT ALL ON ALL TABLES IN SCHEMA public TO reader_of_acme`)
	conn := proxytest.Connect(t, strings.Replace(f.Through, "//postgres@", "//reader_of_acme@", 1))
	read := func(id int) (secret string, err error) {
		err = conn.QueryRow(t.Context(), "SELECT secret FROM by_column WHERE id = $1", id).Scan(&secret)
		return secret, err
	}
	if secret, err := read(1); err != nil || secret != "a" {
		t.Errorf("acme's value reads as %q, %v", secret, err)
	}
	if _, err := read(2); codeOf(err) != pgerr.InsufficientPrivilege {
		t.Errorf("globex's value: %v, want %s", err, pgerr.InsufficientPrivilege)
	}
	if _, err := conn.Exec(t.Context(), "INSERT INTO by_column VALUES (3, 'globex', $1)", "x"); codeOf(err) != pgerr.InsufficientPrivilege {
		t.Errorf("a write for globex: %v, want %s", err, pgerr.InsufficientPrivilege)
	}
	if _, err := conn.Exec(t.Context(), "INSERT INTO by_column VALUES (3, 'acme', $1)", "x"); err != nil {
		t.Errorf("a write for acme: %v", err)
	}
}

// TestOrgWithoutAKey: nothing is written for an org that has no key.
func TestOrgWithoutAKey(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
		_, err := conn.Exec(t.Context(), "INSERT INTO notes (id, org_id, body) VALUES ($1, 'initech', $2)", mode, 7, "x")
		if codeOf(err) != pgerr.NoKey {
			t.Errorf("%s: %v, want %s", mode, err, pgerr.NoKey)
		}
	}
}
