package kmsserver

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"time"
)

// The key states (developer guide, key-state). Creating and Updating are passed
// through in no time here.
const (
	stateEnabled                = "Enabled"
	stateDisabled               = "Disabled"
	statePendingDeletion        = "PendingDeletion"
	statePendingReplicaDeletion = "PendingReplicaDeletion"
	statePendingImport          = "PendingImport" // of origin EXTERNAL
	stateUnavailable            = "Unavailable"   // of a custom key store that is disconnected
)

// The origins of key material (API_CreateKey: Origin).
const (
	originKMS      = "AWS_KMS"
	originImported = "EXTERNAL"
	originCloudHSM = "AWS_CLOUDHSM"
	originExternal = "EXTERNAL_KEY_STORE"
)

const (
	specSymmetric = "SYMMETRIC_DEFAULT"
	usageEncrypt  = "ENCRYPT_DECRYPT"
	day           = 24 * time.Hour
)

// keyName is what a key ARN says. A multi-Region key has the same id in each of
// its Regions.
type keyName struct{ account, region, id string }

func (n keyName) arn() string {
	return "arn:aws:kms:" + n.region + ":" + n.account + ":key/" + n.id
}

// aliasName is what an alias ARN says; name starts with "alias/".
type aliasName struct{ account, region, name string }

func (n aliasName) arn() string {
	return "arn:aws:kms:" + n.region + ":" + n.account + ":" + n.name
}

// key is a KMS key in one Region.
type key struct {
	keyName
	family      *family
	description string
	spec, usage string
	origin      string
	state       string
	created     time.Time
	window      int       // days; of a pending deletion
	deleteAt    time.Time // of a pending deletion; zero while replicas are left
	policy      *keyPolicy
	denied      map[string]bool // actions that Deny took away, "kms:*" for all
}

// family is what the Regions of a multi-Region key have in common; any other key
// is a family of one.
type family struct {
	multiRegion   bool
	primary       *key
	members       []*key
	materials     []*material // the last one encrypts, all decrypt; none: it is not symmetric, or has not got any yet
	yearly        bool        // automatic rotation is on
	period        int         // days between automatic rotations
	periodFrom    time.Time
	onDemandTimes int
}

// material is one generation of a symmetric key's secret.
type material struct {
	id       [32]byte
	aead     cipher.AEAD
	created  time.Time
	rotation string // how it came: "", AUTOMATIC or ON_DEMAND
}

func newMaterial(now time.Time, rotation string) *material {
	block, err := aes.NewCipher(randomBytes(32))
	if err != nil {
		panic("kmsserver: internal error: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("kmsserver: internal error: " + err.Error())
	}
	return &material{id: [32]byte(randomBytes(32)), aead: aead, created: now, rotation: rotation}
}

func (m *material) hex() string { return hex.EncodeToString(m.id[:]) }

func (k *key) symmetric() bool { return k.spec == specSymmetric }

// ofCustomStore tells whether the key is in a custom key store (developer guide,
// key-store-overview).
func (k *key) ofCustomStore() bool { return k.origin == originCloudHSM || k.origin == originExternal }

// current is the material that encrypts.
func (k *key) current() *material { return k.family.materials[len(k.family.materials)-1] }

// checkUsable: developer guide, key-state, the row of the cryptographic operations.
// For pending deletion the page allows DisabledException or KMSInvalidStateException;
// this is the second.
func (k *key) checkUsable() error {
	switch k.state {
	case stateEnabled:
		return nil
	case stateDisabled:
		return errDisabled(k)
	case statePendingImport:
		return errPendingImport(k)
	case stateUnavailable:
		return errUnavailable(k)
	}
	return errPendingDeletion(k)
}

// checkNotPending: the same page, the rows of EnableKey, DisableKey, CreateAlias and
// ScheduleKeyDeletion.
func (k *key) checkNotPending() error {
	if k.state == statePendingDeletion || k.state == statePendingReplicaDeletion {
		return errPendingDeletion(k)
	}
	return nil
}

// checkSymmetric: API_GenerateDataKey, API_Encrypt: InvalidKeyUsageException, when
// KeyUsage or the key's kind does not fit the operation. RSA keys of usage
// ENCRYPT_DECRYPT could Encrypt at AWS; pgseal has no use for them, here they cannot.
func (k *key) checkSymmetric(op string) error {
	if k.usage != usageEncrypt || !k.symmetric() {
		return failure("InvalidKeyUsageException", "%s key usage is %s, key spec %s, which is not valid for %s.", k.arn(), k.usage, k.spec, op)
	}
	return nil
}

// expire deletes the keys whose waiting period is over, with their aliases
// (API_ScheduleKeyDeletion).
func (s *Server) expire(now time.Time) {
	for _, k := range s.keys {
		if !k.deleteAt.IsZero() && !now.Before(k.deleteAt) {
			s.deleteKey(k, now)
		}
	}
}

func (s *Server) deleteKey(k *key, now time.Time) {
	delete(s.keys, k.keyName)
	for alias, target := range s.aliases {
		if target == k.keyName {
			delete(s.aliases, alias)
		}
	}
	f := k.family
	for i, member := range f.members {
		if member == k {
			f.members = append(f.members[:i:i], f.members[i+1:]...)
			break
		}
	}
	// When the last replica is gone, the primary's own waiting period begins
	// (API_ScheduleKeyDeletion).
	if p := f.primary; p != k && p.state == statePendingReplicaDeletion && len(f.members) == 1 {
		p.state, p.deleteAt = statePendingDeletion, now.Add(time.Duration(p.window)*day)
	}
}
