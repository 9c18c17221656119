package pgtypes

import (
	"encoding/hex"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// byteaKind is bytea. The canonical bytes are the bytes.
type byteaKind struct{}

// in reads the hex and the escape form (byteain).
func (byteaKind) in(dst, text []byte, _ *Env) ([]byte, error) {
	if len(text) >= 2 && text[0] == '\\' && text[1] == 'x' {
		return appendHex(dst, text[2:])
	}
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			dst = append(dst, text[i])
			i++
			continue
		}
		rest := text[i+1:]
		switch {
		case len(rest) >= 3 && rest[0] >= '0' && rest[0] <= '3' && isOctal(rest[1]) && isOctal(rest[2]):
			dst = append(dst, (rest[0]-'0')<<6|(rest[1]-'0')<<3|(rest[2]-'0'))
			i += 4
		case len(rest) >= 1 && rest[0] == '\\':
			dst = append(dst, '\\')
			i += 2
		default:
			return dst, &pgerr.Error{Code: pgerr.InvalidTextRepresent, Message: "invalid input syntax for type bytea"}
		}
	}
	return dst, nil
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

// appendHex reads hex digits, with blanks between pairs (hex_decode).
func appendHex(dst, text []byte) ([]byte, error) {
	dst = slices.Grow(dst, len(text)/2)
	for i := 0; i < len(text); {
		c := text[i]
		if c == ' ' || c == '\n' || c == '\t' || c == '\r' {
			i++
			continue
		}
		high := hexDigits[c]
		if high < 0 {
			return dst, badHex(text[i:])
		}
		if i+1 == len(text) {
			return dst, &pgerr.Error{Code: codeInvalidParameter, Message: "invalid hexadecimal data: odd number of digits"}
		}
		low := hexDigits[text[i+1]]
		if low < 0 {
			return dst, badHex(text[i+1:])
		}
		dst = append(dst, byte(high)<<4|byte(low))
		i += 2
	}
	return dst, nil
}

func badHex(rest []byte) error {
	_, n := utf8.DecodeRune(rest)
	return &pgerr.Error{Code: codeInvalidParameter, Message: fmt.Sprintf("invalid hexadecimal digit: \"%s\"", rest[:n]), Echoes: true}
}

// hexDigits gives the value of a hex digit, -1 for other bytes.
var hexDigits = func() (table [256]int8) {
	for i := range table {
		table[i] = -1
	}
	for i := range 10 {
		table['0'+i] = int8(i)
	}
	for i := range 6 {
		table['a'+i], table['A'+i] = int8(10+i), int8(10+i)
	}
	return table
}()

func (byteaKind) recv(dst, data []byte, _ *Env) ([]byte, error) { return append(dst, data...), nil }

// out writes the form of bytea_output (byteaout).
func (byteaKind) out(dst, canonical []byte, env *Env) ([]byte, error) {
	if env.printing.ByteaEscape {
		return appendEscaped(dst, canonical), nil
	}
	return hex.AppendEncode(append(dst, `\x`...), canonical), nil
}

// appendEscaped writes the escape form: printable ASCII as it is, a backslash twice,
// all else in octal.
func appendEscaped(dst, data []byte) []byte {
	for _, c := range data {
		switch {
		case c == '\\':
			dst = append(dst, '\\', '\\')
		case c < 0x20 || c > 0x7e:
			dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func (byteaKind) send(dst, canonical []byte, _ *Env) ([]byte, error) {
	return append(dst, canonical...), nil
}
