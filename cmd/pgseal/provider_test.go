package main

import (
	"bytes"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/local"
	"github.com/pgseal/pgseal/internal/config"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/secret"
)

// TestSeveralProviders: orgs of one pgseal have their keys in different KMSs.
func TestSeveralProviders(t *testing.T) {
	dsn := pgtest.Database(t)
	server, kms := startKMS(t)
	arn := createKey(t, server, kmsserver.KeyOptions{})
	file := writeConfig(t, dsn, strings.Replace(kms, "{", "{provider: [aws, local], ", 1)+policyText)
	pgseal(t, "init", "-c", file).has(t, exitOK, "with the key local:default")
	pgseal(t, "keys", "add", "-c", file, "--org", "acme", "--arn", arn).has(t, exitOK, "Org acme is sealed with "+arn)
	pgseal(t, "keys", "add", "-c", file, "--org", "globex", "--arn", "local:default").has(t, exitOK, "Org globex is sealed with local:default")
	pgseal(t, "keys", "add", "-c", file, "--org", "hooli", "--arn", "vault:transit/hooli").has(t, exitFailed,
		`--arn: "vault:transit/hooli" is not a key of kms.provider (aws, local): it looks like arn:aws:kms:`, " or local:NAME")
	pgseal(t, "keys", "add", "-c", file, "--org", "hooli").has(t, exitFailed, `--arn: "" is not a key of kms.provider`)

	// A provider that is taken out of the configuration takes its keys along.
	onlyAWS := writeConfig(t, dsn, kms+policyText)
	pgseal(t, "keys", "show", "-c", onlyAWS, "--org", "globex").has(t, exitOK, "no provider of kms.provider has such a key: the keys of the configured providers begin with arn: (aws)")
}

// TestReplaceAcrossProviders: an org's key goes from a key file to AWS KMS and back.
// Its data keys stay the same, and each provider is needed no more once the change
// is complete.
func TestReplaceAcrossProviders(t *testing.T) {
	k := &keysTest{t: t, dsn: pgtest.Database(t)}
	k.server, k.kms = startKMS(t)
	k.file = writeConfig(t, k.dsn, strings.Replace(k.kms, "{", "{provider: [local, aws], ", 1)+policyText)
	pgseal(t, "init", "-c", k.file).has(t, exitOK)
	keyFile := filepath.Join(filepath.Dir(k.file), "local-keys.json")
	inFile, inAWS := "local:default", createKey(t, k.server, kmsserver.KeyOptions{})
	k.run("add", "--org", "acme", "--arn", inFile).has(t, exitOK)
	k.mint("acme", 3)
	before := k.open("acme")
	if len(before) != 3 {
		t.Fatalf("%d data keys", len(before))
	}
	change := func(from, to string) {
		t.Helper()
		k.run("replace", "--org", "acme", "--arn", to).has(t, exitOK, "Org acme is sealed with "+to+" from now on, in place of "+from,
			"All 3 data keys of org acme are wrapped under "+to+", and under "+from+" still.\n")
		k.run("replace", "--org", "acme", "--complete").has(t, exitOK, "All 3 data keys of org acme are wrapped under "+to+" alone.\n"+from+" can be deleted now.")
	}

	change(inFile, inAWS)
	if err := local.SetEnabled(keyFile, "default", false); err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(before, k.open("acme"), secretsEqual) {
		t.Error("in AWS KMS they are other data keys")
	}

	if err := local.SetEnabled(keyFile, "default", true); err != nil {
		t.Fatal(err)
	}
	change(inAWS, inFile)
	if err := k.server.Delete(inAWS); err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(before, k.open("acme"), secretsEqual) {
		t.Error("in the key file they are other data keys")
	}
}

func secretsEqual(a, b secret.Bytes) bool { return bytes.Equal(a, b) }

// open unwraps all data keys of an org under its present key.
func (k *keysTest) open(org string) map[uint64]secret.Bytes {
	k.t.Helper()
	store, provider := k.store(), providerOf(k.t, k.file)
	key, err := store.OrgKey(k.t.Context(), org)
	if err != nil {
		k.t.Fatal(err)
	}
	rows, err := store.DataKeysLacking(k.t.Context(), org, nil, 0, 100)
	if err != nil {
		k.t.Fatal(err)
	}
	opened := map[uint64]secret.Bytes{}
	for _, row := range rows {
		plaintext, err := provider.Decrypt(k.t.Context(), key.With(row.KeyARN), row.Wrapped, kms.EncryptionContext(org, row.ID))
		if err != nil {
			k.t.Fatal(err)
		}
		opened[row.ID] = plaintext
	}
	return opened
}

// TestKeyNames: each provider's form of a name, and what is said of another.
func TestKeyNames(t *testing.T) {
	all := config.KMS{Provider: config.List{"aws", "gcp", "azure", "vault", "local"}}
	for name, want := range map[string]string{
		"arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab": "",
		"gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k":                        "",
		"azurekeyvault://v.vault.azure.net/keys/k/0123abcd":                              "",
		"vault:transit/acme": "",
		"local:acme":         "",
		"azurekeyvault://v.vault.azure.net/keys/k": "is not a key of Azure Key Vault with its version",
		"vault:acme": "is not a key of Vault's transit engine: it looks like vault:MOUNT/NAME",
		"gcpkms://k": "is not a key of Google Cloud KMS",
		"local:":     "is not a local key",
		"nonsense":   "is not a key of kms.provider (aws, gcp, azure, vault, local): it looks like arn:",
	} {
		err := checkKeyName(all, name)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if err := checkKeyName(config.KMS{Provider: config.List{"aws"}}, "vault:transit/acme"); err == nil {
		t.Error("a key of a provider that is not configured is accepted")
	}
}

// TestAllProvidersAtOnce: making them asks nobody, whatever is missing on the way.
func TestAllProvidersAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if _, err := local.AddKey(path, "acme", ""); err != nil {
		t.Fatal(err)
	}
	c := config.Default().KMS
	c.Provider, c.Local.File = config.List{"aws", "gcp", "azure", "vault", "local"}, path
	p, err := newProvider(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Check(t.Context(), kms.Key{ARN: "local:acme"}); err != nil {
		t.Error(err)
	}
	c.Vault = config.Vault{Login: "approle", Role: "r"}
	if _, err := newProvider(t.Context(), c); err == nil || !strings.Contains(err.Error(), "kms.vault: login by approle needs a file") {
		t.Error(err)
	}
}

// TestVaultWithoutServer: what of a key in Vault can be said without one.
func TestVaultWithoutServer(t *testing.T) {
	t.Setenv("VAULT_TOKEN", "hvs.s3cret")
	file := writeConfig(t, pgtest.Database(t), "kms: {provider: vault, vault: {address: 'http://127.0.0.1:1'}}\n"+policyText)
	pgseal(t, "init", "-c", file).has(t, exitOK)
	pgseal(t, "keys", "add", "-c", file, "--org", "acme", "--arn", "vault:transit/acme", "--print-policy").want(t, exitOK,
		"Into a policy of the token that pgseal has of Vault:\npath \"transit/keys/acme\" { capabilities = [\"read\"] }\n"+
			"path \"transit/encrypt/acme\" { capabilities = [\"update\"] }\npath \"transit/decrypt/acme\" { capabilities = [\"update\"] }\n", "")
	r := pgseal(t, "keys", "add", "-c", file, "--org", "acme", "--arn", "vault:transit/acme")
	r.has(t, exitFailed, "FAIL  KMS cannot be reached", "was not added")
	if strings.Contains(r.stdout+r.stderr, "s3cret") {
		t.Errorf("the token is shown: %s%s", r.stdout, r.stderr)
	}
	pgseal(t, "keys", "add", "-c", file, "--org", "acme", "--arn", "vault:acme").has(t, exitFailed, "is not a key of Vault's transit engine")
	pgseal(t, "keys", "add", "-c", file, "--org", "acme", "--arn", "vault:transit/acme", "--role-arn", "arn:aws:iam::111122223333:role/r").has(t, exitFailed, "--role-arn: only for keys of AWS KMS")
}
