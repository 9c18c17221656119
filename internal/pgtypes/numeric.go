package pgtypes

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/policy"
)

// numericKind is numeric. The canonical bytes are the text that Postgres prints.
type numericKind struct{ typmod numericMod }

// numericMod is numeric's precision and scale; no modifier when precision is
// zero.
type numericMod struct{ precision, scale int }

func numericTypmod(t policy.Type) numericMod {
	var m numericMod
	if len(t.Mods) > 0 {
		m.precision = t.Mods[0]
	}
	if len(t.Mods) > 1 {
		m.scale = t.Mods[1]
	}
	return m
}

// apply rounds the number and tells whether it then has too many digits
// (apply_typmod).
func (m numericMod) apply(d decimal) (decimal, error) {
	if m.precision == 0 {
		d = d.strip()
		return d, d.check()
	}
	d = d.round(m.scale).strip()
	if most := m.precision - m.scale; len(d.digits) > 0 && d.point > most {
		bound := "1"
		if most != 0 {
			bound = fmt.Sprintf("10^%d", most)
		}
		return d, m.overflow("must round to an absolute value less than " + bound + ".")
	}
	return d, d.check()
}

func (m numericMod) overflow(what string) error {
	return &pgerr.Error{
		Code: pgerr.NumericOutOfRange, Message: "numeric field overflow", AtRun: true,
		Detail: fmt.Sprintf("A field with precision %d, scale %d %s", m.precision, m.scale, what),
	}
}

// special appends a value that is no number (apply_typmod_special).
func (m numericMod) special(dst []byte, word string) ([]byte, error) {
	if m.precision > 0 && word != "NaN" {
		return dst, m.overflow("cannot hold an infinite value.")
	}
	return append(dst, word...), nil
}

// specials are the words of numeric_in, the longest first.
var specials = []struct{ word, value string }{
	{"nan", "NaN"}, {"infinity", "Infinity"}, {"+infinity", "Infinity"}, {"-infinity", "-Infinity"},
	{"inf", "Infinity"}, {"+inf", "Infinity"}, {"-inf", "-Infinity"},
}

// in is numeric_in.
func (k numericKind) in(dst, text []byte, env *Env) ([]byte, error) {
	body := trim(text)
	for _, s := range specials {
		if fold(body, s.word) {
			return k.typmod.special(dst, s.value)
		}
	}
	var scratch [64]byte
	d, rest, ok, err := readDecimal(body, scratch[:0], env)
	if err != nil {
		return dst, err
	}
	if !ok || len(rest) > 0 {
		return dst, badSyntax(pgerr.InvalidTextRepresent, "numeric", text)
	}
	if err := d.strip().check(); err != nil { // before it is rounded
		return dst, err
	}
	if d, err = k.typmod.apply(d); err != nil {
		return dst, err
	}
	return d.append(dst), nil
}

// readDecimal is parseDecimal, and reads what the server's version reads besides.
func readDecimal(text, scratch []byte, env *Env) (d decimal, rest []byte, ok bool, err error) {
	if !env.otherBases() {
		return parseDecimal(text, scratch)
	}
	unsigned := text
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		unsigned = text[1:]
	}
	if base, digits := cutBase(unsigned); base != 10 {
		return parseBase(digits, base, text[0] == '-')
	}
	if bytes.IndexByte(text, '_') >= 0 {
		var plain [64]byte
		if text, ok = withoutUnderscores(text, plain[:0]); !ok {
			return d, nil, false, nil
		}
	}
	return parseDecimal(text, scratch)
}

// The sign words of the binary form (numeric_send).
const (
	numericNegative = 0x4000
	numericNaN      = 0xC000
	numericPlusInf  = 0xD000
	numericMinusInf = 0xF000
	// infinityScale is no scale: Postgres reads the word of an infinity as that
	// of a short number when it sends it.
	infinityScale = 0x20
)

func badNumeric(what string) error {
	return &pgerr.Error{Code: pgerr.InvalidBinaryRepresent, Message: fmt.Sprintf("invalid %s in external \"numeric\" value", what)}
}

// recv is numeric_recv: the number of base-10000 digits, the weight of the first,
// the sign, the scale, the digits; two bytes each.
func (k numericKind) recv(dst, data []byte, _ *Env) ([]byte, error) {
	if len(data) < 8 {
		return dst, cutShort()
	}
	n := int(binary.BigEndian.Uint16(data))
	weight := int(int16(binary.BigEndian.Uint16(data[2:])))
	sign := binary.BigEndian.Uint16(data[4:])
	scale := int(binary.BigEndian.Uint16(data[6:]))
	word := ""
	switch sign {
	case 0, numericNegative:
	case numericNaN:
		word = "NaN"
	case numericPlusInf:
		word = "Infinity"
	case numericMinusInf:
		word = "-Infinity"
	default:
		return dst, badNumeric("sign")
	}
	if scale > maxScale {
		return dst, badNumeric("scale")
	}
	data = data[8:]
	var scratch [64]byte
	d := decimal{negative: sign == numericNegative, digits: scratch[:0], point: 4 * (weight + 1)}
	for range n {
		if len(data) < 2 {
			return dst, cutShort()
		}
		v := int(binary.BigEndian.Uint16(data))
		if v > 9999 {
			return dst, badNumeric("digit")
		}
		d.digits = append(d.digits, '0'+byte(v/1000), '0'+byte(v/100%10), '0'+byte(v/10%10), '0'+byte(v%10))
		data = data[2:]
	}
	if len(data) > 0 {
		return dst, badBinary()
	}
	if word != "" {
		return k.typmod.special(dst, word)
	}
	d, err := k.typmod.apply(d.cut(scale)) // without digits that the scale hides
	if err != nil {
		return dst, err
	}
	return d.append(dst), nil
}

func (numericKind) out(dst, canonical []byte, _ *Env) ([]byte, error) {
	if len(canonical) == 0 {
		return dst, notCanonical("numeric")
	}
	return append(dst, canonical...), nil
}

// send is numeric_send.
func (numericKind) send(dst, canonical []byte, _ *Env) ([]byte, error) {
	switch string(canonical) {
	case "NaN":
		return appendWords(dst, 0, 0, numericNaN, 0), nil
	case "Infinity":
		return appendWords(dst, 0, 0, numericPlusInf, infinityScale), nil
	case "-Infinity":
		return appendWords(dst, 0, 0, numericMinusInf, infinityScale), nil
	}
	var scratch [64]byte
	d, rest, ok, err := parseDecimal(canonical, scratch[:0])
	if err != nil || !ok || len(rest) > 0 {
		return dst, notCanonical("numeric")
	}
	d = d.strip()
	if d.check() != nil {
		return dst, notCanonical("numeric")
	}
	end := len(d.digits)
	for end > 0 && d.digits[end-1] == '0' {
		end--
	}
	if end == 0 {
		return appendWords(dst, 0, 0, 0, uint16(d.scale)), nil
	}
	// Groups of four begin at the decimal point and go both ways; first is the
	// group of the first digit, counted from the one before the point.
	weight := floorDiv(d.point-1, 4)
	at := d.point - 4*(weight+1) // where the first group begins, not after digit 0
	groups := (end - at + 3) / 4
	sign := uint16(0)
	if d.negative {
		sign = numericNegative
	}
	dst = appendWords(dst, uint16(groups), uint16(int16(weight)), sign, uint16(d.scale))
	for range groups {
		v := uint16(0)
		for range 4 {
			v = v*10 + uint16(d.digit(at)-'0')
			at++
		}
		dst = appendWords(dst, v)
	}
	return dst, nil
}

func appendWords(dst []byte, words ...uint16) []byte {
	for _, w := range words {
		dst = binary.BigEndian.AppendUint16(dst, w)
	}
	return dst
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}
