package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/config"
	"github.com/pgseal/pgseal/internal/kmsserver"
)

// policyIn finds the JSON below a title in what --print-policy prints.
func policyIn(t *testing.T, printed, title string, into any) {
	t.Helper()
	_, rest, ok := strings.Cut(printed, title)
	if !ok {
		t.Fatalf("%q is not in\n%s", title, printed)
	}
	_, rest, _ = strings.Cut(rest, "\n")
	text, _, _ := strings.Cut(rest, "\n\n")
	if strings.HasPrefix(title, "Into") {
		text = "[" + text + "]"
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

func TestPrintPolicy(t *testing.T) {
	r := pgseal(t, "keys", "add", "--org", `a"c`, "--print-policy")
	var statements []map[string]any
	policyIn(t, r.stdout, "Into the key's policy", &statements)
	if len(statements) != 3 || r.code != exitOK {
		t.Fatal(r.stdout)
	}
	if _, ok := statements[0]["Condition"]; ok || statements[0]["Action"] != "kms:DescribeKey" {
		t.Error("DescribeKey has no encryption context to go by", statements[0])
	}
	for _, s := range statements[1:] {
		condition := s["Condition"].(map[string]any)["StringEquals"].(map[string]any)
		if condition["kms:EncryptionContext:pgseal:org"] != `a"c` {
			t.Error(condition)
		}
	}

	const key, role = "arn:aws:kms:eu-central-1:444455556666:key/mrk-1", "arn:aws:iam::444455556666:role/pgseal"
	r = pgseal(t, "keys", "add", "--org", "acme", "--print-policy", "--arn", key, "--replica", strings.Replace(key, "eu-central-1", "eu-west-1", 1),
		"--role-arn", role, "--external-id", "7f3c9a")
	policyIn(t, r.stdout, "Into the key's policy", &statements)
	if statements[0]["Principal"].(map[string]any)["AWS"] != role {
		t.Error("the key policy is for the role that uses the key", statements[0])
	}
	var document struct{ Statement []map[string]any }
	policyIn(t, r.stdout, "IAM policy of the role "+role, &document)
	if keys, _ := document.Statement[0]["Resource"].([]any); len(keys) != 2 || keys[0] != key {
		t.Error(document)
	}
	policyIn(t, r.stdout, "Trust policy of that role", &document)
	if document.Statement[0]["Condition"].(map[string]any)["StringEquals"].(map[string]any)["sts:ExternalId"] != "7f3c9a" {
		t.Error(document)
	}
	policyIn(t, r.stdout, "IAM policy of the role that pgseal runs as", &document)
	if document.Statement[0]["Action"] != "sts:AssumeRole" || document.Statement[0]["Resource"] != role {
		t.Error(document)
	}

	// An IAM policy can't name an alias.
	r = pgseal(t, "keys", "add", "--org", "acme", "--print-policy", "--arn", "arn:aws:kms:eu-central-1:444455556666:alias/acme")
	r.has(t, exitOK, `"Resource": "arn:aws:kms:eu-central-1:444455556666:key/*"`)
}

// TestKeyPolicy: with what docs/keys.md gives for the key's policy, and with no less,
// KMS lets pgseal do what it does, for that org.
func TestKeyPolicy(t *testing.T) {
	server, yaml := startKMS(t)
	const me = "arn:aws:iam::111122223333:user/pgseal" // whom startKMS's credentials are of
	provider := providerOf(t, writeConfig(t, "postgres://u@127.0.0.1:1/d", yaml+policyText))
	keyWith := func(statements []json.RawMessage) kms.Key {
		t.Helper()
		text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
		if err != nil {
			t.Fatal(err)
		}
		return kms.Key{ARN: createKey(t, server, kmsserver.KeyOptions{Policy: strings.ReplaceAll(string(text), pgsealRole, me)})}
	}
	var printed []json.RawMessage
	if err := json.Unmarshal([]byte("["+policyOfPage(t, "key")+"]"), &printed); err != nil || len(printed) != 3 {
		t.Fatalf("%v: %s", err, printed)
	}
	denied := func(err error) bool { return err != nil && kms.AsError(err).Reason == "AccessDeniedException" }

	whole := keyWith(printed)
	if _, _, err := kms.Prove(t.Context(), provider, whole, "acme"); err != nil {
		t.Error(err)
	}
	if _, steps, _ := kms.Prove(t.Context(), provider, whole, "globex"); steps[0].Err != nil || !denied(steps[1].Err) {
		t.Errorf("for another org: %v", steps)
	}
	ec := kms.EncryptionContext("acme", 7)
	wrapped, err := provider.Encrypt(t.Context(), whole, make([]byte, 32), ec)
	if err != nil {
		t.Fatal("a change of keys:", err)
	}
	next := keyWith(printed)
	if _, err := kms.ReEncrypt(t.Context(), provider, whole, wrapped.Blob, next, ec); err != nil {
		t.Error("a change of keys:", err)
	}
	var conditionless []json.RawMessage
	for _, s := range keyPolicy("", pgsealRole) {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		conditionless = append(conditionless, text)
	}
	forAll := keyWith(conditionless)
	for _, org := range []string{"acme", "globex"} {
		if _, _, err := kms.Prove(t.Context(), provider, forAll, org); err != nil {
			t.Error("the default key:", err)
		}
	}

	for i, want := range []string{"kms:DescribeKey", "kms:GenerateDataKey", ""} {
		without := keyWith(append(printed[:i:i], printed[i+1:]...))
		_, steps, err := kms.Prove(t.Context(), provider, without, "acme")
		if want == "" { // enough for all but a change of keys
			if err != nil {
				t.Error(err)
			}
			if _, err := provider.Encrypt(t.Context(), without, make([]byte, 32), ec); !denied(err) {
				t.Errorf("Encrypt without its statement: %v", err)
			}
			if _, err := kms.ReEncrypt(t.Context(), provider, whole, wrapped.Blob, without, ec); err == nil {
				t.Error("ReEncrypt without its statement")
			}
			continue
		}
		found := false
		for _, s := range steps {
			found = found || s.Permission == want && denied(s.Err)
		}
		if !found {
			t.Errorf("without statement %d: %v", i, steps)
		}
	}
}

// providerOf makes a configuration's providers.
func providerOf(t *testing.T, file string) kms.Provider {
	t.Helper()
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProvider(t.Context(), c.KMS)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
