package pgtypes

import (
	"bytes"
	"math"
	"math/bits"
	"strconv"
)

// intervalFault is why a text is no interval.
type intervalFault uint8

const (
	intervalFine    intervalFault = iota
	intervalForm                  // DTERR_BAD_FORMAT
	intervalField                 // DTERR_FIELD_OVERFLOW
	intervalTooLong               // itmin2interval
)

// parseInterval reads an interval as Postgres writes it, or else as ISO 8601 does
// (interval_in).
func parseInterval(text []byte, env *Env) (interval, intervalFault) {
	s := intervalSum{earlier: env.earlierIntervals()}
	fault := s.traditional(text, env)
	if fault == intervalForm {
		s = intervalSum{earlier: s.earlier}
		fault = s.designated(text)
	}
	if fault != intervalFine {
		return interval{}, fault
	}
	if s.word == wordInfinity {
		return endlessInterval, intervalFine
	}
	if s.word == wordMinusInfinity {
		return beginlessInterval, intervalFine
	}
	months := int64(s.years)*12 + int64(s.months)
	if months != int64(int32(months)) {
		return interval{}, intervalTooLong
	}
	return interval{s.micros, s.days, int32(months)}, intervalFine
}

// intervalSum adds an interval's fields up (pg_itm_in).
type intervalSum struct {
	micros              int64
	days, months, years int32
	word                dateWord
	earlier             bool // as before Postgres 15, with fields of 32 bits
}

// units are the words that set bits of a fieldSet.
type fieldSet uint16

const (
	secondFields fieldSet = 1<<unitSecond | 1<<unitMillisecond | 1<<unitMicrosecond
	clockFields           = 1<<unitHour | 1<<unitMinute | secondFields
	dayFields    fieldSet = 1<<unitYear | 1<<unitMonth | 1<<unitDay
)

// traditional reads "1 year 2 mons -3 days 04:05:06.7 ago" (DecodeInterval), backwards,
// so that units come before their numbers.
func (s *intervalSum) traditional(text []byte, env *Env) intervalFault {
	var f dateFields
	if !f.split(text, maxFieldBytes) {
		return intervalForm
	}
	negative := env.intervalStyle == intervalSQL && f.n > 0 && f.field(0)[0] == '-'
	for i := 1; i < f.n && negative; i++ {
		negative = f.field(i)[0] != '-' && f.field(i)[0] != '+'
	}
	var seen fieldSet
	unit, ago, waiting := unitUnset, false, false
	strict := env.endless() // since 17: each unit has its number, ago is last
	for i := f.n - 1; i >= 0; i-- {
		field, kind := f.field(i), f.kinds[i]
		var set fieldSet
		switch kind {
		case fieldString, fieldSpecial:
			if strict && waiting {
				return intervalForm
			}
			word, known := intervalWords[string(cutToken(field))]
			if !known && strict {
				word = dateWords[string(cutToken(field))]
			}
			last := i == f.n-1
			switch {
			case word.kind == wordIgnored:
				continue
			case word.kind == wordUnit && known:
				unit, waiting = intervalUnit(word.value), true
			case word.kind == wordUnit:
				unit, waiting = unitOther, true
			case word.kind == wordAgo && (last || !strict):
				ago, unit = true, unitOther
			case word.kind == wordReserved && last && dateWord(word.value) <= wordMinusInfinity:
				s.word, set, unit = dateWord(word.value), dayFields|clockFields, unitOther
			default:
				return intervalForm
			}
		default:
			var fault intervalFault
			if set, fault = s.number(field, kind, &unit, negative); fault != intervalFine {
				return fault
			}
			waiting = false
		}
		if set&seen != 0 {
			return intervalForm
		}
		seen |= set
	}
	if seen == 0 || strict && waiting {
		return intervalForm
	}
	if ago {
		return s.negate()
	}
	return intervalFine
}

func (s *intervalSum) negate() intervalFault {
	if !s.earlier && (s.micros == math.MinInt64 || s.days == math.MinInt32 || s.months == math.MinInt32 || s.years == math.MinInt32) {
		return intervalField
	}
	s.micros, s.days, s.months, s.years = -s.micros, -s.days, -s.months, -s.years
	return intervalFine
}

// number reads a field that begins with a digit, a point or a sign.
func (s *intervalSum) number(field []byte, kind fieldKind, unit *intervalUnit, negative bool) (fieldSet, intervalFault) {
	if kind == fieldTime || kind == fieldZone && bytes.IndexByte(field, ':') > 0 {
		clock := field
		if kind == fieldZone {
			clock = field[1:]
		}
		micros, fault := s.clock(clock)
		switch {
		case fault == intervalFine:
			s.micros = micros
			if field[0] == '-' || negative {
				s.micros = -micros
			}
			*unit = unitDay
			return clockFields, intervalFine
		case kind == fieldTime:
			return 0, fault
		}
	}
	if *unit == unitUnset {
		*unit = unitSecond
	}
	value, rest, ok := s.scan(field)
	if !ok {
		return 0, intervalField
	}
	fraction := 0.0
	switch {
	case len(rest) == 0:
	case rest[0] == '-': // of SQL: years-months
		months, behind, ok := scanInt32(rest[1:])
		if !ok || months < 0 || months >= 12 {
			return 0, intervalField
		}
		if len(behind) > 0 {
			return 0, intervalForm
		}
		if field[0] == '-' {
			months = -months
		}
		if value, ok = multiplyAdd(value, 12, int64(months)); !ok {
			return 0, intervalField
		}
		*unit = unitMonth
	case rest[0] == '.':
		var fault intervalFault
		if fraction, fault = s.parseFraction(rest); fault != intervalFine {
			return 0, fault
		}
		if field[0] == '-' {
			fraction = -fraction
		}
	default:
		return 0, intervalForm
	}
	if negative {
		value, fraction = min(value, -value), min(fraction, -fraction)
	}
	set := fieldSet(1) << *unit
	if *unit == unitSecond && fraction != 0 {
		set = secondFields
	}
	fault := s.add(value, fraction, *unit)
	if *unit == unitHour {
		*unit = unitDay
	}
	return set, fault
}

// scan reads an integer with a sign at the beginning of a field; false when it has too
// many bits.
func (s *intervalSum) scan(field []byte) (value int64, rest []byte, ok bool) {
	if s.earlier {
		n, rest, ok := scanInt32(field)
		return int64(n), rest, ok
	}
	return scanInt(field, 64)
}

func scanInt32(text []byte) (int32, []byte, bool) {
	n, rest, ok := scanInt(text, 32)
	return int32(n), rest, ok
}

// scanInt is C's strtol on what holds no blanks: without digits it is zero.
func scanInt(text []byte, bits int) (n int64, rest []byte, ok bool) {
	i := 0
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		i = 1
	}
	from := i
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	if i == from {
		return 0, text, true
	}
	n, err := strconv.ParseInt(string(text[:i]), 10, bits)
	return n, text[i:], err == nil
}

// multiplyAdd is value*scale + sum; false when it has too many bits.
func multiplyAdd(value, scale, sum int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(abs(value)), uint64(scale))
	if hi != 0 || lo > math.MaxInt64 && !(value < 0 && lo == 1<<63) {
		return 0, false
	}
	product := int64(lo)
	if value < 0 {
		product = -product
	}
	total := product + sum
	return total, (total > product) == (sum > 0) || sum == 0
}

// parseFraction reads a point and digits up to the end (ParseFraction). Before Postgres
// 15 there must be some.
func (s *intervalSum) parseFraction(text []byte) (float64, intervalFault) {
	if s.earlier && len(text) == 1 {
		return 0, intervalForm
	}
	for _, c := range text[1:] {
		if !isDigit(c) {
			return 0, intervalForm
		}
	}
	if len(text) == 1 {
		return 0, intervalFine
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, intervalForm
	}
	return f, intervalFine
}

// clock reads HH:MM, HH:MM:SS[.f] or MM:SS.f (DecodeTimeCommon).
func (s *intervalSum) clock(text []byte) (micros int64, fault intervalFault) {
	hours, rest, ok := s.scan(text)
	if !ok {
		return 0, intervalField
	}
	if len(rest) == 0 || rest[0] != ':' {
		return 0, intervalForm
	}
	minutes, rest, ok := scanInt32(rest[1:])
	if !ok {
		return 0, intervalField
	}
	seconds, fraction := int32(0), 0.0
	switch {
	case len(rest) == 0:
	case rest[0] == '.':
		if fraction, fault = s.parseFraction(rest); fault != intervalFine {
			return 0, fault
		}
		if hours != int64(int32(hours)) {
			return 0, intervalField
		}
		hours, minutes, seconds = 0, int32(hours), minutes
	case rest[0] == ':':
		if seconds, rest, ok = scanInt32(rest[1:]); !ok {
			return 0, intervalField
		}
		if len(rest) == 0 {
			break
		}
		if rest[0] != '.' {
			return 0, intervalForm
		}
		if fraction, fault = s.parseFraction(rest); fault != intervalFine {
			return 0, fault
		}
	default:
		return 0, intervalForm
	}
	if hours < 0 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 60 {
		return 0, intervalField
	}
	micros = int64(math.RoundToEven(fraction*second)) + int64(seconds)*second + int64(minutes)*60*second
	if micros, ok = multiplyAdd(hours, 3600*second, micros); !ok {
		return 0, intervalField
	}
	return micros, intervalFine
}
