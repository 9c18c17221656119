package kmsserver

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

func TestDenyAndAllow(t *testing.T) {
	s, c, arn := setUp(t)
	blob := generate(t, c, arn).CiphertextBlob
	must(t, s.Deny(arn, "kms:Decrypt"))
	_, err := decrypt(c, arn, blob)
	wantCode(t, "Decrypt, denied", err, "AccessDeniedException", 400)
	generate(t, c, arn)
	must(t, s.Deny(arn))
	_, err = c.DescribeKey(context.Background(), &kms.DescribeKeyInput{KeyId: &arn})
	wantCode(t, "DescribeKey, all denied", err, "AccessDeniedException", 400)
	must(t, s.Allow(arn))
	_, err = decrypt(c, arn, blob)
	wantCode(t, "Decrypt, allowed again", err, "", 0)
	if err := s.Deny("arn:aws:kms:eu-central-1:111122223333:key/none"); err == nil {
		t.Error("a key that is not there was denied")
	}
}

func TestPutKeyPolicy(t *testing.T) {
	s, c, arn := setUp(t)
	ctx := context.Background()
	put := func(policy string, bypass bool) error {
		_, err := c.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &arn, Policy: &policy, BypassPolicyLockoutSafetyCheck: bypass})
		return err
	}
	blob := generate(t, c, arn).CiphertextBlob
	denying := strings.Replace(defaultKeyPolicy(account), `"Statement":[`,
		`"Statement":[{"Effect":"Deny","Principal":{"AWS":["arn:aws:iam::111122223333:user/pgseal"]},"Action":["kms:Decrypt","kms:GenerateDataKey*"],"Resource":"*"},`, 1)
	must(t, put(denying, false))
	_, err := decrypt(c, arn, blob)
	wantCode(t, "Decrypt under the policy", err, "AccessDeniedException", 400)
	_, err = c.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &arn, NumberOfBytes: aws.Int32(1)})
	wantCode(t, "GenerateDataKey* under the policy", err, "AccessDeniedException", 400)
	out, err := c.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &arn})
	must(t, err)
	if *out.Policy != denying {
		t.Error("another policy came back")
	}
	must(t, put(defaultKeyPolicy(account), false))
	_, err = decrypt(c, arn, blob)
	wantCode(t, "Decrypt under the default policy", err, "", 0)

	wantCode(t, "lockout", put(defaultKeyPolicy(other), false), "MalformedPolicyDocumentException", 400)
	must(t, put(defaultKeyPolicy(other), true))
	_, err = decrypt(c, arn, blob)
	wantCode(t, "locked out", err, "AccessDeniedException", 400)
	if err := s.Allow(arn); err != nil {
		t.Error(err)
	}
}

func TestCrossAccount(t *testing.T) {
	s, url := serve(t, Options{})
	ctx := context.Background()
	foreign := createKey(t, s, KeyOptions{Account: other, Policy: `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"kms:*","Resource":"*"},
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/pgseal"},
		 "Action":["kms:DescribeKey","kms:GenerateDataKey","kms:Decrypt"],"Resource":"*",
		 "Condition":{"StringEquals":{"kms:EncryptionContext:pgseal:org":["acme","initech"]}}}]}`})
	c := client(url, region, s.Credentials())
	blob := generate(t, c, foreign).CiphertextBlob
	_, err := decrypt(c, foreign, blob)
	wantCode(t, "as the policy allows", err, "", 0)
	_, err = c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, KeyId: &foreign, EncryptionContext: encryptionContext("globex")})
	wantCode(t, "another encryption context", err, "AccessDeniedException", 400)
	_, err = decrypt(client(url, region, s.Principal("someone", "")), foreign, blob)
	wantCode(t, "another principal", err, "AccessDeniedException", 400)
	_, err = c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &foreign})
	wantCode(t, "managing it", err, "AccessDeniedException", 400)
	_, err = client(url, region, s.Principal("owner", other)).DisableKey(ctx, &kms.DisableKeyInput{KeyId: &foreign})
	wantCode(t, "its owner managing it", err, "", 0)
	_, err = decrypt(c, keyIDOf(foreign), blob)
	wantCode(t, "by its bare id", err, "NotFoundException", 404)
	unknown := "arn:aws:kms:" + region + ":" + other + ":key/1234abcd-12ab-34cd-56ef-1234567890ab"
	_, err = c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &unknown})
	wantCode(t, "what is not there", err, "AccessDeniedException", 400)
}

func TestMalformedPolicies(t *testing.T) {
	statement := func(s string) string { return `{"Statement":[` + s + `]}` }
	for name, policy := range map[string]string{
		"not JSON":               `{`,
		"two documents":          `{} {}`,
		"an unknown element":     `{"Statements":[]}`,
		"no effect":              statement(`{"Principal":"*","Action":"kms:*","Resource":"*"}`),
		"no action":              statement(`{"Effect":"Allow","Principal":"*","Resource":"*"}`),
		"no principal":           statement(`{"Effect":"Allow","Action":"kms:*","Resource":"*"}`),
		"a service":              statement(`{"Effect":"Allow","Principal":{"Service":"s3"},"Action":"kms:*","Resource":"*"}`),
		"NotAction":              statement(`{"Effect":"Allow","Principal":"*","NotAction":"kms:*","Resource":"*"}`),
		"an unknown condition":   statement(`{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}`),
		"an unknown context key": statement(`{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"aws:SourceIp":"::1"}}}`),
	} {
		if _, err := parseKeyPolicy(policy); err == nil || !strings.HasPrefix(err.Error(), "MalformedPolicyDocumentException") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzParseKeyPolicy(f *testing.F) {
	seeds := []string{defaultKeyPolicy(account), `{}`, `{"Statement":[{"Effect":"Deny","Principal":"*","Action":["a"],"Resource":"*"}]}`}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		policy, err := readKeyPolicy(text)
		if err == nil && len(policy.statements) == 0 && policy.allows(&principal{}, "kms:Decrypt", nil) {
			t.Fatal("a policy without statements allows")
		}
	})
}
