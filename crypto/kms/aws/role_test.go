package aws

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/kmsserver"
)

const theirAccount = "444455556666"

// roleKey makes a key of another account that a role of it alone may use.
func roleKey(t *testing.T, s *kmsserver.Server, name, externalID string) kms.Key {
	t.Helper()
	role := s.CreateRole(kmsserver.RoleOptions{Name: name, Account: theirAccount, ExternalID: externalID})
	arn := create(t, s, kmsserver.KeyOptions{Account: theirAccount, Policy: `{"Version":"2012-10-17","Statement":[` +
		`{"Effect":"Allow","Principal":{"AWS":"` + role + `"},"Action":"kms:*","Resource":"*"}]}`})
	return kms.Key{ARN: arn, RoleARN: role, ExternalID: externalID}
}

func TestRole(t *testing.T) {
	s, o := server(t)
	p := provider(t, o)
	acme, globex := roleKey(t, s, "acme", "ext-acme"), roleKey(t, s, "globex", "")
	for range 3 {
		roundTripWith(t, p, acme)
		roundTripWith(t, p, globex)
	}
	// Once a role, however many calls.
	if n := s.Calls("AssumeRole", ""); n != 2 {
		t.Errorf("%d calls of AssumeRole", n)
	}
	// One org's role is not the other's way in, nor is pgseal itself.
	for what, key := range map[string]kms.Key{
		"another role": {ARN: acme.ARN, RoleARN: globex.RoleARN}, "no role": {ARN: acme.ARN},
	} {
		_, err := p.GenerateDataKey(t.Context(), key, nil)
		if e := kms.AsError(err); !e.Refused || e.Reason != "AccessDeniedException" {
			t.Errorf("%s: %v", what, err)
		}
	}
	acme.ExternalID = "ext-globex"
	_, err := p.GenerateDataKey(t.Context(), acme, nil)
	is(t, err, kms.Error{Op: "AssumeRole", Refused: true, Reason: "AccessDenied"})
}

// TestTrustWithdrawn: taking the role's trust away is a no as soon as the role is
// assumed anew, and giving it back is a yes.
func TestTrustWithdrawn(t *testing.T) {
	s, o := server(t)
	o.RoleRenewal = time.Nanosecond
	p := provider(t, o)
	key := roleKey(t, s, "acme", "ext-acme")
	roundTripWith(t, p, key)
	must(t, s.Trust(key.RoleARN))
	_, err := p.Check(t.Context(), key)
	is(t, err, kms.Error{Op: "AssumeRole", Refused: true, Reason: "AccessDenied"})
	must(t, s.Trust(key.RoleARN, "111122223333"))
	roundTripWith(t, p, key)
}

// TestRoleOfASilentSTS: credentials serve on until they expire.
func TestRoleOfASilentSTS(t *testing.T) {
	s, o := server(t)
	o.RoleRenewal, o.Attempts = time.Nanosecond, 1
	key := roleKey(t, s, "acme", "ext-acme")
	tests := map[string]struct {
		kind   kmsserver.Kind
		reason string
	}{
		"throttled": {kmsserver.Throttle, "Throttling"}, "down": {kmsserver.Unavailable, "ServiceUnavailable"},
		"broken": {kmsserver.Internal, "InternalFailure"}, "reset": {kmsserver.Reset, kms.ReasonNetwork}, "garbage": {kmsserver.Garbage, kms.ReasonNetwork},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := provider(t, o)
			fault := s.Inject(kmsserver.Fault{Kind: test.kind, Op: "AssumeRole"})
			_, err := p.Check(t.Context(), key)
			is(t, err, kms.Error{Op: "AssumeRole", Reason: test.reason})
			fault.Remove()
			roundTripWith(t, p, key)
			fault = s.Inject(kmsserver.Fault{Kind: test.kind, Op: "AssumeRole"})
			defer fault.Remove()
			roundTripWith(t, p, key)
			if fault.Hits() == 0 {
				t.Error("the role was not assumed anew")
			}
		})
	}
}

// TestRoleInTime: when STS is asked, and for how long its last answer counts.
func TestRoleInTime(t *testing.T) {
	s, o := server(t)
	o.Attempts = 1
	key := roleKey(t, s, "acme", "ext-acme")
	now := time.Now()
	r := provider(t, o).assume(caller{"eu-central-1", key.RoleARN, key.ExternalID})
	r.now = func() time.Time { return now }
	asks := func(what string, calls int) aws.Credentials {
		t.Helper()
		s.ResetCalls()
		c, err := r.Retrieve(t.Context())
		if n := s.Calls("AssumeRole", ""); n != calls || err != nil || !c.HasKeys() || c.CanExpire {
			t.Errorf("%s: %d calls, %v", what, n, err)
		}
		return c
	}
	first := asks("at first", 1)
	now = now.Add(defaultRenewal - 1)
	asks("within a minute", 0)
	now = now.Add(1)
	second := asks("after a minute", 1)
	if first.AccessKeyID == second.AccessKeyID {
		t.Error("not assumed anew")
	}
	silence := s.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable, Op: "AssumeRole"})
	now = now.Add(defaultRenewal)
	if c := asks("STS is silent", 1); c != second {
		t.Error("other credentials")
	}
	asks("a moment later", 0)
	now = now.Add(retryRole)
	asks("when it may be back", 1)
	now = now.Add(stscreds.DefaultDuration)
	if _, err := r.Retrieve(t.Context()); kms.AsError(classify("", "", err)).Refused || err == nil {
		t.Errorf("they have expired: %v", err)
	}
	silence.Remove()
	asks("STS is back", 1)

	// A no is final until there is a yes: silence brings nothing back.
	must(t, s.Trust(key.RoleARN))
	now = now.Add(defaultRenewal)
	if _, err := r.Retrieve(t.Context()); !classify("", "", err).Refused {
		t.Error(err)
	}
	silence = s.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable, Op: "AssumeRole"})
	if c, err := r.Retrieve(t.Context()); err == nil || c.HasKeys() {
		t.Errorf("silence after a no: %v", err)
	}
	silence.Remove()
	must(t, s.Trust(key.RoleARN, "111122223333"))
	asks("trusted again", 1)
}

func TestRoleOfAHangingSTS(t *testing.T) {
	s, o := server(t)
	o.Timeout = 50 * time.Millisecond
	key := roleKey(t, s, "acme", "")
	fault := s.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Op: "AssumeRole"})
	defer fault.Remove()
	_, err := provider(t, o).Check(t.Context(), key)
	if e := kms.AsError(err); err == nil || e.Refused || e.Reason != kms.ReasonTimeout {
		t.Error(err)
	}
	// Who has more time waits for no more than half of a call's.
	r := provider(t, o).assume(caller{"eu-central-1", key.RoleARN, ""})
	if _, err := r.Retrieve(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	// Who leaves does not take the question away from the others.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Retrieve(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestRoleAndOwnCredentials: that STS does not know pgseal is not the
// organisation's doing.
func TestRoleAndOwnCredentials(t *testing.T) {
	s, o := server(t)
	o.Attempts = 1
	key := roleKey(t, s, "acme", "")
	for reason, credentials := range map[string]aws.CredentialsProvider{
		"InvalidClientTokenId": aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAUNKNOWN", SecretAccessKey: "x"}, nil
		}),
		kms.ReasonCredentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("the chain is empty")
		}),
	} {
		o.Credentials = credentials
		_, err := provider(t, o).Check(t.Context(), key)
		is(t, err, kms.Error{Op: "AssumeRole", Reason: reason})
	}
}

// TestCrossAccount: a key of another account whose policy lets pgseal's use it, and
// one whose policy does not.
func TestCrossAccount(t *testing.T) {
	s, o := server(t)
	p := provider(t, o)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},` +
		`"Action":["kms:DescribeKey","kms:GenerateDataKey","kms:Decrypt"],"Resource":"*"}]}`
	roundTrip(t, p, create(t, s, kmsserver.KeyOptions{Account: theirAccount, Policy: policy}))
	_, err := p.Check(t.Context(), kms.Key{ARN: create(t, s, kmsserver.KeyOptions{Account: theirAccount})})
	is(t, err, kms.Error{Op: "Check", Refused: true, Reason: "AccessDeniedException"})
}
