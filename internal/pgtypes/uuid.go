package pgtypes

import (
	"encoding/hex"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// uuidKind is uuid. The canonical bytes are its 16.
type uuidKind struct{}

// in is string_to_uuid: braces around it, and a hyphen after any four digits.
func (uuidKind) in(dst, text []byte, _ *Env) ([]byte, error) {
	rest, braces := text, false
	if len(rest) > 0 && rest[0] == '{' {
		rest, braces = rest[1:], true
	}
	for i := range 16 {
		if len(rest) < 2 || hexDigits[rest[0]] < 0 || hexDigits[rest[1]] < 0 {
			return dst, badSyntax(pgerr.InvalidTextRepresent, "uuid", text)
		}
		dst = append(dst, byte(hexDigits[rest[0]])<<4|byte(hexDigits[rest[1]]))
		rest = rest[2:]
		if i%2 == 1 && i < 15 && len(rest) > 0 && rest[0] == '-' {
			rest = rest[1:]
		}
	}
	if braces && len(rest) > 0 && rest[0] == '}' {
		rest, braces = rest[1:], false
	}
	if braces || len(rest) > 0 {
		return dst, badSyntax(pgerr.InvalidTextRepresent, "uuid", text)
	}
	return dst, nil
}

func (uuidKind) recv(dst, data []byte, _ *Env) ([]byte, error) {
	if err := checkSize(data, 16); err != nil {
		return dst, err
	}
	return append(dst, data...), nil
}

func (uuidKind) out(dst, canonical []byte, _ *Env) ([]byte, error) {
	if len(canonical) != 16 {
		return dst, notCanonical("uuid")
	}
	from := 0
	for _, to := range [...]int{4, 6, 8, 10, 16} {
		dst = append(hex.AppendEncode(dst, canonical[from:to]), '-')
		from = to
	}
	return dst[:len(dst)-1], nil
}

func (uuidKind) send(dst, canonical []byte, _ *Env) ([]byte, error) {
	if len(canonical) != 16 {
		return dst, notCanonical("uuid")
	}
	return append(dst, canonical...), nil
}
