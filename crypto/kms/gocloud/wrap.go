package gocloud

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/secret"
)

// What is encrypted is one byte of the form, a SHA-256 of the encryption context,
// and the data key: 65 bytes, of the 190 that RSA-OAEP-256 with 2048 bits takes.
const (
	form       = 1
	header     = 1 + sha256.Size
	maxWrapped = 1 << 16 // bytes; the services' ciphertexts are far shorter
)

func digest(ec map[string]string) [sha256.Size]byte {
	return sha256.Sum256(kms.AppendContext([]byte("pgseal gocloud wrap 1"), ec))
}

// bind puts the encryption context before the data key. The caller clears it.
func bind(plaintext secret.Bytes, ec map[string]string) []byte {
	sum := digest(ec)
	bound := make([]byte, 0, header+len(plaintext))
	bound = append(append(bound, form), sum[:]...)
	return append(bound, plaintext...)
}

// unbind gives a copy of the data key, if it was bound to this context.
func unbind(bound []byte, ec map[string]string) (secret.Bytes, bool) {
	if len(bound) <= header || bound[0] != form {
		return nil, false
	}
	sum := digest(ec)
	if subtle.ConstantTimeCompare(bound[1:header], sum[:]) != 1 {
		return nil, false
	}
	return append(secret.Bytes(nil), bound[header:]...), true
}
