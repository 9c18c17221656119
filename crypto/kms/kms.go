// Package kms is the one way to a key management service: generate a data key
// under an org's key, unwrap one, look at the key. It fits AWS KMS and is small
// enough for others.
//
// It caches nothing and retries nothing: package keyring caches, a provider's
// client retries. It holds no key.
//
// Files: kms.go has the interface, errors.go the errors that tell a KMS that
// says no from one that does not answer, prove.go the trial of a new key. The
// providers are in aws (AWS KMS) and local (a key file, for development).
package kms

import (
	"context"
	"strconv"

	"github.com/pgseal/pgseal/internal/secret"
)

// Provider is a KMS. keyARN names the org's key in the provider's own way; ec
// is the encryption context, bound to the wrapped key and not secret. A call
// lasts no longer than the provider's timeout, retries included. Each error is,
// or wraps, an *Error.
type Provider interface {
	// GenerateDataKey makes a data key of 32 bytes. The caller zeroes it.
	GenerateDataKey(ctx context.Context, keyARN string, ec map[string]string) (Generated, error)

	// Decrypt unwraps a data key that GenerateDataKey has wrapped under the
	// same key and encryption context. The caller zeroes it.
	Decrypt(ctx context.Context, keyARN string, wrapped []byte, ec map[string]string) (secret.Bytes, error)

	// Check looks at the key without using it. A key that can't wrap data keys
	// as it is now (disabled, to be deleted, of another kind) gives both a
	// KeyState and an *Error with Refused.
	Check(ctx context.Context, keyARN string) (KeyState, error)
}

// Generated is a new data key.
type Generated struct {
	Plaintext secret.Bytes // 32 bytes
	Wrapped   []byte
	// KeyARN is the key itself where keyARN was an alias, which may point to
	// another key by the time of Decrypt.
	KeyARN string
}

// KeyState is what a KMS tells about a key.
type KeyState struct {
	ARN         string // of the key itself, also when asked for an alias
	State       string // in AWS's words: Enabled, Disabled, PendingDeletion …
	Spec, Usage string // SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT
	Description string
	MultiRegion bool
}

// EncryptionContext is what a data key's wrap is bound to: a wrapped key moved
// to another row or org of the keystore does not unwrap. AWS shows it in
// CloudTrail, so that an organisation can see whose data was opened.
func EncryptionContext(org string, dataKey uint64) map[string]string {
	return map[string]string{
		"pgseal:org":      org,
		"pgseal:data-key": strconv.FormatUint(dataKey, 10),
	}
}
