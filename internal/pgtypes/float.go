package pgtypes

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// floatKind is real or double precision. The canonical bytes are IEEE 754,
// big-endian.
type floatKind struct {
	bits int
	name string
}

var (
	float4Kind = floatKind{32, "real"}
	float8Kind = floatKind{64, "double precision"}
)

// in is float8in_internal and float4in_internal: C's strtod with blanks around.
func (k floatKind) in(dst, text []byte, _ *Env) ([]byte, error) {
	rest := text
	for len(rest) > 0 && isSpace(rest[0]) {
		rest = rest[1:]
	}
	number, special, ok := scanFloat(rest)
	if !ok {
		return dst, badSyntax(pgerr.InvalidTextRepresent, k.name, text)
	}
	value := special
	if special == 0 {
		var err error
		if value, err = k.parse(number); err != nil {
			return dst, err
		}
	}
	if len(trim(rest[len(number):])) > 0 {
		return dst, badSyntax(pgerr.InvalidTextRepresent, k.name, text)
	}
	return k.append(dst, value), nil
}

// parse reads a number that scanFloat found.
func (k floatKind) parse(number []byte) (float64, error) {
	s := string(number)
	if len(s) > 1 && strings.ContainsAny(s, "xX") && !strings.ContainsAny(s, "pP") {
		s += "p0" // which Go asks for and C does not
	}
	value, err := strconv.ParseFloat(s, k.bits)
	if err != nil || value == 0 && !zeroDigits(number) {
		return 0, &pgerr.Error{
			Code: pgerr.NumericOutOfRange, Message: fmt.Sprintf("\"%s\" is out of range for type %s", number, k.name), Echoes: true,
		}
	}
	return value, nil
}

// zeroDigits tells whether a number's digits, up to its exponent, are all zero.
func zeroDigits(number []byte) bool {
	base := number
	if i := strings.IndexAny(string(number), "xX"); i >= 0 {
		base = number[i+1:]
		for _, c := range base {
			if c == 'p' || c == 'P' {
				break
			}
			if hexDigits[c] > 0 {
				return false
			}
		}
		return true
	}
	for _, c := range base {
		if c == 'e' || c == 'E' {
			break
		}
		if c >= '1' && c <= '9' {
			return false
		}
	}
	return true
}

// scanFloat finds the longest number that strtod would read at the beginning of
// text. special is the value when it is a word.
func scanFloat(text []byte) (number []byte, special float64, ok bool) {
	i := 0
	negative := false
	if i < len(text) && (text[i] == '-' || text[i] == '+') {
		negative = text[i] == '-'
		i++
	}
	for _, word := range []string{"infinity", "inf", "nan"} {
		if !foldPrefix(text[i:], word) {
			continue
		}
		special = math.Inf(1)
		if word == "nan" {
			special = math.Float64frombits(0x7ff8000000000000)
		}
		if negative {
			special = math.Copysign(special, -1)
		}
		return text[:i+len(word)], special, true
	}
	isDigit, exponent := isDigit, byte('e')
	if i+2 < len(text) && text[i] == '0' && text[i+1]|0x20 == 'x' && hexBegins(text[i+2:]) {
		i += 2
		isDigit, exponent = func(c byte) bool { return hexDigits[c] >= 0 }, 'p'
	}
	digits := 0
	for ; i < len(text) && isDigit(text[i]); i++ {
		digits++
	}
	if i < len(text) && text[i] == '.' {
		at := i
		for i++; i < len(text) && isDigit(text[i]); i++ {
			digits++
		}
		if digits == 0 {
			i = at
		}
	}
	if digits == 0 {
		return nil, 0, false
	}
	if i < len(text) && text[i]|0x20 == exponent {
		j := i + 1
		if j < len(text) && (text[j] == '-' || text[j] == '+') {
			j++
		}
		if j < len(text) && text[j] >= '0' && text[j] <= '9' {
			for j < len(text) && text[j] >= '0' && text[j] <= '9' {
				j++
			}
			i = j
		}
	}
	return text[:i], 0, true
}

// hexBegins tells whether a hex digit comes, with or without a point before it.
func hexBegins(text []byte) bool {
	if text[0] == '.' {
		return len(text) > 1 && hexDigits[text[1]] >= 0
	}
	return hexDigits[text[0]] >= 0
}

func (k floatKind) append(dst []byte, value float64) []byte {
	if k.bits == 32 {
		return binary.BigEndian.AppendUint32(dst, math.Float32bits(float32(value)))
	}
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(value))
}

// value reads canonical bytes; false when they are none.
func (k floatKind) value(canonical []byte) (float64, bool) {
	if len(canonical) != k.bits/8 {
		return 0, false
	}
	if k.bits == 32 {
		return float64(math.Float32frombits(binary.BigEndian.Uint32(canonical))), true
	}
	return math.Float64frombits(binary.BigEndian.Uint64(canonical)), true
}

func (k floatKind) recv(dst, data []byte, _ *Env) ([]byte, error) {
	if err := checkSize(data, k.bits/8); err != nil {
		return dst, err
	}
	return append(dst, data...), nil
}

func (k floatKind) out(dst, canonical []byte, env *Env) ([]byte, error) {
	value, ok := k.value(canonical)
	if !ok {
		return dst, notCanonical(k.name)
	}
	if digits := env.printing.FloatDigits; digits < 0 {
		return k.printRounded(dst, value, digits+1), nil
	}
	return k.print(dst, value), nil
}

// printRounded writes a value as C's %g does, with the digits that its type always
// holds and extra more, which is not above zero (float8out_internal).
func (k floatKind) printRounded(dst []byte, value float64, extra int) []byte {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return k.print(dst, value)
	}
	digits := 15 // DBL_DIG
	if k.bits == 32 {
		digits = 6 // FLT_DIG
	}
	return strconv.AppendFloat(dst, value, 'g', max(digits+extra, 1), 64)
}

// print writes the shortest text that reads as the same value, as Postgres does
// with extra_float_digits at its default, 1, or above (float8out_internal).
func (k floatKind) print(dst []byte, value float64) []byte {
	switch {
	case math.IsNaN(value):
		return append(dst, "NaN"...)
	case math.IsInf(value, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(value, -1):
		return append(dst, "-Infinity"...)
	case value == 0:
		return strconv.AppendFloat(dst, value, 'f', -1, k.bits)
	}
	at := len(dst)
	dst = k.shortest(dst, value)
	mark := bytes.LastIndexByte(dst[at:], 'e') + at
	exponent, _ := strconv.Atoi(string(dst[mark+1:]))
	digits := 15 // double_to_shortest_decimal_bufn
	if k.bits == 32 {
		digits = 6 // float_to_shortest_decimal_bufn
	}
	if exponent < -4 || exponent >= digits {
		return dst
	}
	places := 0 // that the digits have behind the point
	for _, c := range dst[at:mark] {
		if isDigit(c) {
			places++
		}
	}
	places = max(places-1-exponent, 0)
	return strconv.AppendFloat(dst[:at], value, 'f', places, k.bits)
}

func (k floatKind) send(dst, canonical []byte, _ *Env) ([]byte, error) {
	if len(canonical) != k.bits/8 {
		return dst, notCanonical(k.name)
	}
	return append(dst, canonical...), nil
}
