package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/crypto/keyring"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/kmsserver"
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

// TestInitUpgrades: a keystore of the first version, in use, is brought up to date, and
// nothing in it is lost.
func TestInitUpgrades(t *testing.T) {
	dsn := pgtest.Database(t)
	server, yaml := startKMS(t)
	file := writeConfig(t, dsn, yaml+policyText)
	arn := createKey(t, server, kmsserver.KeyOptions{})
	first, err := os.ReadFile("../../crypto/keystore/migrations/tables/0001_keys.sql")
	if err != nil {
		t.Fatal(err)
	}
	execute(t, dsn, `CREATE SCHEMA pgseal;
		CREATE TABLE pgseal.schema_version (part text NOT NULL, version integer NOT NULL, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (part, version));
		INSERT INTO pgseal.schema_version (part, version, name) VALUES ('tables', 1, 'tables/0001_keys');`+string(first))

	// A data key and a value, as the first version made them.
	const org, id, column = "acme", 77, "public.spans.attributes"
	made, err := providerOf(t, file).GenerateDataKey(t.Context(), kms.Key{ARN: arn}, kms.EncryptionContext(org, id))
	if err != nil {
		t.Fatal(err)
	}
	commitment := crypto.Commitment(made.Plaintext, id, org)
	key, err := crypto.NewDataKey(id, org, made.Plaintext)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := key.Seal(nil, []byte("old value"), column)
	if err != nil {
		t.Fatal(err)
	}
	execute(t, dsn, fmt.Sprintf(`
		INSERT INTO pgseal.org_keys (org, name, arn, description, region, state, epoch) VALUES
			('acme', 'Acme', '%[1]s', 'theirs', 'eu-central-1', 'enabled', 3), ('globex', 'Globex', '%[1]s', '', '', 'disabled', 2);
		INSERT INTO pgseal.data_keys (id, org, wrapped, key_arn, commitment, minted_by) VALUES (%[2]d, 'acme', '\x%[3]x', '%[1]s', '\x%[4]x', 'old-1');
		INSERT INTO pgseal.audit_log (actor, process, action, org, detail) VALUES ('ann', 'pgseal keys at old', 'add key', 'acme', '{"arn": "%[1]s"}')`,
		arn, id, made.Wrapped, commitment))

	for _, line := range []string{"keys list", "check"} {
		pgseal(t, append(strings.Fields(line), "-c", file)...).has(t, exitFailed, "the keystore is at version 1, and this pgseal needs ", ": run pgseal init")
	}
	pgseal(t, "init", "-c", file).has(t, exitOK, "keystore.dsn: applied tables/0002_key_life\n", "keystore.dsn: applied tables/0003_")
	pgseal(t, "init", "-c", file).has(t, exitOK, "keystore.dsn: tables is up to date\n")

	pgseal(t, "keys", "list", "-c", file).has(t, exitOK, "acme    Acme    enabled   own     1          -         eu-central-1  "+arn+"\n", "globex  Globex  disabled  own     0          -         -             "+arn+"\n")
	pgseal(t, "keys", "show", "-c", file, "--org", "acme").has(t, exitOK, "description  theirs\n", "data keys    1\n", "add key  ann  pgseal keys at old\n")
	k := &keysTest{t: t, dsn: dsn, file: file}
	ring, err := keyring.New(k.store(), providerOf(t, file), keyring.Options{}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	opened, err := ring.ForOpen(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if value, err := opened.Open(nil, sealed, column); err != nil || string(value) != "old value" {
		t.Errorf("%q, %v", value, err)
	}
	if _, err := ring.ForSeal(t.Context(), org); err != nil {
		t.Error(err)
	}
}
