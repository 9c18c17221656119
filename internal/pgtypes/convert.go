package pgtypes

import (
	"fmt"
	"math"
	"strconv"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// convert casts canonical bytes of one type to another's. Which casts there are,
// Assignable knows.
func convert(dst, value []byte, from, to kind, env *Env) ([]byte, error) {
	switch target := to.(type) {
	case intKind:
		return toInt(dst, value, from, target)
	case floatKind:
		return toFloat(dst, value, from, target, env)
	case numericKind:
		return toNumeric(dst, value, from, target, env)
	case timestampKind:
		return toTimestamp(dst, value, from, target, env)
	case dateKind:
		return toDate(dst, value, from, env)
	case timeKind:
		return toTime(dst, value, from, target, env)
	case intervalKind:
		return toInterval(dst, value, from, target, env)
	case inetKind:
		return toInet(dst, value, from, target)
	case arrayKind:
		return toArray(dst, value, from, target, env)
	}
	// By way of text: to the text types, and between json and jsonb.
	text, err := assignmentText(dst, value, from, env)
	if err != nil {
		return dst, err
	}
	out, err := to.in(text, text[len(dst):], env)
	if err != nil {
		return dst, err
	}
	return dropMiddle(out, len(dst), len(text)), nil
}

// assignmentText is a value cast to text.
func assignmentText(dst, value []byte, from kind, env *Env) ([]byte, error) {
	switch from.(type) {
	case boolKind: // text(bool), unlike boolout
		if len(value) == 1 && value[0] != 0 {
			return append(dst, "true"...), nil
		}
		return append(dst, "false"...), nil
	case bpcharKind:
		return append(dst, trimSpaces(value)...), nil
	case inetKind: // text(inet), which has the width always
		return inetKind{cidr: true}.out(dst, value, env)
	case textKind, varcharKind, nameKind, jsonKind, jsonbKind:
		return append(dst, value...), nil
	}
	return from.out(dst, value, env)
}

func noCast(from, to kind) error {
	return fmt.Errorf("internal error: no cast from %T to %T", from, to)
}

func intRange(to intKind) error {
	return &pgerr.Error{Code: pgerr.NumericOutOfRange, Message: to.name + " out of range"}
}

// toInt rounds floats half to even, numerics half away from zero.
func toInt(dst, value []byte, from kind, to intKind) ([]byte, error) {
	switch source := from.(type) {
	case intKind:
		n, _ := source.value(value)
		if !to.fits(n) {
			return dst, intRange(to)
		}
		return to.append(dst, n), nil
	case oidKind: // the same bits as integer, without a sign as bigint
		return to.append(dst, int64(be32(value))), nil
	case floatKind:
		f, _ := source.value(value)
		f = math.RoundToEven(f)
		bound := math.Ldexp(1, 8*to.size-1)
		if !(f >= -bound && f < bound) { // NaN neither
			return dst, intRange(to)
		}
		return to.append(dst, int64(f)), nil
	case numericKind:
		switch string(value) {
		case "NaN":
			return dst, &pgerr.Error{Code: pgerr.FeatureNotSupported, Message: "cannot convert NaN to " + to.name}
		case "Infinity", "-Infinity":
			return dst, &pgerr.Error{Code: pgerr.FeatureNotSupported, Message: "cannot convert infinity to " + to.name}
		}
		rounded, err := numericKind{numericMod{precision: maxIntegerDigits}}.in(dst, value, nil)
		if err != nil {
			return dst, err
		}
		n, err := strconv.ParseInt(string(rounded[len(dst):]), 10, 8*to.size)
		if err != nil {
			return dst, intRange(to)
		}
		return to.append(dst, n), nil
	}
	return dst, noCast(from, to)
}

func toFloat(dst, value []byte, from kind, to floatKind, env *Env) ([]byte, error) {
	switch source := from.(type) {
	case intKind:
		n, _ := source.value(value)
		if to.bits == 32 {
			return to.append(dst, float64(float32(n))), nil
		}
		return to.append(dst, float64(n)), nil
	case floatKind: // dtof; the other way nothing is lost
		f, _ := source.value(value)
		if to.bits == 32 && !math.IsInf(f, 0) && !math.IsNaN(f) {
			switch narrow := float32(f); {
			case math.IsInf(float64(narrow), 0):
				return dst, &pgerr.Error{Code: pgerr.NumericOutOfRange, Message: "value out of range: overflow"}
			case narrow == 0 && f != 0:
				return dst, &pgerr.Error{Code: pgerr.NumericOutOfRange, Message: "value out of range: underflow"}
			}
		}
		return to.append(dst, f), nil
	case numericKind:
		return to.in(dst, value, env)
	}
	return dst, noCast(from, to)
}

// toNumeric takes of floats the digits that are surely right: 15 and 6
// (float8_numeric, float4_numeric).
func toNumeric(dst, value []byte, from kind, to numericKind, env *Env) ([]byte, error) {
	var scratch [32]byte
	text := scratch[:0]
	switch source := from.(type) {
	case intKind:
		n, _ := source.value(value)
		text = strconv.AppendInt(text, n, 10)
	case floatKind:
		f, _ := source.value(value)
		switch {
		case math.IsNaN(f) || math.IsInf(f, 0):
			text = source.print(text, f)
		default:
			digits := 15 // DBL_DIG
			if source.bits == 32 {
				digits = 6 // FLT_DIG
			}
			text = strconv.AppendFloat(text, f, 'e', digits-1, 64)
			text = dropZeros(text)
		}
	case numericKind: // to fewer digits
		text = value
	default:
		return dst, noCast(from, to)
	}
	return to.in(dst, text, env)
}

// dropZeros drops zeros at the end of a mantissa, as C's %g does: a numeric
// would show them.
func dropZeros(text []byte) []byte {
	mark := len(text)
	for i, c := range text {
		if c == 'e' {
			mark = i
		}
	}
	end := mark
	for end > 0 && text[end-1] == '0' {
		end--
	}
	if end > 0 && text[end-1] == '.' {
		end--
	}
	return append(text[:end], text[mark:]...)
}

// zoneOf gives the session's zone, for casts that need it.
func zoneOf(env *Env) (*zone, error) {
	if !env.zone.known {
		return nil, env.zone.unknown()
	}
	return &env.zone, nil
}

// toTimestamp casts date, timestamp and timestamptz to the latter two.
func toTimestamp(dst, value []byte, from kind, to timestampKind, env *Env) ([]byte, error) {
	var t int64
	switch source := from.(type) {
	case dateKind:
		days := int64(int32(be32(value)))
		switch days {
		case math.MaxInt32:
			return appendWide(dst, math.MaxInt64), nil
		case math.MinInt32:
			return appendWide(dst, math.MinInt64), nil
		}
		if days >= endTimestamp/day {
			return dst, &pgerr.Error{Code: pgerr.DatetimeOverflow, Message: "date out of range for timestamp"}
		}
		t = days * day
	case timestampKind:
		t = int64(be64(value))
		if t == math.MaxInt64 || t == math.MinInt64 {
			return append(dst, value...), nil
		}
		if source.zoned { // to timestamp: what the clock shows
			z, err := zoneOf(env)
			if err != nil {
				return dst, err
			}
			offset, _ := z.at(floorDiv64(t, second) + epochSeconds)
			t += int64(offset) * second
		}
	default:
		return dst, noCast(from, to)
	}
	if to.zoned {
		z, err := zoneOf(env)
		if err != nil {
			return dst, err
		}
		t -= int64(z.local(floorDiv64(t, second)+epochSeconds)) * second
	}
	if t < minTimestamp || t >= endTimestamp {
		return dst, timestampRange()
	}
	return appendWide(dst, to.round(t)), nil
}

// toDate casts timestamp and timestamptz to date.
func toDate(dst, value []byte, from kind, env *Env) ([]byte, error) {
	source, ok := from.(timestampKind)
	if !ok {
		return dst, noCast(from, dateKind{})
	}
	t := int64(be64(value))
	switch t {
	case math.MaxInt64:
		return int4Kind.append(dst, math.MaxInt32), nil
	case math.MinInt64:
		return int4Kind.append(dst, math.MinInt32), nil
	}
	if source.zoned {
		z, err := zoneOf(env)
		if err != nil {
			return dst, err
		}
		offset, _ := z.at(floorDiv64(t, second) + epochSeconds)
		t += int64(offset) * second
	}
	return int4Kind.append(dst, floorDiv64(t, day)), nil
}

func be32(b []byte) uint32 { n, _ := int4Kind.value(b); return uint32(n) }

func be64(b []byte) uint64 { n, _ := int8Kind.value(b); return uint64(n) }

func appendWide(dst []byte, t int64) []byte { return int8Kind.append(dst, t) }
