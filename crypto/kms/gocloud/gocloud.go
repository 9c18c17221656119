// Package gocloud is Google Cloud KMS and Azure Key Vault as a kms.Provider,
// through the keepers of gocloud.dev/secrets, which encrypt and decrypt and know
// no more.
//
// So a data key is made here, from crypto/rand, and what is encrypted is the data
// key behind a hash of its encryption context, which is compared when it is
// unwrapped. A key's state is not told: Check encrypts something, and throws it
// away. Key Vault encrypts with RSA's public half, and so does not tell who has
// wrapped a data key; Cloud KMS does.
//
// Files: gocloud.go has the calls, wrap.go what is encrypted, open.go the keys'
// names and the keepers, classify.go which errors count as a refusal, as silence
// or as a damaged wrap.
package gocloud

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"gocloud.dev/secrets"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/secret"
)

const defaultTimeout = 5 * time.Second

// Provider is the keys of one scheme: GCP's or Azure's. It makes a keeper of each
// key at its first call.
type Provider struct {
	check   func(name string) error
	open    func(ctx context.Context, name string) (*secrets.Keeper, error)
	timeout time.Duration // of one call with its retries

	mu      sync.Mutex
	keepers map[string]*secrets.Keeper // by the key's name; as many as there are org keys
}

var _ kms.Provider = (*Provider)(nil)

func newProvider(timeout time.Duration, check func(string) error, open func(context.Context, string) (*secrets.Keeper, error)) *Provider {
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	return &Provider{check: check, open: open, timeout: timeout, keepers: map[string]*secrets.Keeper{}}
}

// GenerateDataKey implements kms.Provider.
func (p *Provider) GenerateDataKey(ctx context.Context, key kms.Key, ec map[string]string) (kms.Generated, error) {
	plaintext := make(secret.Bytes, 32)
	_, _ = rand.Read(plaintext) // never fails (crypto/rand)
	blob, err := p.encrypt(ctx, "GenerateDataKey", key, plaintext, ec)
	if err != nil {
		plaintext.Zero()
		return kms.Generated{}, err
	}
	return kms.Generated{Plaintext: plaintext, Wrapped: blob, KeyARN: key.ARN}, nil
}

// Encrypt implements kms.Provider.
func (p *Provider) Encrypt(ctx context.Context, key kms.Key, plaintext secret.Bytes, ec map[string]string) (kms.Wrapped, error) {
	blob, err := p.encrypt(ctx, "Encrypt", key, plaintext, ec)
	if err != nil {
		return kms.Wrapped{}, err
	}
	return kms.Wrapped{Blob: blob, KeyARN: key.ARN}, nil
}

func (p *Provider) encrypt(ctx context.Context, op string, key kms.Key, plaintext secret.Bytes, ec map[string]string) (blob []byte, err error) {
	bound := bind(plaintext, ec)
	defer clear(bound)
	err = p.call(ctx, op, key, func(ctx context.Context, k *secrets.Keeper) error {
		blob, err = k.Encrypt(ctx, bound)
		return err
	})
	return blob, err
}

// Decrypt implements kms.Provider.
func (p *Provider) Decrypt(ctx context.Context, key kms.Key, wrapped []byte, ec map[string]string) (secret.Bytes, error) {
	const op = "Decrypt"
	var bound []byte
	err := p.call(ctx, op, key, func(ctx context.Context, k *secrets.Keeper) (err error) {
		if len(wrapped) == 0 || len(wrapped) > maxWrapped {
			return errLength
		}
		bound, err = k.Decrypt(ctx, wrapped)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer clear(bound)
	plaintext, ok := unbind(bound, ec)
	if !ok {
		return nil, &kms.Error{Op: op, Key: key.ARN, Damaged: true, Reason: reasonCiphertext,
			Err: errors.New("wrapped for another encryption context")}
	}
	return plaintext, nil
}

// Check implements kms.Provider by encrypting nothing of worth.
func (p *Provider) Check(ctx context.Context, key kms.Key) (kms.KeyState, error) {
	if _, err := p.encrypt(ctx, "Check", key, make(secret.Bytes, 32), nil); err != nil {
		return kms.KeyState{}, err
	}
	return kms.KeyState{ARN: key.ARN, State: "Enabled", Usage: "ENCRYPT_DECRYPT"}, nil
}

// call does something with the key's keeper.
func (p *Provider) call(ctx context.Context, op string, key kms.Key, do func(context.Context, *secrets.Keeper) error) error {
	if err := p.check(key.ARN); err != nil {
		return &kms.Error{Op: op, Key: key.ARN, Refused: true, Reason: "InvalidArnException", Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return classify(op, key.ARN, err)
	}
	keeper, err := p.keeper(ctx, key.ARN)
	if err != nil {
		return &kms.Error{Op: op, Key: key.ARN, Reason: kms.ReasonCredentials, Err: fmt.Errorf("no client: %w", err)}
	}
	if err := do(ctx, keeper); err != nil {
		return classify(op, key.ARN, err)
	}
	return nil
}

// keeper gives the key's keeper. Making one asks nobody but, for credentials, the
// machine itself.
func (p *Provider) keeper(ctx context.Context, name string) (*secrets.Keeper, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k := p.keepers[name]; k != nil {
		return k, nil
	}
	k, err := p.open(ctx, name)
	if err != nil {
		return nil, err
	}
	p.keepers[name] = k
	return k, nil
}
