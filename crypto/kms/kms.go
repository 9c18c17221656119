// Package kms is the one way to a key management service: generate a data key
// under an org's key, unwrap one, look at the key. It fits AWS KMS and is small
// enough for others.
//
// It caches nothing and retries nothing: package keyring caches, a provider's
// client retries. It holds no key.
//
// Files: kms.go has the interface, optional.go what only some providers can,
// errors.go the errors that tell a KMS that says no from one that does not
// answer, prove.go the trial of a new key, router.go several providers at once,
// regions.go which ARNs are of one multi-Region key. Two files wrap a Provider:
// allow.go refuses keys that the configuration does not list, failover.go lets a
// multi-Region key's other Regions answer. They go together as
// Failover(Allow(provider)), so that every ARN that is asked is looked at. The
// providers are in aws (AWS KMS), vault (the transit engine of HashiCorp Vault and
// OpenBao), gocloud (Google Cloud KMS and Azure Key Vault) and local (a key file,
// for development); kmstest has what each must pass.
package kms

import (
	"context"
	"strconv"
	"time"

	"github.com/pgseal/pgseal/internal/secret"
)

// Key names an org's key in its KMS, and how pgseal gets at it. Only ARN must
// be given.
type Key struct {
	// ARN is the key's name in the provider's own way: the ARN of a key or alias
	// of AWS KMS, vault:MOUNT/NAME, a URL of GCP's or Azure's, local:NAME for a key file.
	ARN string
	// Replicas are the ARNs of a multi-Region key in other Regions, in the order
	// in which they are tried when the first does not answer.
	Replicas []string
	// RoleARN is the role that pgseal assumes for calls with the key, and
	// ExternalID what the role's owner wants to hear then. Empty: none, pgseal
	// calls as itself.
	RoleARN, ExternalID string
}

// With is the way to the key that a data key's record names. Where that is the
// same key in another Region, it is k as it is: any Region of a multi-Region key
// unwraps what another has wrapped, and k's order says which is asked first.
func (k Key) With(arn string) Key {
	if SameKey(k.ARN, arn) {
		return k
	}
	k.ARN, k.Replicas = arn, nil
	return k
}

// Provider is a KMS. ec is the encryption context, bound to the wrapped key and
// not secret. A call lasts no longer than the provider's timeout a Region, retries
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

	// Check looks at the key without using it, in one call: Describe tells more.
	// A key that can't wrap data keys as it is now (disabled, to be deleted, of
	// another kind) gives both a KeyState and an *Error with Refused.
	Check(ctx context.Context, key Key) (KeyState, error)
}

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
	Automatic  bool      // the KMS changes it by itself; of Describe only, as what follows
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
