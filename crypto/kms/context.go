package kms

import (
	"encoding/binary"
	"maps"
	"slices"
)

// AppendContext appends an encryption context's canonical bytes, for providers
// that bind a wrap to bytes: keys and values in the order of the keys, each
// behind its length (four bytes, big-endian).
func AppendContext(dst []byte, ec map[string]string) []byte {
	for _, k := range slices.Sorted(maps.Keys(ec)) {
		dst = AppendText(AppendText(dst, k), ec[k])
	}
	return dst
}

// AppendText appends a text behind its length.
func AppendText(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}
