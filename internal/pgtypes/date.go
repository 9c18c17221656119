package pgtypes

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// dateKind is date. The canonical bytes are the days since 2000-01-01, four
// bytes; the extremes are ±infinity.
type dateKind struct{}

// Bounds of a date (DATETIME_MIN_JULIAN, DATE_END_JULIAN), from 2000-01-01.
const (
	minDate = -2451545
	endDate = 2147483494 - 2451545
)

// epochDays is 1970-01-01.
const epochDays = -10957

func (dateKind) in(dst, text []byte, env *Env) ([]byte, error) {
	d, err := parseDateTime(text, "date", env)
	if err != nil {
		return dst, err
	}
	var days int64
	switch d.word {
	case wordInfinity:
		days = math.MaxInt32
	case wordMinusInfinity:
		days = math.MinInt32
	case wordEpoch:
		days = epochDays
	default:
		days = daysFrom2000(d.year, d.month, d.day)
		if !validJulian(d.year, d.month) || days < minDate || days >= endDate {
			return dst, &pgerr.Error{Code: pgerr.DatetimeOverflow, Message: fmt.Sprintf("date out of range: \"%s\"", text), Echoes: true}
		}
	}
	return binary.BigEndian.AppendUint32(dst, uint32(days)), nil
}

func (dateKind) recv(dst, data []byte, _ *Env) ([]byte, error) {
	if err := checkSize(data, 4); err != nil {
		return dst, err
	}
	days := int32(binary.BigEndian.Uint32(data))
	if days != math.MaxInt32 && days != math.MinInt32 && (days < minDate || days >= endDate) {
		return dst, &pgerr.Error{Code: pgerr.DatetimeOverflow, Message: "date out of range"}
	}
	return append(dst, data...), nil
}

func (dateKind) out(dst, canonical []byte, env *Env) ([]byte, error) {
	if len(canonical) != 4 {
		return dst, notCanonical("date")
	}
	switch days := int32(binary.BigEndian.Uint32(canonical)); days {
	case math.MaxInt32:
		return append(dst, "infinity"...), nil
	case math.MinInt32:
		return append(dst, "-infinity"...), nil
	default:
		return appendDate(dst, int64(days), env)
	}
}

func (dateKind) send(dst, canonical []byte, _ *Env) ([]byte, error) {
	if len(canonical) != 4 {
		return dst, notCanonical("date")
	}
	return append(dst, canonical...), nil
}
