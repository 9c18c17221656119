package aws

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/kmsserver"
)

func server(t *testing.T) (*kmsserver.Server, Options) {
	t.Helper()
	s := kmsserver.New(kmsserver.Options{})
	url, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, Options{Region: s.Region(), Endpoint: url, STSEndpoint: url, Credentials: s.Credentials(), Timeout: time.Minute}
}

func provider(t *testing.T, o Options) *Provider {
	t.Helper()
	// Nothing of the machine's own AWS set-up may have a say.
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	p, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func create(t *testing.T, s *kmsserver.Server, o kmsserver.KeyOptions) string {
	t.Helper()
	arn, err := s.CreateKey(o)
	if err != nil {
		t.Fatal(err)
	}
	return arn
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// is fails the test unless err is a *kms.Error of this kind.
func is(t *testing.T, err error, want kms.Error) {
	t.Helper()
	var e *kms.Error
	if !errors.As(err, &e) {
		t.Errorf("got %v, want %s", err, want.Reason)
		return
	}
	if e.Op != want.Op || e.Refused != want.Refused || e.Damaged != want.Damaged || e.Reason != want.Reason {
		t.Errorf("got %+v, want %+v", *e, want)
	}
}

func roundTrip(t *testing.T, p kms.Provider, arn string) {
	t.Helper()
	roundTripWith(t, p, kms.Key{ARN: arn})
}

func roundTripWith(t *testing.T, p kms.Provider, key kms.Key) {
	t.Helper()
	ec := kms.EncryptionContext("acme", 7)
	made, err := p.GenerateDataKey(t.Context(), key, ec)
	must(t, err)
	if len(made.Plaintext) != 32 || len(made.Wrapped) < 32 || bytes.Contains(made.Wrapped, made.Plaintext) {
		t.Errorf("a key of %d bytes, wrapped in %d", len(made.Plaintext), len(made.Wrapped))
	}
	opened, err := p.Decrypt(t.Context(), key.With(made.KeyARN), made.Wrapped, ec)
	must(t, err)
	if !bytes.Equal(opened, made.Plaintext) {
		t.Error("unwrapped to another key")
	}
	for what, other := range map[string]map[string]string{
		"another org": kms.EncryptionContext("globex", 7), "another id": kms.EncryptionContext("acme", 8), "no context": nil,
	} {
		if _, err := p.Decrypt(t.Context(), key.With(made.KeyARN), made.Wrapped, other); err == nil {
			t.Errorf("%s: unwrapped", what)
		} else {
			is(t, err, kms.Error{Op: "Decrypt", Damaged: true, Reason: "InvalidCiphertextException"})
		}
	}
	made.Wrapped[len(made.Wrapped)-1] ^= 1
	_, err = p.Decrypt(t.Context(), key.With(made.KeyARN), made.Wrapped, ec)
	is(t, err, kms.Error{Op: "Decrypt", Damaged: true, Reason: "InvalidCiphertextException"})
	state, steps, err := kms.Prove(t.Context(), p, key, "acme")
	if err != nil || len(steps) != 3 || state.State != "Enabled" || state.ARN != made.KeyARN {
		t.Errorf("%+v, %+v, %v", state, steps, err)
	}
}

func TestRoundTrip(t *testing.T) {
	s, o := server(t)
	p := provider(t, o)
	arn := create(t, s, kmsserver.KeyOptions{Alias: "alias/acme"})
	roundTrip(t, p, arn)

	alias := strings.Split(arn, "key/")[0] + "alias/acme"
	roundTrip(t, p, alias)
	made, err := p.GenerateDataKey(t.Context(), kms.Key{ARN: alias}, nil)
	if err != nil || made.KeyARN != arn {
		t.Errorf("an alias leads to %s, %v", made.KeyARN, err)
	}
	// A wrapped key names its own key: under another one it is refused.
	other := create(t, s, kmsserver.KeyOptions{})
	_, err = p.Decrypt(t.Context(), kms.Key{ARN: other}, made.Wrapped, nil)
	is(t, err, kms.Error{Op: "Decrypt", Damaged: true, Reason: "IncorrectKeyException"})
}

// TestRegions: a key's ARN tells the region, whatever the configuration says.
func TestRegions(t *testing.T) {
	s, o := server(t)
	o.Region = "us-east-1"
	roundTrip(t, provider(t, o), create(t, s, kmsserver.KeyOptions{Region: "ap-south-1"}))
}

// TestRefusals: what an organisation can do to its key is a no.
func TestRefusals(t *testing.T) {
	s, o := server(t)
	p := provider(t, o)
	tests := []struct {
		name          string
		options       kmsserver.KeyOptions
		do            func(arn string) error
		check, reason string // of Check; of GenerateDataKey and Decrypt
	}{
		{"disabled", kmsserver.KeyOptions{}, s.Disable, "Disabled", "DisabledException"},
		{"to be deleted", kmsserver.KeyOptions{}, func(arn string) error { return s.ScheduleDeletion(arn, 7) }, "PendingDeletion", "KMSInvalidStateException"},
		{"deleted", kmsserver.KeyOptions{}, s.Delete, "NotFoundException", "NotFoundException"},
		{"denied", kmsserver.KeyOptions{}, func(arn string) error { return s.Deny(arn) }, "AccessDeniedException", "AccessDeniedException"},
		{"its replicas to be deleted first", kmsserver.KeyOptions{MultiRegion: true}, func(arn string) error {
			_, err := s.Replicate(arn, "eu-west-1")
			return errors.Join(err, s.ScheduleDeletion(arn, 7))
		}, "PendingReplicaDeletion", "KMSInvalidStateException"},
		{"its key store disconnected", kmsserver.KeyOptions{Origin: "EXTERNAL_KEY_STORE"}, s.DisconnectStore, "Unavailable", "KMSInvalidStateException"},
		{"without its material", kmsserver.KeyOptions{Origin: "EXTERNAL"}, nil, "PendingImport", "KMSInvalidStateException"},
		{"asymmetric", kmsserver.KeyOptions{Spec: "RSA_2048", Usage: "ENCRYPT_DECRYPT"}, nil, "RSA_2048", "InvalidKeyUsageException"},
		{"to sign with", kmsserver.KeyOptions{Spec: "ECC_NIST_P256", Usage: "SIGN_VERIFY"}, nil, "ECC_NIST_P256", "InvalidKeyUsageException"},
		{"of HMAC", kmsserver.KeyOptions{Spec: "HMAC_256", Usage: "GENERATE_VERIFY_MAC"}, nil, "HMAC_256", "InvalidKeyUsageException"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			arn := create(t, s, test.options)
			var wrapped []byte
			if test.do != nil {
				made, err := p.GenerateDataKey(t.Context(), kms.Key{ARN: arn}, nil)
				must(t, err)
				wrapped = made.Wrapped
				must(t, test.do(arn))
				_, err = p.Decrypt(t.Context(), kms.Key{ARN: arn}, wrapped, nil)
				is(t, err, kms.Error{Op: "Decrypt", Refused: true, Reason: test.reason})
			}
			_, err := p.GenerateDataKey(t.Context(), kms.Key{ARN: arn}, nil)
			is(t, err, kms.Error{Op: "GenerateDataKey", Refused: true, Reason: test.reason})
			_, err = p.Check(t.Context(), kms.Key{ARN: arn})
			is(t, err, kms.Error{Op: "Check", Refused: true, Reason: test.check})
		})
	}
}

// TestKeysThatAreNone: ARNs of the right form that name no key to use.
func TestKeysThatAreNone(t *testing.T) {
	s, o := server(t)
	p := provider(t, o)
	arn := create(t, s, kmsserver.KeyOptions{Alias: "alias/acme"})
	const start = "arn:aws:kms:eu-central-1:111122223333:"
	for _, test := range []struct{ name, arn, reason string }{
		{"a typing error", arn[:len(arn)-4] + "0000", "NotFoundException"},
		{"the key's other Region", strings.Replace(arn, "eu-central-1", "eu-west-1", 1), "NotFoundException"},
		{"an alias to nothing", start + "alias/globex", "NotFoundException"},
		{"an alias of another Region", "arn:aws:kms:eu-west-1:111122223333:alias/acme", "NotFoundException"},
		{"another account's", strings.Replace(arn, "111122223333", theirAccount, 1), "AccessDeniedException"},
		{"a bare id", arn[len(start+"key/"):], "InvalidArnException"},
		{"a bare alias", "alias/acme", "InvalidArnException"},
		{"of another service", strings.Replace(arn, ":kms:", ":s3:", 1), "InvalidArnException"},
		{"without a Region", strings.Replace(arn, "eu-central-1", "", 1), "InvalidArnException"},
		{"of no partition", strings.Replace(arn, ":aws:", ":aws-cn:", 1), "InvalidArnException"},
		{"nothing", "", "InvalidArnException"},
	} {
		t.Run(test.name, func(t *testing.T) {
			key := kms.Key{ARN: test.arn}
			s.ResetCalls()
			_, err := p.Check(t.Context(), key)
			is(t, err, kms.Error{Op: "Check", Refused: true, Reason: test.reason})
			_, err = p.GenerateDataKey(t.Context(), key, nil)
			is(t, err, kms.Error{Op: "GenerateDataKey", Refused: true, Reason: test.reason})
			_, err = p.Encrypt(t.Context(), key, make([]byte, 32), nil)
			is(t, err, kms.Error{Op: "Encrypt", Refused: true, Reason: test.reason})
			if n := s.Calls("", ""); (n == 0) != (test.reason == "InvalidArnException") {
				t.Errorf("%d calls", n)
			}
		})
	}
}

// TestSilence: trouble on the way, or KMS's own, is no word about the key.
func TestSilence(t *testing.T) {
	s, o := server(t)
	o.Attempts = 1
	arn := create(t, s, kmsserver.KeyOptions{})
	tests := []struct {
		kind   kmsserver.Kind
		reason string
	}{
		{kmsserver.Throttle, "ThrottlingException"},
		{kmsserver.Internal, "KMSInternalException"},
		{kmsserver.Unavailable, "ServiceUnavailable"},
		{kmsserver.Timeout, "DependencyTimeoutException"},
		{kmsserver.Garbage, kms.ReasonNetwork},
		{kmsserver.Reset, kms.ReasonNetwork},
		{kmsserver.LostReply, kms.ReasonNetwork},
	}
	for _, test := range tests {
		p := provider(t, o) // with a retry budget of its own
		fault := s.Inject(kmsserver.Fault{Kind: test.kind, Key: arn})
		_, err := p.GenerateDataKey(t.Context(), kms.Key{ARN: arn}, nil)
		is(t, err, kms.Error{Op: "GenerateDataKey", Reason: test.reason})
		_, err = p.Check(t.Context(), kms.Key{ARN: arn})
		is(t, err, kms.Error{Op: "Check", Reason: test.reason})
		if n := fault.Hits(); n != 2 {
			t.Errorf("%s: %d calls, want 2", test.reason, n)
		}
		fault.Remove()
	}
	roundTrip(t, provider(t, o), arn)
}

func TestHangEndsByTimeoutOrContext(t *testing.T) {
	s, o := server(t)
	arn := create(t, s, kmsserver.KeyOptions{})
	fault := s.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Key: arn})
	defer fault.Remove()
	short := o
	short.Timeout = 50 * time.Millisecond
	_, err := provider(t, short).Decrypt(t.Context(), kms.Key{ARN: arn}, []byte("wrapped"), nil)
	is(t, err, kms.Error{Op: "Decrypt", Reason: kms.ReasonTimeout})

	ctx, cancel := context.WithCancel(t.Context())
	p := provider(t, o)
	hits := fault.Hits()
	done := make(chan error)
	go func() {
		_, err := p.Check(ctx, kms.Key{ARN: arn})
		done <- err
	}()
	for fault.Hits() == hits {
		time.Sleep(time.Millisecond)
	}
	cancel()
	is(t, <-done, kms.Error{Op: "Check", Reason: kms.ReasonCanceled})
}

// TestRetries: the SDK's retryer gets over a stumble.
func TestRetries(t *testing.T) {
	s, o := server(t)
	arn := create(t, s, kmsserver.KeyOptions{})
	fault := s.Inject(kmsserver.Fault{Kind: kmsserver.Throttle, Key: arn, Times: 1})
	_, err := provider(t, o).GenerateDataKey(t.Context(), kms.Key{ARN: arn}, nil)
	if err != nil || fault.Hits() != 1 || s.Calls("GenerateDataKey", arn) != 2 {
		t.Errorf("%v after %d calls", err, s.Calls("GenerateDataKey", arn))
	}
}

// TestOwnCredentials: that AWS does not know pgseal is not the organisation's
// doing.
func TestOwnCredentials(t *testing.T) {
	s, o := server(t)
	arn := create(t, s, kmsserver.KeyOptions{})
	o.Attempts = 1
	for reason, credentials := range map[string]aws.CredentialsProvider{
		"UnrecognizedClientException": aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAUNKNOWN", SecretAccessKey: "x"}, nil
		}),
		kms.ReasonCredentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("the chain is empty")
		}),
	} {
		o.Credentials = credentials
		_, err := provider(t, o).Check(t.Context(), kms.Key{ARN: arn})
		is(t, err, kms.Error{Op: "Check", Reason: reason})
	}
}

func TestNobodyThere(t *testing.T) {
	s, o := server(t)
	arn := create(t, s, kmsserver.KeyOptions{})
	o.Attempts = 1
	must(t, s.Close())
	_, err := provider(t, o).Check(t.Context(), kms.Key{ARN: arn})
	is(t, err, kms.Error{Op: "Check", Reason: kms.ReasonNetwork})
}

func TestProveNamesWhatIsMissing(t *testing.T) {
	s, o := server(t)
	p := provider(t, o)
	key := roleKey(t, s, "acme", "ext-acme")
	key.ExternalID = "ext-globex"
	if _, steps, err := kms.Prove(t.Context(), p, key, "acme"); err == nil || len(steps) != 1 || steps[0].Permission != "sts:AssumeRole" {
		t.Errorf("%v, %v", steps, err)
	}
	for _, permission := range []string{"kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt"} {
		arn := create(t, s, kmsserver.KeyOptions{})
		must(t, s.Deny(arn, permission))
		_, steps, err := kms.Prove(t.Context(), p, kms.Key{ARN: arn}, "acme")
		if err == nil {
			t.Errorf("%s: proven", permission)
		}
		for _, step := range steps {
			if (step.Err != nil) != (step.Permission == permission) {
				t.Errorf("without %s: step %s: %v", permission, step.Permission, step.Err)
			}
		}
	}
}
