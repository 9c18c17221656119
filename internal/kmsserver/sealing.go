package kmsserver

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
)

// A ciphertext names the key that made it, so that Decrypt needs no KeyId
// (API_Decrypt). AWS does not publish its format; ours is
//
//	4 magic | 12 account | 1 length | key id | 32 material id | 16 MAC of these |
//	12 nonce | ciphertext | 16 tag
//
// without the Region, because a multi-Region key's ciphertext opens in each of its
// Regions (developer guide, multi-region-keys-overview).

const (
	accountLength = 12
	materialIDLen = 32
	headMACLength = 16
)

var ciphertextMagic = []byte{0x01, 0x02, 0x02, 0x00}

// sealed is a ciphertext taken apart. It aliases the bytes that it came from.
type sealed struct {
	account, id string
	material    [materialIDLen]byte
	head, body  []byte // body: nonce, ciphertext, tag
}

// seal encrypts under the key's current material.
func (s *Server) seal(k *key, plaintext []byte, context map[string]string) []byte {
	m := k.current()
	out := append([]byte(nil), ciphertextMagic...)
	out = append(out, k.account...)
	out = append(out, byte(len(k.id)))
	out = append(out, k.id...)
	out = append(out, m.id[:]...)
	out = append(out, s.headMAC(out)...)
	return m.aead.Seal(out, nil, plaintext, associatedData(out, context))
}

// parse takes a ciphertext apart and checks its head; false: it is not ours, or
// damaged.
func (s *Server) parse(blob []byte) (sealed, bool) {
	var out sealed
	rest, ok := bytes.CutPrefix(blob, ciphertextMagic)
	if !ok || len(rest) < accountLength+1 {
		return out, false
	}
	out.account = string(rest[:accountLength])
	idLength := int(rest[accountLength])
	rest = rest[accountLength+1:]
	if len(rest) < idLength+materialIDLen+headMACLength {
		return out, false
	}
	out.id = string(rest[:idLength])
	out.material = [materialIDLen]byte(rest[idLength:])
	out.body = rest[idLength+materialIDLen+headMACLength:]
	out.head = blob[:len(blob)-len(out.body)]
	macAt := len(out.head) - headMACLength
	return out, hmac.Equal(s.headMAC(out.head[:macAt]), out.head[macAt:])
}

// open decrypts with the material that the ciphertext names: after a rotation the
// older ones still open (developer guide, rotate-keys).
func (c sealed) open(k *key, context map[string]string) ([]byte, *material, bool) {
	for _, m := range k.family.materials {
		if m.id == c.material {
			plaintext, err := m.aead.Open(nil, nil, c.body, associatedData(c.head, context))
			return plaintext, m, err == nil
		}
	}
	return nil, nil, false
}

func (s *Server) headMAC(head []byte) []byte {
	mac := hmac.New(sha256.New, s.headerKey)
	_, _ = mac.Write(head)
	return mac.Sum(nil)[:headMACLength]
}

// associatedData binds the head and the encryption context, whose pairs have no
// order (developer guide, encrypt_context).
func associatedData(head []byte, context map[string]string) []byte {
	out := append([]byte(nil), head...)
	for _, name := range slices.Sorted(maps.Keys(context)) {
		for _, text := range []string{name, context[name]} {
			out = binary.BigEndian.AppendUint32(out, uint32(len(text)))
			out = append(out, text...)
		}
	}
	return out
}
