package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

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

func TestDatabaseThatIsDown(t *testing.T) {
	file := writeConfig(t, "postgres://u:s3cret@127.0.0.1:1/d", policyText)
	for _, line := range []string{"init", "keys list", "keys show --org a", "keys disable --org a"} {
		r := pgseal(t, append(strings.Fields(line), "-c", file)...)
		r.has(t, exitFailed, "connection refused", "see that the database runs and that")
		if strings.Count(r.stderr, "\n") != 1 || strings.Contains(r.stderr, "s3cret") {
			t.Errorf("stderr: %s", r.stderr)
		}
	}
}

// TestLifeOfAKey goes through all of keys against a KMS that speaks AWS's
// protocol.
func TestLifeOfAKey(t *testing.T) {
	dsn := pgtest.Database(t)
	server, kms := startKMS(t)
	arn := createKey(t, server, kmsserver.KeyOptions{Alias: "alias/acme"})
	file := writeConfig(t, dsn, kms+policyText)
	pgseal(t, "init", "-c", file).has(t, exitOK)

	pgseal(t, "keys", "add", "-c", file, "--org", "acme", "--name", "Acme's", "--arn", arn, "--description", "theirs").want(t, exitOK,
		"kms:DescribeKey      ok\nkms:GenerateDataKey  ok\nkms:Decrypt          ok\n"+
			"Org acme is sealed with "+arn+". Running processes use it within seconds.\n", "")
	if n := server.Calls("Decrypt", arn); n != 1 {
		t.Errorf("the key was tried with %d Decrypts", n)
	}
	pgseal(t, "keys", "add", "-c", file, "--org", "acme", "--arn", arn).want(t, exitFailed, "",
		"pgseal: keys add: org \"acme\" has a key already, "+arn+": exchanging it is not supported yet\n")
	pgseal(t, "keys", "list", "-c", file).want(t, exitOK,
		"ORG   NAME    STATE    REGION        ARN\nacme  Acme's  enabled  eu-central-1  "+arn+"\n", "")

	alias := regexp.MustCompile(`key/.*`).ReplaceAllString(arn, "alias/acme")
	pgseal(t, "keys", "add", "-c", file, "--org", "globex", "--arn", alias).has(t, exitOK, alias+", which stands for "+arn)

	pgseal(t, "keys", "disable", "-c", file, "--org", "acme").want(t, exitOK, "The key of org acme is disabled; running processes see it within 15s.\n", "")
	var list []map[string]any
	r := pgseal(t, "keys", "list", "--json", "-c", file)
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || len(list) != 2 || list[0]["state"] != "disabled" || list[0]["name"] != "Acme's" || list[1]["arn"] != alias {
		t.Errorf("%v: %s", err, r.stdout)
	}
	pgseal(t, "keys", "enable", "-c", file, "--org", "acme").want(t, exitOK, "The key of org acme is enabled; running processes see it within 15s.\n", "")

	pgseal(t, "keys", "show", "-c", file, "--org", "acme").has(t, exitOK,
		"name         Acme's\n", "description  theirs\n", "state        enabled\n", "in KMS       Enabled\n",
		"Latest changes:\n", "set key enabled", "set key disabled", "add key")
	if err := server.Disable(arn); err != nil {
		t.Fatal(err)
	}
	pgseal(t, "keys", "show", "-c", file, "--org", "acme").has(t, exitOK, "in KMS       Disabled: the key is disabled: enable it in KMS\n")
	var shown struct {
		Org string
		KMS struct{ State, Error string }
	}
	r = pgseal(t, "keys", "show", "--json", "-c", file, "--org", "acme")
	if err := json.Unmarshal([]byte(r.stdout), &shown); err != nil || shown.Org != "acme" || shown.KMS.State != "Disabled" {
		t.Errorf("%v: %s", err, r.stdout)
	}
	for _, word := range []string{"show", "enable", "disable"} {
		pgseal(t, "keys", word, "-c", file, "--org", "hooli").want(t, exitFailed, "",
			"pgseal: org \"hooli\" has no key: pgseal keys list shows those that have, pgseal keys add --org hooli adds one\n")
	}
}

// TestKeysThatCannotBeUsed: each is named, and not added.
func TestKeysThatCannotBeUsed(t *testing.T) {
	dsn := pgtest.Database(t)
	server, kms := startKMS(t)
	file := writeConfig(t, dsn, kms+policyText)
	pgseal(t, "init", "-c", file).has(t, exitOK)
	add := func(arn string, more ...string) result {
		return pgseal(t, append([]string{"keys", "add", "-c", file, "--org", "acme", "--arn", arn}, more...)...)
	}
	good := createKey(t, server, kmsserver.KeyOptions{})

	add("nonsense").want(t, exitFailed, "", "pgseal: keys add: --arn: \"nonsense\" is not a key of kms.provider (aws): it looks like arn:aws:kms:eu-central-1:111122223333:key/1234abcd-…\n")
	add("arn:aws:s3:::bucket").has(t, exitFailed, "is not a key of kms.provider (aws)")
	add(good, "--region", "us-east-1").want(t, exitFailed, "", "pgseal: keys add: --region: us-east-1 is not the region of the ARN, eu-central-1: leave the flag out\n")
	pgseal(t, "keys", "add", "-c", file, "--org", "", "--arn", good).want(t, exitFailed, "", "pgseal: keys add: --org: \"\" is not an org: one has 1 to 255 bytes of UTF-8 without NUL\n")

	missing := good[:len(good)-12] + "000000000000"
	add(missing).has(t, exitFailed, "FAIL  KMS has no such key: check the ARN, its account and its region", "key "+missing+" cannot be used, and was not added")

	disabled := createKey(t, server, kmsserver.KeyOptions{})
	if err := server.Disable(disabled); err != nil {
		t.Fatal(err)
	}
	add(disabled).has(t, exitFailed, "kms:DescribeKey      FAIL  the key is disabled: enable it in KMS", "kms:GenerateDataKey  FAIL  the key is disabled")

	going := createKey(t, server, kmsserver.KeyOptions{})
	if err := server.ScheduleDeletion(going, 7); err != nil {
		t.Fatal(err)
	}
	add(going).has(t, exitFailed, "(PendingDeletion): cancel its deletion")

	asymmetric := createKey(t, server, kmsserver.KeyOptions{Spec: "RSA_2048", Usage: "ENCRYPT_DECRYPT"})
	add(asymmetric).has(t, exitFailed, "the key's spec is RSA_2048; pgseal needs a symmetric key")

	closed := createKey(t, server, kmsserver.KeyOptions{})
	if err := server.Deny(closed, "kms:Decrypt"); err != nil {
		t.Fatal(err)
	}
	r := add(closed)
	r.has(t, exitFailed, "kms:DescribeKey      ok\nkms:GenerateDataKey  ok\nkms:Decrypt          FAIL  KMS does not let pgseal's AWS identity do this",
		"this goes into its key policy", `"kms:EncryptionContext:pgseal:org": "acme"`)

	server.Inject(kmsserver.Fault{Kind: kmsserver.Reset})
	add(good).has(t, exitFailed, "FAIL  KMS cannot be reached: check the network, the region and kms.aws.endpoint")

	pgseal(t, "keys", "list", "-c", file).want(t, exitOK, "No organisation has a key yet: pgseal keys add --help\n", "")
}

func TestPrintPolicyIsJSON(t *testing.T) {
	r := pgseal(t, "keys", "add", "--org", `a"c`, "--print-policy")
	var statements []map[string]any
	if err := json.Unmarshal([]byte("["+r.stdout+"]"), &statements); err != nil || len(statements) != 2 || r.code != exitOK {
		t.Fatalf("%v: %s", err, r.stdout)
	}
	condition := statements[1]["Condition"].(map[string]any)["StringEquals"].(map[string]any)
	if condition["kms:EncryptionContext:pgseal:org"] != `a"c` {
		t.Error(condition)
	}
}

func TestLocalKeys(t *testing.T) {
	dsn := pgtest.Database(t)
	file := writeConfig(t, dsn, "kms: {provider: local}\n"+policyText)
	keyFile := filepath.Join(filepath.Dir(file), "local-keys.json")

	pgseal(t, "init", "-c", file).has(t, exitOK, "kms.local.file: made "+keyFile+" with the key local:default; for development only\n")
	if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	pgseal(t, "init", "-c", file).has(t, exitOK, "kms.local.file: "+keyFile+" is there\n")
	pgseal(t, "keys", "add", "-c", file, "--org", "acme").has(t, exitOK, "Org acme is sealed with local:acme.")
	pgseal(t, "keys", "add", "-c", file, "--org", "globex", "--arn", "local:default").has(t, exitOK, "Org globex is sealed with local:default.")
	pgseal(t, "keys", "add", "-c", file, "--org", "hooli", "--arn", "local:nope").has(t, exitFailed, "FAIL  KMS has no such key", "was not added")
	pgseal(t, "keys", "add", "-c", file, "--org", "hooli", "--arn", "arn:aws:kms:x").has(t, exitFailed, `--arn: "arn:aws:kms:x" is not a key of kms.provider (local): it looks like local:NAME`)
	pgseal(t, "keys", "show", "-c", file, "--org", "acme").has(t, exitOK, "in KMS       Enabled\n")
	if err := os.Chmod(keyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	pgseal(t, "keys", "add", "-c", file, "--org", "hooli", "--arn", "local:default").has(t, exitFailed, "chmod 600 "+keyFile)
	pgseal(t, "keys", "show", "-c", file, "--org", "acme").has(t, exitOK, "in KMS       unknown: ", "chmod 600")
}
