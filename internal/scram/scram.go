// Package scram is SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), as
// Postgres speaks it (auth-scram.c, fe-auth-scram.c), for a proxy that stands
// between a client and the server and knows no password.
//
// Server checks a client's proof against the verifier that Postgres stores for a
// role. A proof that is right yields the client's key. With this key, Client
// logs in to the server in the client's place. Both ends may have a TLS
// connection of their own, and bind the exchange to its certificate.
//
// It has no I/O: it takes and gives the texts within AuthenticationSASL… and
// SASLResponse messages. It reads random nonces, and nothing else.
//
// The client's and the server's key are as good as the password where this
// verifier is in use. Types that hold them print as "[redacted]"; Zero overwrites
// them.
//
// Why not a library: github.com/xdg-go/scram keeps the client's key to itself on
// the server's side and takes nothing but a password on the client's; it has
// neither Postgres's errors nor its play for unknown users.
//
// Files: scram.go has what both sides share, verifier.go what Postgres stores,
// server.go and client.go the sides, attribute.go how messages are read,
// binding.go the channel binding.
package scram

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/pgseal/pgseal/internal/secret"
)

// The mechanisms' names, as in AuthenticationSASL.
const (
	Mechanism     = "SCRAM-SHA-256"
	MechanismPlus = "SCRAM-SHA-256-PLUS"
)

// MaxMessage bounds a client's message, in bytes: PG_MAX_SASL_MESSAGE_LENGTH.
const MaxMessage = 1024

// ErrProof: the client does not know the password, or there is no such user.
var ErrProof = errors.New("scram: the client's proof is wrong")

// keySize is SCRAM_KEY_LEN.
const keySize = sha256.Size

// rawNonceSize is SCRAM_RAW_NONCE_LEN.
const rawNonceSize = 18

// bindingType is the one channel binding that Postgres knows (RFC 5929).
const bindingType = "tls-server-end-point"

// Key is a client's key.
type Key struct {
	secret.Opaque
	bytes *[keySize]byte // a pointer, so that no way of printing follows it
}

// Zero overwrites the key. A nil Key has nothing to overwrite.
func (k *Key) Zero() {
	if k != nil {
		clear(k.bytes[:])
	}
}

// newNonce gives one side's part of the nonce.
func newNonce() string {
	raw := make([]byte, rawNonceSize)
	_, _ = rand.Read(raw) // never fails
	return base64.StdEncoding.EncodeToString(raw)
}

// sum is HMAC-SHA-256 of parts with commas between, which is how RFC 5802 puts
// an AuthMessage together.
func sum(key []byte, parts ...string) (mac [keySize]byte) {
	h := hmac.New(sha256.New, key)
	for i, part := range parts {
		if i > 0 {
			h.Write([]byte{','})
		}
		h.Write([]byte(part))
	}
	h.Sum(mac[:0])
	return mac
}

// xor gives a ^ b: a proof from a key and a signature, or the key from a proof.
func xor(a, b [keySize]byte) (c [keySize]byte) {
	for i := range a {
		c[i] = a[i] ^ b[i]
	}
	return c
}
