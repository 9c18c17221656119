package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/secret"
)

// KeySize is a data key's size in bytes.
const KeySize = 32

// MaxSeals is how many values one data key may seal. With random nonces of 96
// bits, 2^32 messages keep the chance of a repeated nonce below 2^-32 (NIST SP
// 800-38D, section 8.3).
const MaxSeals = 1 << 32

// DataKey seals and opens values of one organisation. It is safe for use by
// many goroutines at once.
type DataKey struct {
	id       uint64
	org      string
	openOnly bool
	aead     atomic.Pointer[cipher.AEAD] // nil once closed

	seals, bytes atomic.Uint64 // sealed with this key so far

	// Record is the keyring's own record of the key, so that it can tell from
	// the key alone whether it may still be used. It is set before the key is
	// handed out; nobody else reads it.
	Record any
}

// NewDataKey makes a data key that this process has minted, so that counting
// its seals counts all of them. id is 1 to MaxKeyID, org 1 to MaxOrg bytes, key
// KeySize bytes. The key's bytes are zeroed before it returns, error or not.
func NewDataKey(id uint64, org string, key secret.Bytes) (*DataKey, error) {
	defer key.Zero()
	if id == 0 || id > MaxKeyID {
		return nil, errors.New("data key: id out of range")
	}
	if err := checkOrg(org); err != nil {
		return nil, fmt.Errorf("data key %d: %w", id, err)
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("data key %d: key of %d bytes, want %d", id, len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("data key %d: %w", id, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("data key %d: %w", id, err)
	}
	k := &DataKey{id: id, org: org}
	k.aead.Store(&aead)
	return k, nil
}

// NewOpeningKey is NewDataKey for a key that another process has minted, or
// this one before it was restarted: it opens and never seals, since nobody
// knows how often it has sealed.
func NewOpeningKey(id uint64, org string, key secret.Bytes) (*DataKey, error) {
	k, err := NewDataKey(id, org, key)
	if err != nil {
		return nil, err
	}
	k.openOnly = true
	return k, nil
}

// ID is the id that the key has in the keystore, and in each value's header.
func (k *DataKey) ID() uint64 { return k.id }

// Org is the organisation whose values the key seals and opens.
func (k *DataKey) Org() string { return k.org }

// Sealed tells how many values and bytes of plaintext the key has sealed.
func (k *DataKey) Sealed() (values, bytes uint64) { return k.seals.Load(), k.bytes.Load() }

// Close makes the key unusable for everybody who still holds it.
func (k *DataKey) Close() { k.aead.Store(nil) }

// Seal appends the sealed value of plaintext to dst, and allocates nothing when
// dst has room for len(plaintext) + Overhead bytes more. dst's free room and
// plaintext must not overlap. An error is a *pgerr.Error, and nothing was
// sealed then.
func (k *DataKey) Seal(dst, plaintext []byte, context string) ([]byte, error) {
	return k.seal(dst, plaintext, context, false)
}

// SealCompressed is Seal for a value that is compressed with zstd first where that
// saves a tenth of it. How long the sealed value is then tells something of what is in
// it, not of its length alone.
func (k *DataKey) SealCompressed(dst, plaintext []byte, context string) ([]byte, error) {
	return k.seal(dst, plaintext, context, true)
}

func (k *DataKey) seal(dst, plaintext []byte, context string, compressed bool) ([]byte, error) {
	if err := checkContext(context); err != nil {
		return nil, &pgerr.Error{Code: pgerr.FeatureNotSupported, Message: "value cannot be sealed", Cause: err,
			Detail: err.Error(), Hint: "Set a context for the column in the policy.", Anchor: "context"}
	}
	if len(plaintext) > MaxPlaintext {
		return nil, &pgerr.Error{Code: pgerr.ProgramLimitExceeded, Message: "value is too long to be sealed",
			Detail: fmt.Sprintf("It has %d bytes; %d are the most.", len(plaintext), MaxPlaintext)}
	}
	aead := k.aead.Load()
	if aead == nil {
		return nil, k.closed()
	}
	if k.openOnly || k.seals.Add(1) > MaxSeals {
		return nil, k.worn()
	}
	k.bytes.Add(uint64(len(plaintext)))

	h := Header{KeyID: k.id}
	if compressed && len(plaintext) >= minCompressed {
		buffer := buffers.Get().(*[]byte)
		frame, saves := compress((*buffer)[:0], plaintext)
		defer putBuffer(buffer, frame)
		if saves {
			plaintext, h.Flags = frame, flagZstd
		}
	}
	room := scratch.Get().(*[maxAAD]byte)
	aad := appendAAD(room[:0], h, k.org, context)
	sealed := (*aead).Seal(h.Append(dst), nil, plaintext, aad)
	scratch.Put(room)
	return sealed, nil
}

// Open appends the plaintext of a sealed value to dst, and allocates nothing
// when dst has room for it: len(sealed) - Overhead bytes, unless it was compressed.
// To open in place, dst is sealed[HeaderSize:HeaderSize]; any other overlap is a
// mistake that panics.
// An error is a *pgerr.Error: PS003 when the value does not open, PS001 when the
// key was closed. A failed Open in place has destroyed the value in memory.
func (k *DataKey) Open(dst, sealed []byte, context string) ([]byte, error) {
	h, err := ParseHeader(sealed)
	if err != nil {
		return nil, err
	}
	if h.KeyID != k.id {
		return nil, damaged(fmt.Sprintf("It was sealed with data key %d, not with %d.", h.KeyID, k.id))
	}
	if err := checkContext(context); err != nil {
		return nil, damaged(err.Error())
	}
	aead := k.aead.Load()
	if aead == nil {
		return nil, k.closed()
	}
	if h.Flags&flagZstd == 0 {
		return k.open(dst, *aead, h, sealed, context)
	}
	buffer := buffers.Get().(*[]byte)
	frame, err := k.open((*buffer)[:0], *aead, h, sealed, context)
	if err != nil {
		buffers.Put(buffer)
		return nil, err
	}
	plaintext, err := decompress(dst, frame)
	putBuffer(buffer, frame)
	if err != nil {
		return nil, damaged("It was compressed before it was sealed, and does not decompress.")
	}
	return plaintext, nil
}

// open appends what was sealed to dst.
func (k *DataKey) open(dst []byte, aead cipher.AEAD, h Header, sealed []byte, context string) ([]byte, error) {
	room := scratch.Get().(*[maxAAD]byte)
	aad := appendAAD(room[:0], h, k.org, context)
	opened, err := aead.Open(dst, nil, sealed[HeaderSize:], aad)
	scratch.Put(room)
	if err != nil {
		return nil, damaged(fmt.Sprintf("It was not sealed for %s and org %q, or its bytes have changed.", context, k.org))
	}
	return opened, nil
}

// closed is the error for a key that was taken away from under its user.
func (k *DataKey) closed() *pgerr.Error {
	return &pgerr.Error{Code: pgerr.KeyUnavailable,
		Message: fmt.Sprintf("key of org %q was withdrawn", k.org),
		Hint:    "Try again; if the error stays, the organisation has to enable its key in its KMS.",
		Anchor:  "ps001"}
}

// worn is the error for a key that must not seal any more.
func (k *DataKey) worn() *pgerr.Error {
	return &pgerr.Error{Code: pgerr.KMSUnreachable,
		Message: fmt.Sprintf("data key %d of org %q may seal no more values", k.id, k.org),
		Detail:  "It has sealed as many values as one key may, and KMS has not handed out the next one.",
		Hint:    "Try again when KMS can be reached.",
		Anchor:  "ps002"}
}
