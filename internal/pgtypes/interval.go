package pgtypes

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// intervalKind is interval. The canonical bytes are the microseconds, eight bytes, the
// days, four, and the months, four, which Postgres keeps apart. From Postgres 17 on the
// extremes of all three are ±infinity.
type intervalKind struct{ digits int } // of a second's fraction; -1: all six

// intervalDigits reads the precision in a typmod of interval, which has the fields that
// the type is held to in its upper half.
func intervalDigits(typmod int32) int {
	if typmod < 0 {
		return -1
	}
	return int(typmod & 0xffff)
}

// interval is a value (Interval).
type interval struct {
	micros int64
	days   int32
	months int32
}

var (
	endlessInterval    = interval{math.MaxInt64, math.MaxInt32, math.MaxInt32}
	beginlessInterval  = interval{math.MinInt64, math.MinInt32, math.MinInt32}
	errIntervalOutside = &pgerr.Error{Code: pgerr.DatetimeOverflow, Message: "interval out of range"}
)

// endless tells whether a server has intervals without end.
func (e *Env) endless() bool { return e.version == 0 || e.version >= 17 }

// earlierIntervals tells whether a server counts the fields of an interval in 32 bits, and
// rounds them otherwise: before Postgres 15.
func (e *Env) earlierIntervals() bool { return e.version != 0 && e.version < 15 }

func (v interval) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(v.micros))
	dst = binary.BigEndian.AppendUint32(dst, uint32(v.days))
	return binary.BigEndian.AppendUint32(dst, uint32(v.months))
}

func readInterval(data []byte) interval {
	return interval{
		int64(binary.BigEndian.Uint64(data)), int32(binary.BigEndian.Uint32(data[8:])), int32(binary.BigEndian.Uint32(data[12:])),
	}
}

const intervalSize = 16

func (k intervalKind) in(dst, text []byte, env *Env) ([]byte, error) {
	v, fault := parseInterval(text, env)
	switch fault {
	case intervalFine:
	case intervalField:
		return dst, &pgerr.Error{Code: "22015", Message: fmt.Sprintf("interval field value out of range: \"%s\"", text), Echoes: true}
	case intervalTooLong:
		return dst, errIntervalOutside
	default:
		return dst, badSyntax(pgerr.InvalidDatetimeFormat, "interval", text)
	}
	return k.rounded(dst, v, env)
}

// rounded appends the value with as many digits of the second as the type has, half
// away from zero (AdjustIntervalForTypmod).
func (k intervalKind) rounded(dst []byte, v interval, env *Env) ([]byte, error) {
	if k.digits < 0 || k.digits >= 6 || env.endless() && (v == endlessInterval || v == beginlessInterval) {
		return v.append(dst), nil
	}
	scale := int64(1)
	for range 6 - k.digits {
		scale *= 10
	}
	half := scale / 2
	if v.micros < 0 {
		half = -half
	}
	sum := v.micros + half
	if (sum < v.micros) != (half < 0) && env.endless() { // before, it goes round
		return dst, &pgerr.Error{Code: pgerr.DatetimeOverflow, Message: "interval out of range", AtRun: true}
	}
	v.micros = sum - sum%scale
	return v.append(dst), nil
}

func (k intervalKind) recv(dst, data []byte, env *Env) ([]byte, error) {
	if err := checkSize(data, intervalSize); err != nil {
		return dst, err
	}
	return k.rounded(dst, readInterval(data), env)
}

func (intervalKind) out(dst, canonical []byte, env *Env) ([]byte, error) {
	if len(canonical) != intervalSize {
		return dst, notCanonical("interval")
	}
	v := readInterval(canonical)
	if env.endless() {
		switch v {
		case endlessInterval:
			return append(dst, "infinity"...), nil
		case beginlessInterval:
			return append(dst, "-infinity"...), nil
		}
	}
	return v.appendText(dst, env)
}

func (intervalKind) send(dst, canonical []byte, _ *Env) ([]byte, error) {
	if len(canonical) != intervalSize {
		return dst, notCanonical("interval")
	}
	return append(dst, canonical...), nil
}

// toInterval casts to fewer digits of the second, and time.
func toInterval(dst, value []byte, from kind, to intervalKind, env *Env) ([]byte, error) {
	switch from.(type) {
	case intervalKind:
		if len(value) != intervalSize {
			return dst, notCanonical("interval")
		}
		return to.rounded(dst, readInterval(value), env)
	case timeKind:
		return to.rounded(dst, interval{micros: int64(be64(value))}, env)
	}
	return dst, noCast(from, to)
}
