// Package crypto seals and opens single values: sealed value format 1, and the
// data keys that do it.
//
// # What it does
//
// A sealed value is a header of 12 bytes, then a nonce, the ciphertext and a
// tag of AES-256-GCM. The header, the organisation and the column's context are
// the associated data, so a value that is moved to another column, or given
// another organisation's data key, does not open. docs/sealed-format.md writes
// the format down for other programs, with vectors.
//
// # What it does not
//
// It knows no SQL type (a value is bytes), no cache, no KMS and no clock: where
// keys come from, and for how long they may be used, is package keyring's.
//
// Keys are kept out of Go's reach as far as Go allows: the 32 bytes are zeroed
// as soon as the cipher is made of them, and a closed DataKey holds the cipher
// no longer. The cipher's own expanded key can't be overwritten through
// crypto/aes; it lies in memory until the garbage collector reuses the place.
//
// Files: format.go has the header, aad.go the associated data, datakey.go the
// data key, compress.go the compression before it seals, commitment.go what proves that a key is the one that was minted.
//
// It builds with GOFIPS140=v1.0.0 and runs under GODEBUG=fips140=only: nonces
// are drawn by cipher.NewGCMWithRandomNonce inside the validated module.
package crypto

import (
	"encoding/binary"
	"fmt"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// Sizes of the parts of a sealed value, in bytes.
const (
	HeaderSize = 12
	nonceSize  = 12
	tagSize    = 16

	// Overhead is by how much a sealed value is longer than its plaintext, or than
	// what that was compressed to.
	Overhead = HeaderSize + nonceSize + tagSize

	// MaxPlaintext is the longest value that can be sealed: Postgres's limit
	// for one field is 1 GB (MaxAllocSize in memutils.h, 0x3fffffff), of which
	// a bytea's length word takes 4 bytes.
	MaxPlaintext = 0x3fffffff - 4 - Overhead
)

const (
	magic0  = 0x5E
	magic1  = 0xA1
	format1 = 0x01 // AES-256-GCM with a random nonce of 96 bits

	flagZstd = 0x01 // compressed with zstd before it was sealed
)

// MaxKeyID is the highest id that a data key can have: the keystore holds ids
// in Postgres's bigint, and zero is no id.
const MaxKeyID = 1<<63 - 1

// Header is the head of a sealed value.
type Header struct {
	Flags byte
	KeyID uint64 // 1 to MaxKeyID
}

// Append appends the header's 12 bytes to dst.
func (h Header) Append(dst []byte) []byte {
	dst = append(dst, magic0, magic1, format1, h.Flags)
	return binary.BigEndian.AppendUint64(dst, h.KeyID)
}

// ParseHeader reads the header of a sealed value and bounds the rest: sealed
// must be long enough for a nonce and a tag. An error is a *pgerr.Error with
// code PS003.
func ParseHeader(sealed []byte) (Header, error) {
	switch {
	case len(sealed) < Overhead:
		return Header{}, damaged(fmt.Sprintf("It has %d bytes; a sealed value has %d or more.", len(sealed), Overhead))
	case sealed[0] != magic0 || sealed[1] != magic1:
		return Header{}, damaged("It does not begin as a sealed value does.")
	case sealed[2] != format1:
		return Header{}, damaged(fmt.Sprintf("Its format is %d; this version of pgseal opens format %d.", sealed[2], format1))
	case sealed[3]&^flagZstd != 0:
		return Header{}, damaged("Its flags have bits set that format 1 does not know.")
	}
	h := Header{Flags: sealed[3], KeyID: binary.BigEndian.Uint64(sealed[4:HeaderSize])}
	if h.KeyID == 0 || h.KeyID > MaxKeyID {
		return Header{}, damaged("Its data key id is out of range.")
	}
	return h, nil
}

// KeyID tells which data key a sealed value was sealed with. An error is a
// *pgerr.Error with code PS003.
func KeyID(sealed []byte) (uint64, error) {
	h, err := ParseHeader(sealed)
	return h.KeyID, err
}

// damaged is the error for a stored value that can't be opened.
func damaged(detail string) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.DoesNotOpen,
		Message: "stored value does not open",
		Detail:  detail,
		Hint:    "The value was damaged, or moved here from another column or organisation. Restore it from a backup, or write it anew.",
		Anchor:  "ps003",
	}
}
