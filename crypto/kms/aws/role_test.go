package aws

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

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
	p := provider(t, o)
	r := p.assume(caller{"eu-central-1", key.RoleARN, key.ExternalID})
	last, err := r.Retrieve(t.Context())
	must(t, err)
	silent := errors.New("nobody there")
	if c, err := r.HandleFailToRefresh(t.Context(), last, silent); err != nil || c.AccessKeyID != last.AccessKeyID || !c.CanExpire {
		t.Errorf("%v", err)
	}
	if _, err := r.HandleFailToRefresh(t.Context(), aws.Credentials{}, silent); !errors.Is(err, silent) {
		t.Errorf("there were none: %v", err)
	}
	r.expires = time.Now().Add(-time.Second)
	if _, err := r.HandleFailToRefresh(t.Context(), last, silent); !errors.Is(err, silent) {
		t.Errorf("they have expired: %v", err)
	}
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
	// The cache asks with a context that does not end: the role's own time does.
	r := provider(t, o).assume(caller{"eu-central-1", key.RoleARN, ""})
	if _, err := r.Retrieve(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
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
