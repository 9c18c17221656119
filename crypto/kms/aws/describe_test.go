package aws

import (
	"bytes"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/kmsserver"
)

func TestDescribe(t *testing.T) {
	s, o := server(t)
	p := provider(t, o)
	arn := create(t, s, kmsserver.KeyOptions{Description: "traces", Alias: "alias/acme"})
	alias := kms.Key{ARN: "arn:aws:kms:eu-central-1:111122223333:alias/acme"}
	first, err := p.Describe(t.Context(), alias)
	must(t, err)
	if first.ARN != arn || first.Description != "traces" || first.MultiRegion || first.Replicas != nil ||
		first.Rotation.MaterialID == "" || first.Rotation.Automatic || !first.Rotation.Last.IsZero() || !first.Rotation.Next.IsZero() {
		t.Errorf("%+v", first)
	}
	admin := awskms.New(awskms.Options{Region: s.Region(), BaseEndpoint: &o.Endpoint, Credentials: s.Credentials()})
	_, err = admin.EnableKeyRotation(t.Context(), &awskms.EnableKeyRotationInput{KeyId: &arn, RotationPeriodInDays: aws.Int32(100)})
	must(t, err)
	must(t, s.Rotate(arn))
	second, err := p.Describe(t.Context(), alias)
	must(t, err)
	r := second.Rotation
	if r.MaterialID == first.Rotation.MaterialID || !r.Automatic || r.Last.IsZero() || !r.Next.After(r.Last) {
		t.Errorf("%+v", r)
	}
	// What pgseal may not ask stays empty.
	must(t, s.Deny(arn, "kms:GetKeyRotationStatus", "kms:ListKeyRotations"))
	third, err := p.Describe(t.Context(), alias)
	if err != nil || third.Rotation != (kms.Rotation{MaterialID: r.MaterialID}) || third.State != "Enabled" {
		t.Errorf("%+v, %v", third, err)
	}
	// That KMS does not answer is told.
	must(t, s.Allow(arn))
	fault := s.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable, Op: "ListKeyRotations"})
	defer fault.Remove()
	fourth, err := p.Describe(t.Context(), alias)
	is(t, err, kms.Error{Op: "Describe", Reason: "ServiceUnavailable"})
	if fourth.State != "Enabled" || !fourth.Rotation.Automatic {
		t.Errorf("%+v", fourth)
	}
}

// TestCheckIsOneCall: the health check of thousands of keys asks no more than it
// needs.
func TestCheckIsOneCall(t *testing.T) {
	s, o := server(t)
	p := provider(t, o)
	arn := create(t, s, kmsserver.KeyOptions{})
	state, err := p.Check(t.Context(), kms.Key{ARN: arn})
	must(t, err)
	if n := s.Calls("", ""); n != 1 || s.Calls("DescribeKey", arn) != 1 || state.Rotation.MaterialID == "" {
		t.Errorf("%d calls, %+v", n, state)
	}
	must(t, s.Disable(arn))
	s.ResetCalls()
	_, err = p.Describe(t.Context(), kms.Key{ARN: arn})
	is(t, err, kms.Error{Op: "Describe", Refused: true, Reason: "Disabled"})
	if n := s.Calls("", ""); n != 1 {
		t.Errorf("%d calls about a key that is disabled", n)
	}
}

// TestReplicasAreTold: from each Region, the others.
func TestReplicasAreTold(t *testing.T) {
	s, o := server(t)
	p := provider(t, o)
	frankfurt := create(t, s, kmsserver.KeyOptions{MultiRegion: true})
	dublin, err := s.Replicate(frankfurt, "eu-west-1")
	must(t, err)
	paris, err := s.Replicate(frankfurt, "eu-west-3")
	must(t, err)
	for arn, others := range map[string][]string{
		frankfurt: {dublin, paris}, dublin: {frankfurt, paris}, paris: {frankfurt, dublin},
	} {
		state, err := p.Check(t.Context(), kms.Key{ARN: arn})
		opensElsewhere(t, p, kms.Key{ARN: arn}, kms.Key{ARN: others[0]})
		if err != nil || !state.MultiRegion || !slices.Equal(state.Replicas, others) {
			t.Errorf("%s: %+v, %v", arn, state, err)
		}
	}
}

// opensElsewhere: what one Region of a multi-Region key wrapped, another unwraps.
func opensElsewhere(t *testing.T, p kms.Provider, here, there kms.Key) {
	t.Helper()
	ec := kms.EncryptionContext("acme", 7)
	made, err := p.GenerateDataKey(t.Context(), here, ec)
	must(t, err)
	opened, err := p.Decrypt(t.Context(), there, made.Wrapped, ec)
	if err != nil || !bytes.Equal(opened, made.Plaintext) {
		t.Errorf("from %s to %s: %v", here.ARN, there.ARN, err)
	}
}

// TestDescribeAcrossAccounts: ListKeyRotations works within one account only.
func TestDescribeAcrossAccounts(t *testing.T) {
	s, o := server(t)
	arn := create(t, s, kmsserver.KeyOptions{Account: theirAccount, Policy: `{"Version":"2012-10-17","Statement":[` +
		`{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}]}`})
	must(t, s.Rotate(arn))
	state, err := provider(t, o).Describe(t.Context(), kms.Key{ARN: arn})
	if err != nil || state.Rotation.MaterialID == "" || !state.Rotation.Last.IsZero() {
		t.Errorf("%+v, %v", state, err)
	}
}
