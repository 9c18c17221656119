package kmsserver

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// TestKeyStates is the table of the developer guide's page key-state, for the
// operations that are served.
func TestKeyStates(t *testing.T) {
	const disabled, pending = "DisabledException", "KMSInvalidStateException"
	ctx := context.Background()
	aes := types.DataKeySpecAes256
	for _, test := range []struct {
		op                         string
		enabled, disabled, pending string // the exception in each state
		do                         func(c *kms.Client, arn string, blob []byte) error
	}{
		{"GenerateDataKey", "", disabled, pending, func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &arn, KeySpec: aes})
			return err
		}},
		{"GenerateDataKeyWithoutPlaintext", "", disabled, pending, func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &arn, KeySpec: aes})
			return err
		}},
		{"Encrypt", "", disabled, pending, func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: &arn, Plaintext: []byte("x")})
			return err
		}},
		{"Decrypt", "", disabled, pending, func(c *kms.Client, arn string, blob []byte) error {
			_, err := decrypt(c, arn, blob)
			return err
		}},
		{"Decrypt without KeyId", "", disabled, pending, func(c *kms.Client, _ string, blob []byte) error {
			_, err := decrypt(c, "", blob)
			return err
		}},
		{"Decrypt, dry run", "DryRunOperationException", disabled, pending, func(c *kms.Client, arn string, blob []byte) error {
			_, err := c.Decrypt(ctx, &kms.DecryptInput{KeyId: &arn, CiphertextBlob: blob, EncryptionContext: encryptionContext("acme"), DryRun: aws.Bool(true)})
			return err
		}},
		{"ReEncrypt", "", disabled, pending, func(c *kms.Client, arn string, blob []byte) error {
			_, err := c.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: &arn, SourceEncryptionContext: encryptionContext("acme")})
			return err
		}},
		{"DescribeKey", "", "", "", func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &arn})
			return err
		}},
		{"EnableKey", "", "", pending, func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &arn})
			return err
		}},
		{"DisableKey", "", "", pending, func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &arn})
			return err
		}},
		{"ScheduleKeyDeletion", "", "", pending, func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &arn})
			return err
		}},
		{"CancelKeyDeletion", pending, pending, "", func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &arn})
			return err
		}},
		{"CreateAlias", "", "", pending, func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/x"), TargetKeyId: &arn})
			return err
		}},
		{"ListAliases", "", "", "", func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.ListAliases(ctx, &kms.ListAliasesInput{KeyId: &arn})
			return err
		}},
		{"GetKeyPolicy", "", "", "", func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &arn})
			return err
		}},
		{"PutKeyPolicy", "", "", "", func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &arn, Policy: aws.String(defaultKeyPolicy(account))})
			return err
		}},
		{"GetKeyRotationStatus", "", "", "", func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &arn})
			return err
		}},
		{"EnableKeyRotation", "", disabled, pending, func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &arn})
			return err
		}},
		{"DisableKeyRotation", "", disabled, pending, func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: &arn})
			return err
		}},
		{"RotateKeyOnDemand", "", disabled, pending, func(c *kms.Client, arn string, _ []byte) error {
			_, err := c.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &arn})
			return err
		}},
	} {
		t.Run(test.op, func(t *testing.T) {
			s, url := serve(t, Options{})
			c := client(url, region, s.Credentials())
			for _, state := range []struct{ name, code string }{
				{stateEnabled, test.enabled}, {stateDisabled, test.disabled}, {statePendingDeletion, test.pending},
			} {
				arn := createKey(t, s, KeyOptions{})
				blob := generate(t, c, arn).CiphertextBlob
				switch state.name {
				case stateDisabled:
					must(t, s.Disable(arn))
				case statePendingDeletion:
					must(t, s.ScheduleDeletion(arn, 7))
				}
				status := 409
				if state.code == "DryRunOperationException" {
					status = 412
				}
				wantCode(t, state.name, test.do(c, arn, blob), state.code, status)
				_ = s.Delete(arn) // frees the alias
			}
		})
	}
}

func TestDisabledAndEnabledAgain(t *testing.T) {
	s, c, arn := setUp(t)
	blob := generate(t, c, arn).CiphertextBlob
	must(t, s.Disable(arn))
	_, err := decrypt(c, arn, blob)
	wantCode(t, "disabled", err, "DisabledException", 409)
	must(t, s.Enable(arn))
	_, err = decrypt(c, arn, blob)
	wantCode(t, "enabled again", err, "", 0)
}

func TestDeletion(t *testing.T) {
	clock := &clock{at: time.Now()}
	s, url := serve(t, Options{Now: clock.now})
	c := client(url, region, s.Credentials())
	ctx := context.Background()
	arn := createKey(t, s, KeyOptions{Alias: "alias/doomed"})
	blob := generate(t, c, arn).CiphertextBlob
	for _, days := range []int32{0, 6, 31} {
		_, err := c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &arn, PendingWindowInDays: &days})
		wantCode(t, fmt.Sprint(days), err, "ValidationException", 400)
	}
	out, err := c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &arn})
	must(t, err)
	if *out.KeyId != arn || *out.PendingWindowInDays != 30 || out.KeyState != types.KeyStatePendingDeletion {
		t.Errorf("%s, %d days, %s", *out.KeyId, *out.PendingWindowInDays, out.KeyState)
	}
	if want := clock.now().Add(30 * day); out.DeletionDate.Sub(want).Abs() > time.Second {
		t.Errorf("deletion at %s, want %s", out.DeletionDate, want)
	}
	_, err = c.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &arn})
	must(t, err)
	described, err := c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &arn})
	must(t, err)
	if m := described.KeyMetadata; m.KeyState != types.KeyStateDisabled || m.Enabled || m.DeletionDate != nil {
		t.Errorf("after the cancel: %s, deletion %v", m.KeyState, m.DeletionDate)
	}
	must(t, s.Enable(arn))
	_, err = decrypt(c, arn, blob)
	wantCode(t, "after the cancel", err, "", 0)

	must(t, s.ScheduleDeletion(arn, 7))
	// The signature carries the client's own clock: the server is asked directly.
	clock.turn(7*day - time.Minute)
	if s.expireNow(); len(s.keys) != 1 {
		t.Error("the key is gone before its time")
	}
	clock.turn(time.Minute)
	if s.expireNow(); len(s.keys) != 0 || len(s.aliases) != 0 {
		t.Errorf("after the window there are %d keys and %d aliases", len(s.keys), len(s.aliases))
	}
}

func (s *Server) expireNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(s.now())
}

func TestDescribeKey(t *testing.T) {
	s, c, arn := setUp(t)
	ctx := context.Background()
	out, err := c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &arn})
	must(t, err)
	m := out.KeyMetadata
	if *m.Arn != arn || *m.AWSAccountId != account || m.KeySpec != types.KeySpecSymmetricDefault ||
		m.KeyUsage != types.KeyUsageTypeEncryptDecrypt || m.KeyState != types.KeyStateEnabled || !m.Enabled ||
		m.Origin != types.OriginTypeAwsKms || m.CreationDate.IsZero() || *m.MultiRegion {
		t.Errorf("metadata: %+v", m)
	}
	mac := createKey(t, s, KeyOptions{Spec: "HMAC_256", Usage: "GENERATE_VERIFY_MAC"})
	out, err = c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &mac})
	must(t, err)
	if out.KeyMetadata.KeyUsage != types.KeyUsageTypeGenerateVerifyMac {
		t.Errorf("usage %s", out.KeyMetadata.KeyUsage)
	}
	_, err = c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("arn:aws:kms:nonsense")})
	wantCode(t, "a broken ARN", err, "InvalidArnException", 400)
}

func TestCreateKey(t *testing.T) {
	_, c, _ := setUp(t)
	ctx := context.Background()
	out, err := c.CreateKey(ctx, &kms.CreateKeyInput{Description: aws.String("traces")})
	must(t, err)
	generate(t, c, *out.KeyMetadata.KeyId)
	_, err = c.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: types.KeySpecHmac256})
	wantCode(t, "HMAC without a usage", err, "ValidationException", 400)
	_, err = c.CreateKey(ctx, &kms.CreateKeyInput{KeyUsage: types.KeyUsageTypeSignVerify})
	wantCode(t, "a symmetric key to sign", err, "ValidationException", 400)
	_, err = c.CreateKey(ctx, &kms.CreateKeyInput{Origin: types.OriginTypeExternalKeyStore, MultiRegion: aws.Bool(true)})
	wantCode(t, "a custom key store in many Regions", err, "UnsupportedOperationException", 400)
}

// TestKeysThatAreNotThere: a key without its material, and one whose key store is
// disconnected, are described and not used.
func TestKeysThatAreNotThere(t *testing.T) {
	s, c, _ := setUp(t)
	ctx := context.Background()
	imported := createKey(t, s, KeyOptions{Origin: "EXTERNAL"})
	inStore := createKey(t, s, KeyOptions{Origin: "EXTERNAL_KEY_STORE"})
	data := generate(t, c, inStore)
	must(t, s.DisconnectStore(inStore))
	if err := s.DisconnectStore(imported); err == nil {
		t.Error("a key of no key store was disconnected")
	}
	for _, test := range []struct {
		arn   string
		state types.KeyState
	}{{imported, types.KeyStatePendingImport}, {inStore, types.KeyStateUnavailable}} {
		out, err := c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &test.arn})
		must(t, err)
		if out.KeyMetadata.KeyState != test.state || out.KeyMetadata.Enabled {
			t.Errorf("%+v", out.KeyMetadata)
		}
		_, err = c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &test.arn, KeySpec: types.DataKeySpecAes256})
		wantCode(t, "GenerateDataKey", err, "KMSInvalidStateException", 409)
		_, err = decrypt(c, test.arn, data.CiphertextBlob)
		wantCode(t, "Decrypt", err, "KMSInvalidStateException", 409)
		_, err = c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &test.arn})
		wantCode(t, "DisableKey", err, "KMSInvalidStateException", 409)
	}
	_, err := c.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &inStore})
	wantCode(t, "rotation in a key store", err, "UnsupportedOperationException", 400)
	must(t, s.ConnectStore(inStore))
	if _, err := decrypt(c, inStore, data.CiphertextBlob); err != nil {
		t.Error(err)
	}
}

func TestAliases(t *testing.T) {
	s, c, arn := setUp(t)
	ctx := context.Background()
	second := createKey(t, s, KeyOptions{})
	name := aws.String("alias/acme/traces")
	_, err := c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: name, TargetKeyId: &arn})
	must(t, err)
	aliasARN := "arn:aws:kms:" + region + ":" + account + ":alias/acme/traces"
	for _, id := range []string{*name, aliasARN} {
		if out := generate(t, c, id); *out.KeyId != arn {
			t.Errorf("%s gives %s", id, *out.KeyId)
		}
		_, err := c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id})
		if err == nil {
			t.Errorf("DisableKey took %s", id)
		}
	}
	if n := s.Calls("GenerateDataKey", arn); n != 2 {
		t.Errorf("%d calls were counted for the alias's key, want 2", n)
	}
	_, err = c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: name, TargetKeyId: &second})
	wantCode(t, "a second of the name", err, "AlreadyExistsException", 400)
	for _, bad := range []string{"alias/aws/kms", "nonsense", "alias/sp ace"} {
		_, err = c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &bad, TargetKeyId: &arn})
		wantCode(t, bad, err, "InvalidAliasNameException", 400)
	}
	_, err = c.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: name, TargetKeyId: &second})
	must(t, err)
	if out := generate(t, c, *name); *out.KeyId != second {
		t.Errorf("after the update the alias gives %s", *out.KeyId)
	}
	list, err := c.ListAliases(ctx, &kms.ListAliasesInput{})
	must(t, err)
	if len(list.Aliases) != 1 || *list.Aliases[0].AliasArn != aliasARN || *list.Aliases[0].TargetKeyId != keyIDOf(second) {
		t.Errorf("aliases: %+v", list.Aliases)
	}
	_, err = c.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: name})
	must(t, err)
	_, err = c.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: name})
	wantCode(t, "twice", err, "NotFoundException", 404)
}

func TestListKeysInPages(t *testing.T) {
	s, c, _ := setUp(t)
	for range 6 {
		createKey(t, s, KeyOptions{})
	}
	createKey(t, s, KeyOptions{Account: other})
	createKey(t, s, KeyOptions{Region: "us-east-1"})
	seen, pages := map[string]bool{}, kms.NewListKeysPaginator(c, &kms.ListKeysInput{Limit: aws.Int32(3)})
	n := 0
	for ; pages.HasMorePages(); n++ {
		out, err := pages.NextPage(context.Background())
		must(t, err)
		for _, k := range out.Keys {
			seen[*k.KeyArn] = true
		}
	}
	if len(seen) != 7 || n != 3 {
		t.Errorf("%d keys in %d pages, want 7 in 3", len(seen), n)
	}
	_, err := c.ListKeys(context.Background(), &kms.ListKeysInput{Marker: aws.String("elsewhere")})
	wantCode(t, "a foreign marker", err, "InvalidMarkerException", 400)
}

func TestMultiRegion(t *testing.T) {
	s, url := serve(t, Options{})
	ctx := context.Background()
	here, there := client(url, region, s.Credentials()), client(url, "eu-west-1", s.Credentials())
	arn := createKey(t, s, KeyOptions{MultiRegion: true})
	out, err := here.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &arn, ReplicaRegion: aws.String("eu-west-1")})
	must(t, err)
	replica := *out.ReplicaKeyMetadata.Arn
	if keyIDOf(replica) != keyIDOf(arn) || replica == arn {
		t.Fatalf("%s is a replica of %s", replica, arn)
	}
	data := generate(t, here, arn)
	if got, err := decrypt(there, replica, data.CiphertextBlob); err != nil || string(got) != string(data.Plaintext) {
		t.Errorf("in the replica's Region: %v", err)
	}
	must(t, s.Disable(arn))
	_, err = decrypt(here, arn, data.CiphertextBlob)
	wantCode(t, "the disabled primary", err, "DisabledException", 409)
	_, err = decrypt(there, replica, data.CiphertextBlob)
	wantCode(t, "the replica of a disabled primary", err, "", 0)
	must(t, s.Enable(arn))

	_, err = there.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &replica, ReplicaRegion: aws.String("us-east-1")})
	wantCode(t, "a replica of a replica", err, "UnsupportedOperationException", 400)
	scheduled, err := here.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &arn, PendingWindowInDays: aws.Int32(7)})
	must(t, err)
	if scheduled.KeyState != types.KeyStatePendingReplicaDeletion || scheduled.DeletionDate != nil {
		t.Errorf("a primary with a replica: %s, deletion %v", scheduled.KeyState, scheduled.DeletionDate)
	}
	must(t, s.Delete(replica))
	described, err := here.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &arn})
	must(t, err)
	if m := described.KeyMetadata; m.KeyState != types.KeyStatePendingDeletion || m.DeletionDate == nil {
		t.Errorf("after its last replica the primary is %s", m.KeyState)
	}
}

func TestAutomaticRotation(t *testing.T) {
	clock := &clock{at: time.Now()}
	s := New(Options{Now: clock.now})
	arn := createKey(t, s, KeyOptions{})
	var k *key
	for _, k = range s.keys {
		if k.arn() != arn {
			t.Fatal("another key")
		}
	}
	k.family.yearly, k.family.period = true, 90
	first := k.current().hex()
	clock.turn(90 * day)
	k.family.rotateAsTimePasses(clock.now())
	if k.current().hex() == first || k.current().rotation != "AUTOMATIC" || len(k.family.materials) != 2 {
		t.Errorf("after a period there are %d materials", len(k.family.materials))
	}
}

func TestRotationStatus(t *testing.T) {
	s, c, arn := setUp(t)
	ctx := context.Background()
	_, err := c.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &arn, RotationPeriodInDays: aws.Int32(180)})
	must(t, err)
	out, err := c.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &arn})
	must(t, err)
	if !out.KeyRotationEnabled || *out.RotationPeriodInDays != 180 || out.NextRotationDate == nil {
		t.Errorf("status: %+v", out)
	}
	_, err = c.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &arn, RotationPeriodInDays: aws.Int32(1)})
	wantCode(t, "every day", err, "ValidationException", 400)
	mac := createKey(t, s, KeyOptions{Spec: "HMAC_256", Usage: "GENERATE_VERIFY_MAC"})
	_, err = c.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &mac})
	wantCode(t, "of a MAC key", err, "UnsupportedOperationException", 400)
}
