package pgtypes

import (
	"math/bits"
	"strconv"
)

// shortest appends the shortest digits that read as the value, with an exponent.
// Postgres does not take digits that lie exactly halfway between two values,
// which other readers might round otherwise; Go does (1e23 against Postgres's
// 9.999999999999999e+22).
func (k floatKind) shortest(dst []byte, value float64) []byte {
	at := len(dst)
	dst = strconv.AppendFloat(dst, value, 'e', -1, k.bits)
	if !k.halfway(dst[at:]) {
		return dst
	}
	most := 17
	if k.bits == 32 {
		most = 9
	}
	for digits := 1; digits < most; digits++ {
		dst = strconv.AppendFloat(dst[:at], value, 'e', digits-1, k.bits)
		back, err := strconv.ParseFloat(string(dst[at:]), k.bits)
		if err == nil && back == value && !k.halfway(dst[at:]) {
			return dst
		}
	}
	return strconv.AppendFloat(dst[:at], value, 'e', most-1, k.bits)
}

// powersOf5 are those that fit in 64 bits.
var powersOf5 = func() (p [28]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 5
	}
	return p
}()

// halfway tells whether the digits, which read as a value, are halfway to the
// next one: odd * 2^n with one bit more than values have.
func (k floatKind) halfway(text []byte) bool {
	var digits uint64
	exponent, point := 0, false
	for i, c := range text {
		if c == 'e' {
			n, _ := strconv.Atoi(string(text[i+1:]))
			exponent += n
			break
		}
		if isDigit(c) {
			digits = digits*10 + uint64(c-'0')
			if point {
				exponent--
			}
		}
		point = point || c == '.'
	}
	width := 54
	if k.bits == 32 {
		width = 25
	}
	var high, low uint64
	switch {
	case exponent >= len(powersOf5) || -exponent >= len(powersOf5):
		return false // too many factors of 5 for so few bits
	case exponent >= 0:
		high, low = bits.Mul64(digits, powersOf5[exponent])
	case digits%powersOf5[-exponent] != 0:
		return false // not a sum of powers of 2
	default:
		low = digits / powersOf5[-exponent]
	}
	if low == 0 {
		return high != 0 && bits.Len64(high)-bits.TrailingZeros64(high) == width
	}
	length := bits.Len64(low)
	if high != 0 {
		length = 64 + bits.Len64(high)
	}
	return length-bits.TrailingZeros64(low) == width
}
