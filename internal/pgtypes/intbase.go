package pgtypes

import (
	"math/big"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// otherBases tells whether a server reads 0x1F, 0o17, 0b11 and 1_000: from Postgres 16
// on. Where there is no Env a text is Postgres's own.
func (e *Env) otherBases() bool { return e != nil && (e.version == 0 || e.version >= 16) }

// cutBase takes the prefix of a base off.
func cutBase(text []byte) (base int, rest []byte) {
	if len(text) > 1 && text[0] == '0' {
		switch text[1] | 0x20 {
		case 'x':
			return 16, text[2:]
		case 'o':
			return 8, text[2:]
		case 'b':
			return 2, text[2:]
		}
	}
	return 10, text
}

// digitOf gives the value of a digit of a base; not ok: it is none.
func digitOf(c byte, base int) (value int, ok bool) {
	value = int(hexDigits[c])
	return value, value >= 0 && value < base
}

// cutDigits calls each with the digits at the beginning of text, until it is false. An
// underscore stands between digits, and behind a base's prefix; ok is false where it
// stands elsewhere, or when there is no digit.
func cutDigits(text []byte, base int, each func(digit int) bool) (rest []byte, ok bool) {
	i := 0
	for ; i < len(text); i++ {
		if text[i] == '_' && (i > 0 || base != 10) {
			if i++; i == len(text) {
				return text, false
			}
			if _, ok := digitOf(text[i], base); !ok {
				return text, false
			}
		}
		digit, ok := digitOf(text[i], base)
		if !ok {
			break
		}
		if !each(digit) {
			return text, true
		}
	}
	return text[i:], i > 0
}

// inAnyBase is pg_strtoint16_safe and its kin, of Postgres 16.
func (k intKind) inAnyBase(dst, text []byte) ([]byte, error) {
	rest := text
	for len(rest) > 0 && isSpace(rest[0]) {
		rest = rest[1:]
	}
	negative := len(rest) > 0 && rest[0] == '-'
	if negative || len(rest) > 0 && rest[0] == '+' {
		rest = rest[1:]
	}
	base, rest := cutBase(rest)
	most := uint64(1) << (8*k.size - 1) // of a negative number
	n, tooMany := uint64(0), false
	rest, ok := cutDigits(rest, base, func(digit int) bool {
		if n > most/uint64(base) {
			tooMany = true
			return false
		}
		n = n*uint64(base) + uint64(digit)
		return true
	})
	switch {
	case tooMany:
		return dst, k.outOfRange(text)
	case !ok || len(trim(rest)) > 0:
		return dst, badSyntax(pgerr.InvalidTextRepresent, k.name, text)
	case n > most || n == most && !negative:
		return dst, k.outOfRange(text)
	case negative:
		n = -n
	}
	return k.append(dst, int64(n)), nil
}

// maxBaseDigits is more digits of any base than a numeric has bits.
const maxBaseDigits = 4 * maxIntegerDigits

// parseBase reads an integer of another base than ten as set_var_from_non_decimal_integer_str
// does, behind its prefix. ok is false when it is none.
func parseBase(text []byte, base int, negative bool) (d decimal, rest []byte, ok bool, err error) {
	digits := make([]byte, 0, min(len(text), maxBaseDigits))
	rest, ok = cutDigits(text, base, func(digit int) bool {
		if (digit > 0 || len(digits) > 0) && len(digits) < maxBaseDigits {
			digits = append(digits, "0123456789abcdef"[digit])
		}
		return true
	})
	if !ok {
		return d, rest, false, nil
	}
	if len(digits) == maxBaseDigits {
		return d, rest, true, numericOverflow()
	}
	if len(digits) == 0 {
		digits = append(digits, '0')
	}
	n, _ := new(big.Int).SetString(string(digits), base)
	d = decimal{negative: negative, digits: n.Append(nil, 10)}
	d.point = len(d.digits)
	return d, rest, true, nil
}

// withoutUnderscores gives a number's text without the underscores between its digits,
// appended to scratch; false when one stands elsewhere.
func withoutUnderscores(text, scratch []byte) ([]byte, bool) {
	for i, c := range text {
		if c != '_' {
			scratch = append(scratch, c)
			continue
		}
		if i == 0 || i+1 == len(text) || !isDigit(text[i-1]) || !isDigit(text[i+1]) {
			return nil, false
		}
	}
	return scratch, true
}
