package pgtypes

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// timestampKind is timestamp, or timestamptz when zoned. The canonical bytes are
// the microseconds since 2000-01-01, of UTC when zoned, eight bytes; the extremes
// are ±infinity.
type timestampKind struct {
	zoned  bool
	digits int // of a second's fraction; -1: all six
}

// fractionDigits reads the typmod of timestamp and its kin.
func fractionDigits(typmod int32) int { return int(typmod) }

const (
	second       = 1_000_000 // microseconds
	day          = 86400 * second
	minTimestamp = -211813488000000000 // MIN_TIMESTAMP: 4714-11-24 BC
	endTimestamp = 9223371331200000000 // END_TIMESTAMP: 294277-01-01
	epochSeconds = -epochDays * 86400  // from 1970 to 2000
)

func (k timestampKind) name() string {
	if k.zoned {
		return "timestamp with time zone"
	}
	return "timestamp without time zone"
}

// typeName is how Postgres calls the type in messages about bad text.
func (k timestampKind) typeName() string {
	if k.zoned {
		return "timestamp with time zone"
	}
	return "timestamp"
}

func (k timestampKind) in(dst, text []byte, env *Env) ([]byte, error) {
	d, err := parseDateTime(text, k.typeName(), env)
	if err != nil {
		return dst, err
	}
	var t int64
	switch d.word {
	case wordInfinity:
		t = math.MaxInt64
	case wordMinusInfinity:
		t = math.MinInt64
	case wordEpoch:
		t = -epochSeconds * second
	default:
		if t, err = k.moment(&d, text, env); err != nil {
			return dst, err
		}
	}
	return binary.BigEndian.AppendUint64(dst, uint64(k.round(t))), nil
}

// moment is tm2timestamp.
func (k timestampKind) moment(d *dateTime, text []byte, env *Env) (int64, error) {
	days := daysFrom2000(d.year, d.month, d.day)
	if !validJulian(d.year, d.month) || days > endTimestamp/day {
		return 0, timestampTextRange(text)
	}
	seconds := days*86400 + int64(d.hour)*3600 + int64(d.minute)*60 + int64(d.sec)
	if k.zoned {
		z := &env.zone
		if d.zoned {
			z = &d.zone
		}
		if !z.known {
			return 0, z.unknown()
		}
		seconds -= int64(z.local(seconds + epochSeconds))
	}
	if seconds > endTimestamp/second {
		return 0, timestampTextRange(text)
	}
	t := seconds*second + int64(d.micro)
	if t < minTimestamp || t >= endTimestamp {
		return 0, timestampTextRange(text)
	}
	return t, nil
}

func timestampTextRange(text []byte) error {
	return &pgerr.Error{Code: pgerr.DatetimeOverflow, Message: fmt.Sprintf("timestamp out of range: \"%s\"", text), Echoes: true}
}

// round leaves as many digits of the second as the type has, half away from zero
// (AdjustTimestampForTypmod).
func (k timestampKind) round(t int64) int64 {
	if k.digits < 0 || k.digits >= 6 || t == math.MaxInt64 || t == math.MinInt64 {
		return t
	}
	scale := int64(1)
	for range 6 - k.digits {
		scale *= 10
	}
	if t >= 0 {
		return (t + scale/2) / scale * scale
	}
	return -((-t + scale/2) / scale * scale)
}

func (k timestampKind) recv(dst, data []byte, _ *Env) ([]byte, error) {
	if err := checkSize(data, 8); err != nil {
		return dst, err
	}
	t := int64(binary.BigEndian.Uint64(data))
	if t != math.MaxInt64 && t != math.MinInt64 && (t < minTimestamp || t >= endTimestamp) {
		return dst, timestampRange()
	}
	return binary.BigEndian.AppendUint64(dst, uint64(k.round(t))), nil
}

func timestampRange() error {
	return &pgerr.Error{Code: pgerr.DatetimeOverflow, Message: "timestamp out of range"}
}

func (k timestampKind) out(dst, canonical []byte, env *Env) ([]byte, error) {
	if len(canonical) != 8 {
		return dst, notCanonical(k.name())
	}
	switch t := int64(binary.BigEndian.Uint64(canonical)); t {
	case math.MaxInt64:
		return append(dst, "infinity"...), nil
	case math.MinInt64:
		return append(dst, "-infinity"...), nil
	default:
		return appendTimestamp(dst, t, k.zoned, env)
	}
}

func (k timestampKind) send(dst, canonical []byte, _ *Env) ([]byte, error) {
	if len(canonical) != 8 {
		return dst, notCanonical(k.name())
	}
	return append(dst, canonical...), nil
}
