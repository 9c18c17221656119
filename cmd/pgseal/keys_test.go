package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgtest"
)

func TestDatabaseThatIsDown(t *testing.T) {
	file := writeConfig(t, "postgres://u:s3cret@127.0.0.1:1/d", policyText)
	for _, line := range []string{"init", "keys list", "keys show --org a", "keys disable --org a", "keys destroy --org a --confirm a"} {
		r := pgseal(t, append(strings.Fields(line), "-c", file)...)
		r.has(t, exitFailed, "connection refused", "see that the database runs and that")
		if strings.Count(r.stderr, "\n") != 1 || strings.Contains(r.stderr, "s3cret") {
			t.Errorf("stderr: %s", r.stderr)
		}
	}
}

// TestLifeOfAKey goes through the commands for one org's key against a KMS that
// speaks AWS's protocol.
func TestLifeOfAKey(t *testing.T) {
	k := keysOn(t, "")
	arn := createKey(t, k.server, kmsserver.KeyOptions{Alias: "alias/acme"})

	k.run("add", "--org", "acme", "--name", "Acme's", "--arn", arn, "--description", "theirs").want(t, exitOK,
		"kms:DescribeKey      ok\nkms:GenerateDataKey  ok\nkms:Decrypt          ok\n"+
			"Org acme is sealed with "+arn+". Running processes use it within a second.\n", "")
	if n := k.server.Calls("Decrypt", arn); n != 1 {
		t.Errorf("the key was tried with %d Decrypts", n)
	}
	k.run("add", "--org", "acme", "--arn", arn).want(t, exitFailed, "",
		"pgseal: keys add: org \"acme\" has a key already, "+arn+": pgseal keys replace --org acme --arn … exchanges it, pgseal keys set changes what is known of it\n")
	k.run("list").want(t, exitOK,
		"ORG   NAME    STATE    ORIGIN  DATA KEYS  REPLACED  REGION        ARN\nacme  Acme's  enabled  own     0          -         eu-central-1  "+arn+"\n", "")

	alias := regexp.MustCompile(`key/.*`).ReplaceAllString(arn, "alias/acme")
	k.run("add", "--org", "globex", "--arn", alias).has(t, exitOK, alias+", which stands for "+arn)
	k.run("show", "--org", "globex").has(t, exitOK, "ARN          "+alias+"\nstands for   "+arn+"\n")

	k.run("disable", "--org", "acme").want(t, exitOK, "The key of org acme is disabled; running processes see it within a second.\n", "")
	var list []keyJSON
	k.json(&list, "list")
	if len(list) != 2 || list[0].State != "disabled" || list[0].Name != "Acme's" || list[1].ARN != alias {
		t.Errorf("%+v", list)
	}
	k.run("enable", "--org", "acme").want(t, exitOK, "The key of org acme is enabled; running processes see it within a second.\n", "")

	k.run("set", "--org", "acme", "--name", "Acme's own", "--description", "").want(t, exitOK, "The key of org acme is changed; running processes see it within a second.\n", "")
	k.run("show", "--org", "acme").has(t, exitOK,
		"name         Acme's own\norigin       own\nstate        enabled\n", "description  -\n", "in KMS       Enabled\n", "data keys    0\n",
		"Latest changes:\n", "change key", "set key enabled", "set key disabled", "add key")
	var shown keyJSON
	k.json(&shown, "show", "--org", "acme")
	if err := k.server.Rotate(arn); err != nil {
		t.Fatal(err)
	}
	var rotated keyJSON
	k.json(&rotated, "show", "--org", "acme")
	if m := rotated.KMS.Material; m == nil || m.ID == "" || m.ID == shown.KMS.Material.ID || m.LastRotation == nil {
		t.Errorf("the key's own rotation: %+v, before it %+v", m, shown.KMS.Material)
	}
	k.run("show", "--org", "acme").has(t, exitOK, "material     "+rotated.KMS.Material.ID+", rotated "+rotated.KMS.Material.LastRotation.UTC().Format(time.DateOnly)+"\n")
	if err := k.server.Disable(arn); err != nil {
		t.Fatal(err)
	}
	k.run("show", "--org", "acme").has(t, exitOK, "in KMS       Disabled: the key is disabled: enable it in KMS\n")
	shown = keyJSON{}
	k.json(&shown, "show", "--org", "acme")
	if shown.Org != "acme" || shown.KMS == nil || shown.KMS.State != "Disabled" || shown.Changes[0].Action != "change key" {
		t.Errorf("%+v", shown)
	}

	k.run("remove", "--org", "globex").want(t, exitOK, "Org globex has no key any more; running processes see it within a second.\n", "")
	for _, line := range []string{"show", "enable", "disable", "set --name x", "remove", "destroy --confirm globex"} {
		command := append(strings.Fields(line), "--org", "globex")
		k.run(command...).has(t, exitFailed, `org "globex" has no key: pgseal keys list shows those that have, pgseal keys add --org globex adds one`+"\n")
	}
}

// TestKeysJSON: each command that changes a key prints it, and its prose goes to
// standard error.
func TestKeysJSON(t *testing.T) {
	k := keysOn(t, "")
	arn := createKey(t, k.server, kmsserver.KeyOptions{})
	for _, step := range []struct{ line, state, name string }{
		{"add --arn " + arn, "enabled", "acme"},
		{"set --name=", "enabled", "acme"},
		{"set --name x", "enabled", "x"},
		{"disable", "disabled", "x"},
		{"enable", "enabled", "x"},
		{"remove", "enabled", "x"},
		{"add --arn " + arn, "enabled", "acme"},
		{"destroy --confirm acme", "destroyed", "acme"},
	} {
		r := k.run(append(strings.Fields(step.line), "--org", "acme", "--json")...)
		var got keyJSON
		if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || r.code != exitOK || r.stderr == "" ||
			got.Org != "acme" || got.ARN != arn || got.State != step.state || got.Name != step.name {
			t.Errorf("%s: %v\n%s%s", step.line, err, r.stdout, r.stderr)
		}
	}
}

// TestKeysWithReplicas: each Region is tried by itself, and shown by itself.
func TestKeysWithReplicas(t *testing.T) {
	k := keysOn(t, "")
	arn := createKey(t, k.server, kmsserver.KeyOptions{MultiRegion: true})
	replica := replicate(t, k.server, arn, "eu-west-1")

	k.run("add", "--org", "acme", "--arn", arn, "--replica", replica).want(t, exitOK, ""+
		arn+"\nkms:DescribeKey      ok\nkms:GenerateDataKey  ok\nkms:Decrypt          ok\n"+
		replica+"\nkms:DescribeKey      ok\nkms:GenerateDataKey  ok\nkms:Decrypt          ok\n"+
		"Org acme is sealed with "+arn+". Running processes use it within a second.\n", "")
	k.run("add", "--org", "globex", "--arn", arn).has(t, exitOK,
		"The key is in other Regions too. Those that pgseal may ask when its own does not answer: pgseal keys set --org globex --replica "+replica+"\n")
	k.run("set", "--org", "globex", "--replica", replica).has(t, exitOK, replica+"\nkms:DescribeKey      ok\n", "The key of org globex is changed")
	k.run("set", "--org", "globex", "--replica", "").has(t, exitOK, "The key of org globex is changed")
	var shown keyJSON
	if k.json(&shown, "show", "--org", "globex"); len(shown.Replicas) != 0 {
		t.Errorf("%+v", shown.Replicas)
	}

	if err := k.server.Disable(replica); err != nil {
		t.Fatal(err)
	}
	k.run("show", "--org", "acme").has(t, exitOK, "in KMS       Enabled\n", "replica      "+replica+": Disabled: the key is disabled: enable it in KMS\n")
	pgseal(t, "check", "-c", k.file).has(t, exitFailed, "ok    keys      org acme: "+arn+" makes and opens data keys\n",
		"FAIL  keys      org acme: "+replica+": kms:DescribeKey: the key is disabled: enable it in KMS\n")
	k.json(&shown, "show", "--org", "acme")
	if len(shown.Replicas) != 1 || shown.Replicas[0].ARN != replica || shown.Replicas[0].KMS.State != "Disabled" {
		t.Errorf("%+v", shown.Replicas)
	}
	k.run("set", "--org", "globex", "--replica", replica).has(t, exitFailed, "FAIL  the key is disabled: enable it in KMS",
		"pgseal: keys set: key "+replica+" cannot be used this way, and was not changed: see above for what is missing\n")

	other := createKey(t, k.server, kmsserver.KeyOptions{MultiRegion: true})
	for arns, want := range map[[2]string]string{
		{arn, other}: "--replica: replica " + other + ": not another Region of the multi-Region key " + arn,
		{arn, arn}:   "--replica: replica " + arn + ": named twice",
		{createKey(t, k.server, kmsserver.KeyOptions{}), replica}: "only a multi-Region key has replicas",
	} {
		k.run("add", "--org", "hooli", "--arn", arns[0], "--replica", arns[1]).has(t, exitFailed, want)
	}
}

// TestKeysOfARole: pgseal assumes a role of another account, by its external id, and
// the key's policy lets that role in alone.
func TestKeysOfARole(t *testing.T) {
	k := keysOn(t, "")
	k.file = writeConfig(t, k.dsn, regexp.MustCompile(`endpoint: ('[^']+')`).ReplaceAllString(k.kms, "endpoint: $1, sts_endpoint: $1")+policyText)
	const account, external = "444455556666", "7f3c9a"
	role := k.server.CreateRole(kmsserver.RoleOptions{Name: "pgseal", Account: account, ExternalID: external})
	statements, err := json.Marshal(policyDocument{"2012-10-17", keyPolicy("acme", role)})
	if err != nil {
		t.Fatal(err)
	}
	arn := createKey(t, k.server, kmsserver.KeyOptions{Account: account, Policy: string(statements)})

	k.run("add", "--org", "acme", "--arn", arn).has(t, exitFailed, "FAIL  KMS does not let pgseal's AWS identity do this", "IAM policy of the role that pgseal runs as, where the key is in another account:")
	k.run("add", "--org", "acme", "--arn", arn, "--role-arn", role).has(t, exitFailed, "FAIL  AWS does not let pgseal assume the role", "Trust policy of that role:")
	k.run("add", "--org", "acme", "--arn", arn, "--role-arn", role, "--external-id", "another").has(t, exitFailed, "FAIL  AWS does not let pgseal assume the role", `"sts:ExternalId": "another"`)
	k.run("add", "--org", "acme", "--arn", arn, "--role-arn", role, "--external-id", external).has(t, exitOK, "Org acme is sealed with "+arn)
	k.mint("acme", 1)
	k.run("show", "--org", "acme").has(t, exitOK, "role         "+role+"\nexternal id  "+external+"\n", "in KMS       Enabled\n")
	k.run("set", "--org", "acme", "--external-id", "another").has(t, exitFailed, "FAIL  AWS does not let pgseal assume the role", "was not changed")
	k.run("set", "--org", "acme", "--role-arn", "").has(t, exitFailed, "FAIL  KMS does not let pgseal's AWS identity do this", "was not changed")
	var shown keyJSON
	if k.json(&shown, "show", "--org", "acme"); shown.RoleARN != role || shown.ExternalID != external {
		t.Errorf("%+v", shown)
	}
}

// TestKeysThatCannotBeUsed: each is named, and not added.
func TestKeysThatCannotBeUsed(t *testing.T) {
	k := keysOn(t, "")
	add := func(arn string, more ...string) result {
		t.Helper()
		return k.run(append([]string{"add", "--org", "acme", "--arn", arn}, more...)...)
	}
	good := createKey(t, k.server, kmsserver.KeyOptions{})

	add("nonsense").want(t, exitFailed, "", "pgseal: keys add: --arn: \"nonsense\" is not a key of kms.provider (aws): it looks like arn:aws:kms:eu-central-1:111122223333:key/1234abcd-…\n")
	add("arn:aws:s3:::bucket").has(t, exitFailed, `the third part is "s3", so it names something else`)
	add(strings.Replace(good, "111122223333", "11112222333", 1)).has(t, exitFailed, `the fifth part, "11112222333", is no account: that has 12 digits`)
	add(good, "--region", "us-east-1").want(t, exitFailed, "", "pgseal: keys add: --region: us-east-1 is not the region of the ARN, eu-central-1: leave the flag out\n")
	add(good, "--role-arn", "pgseal").has(t, exitFailed, `--role-arn: "pgseal" is not the ARN of a role: it looks like arn:aws:iam::111122223333:role/pgseal`)
	add(good, "--external-id", "x1").has(t, exitFailed, "--external-id: given without --role-arn")
	add(good, "--role-arn", "arn:aws:iam::111122223333:role/r", "--external-id", "ä").has(t, exitFailed, "--role-arn: the external id is not one that AWS takes: 2 to 1224 letters")
	for _, org := range []string{"", strings.Repeat("o", 256), "\xff"} {
		k.run("add", "--org", org, "--arn", good).has(t, exitFailed, "pgseal: keys add: --org: \"", "is not an org: one has 1 to 255 bytes of UTF-8 without NUL\n")
	}

	missing := good[:len(good)-12] + "000000000000"
	add(missing).has(t, exitFailed, "FAIL  KMS has no such key: check the ARN, its account and its region", "key "+missing+" cannot be used, and was not added")
	elsewhere := strings.Replace(good, "eu-central-1", "us-east-1", 1)
	add(elsewhere).has(t, exitFailed, "FAIL  KMS has no such key: check the ARN, its account and its region")
	alias := regexp.MustCompile(`key/.*`).ReplaceAllString(good, "alias/nothing")
	add(alias).has(t, exitFailed, "FAIL  KMS has no such alias, or it stands for no key: check its name, its account and its region")

	disabled := createKey(t, k.server, kmsserver.KeyOptions{})
	if err := k.server.Disable(disabled); err != nil {
		t.Fatal(err)
	}
	add(disabled).has(t, exitFailed, "kms:DescribeKey      FAIL  the key is disabled: enable it in KMS", "kms:GenerateDataKey  FAIL  the key is disabled")

	going := createKey(t, k.server, kmsserver.KeyOptions{})
	if err := k.server.ScheduleDeletion(going, 7); err != nil {
		t.Fatal(err)
	}
	add(going).has(t, exitFailed, "(PendingDeletion): cancel its deletion")

	asymmetric := createKey(t, k.server, kmsserver.KeyOptions{Spec: "RSA_2048", Usage: "ENCRYPT_DECRYPT"})
	add(asymmetric).has(t, exitFailed, "the key's spec is RSA_2048; pgseal needs a symmetric key")
	mac := createKey(t, k.server, kmsserver.KeyOptions{Spec: "HMAC_256", Usage: "GENERATE_VERIFY_MAC"})
	add(mac).has(t, exitFailed, "the key's spec is HMAC_256; pgseal needs a symmetric key", "FAIL  this kind of key wraps no data keys: pgseal needs a symmetric key for encryption")

	closed := createKey(t, k.server, kmsserver.KeyOptions{})
	if err := k.server.Deny(closed, "kms:Decrypt"); err != nil {
		t.Fatal(err)
	}
	r := add(closed)
	r.has(t, exitFailed, "kms:DescribeKey      ok\nkms:GenerateDataKey  ok\nkms:Decrypt          FAIL  KMS does not let pgseal's AWS identity do this",
		"Into the key's policy", `"kms:EncryptionContext:pgseal:org": "acme"`)

	k.server.Inject(kmsserver.Fault{Kind: kmsserver.Reset})
	add(good).has(t, exitFailed, "FAIL  KMS cannot be reached: check the network, the region and kms.aws.endpoint")

	k.run("list").want(t, exitOK, "No organisation has a key yet: pgseal keys add --help\n", "")
}

// TestAllowList: what the configuration does not allow is not added, nor used.
func TestAllowList(t *testing.T) {
	k := keysOn(t, "")
	inside := createKey(t, k.server, kmsserver.KeyOptions{})
	outside := createKey(t, k.server, kmsserver.KeyOptions{Account: "444455556666"})
	k.file = writeConfig(t, k.dsn, strings.Replace(k.kms, "kms: {", "kms: {allow: ['arn:aws:kms:*:111122223333:*'], default_key: {arn: '"+outside+"'}, ", 1)+policyText)
	k.run("add", "--org", "acme", "--arn", inside).has(t, exitOK)
	k.run("add", "--org", "globex", "--arn", strings.Replace(inside, "111122223333", "999988887777", 1)).has(t, exitFailed,
		"FAIL  the configuration does not allow this key: none of the patterns in kms.allow fits its ARN", "was not added")
	foreign := createKey(t, k.server, kmsserver.KeyOptions{})
	createKey(t, k.server, kmsserver.KeyOptions{Alias: "alias/inside"})
	aliased := inside[:strings.Index(inside, "key/")] + "alias/inside"
	file := k.file
	k.file = writeConfig(t, k.dsn, strings.Replace(k.kms, "kms: {", "kms: {allow: ['"+aliased+"', '"+inside+"'], ", 1)+policyText)
	k.run("add", "--org", "globex", "--arn", aliased).has(t, exitFailed, "FAIL  the configuration does not allow this key: it stands for ", ", which is not allowed")
	k.run("add", "--org", "globex", "--arn", foreign).has(t, exitFailed, "none of the patterns in kms.allow fits its ARN")
	k.file = file
	// The default key is always allowed: it is KMS that says no here.
	k.run("add", "--org", "globex", "--arn", outside).has(t, exitFailed, "FAIL  KMS does not let pgseal's AWS identity do this")
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
	pgseal(t, "keys", "add", "-c", file, "--org", "globex", "--role-arn", "arn:aws:iam::111122223333:role/r").has(t, exitFailed, "--replica, --role-arn and --external-id are for keys of AWS KMS, and kms.provider is local")
	pgseal(t, "keys", "add", "-c", file, "--org", "globex", "--arn", "local:default", "--role-arn", "arn:aws:iam::111122223333:role/r").has(t, exitFailed, "--role-arn: only for keys of AWS KMS, and local:default is none")
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

func replicate(t *testing.T, server *kmsserver.Server, arn, region string) string {
	t.Helper()
	replica, err := server.Replicate(arn, region)
	if err != nil {
		t.Fatal(err)
	}
	return replica
}

// keysTest is a keystore and a KMS for the commands.
type keysTest struct {
	t              *testing.T
	server         *kmsserver.Server
	dsn, kms, file string
}

// keysOn prepares both. more is YAML of other sections than upstream, kms, policy.
func keysOn(t *testing.T, more string) *keysTest {
	t.Helper()
	k := &keysTest{t: t, dsn: pgtest.Database(t)}
	k.server, k.kms = startKMS(t)
	k.file = writeConfig(t, k.dsn, k.kms+more+policyText)
	pgseal(t, "init", "-c", k.file).has(t, exitOK)
	return k
}

// run runs a command of keys.
func (k *keysTest) run(args ...string) result {
	k.t.Helper()
	return pgseal(k.t, append([]string{"keys", "-c", k.file}, args...)...)
}

// json runs one with --json.
func (k *keysTest) json(into any, args ...string) {
	k.t.Helper()
	r := k.run(append(args, "--json")...)
	if err := json.Unmarshal([]byte(r.stdout), into); err != nil || r.code != exitOK {
		k.t.Fatalf("%v: %s%s", err, r.stdout, r.stderr)
	}
}
