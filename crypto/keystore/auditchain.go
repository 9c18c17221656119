package keystore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The chain of the audit log: each entry has a hash over what it says, its id and
// the hash of the entry before it. docs/audit.md has the format for other
// programs, testdata/audit.json has examples of it.

// Hash is SHA-256 over an entry's canonical bytes. The zero Hash is what the
// first entry has before it.
type Hash [sha256.Size]byte

// String gives the hash in hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads what String gives.
func ParseHash(s string) (h Hash, err error) {
	b, err := hex.DecodeString(strings.TrimSpace(s))
	if err != nil || len(b) != len(h) {
		return h, fmt.Errorf("not the hash of an entry of the audit log: %d hexadecimal digits are", 2*len(h))
	}
	copy(h[:], b)
	return h, nil
}

// chainFormat begins the canonical bytes of an entry.
const chainFormat = "pgseal/audit/1"

// canonical appends the bytes that an entry's hash is over. Integers are
// big-endian; a string has its length in bytes before it, in 32 bits.
func (e *Event) canonical(dst []byte) []byte {
	str := func(s string) {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
		dst = append(dst, s...)
	}
	str(chainFormat)
	dst = append(dst, e.Prev[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.ID))
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.At.UnixMicro()))
	for _, s := range []string{e.Actor.Name, e.Actor.Process, e.Action, e.Org} {
		str(s)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(e.Detail)))
	for _, key := range slices.Sorted(maps.Keys(e.Detail)) {
		str(key)
		str(e.Detail[key])
	}
	return dst
}

// hash computes the hash that the entry must have.
func (e *Event) hash() Hash { return sha256.Sum256(e.canonical(nil)) }

// chained makes an entry the one behind last, with what the database can store:
// microseconds, and text without what is no text.
func chained(e, last Event) Event {
	e.ID, e.Prev = last.ID+1, last.Hash
	e.At = e.At.UTC().Truncate(time.Microsecond)
	e.Actor.Name, e.Actor.Process = storable(e.Actor.Name), storable(e.Actor.Process)
	e.Action, e.Org = storable(e.Action), storable(e.Org)
	detail := make(map[string]string, len(e.Detail))
	for key, value := range e.Detail {
		detail[storable(key)] = storable(value)
	}
	e.Detail = detail
	e.Hash = e.hash()
	return e
}

// storable is s without what Postgres's text cannot hold.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
