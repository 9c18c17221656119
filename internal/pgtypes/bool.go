package pgtypes

import (
	"strings"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// boolKind is bool. The canonical byte is 0 or 1.
type boolKind struct{}

func (boolKind) in(dst, text []byte, _ *Env) ([]byte, error) {
	value, ok := parseBool(trim(text))
	if !ok {
		return dst, badSyntax(pgerr.InvalidTextRepresent, "boolean", text)
	}
	return append(dst, value), nil
}

// parseBool is parse_bool_with_len: the words may be cut short where that is
// plain.
func parseBool(text []byte) (value byte, ok bool) {
	if len(text) == 0 || len(text) > len("false") {
		return 0, false
	}
	word := strings.ToLower(string(text))
	switch {
	case strings.HasPrefix("true", word), strings.HasPrefix("yes", word), word == "on", word == "1":
		return 1, true
	case strings.HasPrefix("false", word), strings.HasPrefix("no", word), word == "of", word == "off", word == "0":
		return 0, true
	}
	return 0, false
}

func (boolKind) recv(dst, data []byte, _ *Env) ([]byte, error) {
	if len(data) == 0 {
		return dst, noByteLeft()
	}
	if err := checkSize(data, 1); err != nil {
		return dst, err
	}
	if data[0] != 0 {
		return append(dst, 1), nil
	}
	return append(dst, 0), nil
}

func (boolKind) out(dst, canonical []byte, _ *Env) ([]byte, error) {
	if len(canonical) != 1 {
		return dst, notCanonical("boolean")
	}
	if canonical[0] != 0 {
		return append(dst, 't'), nil
	}
	return append(dst, 'f'), nil
}

func (boolKind) send(dst, canonical []byte, _ *Env) ([]byte, error) {
	if len(canonical) != 1 {
		return dst, notCanonical("boolean")
	}
	return append(dst, canonical...), nil
}
