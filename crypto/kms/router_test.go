package kms_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/aws"
	"github.com/pgseal/pgseal/crypto/kms/local"
	"github.com/pgseal/pgseal/internal/kmsserver"
)

// twoProviders gives AWS KMS and a key file behind one Router, and a key of each.
func twoProviders(t *testing.T) (r *kms.Router, inAWS, inFile kms.Key) {
	t.Helper()
	server := kmsserver.New(kmsserver.Options{})
	url, err := server.Listen("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, server.Close()) })
	arn, err := server.CreateKey(kmsserver.KeyOptions{})
	must(t, err)
	amazon, err := aws.New(t.Context(), aws.Options{
		Region: server.Region(), Endpoint: url, Credentials: server.Credentials(), Timeout: time.Minute,
	})
	must(t, err)
	file, name := keyFile(t)
	r, err = kms.NewRouter(
		kms.Route{Name: "aws", Prefixes: []string{"arn:"}, Provider: amazon},
		kms.Route{Name: "local", Prefixes: []string{local.Prefix}, Provider: file},
	)
	must(t, err)
	return r, kms.Key{ARN: arn}, kms.Key{ARN: name}
}

func keyFile(t *testing.T) (*local.Provider, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	name, err := local.AddKey(path, "acme", "")
	must(t, err)
	p, err := local.New(path)
	must(t, err)
	return p, name
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRouterMovesADataKey: what was wrapped with one provider's key is wrapped
// anew with the other's, both ways.
func TestRouterMovesADataKey(t *testing.T) {
	r, inAWS, inFile := twoProviders(t)
	ec := kms.EncryptionContext("acme", 7)
	for _, way := range []struct{ from, to kms.Key }{{inAWS, inFile}, {inFile, inAWS}} {
		if state, err := r.Describe(t.Context(), way.from); err != nil || state.ARN != way.from.ARN {
			t.Errorf("%s: %+v, %v", way.from.ARN, state, err)
		}
		if _, _, err := kms.Prove(t.Context(), r, way.from, "acme"); err != nil {
			t.Error(err)
		}
		made, err := r.GenerateDataKey(t.Context(), way.from, ec)
		must(t, err)
		if _, err := r.ReEncrypt(t.Context(), way.from, made.Wrapped, way.to, ec); !errors.Is(err, kms.ErrReEncrypt) {
			t.Errorf("ReEncrypt across providers: %v", err)
		}
		opened, err := r.Decrypt(t.Context(), way.from, made.Wrapped, ec)
		must(t, err)
		wrapped, err := r.Encrypt(t.Context(), way.to, opened, ec)
		must(t, err)
		again, err := r.Decrypt(t.Context(), way.to.With(wrapped.KeyARN), wrapped.Blob, ec)
		must(t, err)
		if !bytes.Equal(again, made.Plaintext) {
			t.Errorf("from %s to %s: another data key", way.from.ARN, way.to.ARN)
		}
	}
}

// reEncrypter is a key file that can do in one call what takes two.
type reEncrypter struct{ *local.Provider }

func (r reEncrypter) ReEncrypt(ctx context.Context, from kms.Key, wrapped []byte, to kms.Key, ec map[string]string) (kms.Wrapped, error) {
	opened, err := r.Decrypt(ctx, from, wrapped, ec)
	if err != nil {
		return kms.Wrapped{}, err
	}
	return r.Encrypt(ctx, to, opened, ec)
}

func TestRouterReEncrypts(t *testing.T) {
	file, name := keyFile(t)
	key, ec := kms.Key{ARN: name}, kms.EncryptionContext("acme", 7)
	made, err := file.GenerateDataKey(t.Context(), key, ec)
	must(t, err)
	for _, can := range []bool{false, true} {
		var p kms.Provider = file
		if can {
			p = reEncrypter{file}
		}
		r, err := kms.NewRouter(kms.Route{Name: "local", Prefixes: []string{local.Prefix}, Provider: p})
		must(t, err)
		_, err = r.ReEncrypt(t.Context(), key, made.Wrapped, key, ec)
		if can != (err == nil) || !can && !errors.Is(err, kms.ErrReEncrypt) {
			t.Errorf("a provider that can re-encrypt (%t): %v", can, err)
		}
	}
}

// TestRouterRefusesOthersKeys: whatever is asked about a key of no provider is
// refused, and the message tells which there are.
func TestRouterRefusesOthersKeys(t *testing.T) {
	r, _, inFile := twoProviders(t)
	ec := kms.EncryptionContext("acme", 7)
	for _, name := range []string{"vault:transit/acme", "", "local", "alias/acme", " local:acme"} {
		key := kms.Key{ARN: name}
		calls := map[string]func() error{
			"GenerateDataKey": func() error { _, err := r.GenerateDataKey(t.Context(), key, ec); return err },
			"Encrypt":         func() error { _, err := r.Encrypt(t.Context(), key, make([]byte, 32), ec); return err },
			"Decrypt":         func() error { _, err := r.Decrypt(t.Context(), key, []byte("x"), ec); return err },
			"Check":           func() error { _, err := r.Check(t.Context(), key); return err },
			"Describe":        func() error { _, err := r.Describe(t.Context(), key); return err },
			"ReEncrypt":       func() error { _, err := r.ReEncrypt(t.Context(), inFile, []byte("x"), key, ec); return err },
		}
		for op, call := range calls {
			var e *kms.Error
			if err := call(); !errors.As(err, &e) || !e.Refused || e.Op != op || e.Reason != kms.ReasonNoProvider ||
				!strings.Contains(err.Error(), "begin with arn: (aws), local: (local)") {
				t.Errorf("%s %q: %v", op, name, err)
			}
		}
	}
}

func TestRouterWantsPrefixesApart(t *testing.T) {
	for _, prefixes := range [][]string{{"a:", "a:"}, {"a:", "a:b:"}, {"a:b:", "a:"}, {"a:", ""}, {"", "a:"}} {
		var routes []kms.Route
		for _, p := range prefixes {
			routes = append(routes, kms.Route{Name: "p", Prefixes: []string{p}})
		}
		if _, err := kms.NewRouter(routes...); err == nil {
			t.Errorf("%q are accepted", prefixes)
		}
	}
}
