package aws

import (
	"bytes"
	"errors"
	"testing"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/kmsserver"
)

// reEncrypts wraps a data key anew and opens it.
func reEncrypts(t *testing.T, p kms.Provider, from, to kms.Key) {
	t.Helper()
	ec := kms.EncryptionContext("acme", 7)
	made, err := p.GenerateDataKey(t.Context(), from, ec)
	must(t, err)
	wrapped, err := kms.ReEncrypt(t.Context(), p, from.With(made.KeyARN), made.Wrapped, to, ec)
	must(t, err)
	opened, err := p.Decrypt(t.Context(), to.With(wrapped.KeyARN), wrapped.Blob, ec)
	must(t, err)
	if !bytes.Equal(opened, made.Plaintext) {
		t.Error("unwrapped to another key")
	}
	// Under another encryption context it is not to be had.
	if _, err := kms.ReEncrypt(t.Context(), p, from, made.Wrapped, to, kms.EncryptionContext("globex", 7)); !kms.AsError(err).Damaged {
		t.Errorf("another encryption context: %v", err)
	}
}

func TestReEncrypt(t *testing.T) {
	s, o := server(t)
	p := provider(t, o)
	from, to := kms.Key{ARN: create(t, s, kmsserver.KeyOptions{})}, kms.Key{ARN: create(t, s, kmsserver.KeyOptions{Alias: "alias/new"})}
	reEncrypts(t, p, from, to)
	reEncrypts(t, p, from, kms.Key{ARN: "arn:aws:kms:eu-central-1:111122223333:alias/new"})
	acme := roleKey(t, s, "acme", "ext-acme")
	reEncrypts(t, p, acme, acme)
}

// TestNotReEncrypted: what takes Decrypt and Encrypt instead, which then tell which
// key it is.
func TestNotReEncrypted(t *testing.T) {
	s, o := server(t)
	o.Attempts = 1
	p := provider(t, o)
	from, to := kms.Key{ARN: create(t, s, kmsserver.KeyOptions{})}, kms.Key{ARN: create(t, s, kmsserver.KeyOptions{})}
	made, err := p.GenerateDataKey(t.Context(), from, nil)
	must(t, err)
	again := func(to kms.Key) error {
		_, err := p.ReEncrypt(t.Context(), from, made.Wrapped, to, nil)
		return err
	}
	for what, key := range map[string]kms.Key{
		"another Region":      {ARN: create(t, s, kmsserver.KeyOptions{Region: "eu-west-1"})},
		"another partition":   {ARN: "arn:aws-cn:kms:cn-north-1:111122223333:alias/new"},
		"another role":        {ARN: to.ARN, RoleARN: s.CreateRole(kmsserver.RoleOptions{Name: "r"})},
		"another external id": {ARN: to.ARN, ExternalID: "x"},
	} {
		s.ResetCalls()
		if err := again(key); !errors.Is(err, kms.ErrReEncrypt) || s.Calls("", "") != 0 {
			t.Errorf("%s: %v after %d calls", what, err, s.Calls("", ""))
		}
	}
	for _, permission := range []struct{ key, name string }{{from.ARN, "kms:ReEncryptFrom"}, {to.ARN, "kms:ReEncryptTo"}} {
		must(t, s.Deny(permission.key, permission.name))
		if err := again(to); !errors.Is(err, kms.ErrReEncrypt) {
			t.Errorf("without %s: %v", permission.name, err)
		}
		must(t, s.Allow(permission.key))
	}
	for _, key := range []kms.Key{from, to} {
		must(t, s.Disable(key.ARN))
		if err := again(to); !errors.Is(err, kms.ErrReEncrypt) {
			t.Errorf("disabled: %v", err)
		}
		must(t, s.Enable(key.ARN))
	}
	// Silence is silence, a broken wrap is broken, and a bad ARN is one.
	fault := s.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable})
	is(t, again(to), kms.Error{Op: "ReEncrypt", Reason: "ServiceUnavailable"})
	fault.Remove()
	is(t, again(kms.Key{ARN: "alias/new"}), kms.Error{Op: "ReEncrypt", Refused: true, Reason: "InvalidArnException"})
	must(t, again(to))
	made.Wrapped[len(made.Wrapped)-1] ^= 1
	is(t, again(to), kms.Error{Op: "ReEncrypt", Damaged: true, Reason: "InvalidCiphertextException"})
}
