package scram

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/pgseal/pgseal/internal/secret"
)

// Bounds of what is taken as a verifier. Postgres makes them of 133 bytes, with a
// salt of 16.
const (
	maxVerifier = 4096
	maxSalt     = 1024
)

// DefaultIterations is SCRAM_SHA_256_DEFAULT_ITERATIONS.
const DefaultIterations = 4096

// mockSaltSize is SCRAM_DEFAULT_SALT_LEN.
const mockSaltSize = 16

// verifierPrefix is what tells a verifier from other contents of rolpassword.
const verifierPrefix = Mechanism + "$"

// Verifier is what Postgres stores of a password:
//
//	SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>
//
// with salt and keys in base64.
type Verifier struct {
	secret.Opaque
	iterations int
	salt       []byte
	keys       *verifierKeys // a pointer, so that no way of printing follows it
	mock       bool          // no proof is right
}

type verifierKeys struct {
	stored [keySize]byte // checks a client's proof
	server [keySize]byte // makes and checks a server's signature
}

// errVerifier says no more: a verifier is a secret.
var errVerifier = errors.New("scram: not a verifier of the form SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey")

// IsVerifier tells whether text looks like a verifier of this mechanism; it may
// be a damaged one.
func IsVerifier(text []byte) bool { return bytes.HasPrefix(text, []byte(verifierPrefix)) }

// ParseVerifier reads a verifier (parse_scram_secret). It keeps nothing of text.
func ParseVerifier(text []byte) (*Verifier, error) {
	rest, ok := bytes.CutPrefix(text, []byte(verifierPrefix))
	if !ok || len(text) > maxVerifier {
		return nil, errVerifier
	}
	parameters, keys, ok := bytes.Cut(rest, []byte{'$'})
	if !ok {
		return nil, errVerifier
	}
	iterations, salt, ok := bytes.Cut(parameters, []byte{':'})
	if !ok {
		return nil, errVerifier
	}
	stored, server, ok := bytes.Cut(keys, []byte{':'})
	if !ok {
		return nil, errVerifier
	}
	v := &Verifier{keys: &verifierKeys{}}
	var err error
	if v.iterations, err = parseIterations(string(iterations)); err != nil {
		return nil, errVerifier
	}
	if v.salt, err = parseSalt(string(salt)); err != nil {
		return nil, errVerifier
	}
	if !decodeKey(&v.keys.stored, stored) || !decodeKey(&v.keys.server, server) {
		v.Zero()
		return nil, errVerifier
	}
	return v, nil
}

// MockChallenge is what a user is asked for who does not exist, or has no
// verifier: the same each time (scram_MockSalt). The secret is the process's own, of 32 bytes.
func MockChallenge(secret []byte, user string, iterations int) Challenge {
	salt := sum(secret, user)
	return Challenge{Salt: salt[:mockSaltSize], Iterations: iterations}
}

// Mock is a verifier for a user who does not exist, or has none. It makes the
// given challenge, and no proof is right.
func Mock(c Challenge) *Verifier {
	v := &Verifier{iterations: c.Iterations, salt: c.Salt, keys: &verifierKeys{}, mock: true}
	_, _ = rand.Read(v.keys.stored[:]) // never fails
	return v
}

// IsMock tells whether the verifier stands for a user who cannot log in.
func (v *Verifier) IsMock() bool { return v.mock }

// Answers tells whether a challenge of the server's can have been made from this
// verifier. When not, the password was changed in between, say.
func (v *Verifier) Answers(c Challenge) bool {
	return v.iterations == c.Iterations && bytes.Equal(v.salt, c.Salt)
}

// Clone gives a copy that is zeroed on its own.
func (v *Verifier) Clone() *Verifier {
	c, keys := *v, *v.keys
	c.keys = &keys
	return &c
}

// Zero overwrites the keys.
func (v *Verifier) Zero() { *v.keys = verifierKeys{} }

// proves tells whether key is what the verifier was made from.
func (v *Verifier) proves(key *Key) bool {
	stored := sha256.Sum256(key.bytes[:])
	return hmac.Equal(stored[:], v.keys.stored[:]) && !v.mock
}

func parseIterations(digits string) (int, error) {
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n == 0 || n > math.MaxInt32 {
		return 0, fmt.Errorf("scram: iteration count %.20q", digits)
	}
	return int(n), nil
}

func parseSalt(text string) ([]byte, error) {
	if len(text) > base64.StdEncoding.EncodedLen(maxSalt) {
		return nil, errors.New("scram: the salt is too long")
	}
	salt, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(salt) == 0 {
		return nil, errors.New("scram: the salt is not base64")
	}
	return salt, nil
}

// decodeKey reads a key, a proof or a signature: keySize bytes in base64.
func decodeKey(key *[keySize]byte, text []byte) bool {
	if len(text) != base64.StdEncoding.EncodedLen(keySize) {
		return false
	}
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	defer clear(decoded)
	n, err := base64.StdEncoding.Decode(decoded, text)
	if err != nil || n != keySize {
		return false
	}
	copy(key[:], decoded)
	return true
}
