// Package local is a KMS in a file, for development: named keys, "local:NAME",
// that wrap data keys with AES-256-GCM. Who can read the file can open every
// value, so it takes part in no protection; the file must have mode 0600.
//
// The file is JSON, read anew for each call, so that a key which is disabled in
// it ("state": "disabled") is withdrawn as one in a true KMS is:
//
//	{"keys": {"acme": {"key": "<32 bytes in base64>", "state": "enabled", "description": "acme's"}}}
//
// Files: local.go has the provider, file.go the file, lock_unix.go what keeps two
// processes from changing it at a time.
package local

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/secret"
)

// Prefix begins a key's ARN.
const Prefix = "local:"

// Provider is a key file.
type Provider struct{ path string }

var _ kms.Provider = (*Provider)(nil)

// New gives the provider of the key file at path, which must be there, be
// readable by its owner alone, and parse.
func New(path string) (*Provider, error) {
	if _, err := readFile(path); err != nil {
		return nil, err
	}
	return &Provider{path: path}, nil
}

// GenerateDataKey implements kms.Provider.
func (p *Provider) GenerateDataKey(ctx context.Context, key kms.Key, ec map[string]string) (kms.Generated, error) {
	const op = "GenerateDataKey"
	aead, name, err := p.open(ctx, op, key.ARN)
	if err != nil {
		return kms.Generated{}, err
	}
	plaintext := make(secret.Bytes, 32)
	_, _ = rand.Read(plaintext) // never fails (crypto/rand)
	return kms.Generated{
		Plaintext: plaintext,
		Wrapped:   aead.Seal(nil, nil, plaintext, associated(name, ec)),
		KeyARN:    key.ARN,
	}, nil
}

// Encrypt implements kms.Provider.
func (p *Provider) Encrypt(ctx context.Context, key kms.Key, plaintext secret.Bytes, ec map[string]string) (kms.Wrapped, error) {
	aead, name, err := p.open(ctx, "Encrypt", key.ARN)
	if err != nil {
		return kms.Wrapped{}, err
	}
	return kms.Wrapped{Blob: aead.Seal(nil, nil, plaintext, associated(name, ec)), KeyARN: key.ARN}, nil
}

// Decrypt implements kms.Provider.
func (p *Provider) Decrypt(ctx context.Context, key kms.Key, wrapped []byte, ec map[string]string) (secret.Bytes, error) {
	const op = "Decrypt"
	aead, name, err := p.open(ctx, op, key.ARN)
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open(nil, nil, wrapped, associated(name, ec))
	if err != nil {
		return nil, &kms.Error{Op: op, Key: key.ARN, Damaged: true, Reason: "InvalidCiphertextException", Err: err}
	}
	return plaintext, nil
}

// Check implements kms.Provider.
func (p *Provider) Check(ctx context.Context, key kms.Key) (kms.KeyState, error) {
	const op = "Check"
	found, _, err := p.find(ctx, op, key.ARN)
	if err != nil {
		return kms.KeyState{}, err
	}
	state := kms.KeyState{ARN: key.ARN, State: "Enabled", Spec: "SYMMETRIC_DEFAULT", Usage: "ENCRYPT_DECRYPT", Description: found.Description}
	if found.State != stateEnabled {
		state.State = "Disabled"
		return state, disabled(op, key.ARN)
	}
	return state, nil
}

// open finds an enabled key and makes its cipher.
func (p *Provider) open(ctx context.Context, op, keyARN string) (cipher.AEAD, string, error) {
	key, name, err := p.find(ctx, op, keyARN)
	if err != nil {
		return nil, "", err
	}
	defer clear(key.Key)
	if key.State != stateEnabled {
		return nil, "", disabled(op, keyARN)
	}
	block, err := aes.NewCipher(key.Key)
	if err != nil {
		return nil, "", &kms.Error{Op: op, Key: keyARN, Reason: "KMSInternalException", Err: err}
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, "", &kms.Error{Op: op, Key: keyARN, Reason: "KMSInternalException", Err: err}
	}
	return aead, name, nil
}

// find reads the file and looks the key up. A file that can't be read is a KMS
// that does not answer.
func (p *Provider) find(ctx context.Context, op, keyARN string) (*fileKey, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", &kms.Error{Op: op, Key: keyARN, Reason: kms.SilenceReason(err), Err: err}
	}
	name, ok := strings.CutPrefix(keyARN, Prefix)
	if !ok {
		return nil, "", &kms.Error{Op: op, Key: keyARN, Refused: true, Reason: "InvalidArnException",
			Err: errors.New("a key of the local provider is written local:NAME")}
	}
	f, err := readFile(p.path)
	if err != nil {
		return nil, "", &kms.Error{Op: op, Key: keyARN, Reason: kms.ReasonNetwork, Err: err}
	}
	key := f.Keys[name]
	if key == nil {
		return nil, "", &kms.Error{Op: op, Key: keyARN, Refused: true, Reason: "NotFoundException",
			Err: fmt.Errorf("%s has no key %q", p.path, name)}
	}
	return key, name, nil
}

func disabled(op, keyARN string) *kms.Error {
	return &kms.Error{Op: op, Key: keyARN, Refused: true, Reason: "DisabledException"}
}

// associated is the associated data of a wrap: a label, the key's name and the
// encryption context in the order of its keys, each behind its length.
func associated(name string, ec map[string]string) []byte {
	return kms.AppendContext(kms.AppendText([]byte("pgseal local wrap 1"), name), ec)
}
