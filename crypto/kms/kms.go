// Package kms is the one way to a key management service: generate a data key
// under an org's key, unwrap one, look at the key. It fits AWS KMS and is small
// enough for others.
//
// It caches nothing and retries nothing: package keyring caches, a provider's
// client retries. It holds no key.
//
// Files: kms.go has the interface, errors.go the errors that tell a KMS that
// says no from one that does not answer, prove.go the trial of a new key,
// router.go several providers at once. The providers are in aws (AWS KMS) and
// local (a key file, for development).
package kms

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/pgseal/pgseal/internal/secret"
)

// Key names an org's key in its KMS, and how pgseal gets at it. Only ARN must
// be given.
type Key struct {
	// ARN is the key's name in the provider's own way: the ARN of a key or alias
	// of AWS KMS, local:NAME for a key file.
	ARN string
	// Replicas are the ARNs of a multi-Region key in other Regions, in the order
	// in which they are tried when the first does not answer.
	Replicas []string
	// RoleARN is the role that pgseal assumes for calls with the key, and
	// ExternalID what the role's owner wants to hear then. Empty: none, pgseal
	// calls as itself.
	RoleARN, ExternalID string
}

// With is the same key's way in for another ARN, as of a data key's record.
func (k Key) With(arn string) Key {
	k.ARN = arn
	return k
}

// Provider is a KMS. ec is the encryption context, bound to the wrapped key and
// not secret. A call lasts no longer than the provider's timeout, retries
// included. Each error is, or wraps, an *Error.
type Provider interface {
	// GenerateDataKey makes a data key of 32 bytes. The caller zeroes it.
	GenerateDataKey(ctx context.Context, key Key, ec map[string]string) (Generated, error)

	// Encrypt wraps a data key that there is already, as GenerateDataKey would
	// have done.
	Encrypt(ctx context.Context, key Key, plaintext secret.Bytes, ec map[string]string) (Wrapped, error)

	// Decrypt unwraps a data key that was wrapped under the same key and
	// encryption context. The caller zeroes it.
	Decrypt(ctx context.Context, key Key, wrapped []byte, ec map[string]string) (secret.Bytes, error)

	// Check looks at the key without using it. A key that can't wrap data keys
	// as it is now (disabled, to be deleted, of another kind) gives both a
	// KeyState and an *Error with Refused.
	Check(ctx context.Context, key Key) (KeyState, error)
}

// ReEncrypter is a Provider that can wrap a data key anew without showing it.
type ReEncrypter interface {
	// ReEncrypt unwraps with one key and wraps with the other, within the KMS.
	// ErrReEncrypt when the two keys are not of one KMS that can do that, or it
	// is not allowed to; Decrypt and Encrypt may do.
	ReEncrypt(ctx context.Context, from Key, wrapped []byte, to Key, ec map[string]string) (Wrapped, error)
}

// ErrReEncrypt: the KMS can't wrap this data key anew by itself.
var ErrReEncrypt = errors.New("kms: not to be re-encrypted in one call")

// Wrapped is a data key as a KMS has wrapped it.
type Wrapped struct {
	Blob []byte
	// KeyARN is the key itself where an alias was asked for.
	KeyARN string
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
	Replicas    []string // of a multi-Region key: the ARNs of all its Regions but this one
	// Rotation tells of the key's own material, where the KMS tells: it changes
	// under the same ARN, and nothing has to be done about it.
	Rotation Rotation
}

// Rotation is what a KMS tells about a key's material. Zero fields: it does not.
type Rotation struct {
	MaterialID string    // of the material that wraps now
	Automatic  bool      // the KMS changes it by itself
	Last, Next time.Time // when it was changed last, and will be
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
