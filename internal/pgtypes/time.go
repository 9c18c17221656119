package pgtypes

import (
	"encoding/binary"
	"math"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// timeKind is time, or timetz when zoned. The canonical bytes are the microseconds since
// midnight, eight bytes, and for timetz the seconds west of Greenwich, four.
type timeKind struct {
	zoned  bool
	digits int // of a second's fraction; -1: all six
}

// zoneLimit is TZDISP_LIMIT, in seconds.
const zoneLimit = 16 * 3600

func (k timeKind) name() string {
	if k.zoned {
		return "time with time zone"
	}
	return "time without time zone"
}

func (k timeKind) size() int {
	if k.zoned {
		return 12
	}
	return 8
}

func (k timeKind) append(dst []byte, micros int64, west int) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(k.round(micros)))
	if k.zoned {
		dst = binary.BigEndian.AppendUint32(dst, uint32(int32(west)))
	}
	return dst
}

// round leaves as many digits of the second as the type has (AdjustTimeForTypmod).
func (k timeKind) round(micros int64) int64 { return timestampKind{digits: k.digits}.round(micros) }

func (k timeKind) in(dst, text []byte, env *Env) ([]byte, error) {
	micros, east, err := parseTime(text, k.zoned, env)
	if err != nil {
		return dst, err
	}
	return k.append(dst, micros, -east), nil
}

func (k timeKind) recv(dst, data []byte, _ *Env) ([]byte, error) {
	if len(data) < 8 {
		return dst, cutShort()
	}
	micros := int64(binary.BigEndian.Uint64(data))
	if micros < 0 || micros > day {
		return dst, &pgerr.Error{Code: pgerr.DatetimeOverflow, Message: "time out of range"}
	}
	west := 0
	if k.zoned {
		if len(data) < 12 {
			return dst, cutShort()
		}
		if west = int(int32(binary.BigEndian.Uint32(data[8:]))); west <= -zoneLimit || west >= zoneLimit {
			return dst, &pgerr.Error{Code: codeZoneDisplacement, Message: "time zone displacement out of range"}
		}
	}
	if len(data) > k.size() {
		return dst, badBinary()
	}
	return k.append(dst, micros, west), nil
}

func (k timeKind) out(dst, canonical []byte, _ *Env) ([]byte, error) {
	if len(canonical) != k.size() {
		return dst, notCanonical(k.name())
	}
	dst = appendTime(dst, int64(binary.BigEndian.Uint64(canonical)))
	if k.zoned {
		dst = appendOffset(dst, -int(int32(binary.BigEndian.Uint32(canonical[8:]))))
	}
	return dst, nil
}

func (k timeKind) send(dst, canonical []byte, _ *Env) ([]byte, error) {
	if len(canonical) != k.size() {
		return dst, notCanonical(k.name())
	}
	return append(dst, canonical...), nil
}

// toTime casts times, timestamps and intervals to a time of day.
func toTime(dst, value []byte, from kind, to timeKind, env *Env) ([]byte, error) {
	switch source := from.(type) {
	case timeKind:
		if len(value) != source.size() {
			return dst, notCanonical(source.name())
		}
		micros := int64(be64(value[:8]))
		if !to.zoned || source.zoned {
			west := 0
			if source.zoned {
				west = int(int32(be32(value[8:])))
			}
			return to.append(dst, micros, west), nil
		}
		z, err := zoneOf(env)
		if err != nil {
			return dst, err
		}
		offset, ok := z.fixed()
		if !ok {
			return dst, unknownToday()
		}
		return to.append(dst, micros, -offset), nil
	case timestampKind:
		t := int64(be64(value))
		if t == math.MaxInt64 || t == math.MinInt64 {
			return dst, errNull
		}
		offset := 0
		if source.zoned {
			z, err := zoneOf(env)
			if err != nil {
				return dst, err
			}
			offset, _ = z.at(floorDiv64(t, second) + epochSeconds)
			t += int64(offset) * second
		}
		return to.append(dst, t-floorDiv64(t, day)*day, -offset), nil
	case intervalKind: // interval_time
		v := readInterval(value)
		if env.endless() && (v == endlessInterval || v == beginlessInterval) {
			return dst, &pgerr.Error{Code: pgerr.DatetimeOverflow, Message: "cannot convert infinite interval to time"}
		}
		return to.append(dst, v.micros-floorDiv64(v.micros, day)*day, 0), nil
	}
	return dst, noCast(from, to)
}
