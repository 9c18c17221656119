package pgtypes

import (
	"math"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// decimal is a finite number as numeric has it: 0.digits * 10^point, shown with
// scale digits behind the decimal point (NumericVar).
type decimal struct {
	negative bool
	digits   []byte // '0' to '9'
	point    int
	scale    int // dscale: not negative once rounded
}

// Bounds of the stored form (NUMERIC_WEIGHT_MAX, NUMERIC_DSCALE_MAX).
const (
	maxIntegerDigits = 4 * (math.MaxInt16 + 1)
	maxScale         = 0x3fff
	maxExponent      = math.MaxInt32 / 2
)

func numericOverflow() error {
	return &pgerr.Error{Code: pgerr.NumericOutOfRange, Message: "value overflows numeric format"}
}

// parseDecimal reads a number at the beginning of text, as set_var_from_str
// does; rest is what follows it. d.digits is appended to scratch. ok is false
// when there is no number.
func parseDecimal(text, scratch []byte) (d decimal, rest []byte, ok bool, err error) {
	d.digits = scratch
	i := 0
	if i < len(text) && (text[i] == '+' || text[i] == '-') {
		d.negative = text[i] == '-'
		i++
	}
	point, n := -1, 0
	for ; i < len(text); i++ {
		c := text[i]
		if c == '.' && point < 0 {
			point = n
			if n == 0 && (i+1 == len(text) || !isDigit(text[i+1])) {
				return d, nil, false, nil
			}
			continue
		}
		if !isDigit(c) {
			break
		}
		d.digits = append(d.digits, c)
		n++
	}
	if n == 0 || i < len(text) && text[i] == '.' {
		return d, nil, false, nil
	}
	d.point = n
	if point >= 0 {
		d.point, d.scale = point, n-point
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		i++
		sign := 1
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			if text[i] == '-' {
				sign = -1
			}
			i++
		}
		exponent, from := 0, i
		for ; i < len(text) && isDigit(text[i]); i++ {
			exponent = min(exponent*10+int(text[i]-'0'), maxExponent)
		}
		if i == from {
			return d, nil, false, nil
		}
		if exponent >= maxExponent {
			return d, nil, true, numericOverflow()
		}
		d.point += sign * exponent
		d.scale = max(d.scale-sign*exponent, 0)
	}
	return d, text[i:], true, nil
}

// strip drops leading zeros, and the sign of zero.
func (d decimal) strip() decimal {
	for len(d.digits) > 0 && d.digits[0] == '0' {
		d.digits = d.digits[1:]
		d.point--
	}
	if len(d.digits) == 0 {
		d.negative, d.point = false, 0
	}
	return d
}

// cut leaves scale digits behind the point (trunc_var).
func (d decimal) cut(scale int) decimal {
	d.scale = scale
	if n := max(d.point+scale, 0); n < len(d.digits) {
		d.digits = d.digits[:n]
	}
	return d
}

// round rounds half away from zero to scale digits behind the point; a negative
// scale rounds before it (round_var). It works on d's own digits.
func (d decimal) round(scale int) decimal {
	n := d.point + scale // digits kept
	up := n >= 0 && n < len(d.digits) && d.digits[n] >= '5'
	d = d.cut(scale)
	d.scale = max(scale, 0)
	if !up {
		return d
	}
	for i := n - 1; i >= 0; i-- {
		if d.digits[i] < '9' {
			d.digits[i]++
			return d
		}
		d.digits[i] = '0'
	}
	// All nines: 1 and zeros, of which the last is dropped.
	d.digits = d.digits[:max(n, 1)]
	d.digits[0] = '1'
	d.point++
	return d
}

// check holds the stripped number to what numeric can store (make_result).
func (d decimal) check() error {
	if d.point > maxIntegerDigits || d.scale > maxScale {
		return numericOverflow()
	}
	return nil
}

// append writes the stripped and checked number as numeric_out does.
func (d decimal) append(dst []byte) []byte {
	if d.negative {
		dst = append(dst, '-')
	}
	if d.point <= 0 {
		dst = append(dst, '0')
	}
	for i := range d.point {
		dst = append(dst, d.digit(i))
	}
	if d.scale > 0 {
		dst = append(dst, '.')
		for i := range d.scale {
			dst = append(dst, d.digit(d.point+i))
		}
	}
	return dst
}

// digit is the i-th digit, counted from the point that digits have before them.
func (d decimal) digit(i int) byte {
	if i < 0 || i >= len(d.digits) {
		return '0'
	}
	return d.digits[i]
}
