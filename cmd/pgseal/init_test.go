package main

import (
	"testing"

	"github.com/pgseal/pgseal/internal/pgtest"
)

func TestInit(t *testing.T) {
	dsn := pgtest.Database(t)
	file := writeConfig(t, dsn, policyText)
	pgseal(t, "keys", "list", "-c", file).has(t, exitFailed, "the keystore is not initialised: run pgseal init")
	pgseal(t, "init", "-c", file).has(t, exitOK, "upstream.dsn: applied domain/0001_sealed\n", "keystore.dsn: applied tables/0001_keys\n")
	pgseal(t, "init", "-c", file).want(t, exitOK, "upstream.dsn: domain is up to date\nkeystore.dsn: tables is up to date\n", "")

	execute(t, dsn, "INSERT INTO pgseal.schema_version (part, version, name) VALUES ('tables', 99, 'tables/0099_later')")
	pgseal(t, "init", "-c", file).has(t, exitFailed, "pgseal: init: keystore.dsn: ", "at version 99", "use the newer pgseal")
	pgseal(t, "keys", "list", "-c", file).has(t, exitFailed, "at version 99", "use the newer pgseal")
}

func TestInitInTwoDatabases(t *testing.T) {
	upstream, keys := pgtest.Database(t), pgtest.Database(t)
	t.Setenv("KEYS_DSN", keys)
	file := writeConfig(t, upstream, "keystore: {dsn: '${KEYS_DSN}'}\n"+policyText)
	pgseal(t, "init", "-c", file).has(t, exitOK)
	execute(t, upstream, "SELECT NULL::pgseal.sealed")
	execute(t, keys, "SELECT FROM pgseal.org_keys")
	pgseal(t, "keys", "list", "-c", file).want(t, exitOK, "No organisation has a key yet: pgseal keys add --help\n", "")
}

func TestInitWithoutRights(t *testing.T) {
	dsn := pgtest.Database(t)
	execute(t, dsn, "CREATE ROLE cmd_nobody LOGIN PASSWORD 'x'")
	t.Cleanup(func() { execute(t, dsn, "DROP ROLE cmd_nobody") })
	file := writeConfig(t, withUser(t, dsn, "cmd_nobody"), policyText)
	pgseal(t, "init", "-c", file).has(t, exitFailed, "pgseal: init: upstream.dsn: ", "permission denied", "GRANT CREATE ON DATABASE")
}
