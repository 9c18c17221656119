package gocloud

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"gocloud.dev/gcerrors"
	"gocloud.dev/secrets"
	"gocloud.dev/secrets/localsecrets"

	"github.com/pgseal/pgseal/crypto/kms"
)

// TestLocalSecrets is with a keeper of gocloud.dev's own that needs no service.
func TestLocalSecrets(t *testing.T) {
	opened := 0
	p := newProvider(time.Minute, func(string) error { return nil }, func(context.Context, string) (*secrets.Keeper, error) {
		opened++
		key, err := localsecrets.NewRandomKey()
		return localsecrets.NewKeeper(key), err
	})
	key, ec := kms.Key{ARN: "a key"}, kms.EncryptionContext("acme", 7)
	if _, _, err := kms.Prove(t.Context(), p, key, "acme"); err != nil {
		t.Error(err)
	}
	made, err := p.GenerateDataKey(t.Context(), key, ec)
	must(t, err)
	plaintext, err := p.Decrypt(t.Context(), key, made.Wrapped, ec)
	if err != nil || !bytes.Equal(plaintext, made.Plaintext) {
		t.Error(err)
	}
	_, err = p.Decrypt(t.Context(), key, made.Wrapped, kms.EncryptionContext("acme", 8))
	is(t, err, false, true, reasonCiphertext)
	if opened != 1 {
		t.Errorf("%d keepers of one key", opened)
	}
}

// TestNoCredentials: a keeper that can't be made is tried again.
func TestNoCredentials(t *testing.T) {
	broken := errors.New("could not find default credentials")
	p := newProvider(time.Minute, func(string) error { return nil }, func(context.Context, string) (*secrets.Keeper, error) {
		if broken != nil {
			return nil, broken
		}
		return localsecrets.NewKeeper([32]byte{1}), nil
	})
	_, err := p.Check(t.Context(), kms.Key{ARN: "k"})
	is(t, err, false, false, kms.ReasonCredentials)
	broken = nil
	_, err = p.Check(t.Context(), kms.Key{ARN: "k"})
	must(t, err)
}

func is(t *testing.T, err error, refused, damaged bool, reason string) {
	t.Helper()
	var e *kms.Error
	if !errors.As(err, &e) || e.Refused != refused || e.Damaged != damaged || e.Reason != reason {
		t.Errorf("got %v, want %s", err, reason)
	}
}

// azureKeeper gives Azure's answers through gocloud.dev's code for them
// (errorCodeMap of azurekeyvault).
type azureKeeper struct{ status int }

func (a azureKeeper) answer() error {
	return &azcore.ResponseError{StatusCode: a.status, ErrorCode: "Code", RawResponse: &http.Response{StatusCode: a.status, Status: "x",
		Request: &http.Request{Method: "POST"}, Body: http.NoBody}}
}
func (a azureKeeper) Encrypt(context.Context, []byte) ([]byte, error) { return nil, a.answer() }
func (a azureKeeper) Decrypt(context.Context, []byte) ([]byte, error) { return nil, a.answer() }
func (a azureKeeper) Close() error                                    { return nil }
func (a azureKeeper) ErrorAs(err error, i any) bool                   { return errors.As(err, i) }
func (a azureKeeper) ErrorCode(error) gcerrors.ErrorCode {
	code, ok := map[int]gcerrors.ErrorCode{400: gcerrors.InvalidArgument, 401: gcerrors.PermissionDenied, 403: gcerrors.PermissionDenied,
		404: gcerrors.NotFound, 408: gcerrors.DeadlineExceeded, 429: gcerrors.ResourceExhausted, 500: gcerrors.Internal, 501: gcerrors.Unimplemented}[a.status]
	if !ok {
		return gcerrors.Unknown
	}
	return code
}

func TestClassifyAzure(t *testing.T) {
	for _, test := range []struct {
		status           int
		refused, damaged bool
		reason           string
	}{
		{400, false, true, reasonCiphertext},
		{401, false, false, kms.ReasonCredentials},
		{403, true, false, "PermissionDenied"},
		{404, true, false, reasonNotFound},
		{408, false, false, kms.ReasonTimeout},
		{429, false, false, "ResourceExhausted"},
		{500, false, false, "Internal"},
		{503, false, false, kms.ReasonNetwork},
	} {
		p := newProvider(0, CheckAzure, func(context.Context, string) (*secrets.Keeper, error) {
			return secrets.NewKeeper(azureKeeper{test.status}), nil
		})
		key := kms.Key{ARN: "azurekeyvault://acme.vault.azure.net/keys/k/0123abcd"}
		_, err := p.Decrypt(t.Context(), key, []byte("x"), nil)
		is(t, err, test.refused, test.damaged, test.reason)
		if test.status == 400 {
			_, err = p.Encrypt(t.Context(), key, make([]byte, 32), nil)
			is(t, err, true, false, "InvalidArgument")
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q", err)
		}
	}
}

func TestNames(t *testing.T) {
	for name, good := range map[string]bool{
		"gcpkms://projects/p/locations/global/keyRings/r/cryptoKeys/k":                     true,
		"gcpkms://projects/example.com:p/locations/europe-west1/keyRings/r_1/cryptoKeys/k": true,
		"gcpkms://projects/p/locations/global/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1": false,
		"gcpkms://projects/p/locations/global/keyRings/r/cryptoKeys/":                      false,
		"gcpkms://projects/p/locations/global/keyRings/r/cryptoKeys/k?x=1":                 false,
		"azurekeyvault://acme.vault.azure.net/keys/k/0123abcd":                             true,
		"azurekeyvault://acme.vault.azure.net/keys/k":                                      false,
		"azurekeyvault://acme.vault.example.com/keys/k/0123abcd":                           false,
		"azurekeyvault://acme.vault.azure.net@evil/keys/k/0123abcd":                        false,
		"azurekeyvault://acme.vault.azure.net/keys/k/0123abcd?algorithm=RSA1_5":            false,
		"": false,
	} {
		check := CheckGCP
		if strings.HasPrefix(name, PrefixAzure) {
			check = CheckAzure
		}
		if err := check(name); good != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzUnbind: only what bind has made for the context is taken.
func FuzzUnbind(f *testing.F) {
	ec := kms.EncryptionContext("acme", 7)
	good := bind([]byte("0123456789abcdef0123456789abcdef"), ec)
	f.Add(good)
	f.Add(good[:header])
	f.Add(good[:header+1])
	f.Add([]byte{})
	f.Add(append([]byte{2}, good[1:]...))
	f.Fuzz(func(t *testing.T, bound []byte) {
		plaintext, ok := unbind(bound, ec)
		if ok && !bytes.Equal(bind(plaintext, ec), bound) {
			t.Fatal("taken, but not made")
		}
	})
}
