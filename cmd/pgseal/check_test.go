package main

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgtest"
)

// withUser is dsn, a URL, for another user.
func withUser(t *testing.T, dsn, user string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, "x")
	return u.String()
}

// checked runs check and gives its output with what differs from machine to
// machine replaced.
func checked(t *testing.T, file string) result {
	t.Helper()
	r := pgseal(t, "check", "-c", file)
	for pattern, with := range map[string]string{
		regexp.QuoteMeta(file):               "CONFIG",
		`127\.0\.0\.1:\d+`:                   "SERVER",
		`PostgreSQL .*, database \w+`:        "PostgreSQL VERSION",
		`arn:aws:kms:[a-z0-9:-]+:key/[\w-]+`: "ARN",
	} {
		r.stdout = regexp.MustCompile(pattern).ReplaceAllString(r.stdout, with)
	}
	return r
}

const revoking = "ok    revoking  a key that KMS refuses makes its org's values unreadable within 21.5s at worst: 15s until the next health check (kms.health_interval), 1.5s by which the checks of many orgs are spread, 5s for KMS's answer (kms.timeout)\n" +
	"ok    revoking  while KMS does not answer, data keys that are open serve for 1h0m0s at most (kms.max_stale)\n" +
	"ok    revoking  pgseal keys disable and destroy reach every process within a second, and within 20s where the keystore can't tell of it\n"

func TestCheck(t *testing.T) {
	dsn := pgtest.Database(t)
	server, kms := startKMS(t)
	file := writeConfig(t, dsn, kms+`
policy:
  tables:
    spans:
      org: {column: org_id}
      columns: {attributes: {type: jsonb}, events: {type: jsonb}}
    settings:
      org: {value: acme}
      columns: {token: {type: text}}
`)
	const head = "ok    config    CONFIG is valid: 2 tables\n" +
		"ok    database  upstream.address: SERVER accepts connections, without TLS, and takes writes\n" +
		"ok    database  PostgreSQL VERSION\n"

	// Nothing is there.
	checked(t, file).want(t, exitFailed, head+
		"FAIL  database  the type pgseal.sealed is not there: run pgseal init\n"+
		"FAIL  policy    table public.settings is not in the database: create it (through pgseal, or with columns of the type pgseal.sealed), or take it out of the policy\n"+
		"FAIL  policy    table public.spans is not in the database: create it (through pgseal, or with columns of the type pgseal.sealed), or take it out of the policy\n"+
		"FAIL  keystore  the keystore is not initialised: run pgseal init\n"+
		revoking, "")

	// The tables are there, but not as they should be.
	pgseal(t, "init", "-c", file).has(t, exitOK)
	execute(t, dsn, `CREATE TABLE spans (id int, attributes jsonb); CREATE TABLE settings (token pgseal.sealed, "Old" pgseal.sealed)`)
	const domain = "ok    database  the type pgseal.sealed keeps plaintext out of sealed columns\n"
	checked(t, file).want(t, exitFailed, head+domain+
		"ok    policy    table public.settings: 1 column sealed\n"+
		"FAIL  policy    table public.spans has no column org_id, which the policy finds a row's org in\n"+
		"FAIL  policy    column public.spans.attributes has the type jsonb, so its values lie in the database as they are, and pgseal refuses statements that use it: it must have the type pgseal.sealed. Add one (ALTER TABLE public.spans ADD COLUMN … pgseal.sealed), copy the values through pgseal, drop the old one and give the new one its name\n"+
		"FAIL  policy    table public.spans has no column events: ALTER TABLE public.spans ADD COLUMN events pgseal.sealed\n"+
		"warn  policy    column public.settings.\"Old\" has the type pgseal.sealed, but the policy does not name it: it is handed out as it is stored\n"+
		"ok    keystore  up to date, with the keys of 0 orgs\n"+
		"FAIL  keys      org acme, to which the policy gives table public.settings, has no key: pgseal keys add --org acme\n"+
		"warn  keys      no organisation has a key yet, so nothing can be sealed: pgseal keys add --help\n"+
		revoking, "")

	// All is well.
	execute(t, dsn, `ALTER TABLE settings DROP COLUMN "Old"; DROP TABLE spans; CREATE TABLE spans (org_id text, attributes pgseal.sealed, events pgseal.sealed)`)
	acme, globex := createKey(t, server, kmsserver.KeyOptions{}), createKey(t, server, kmsserver.KeyOptions{})
	pgseal(t, "keys", "add", "-c", file, "--org", "acme", "--arn", acme).has(t, exitOK)
	pgseal(t, "keys", "add", "-c", file, "--org", "globex", "--arn", globex).has(t, exitOK)
	const tables = "ok    policy    table public.settings: 1 column sealed\n" +
		"ok    policy    table public.spans: 2 columns sealed\n" +
		"ok    keystore  up to date, with the keys of 2 orgs\n"
	checked(t, file).want(t, exitOK, head+domain+tables+
		"ok    keys      org acme: ARN makes and opens data keys\n"+
		"ok    keys      org globex: ARN makes and opens data keys\n"+
		revoking, "")

	// Keys are taken away: by the platform, and by the organisation.
	pgseal(t, "keys", "disable", "-c", file, "--org", "acme").has(t, exitOK)
	if err := server.Disable(globex); err != nil {
		t.Fatal(err)
	}
	checked(t, file).want(t, exitFailed, head+domain+tables+
		"warn  keys      org acme: disabled by pgseal keys disable; its values cannot be read\n"+
		"FAIL  keys      org globex: ARN: kms:DescribeKey: the key is disabled: enable it in KMS\n"+
		revoking, "")
}

func TestCheckOfAFileThatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("upstream:\n  dsn: postgres://u@h/d\n  adress: x\n"+policyText), 0o600); err != nil {
		t.Fatal(err)
	}
	checked(t, file).want(t, exitFailed,
		"FAIL  config    CONFIG:3: upstream.adress: unknown key; did you mean address?\n"+
			"      config    the rest is not looked at until the configuration is right\n", "")
}

func TestCheckOfADatabaseThatIsDown(t *testing.T) {
	file := writeConfig(t, "postgres://u:s3cret@127.0.0.1:1/d?sslmode=disable", policyText)
	checked(t, file).want(t, exitFailed,
		"ok    config    CONFIG is valid: 1 table\n"+
			"FAIL  database  upstream.address: upstream SERVER: dial tcp SERVER: connect: connection refused: clients' sessions could not be passed on; see that the database runs there\n"+
			"FAIL  database  upstream.dsn: failed to connect to `user=u database=d`: SERVER (127.0.0.1): dial error: dial tcp SERVER: connect: connection refused: see that the database runs, and that the login and the database's name are right\n"+
			"FAIL  keystore  keystore: failed to connect to `user=u database=d`: SERVER (127.0.0.1): dial error: dial tcp SERVER: connect: connection refused: see that the database runs and that keystore.dsn is right\n"+
			revoking, "")
}

// TestCheckAfterChanges: check reads the catalog as it is by now, also while a transaction
// locks a view and what it reads.
func TestCheckAfterChanges(t *testing.T) {
	dsn := pgtest.Database(t)
	file := writeConfig(t, dsn, `
policy: {tables: {a: {org: {value: acme}, columns: {x: {type: text}}}}}
`)
	pgseal(t, "init", "-c", file).has(t, exitOK)
	const well = "ok    policy    table public.a: 1 column sealed\n"
	locker, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = locker.Close(context.Background()) }()
	for _, step := range []struct{ sql, finds string }{
		{"CREATE TABLE a (id int, x pgseal.sealed); CREATE VIEW v AS SELECT x FROM a; CREATE VIEW w AS SELECT id FROM a", well},
		{"ALTER TABLE a RENAME x TO y", "FAIL  policy    table public.a has no column x: ALTER TABLE public.a ADD COLUMN x pgseal.sealed\n"},
		{"ALTER TABLE a RENAME y TO x", well},
		{"CREATE TABLE b (y pgseal.sealed)", "warn  policy    column public.b.y has the type pgseal.sealed, but the policy does not name it: it is handed out as it is stored\n"},
		{"DROP TABLE b", well},
		{"ALTER TABLE a RENAME TO c", "FAIL  policy    table public.a is not in the database: create it (through pgseal, or with columns of the type pgseal.sealed), or take it out of the policy\n"},
		{"ALTER TABLE c RENAME TO a", well},
		{"BEGIN; LOCK TABLE v IN ACCESS EXCLUSIVE MODE", well},
	} {
		if _, err := locker.Exec(t.Context(), step.sql); err != nil {
			t.Fatal(err)
		}
		checked(t, file).has(t, exitFailed, step.finds) // the org has no key
	}
}

func TestCheckOfUnusualTables(t *testing.T) {
	dsn := pgtest.Database(t)
	file := writeConfig(t, dsn, `
policy:
  tables:
    v: {org: {value: acme}, columns: {a: {type: text}}}
    p: {org: {value: acme}, columns: {a: {type: text}}}
    '"My Table"': {org: {value: acme}, columns: {'"A"': {type: text}}}
`)
	pgseal(t, "init", "-c", file).has(t, exitOK)
	execute(t, dsn, `
		CREATE TABLE p (id int, a pgseal.sealed) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
		CREATE VIEW v AS SELECT a FROM p;
		CREATE TABLE "My Table" (a text);`)
	checked(t, file).has(t, exitFailed,
		"FAIL  policy    public.v is no table but a view: name the table that it takes its rows from\n",
		"ok    policy    table public.p: 1 column sealed\n",
		`FAIL  policy    table public."My Table" has no column "A": ALTER TABLE public."My Table" ADD COLUMN "A" pgseal.sealed`+"\n")
}
