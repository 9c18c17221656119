package crypto

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	"github.com/pgseal/pgseal/internal/secret"
)

// commitmentLabel keeps a commitment apart from all else that could ever be
// derived from a data key.
const commitmentLabel = "pgseal data key commitment 1"

// Commitment binds a data key to its id and org without telling anything of
// the key: HKDF-SHA256 (RFC 5869) of the key, without salt, with the info
//
//	"pgseal data key commitment 1", id (8 bytes, big-endian), length of org (2 bytes, big-endian), org
//
// cut to 32 bytes. It is stored when the key is minted and compared when it is
// unwrapped. AES-GCM alone commits to no key: without this, whoever may write
// to the keystore could have one sealed value open as two different plaintexts.
func Commitment(key secret.Bytes, id uint64, org string) [32]byte {
	info := append([]byte(nil), commitmentLabel...)
	info = binary.BigEndian.AppendUint64(info, id)
	info = binary.BigEndian.AppendUint16(info, uint16(len(org)))
	info = append(info, org...)
	sum, err := hkdf.Key(sha256.New, key, nil, string(info), 32)
	if err != nil {
		// Only a length above 255 hashes, or a key too short for FIPS mode,
		// gives an error; NewDataKey refuses such keys before.
		panic(fmt.Sprintf("crypto: internal error: commitment: %v", err))
	}
	return [32]byte(sum)
}

// Committed tells whether key is the one that the commitment was made of.
func Committed(key secret.Bytes, id uint64, org string, commitment [32]byte) bool {
	if len(key) != KeySize {
		return false
	}
	of := Commitment(key, id, org)
	return subtle.ConstantTimeCompare(of[:], commitment[:]) == 1
}
