package pgtypes

import (
	"fmt"
	"strconv"
)

// intervalStyle is IntervalStyle.
type intervalStyle uint8

const (
	intervalUnknown intervalStyle = iota
	intervalPostgres
	intervalVerbose
	intervalSQL
	intervalISO
)

var intervalStyles = map[string]intervalStyle{
	"postgres": intervalPostgres, "postgres_verbose": intervalVerbose, "sql_standard": intervalSQL, "iso_8601": intervalISO,
}

// intervalParts is an interval in the units that it is written in; signs go with each.
type intervalParts struct {
	years, months, days, hours, minutes, seconds, micros int64
}

func (v interval) parts() intervalParts {
	const minute, hour = 60 * second, 3600 * second
	return intervalParts{
		years: int64(v.months / 12), months: int64(v.months % 12), days: int64(v.days),
		hours: v.micros / hour, minutes: v.micros % hour / minute, seconds: v.micros % minute / second, micros: v.micros % second,
	}
}

func (p *intervalParts) negate() {
	for _, part := range p.all() {
		*part = -*part
	}
}

func (p *intervalParts) all() [7]*int64 {
	return [...]*int64{&p.years, &p.months, &p.days, &p.hours, &p.minutes, &p.seconds, &p.micros}
}

// timeNegative tells the sign of the time, which all its parts have.
func (p *intervalParts) timeNegative() bool {
	return p.hours < 0 || p.minutes < 0 || p.seconds < 0 || p.micros < 0
}

func (p *intervalParts) noTime() bool {
	return p.hours == 0 && p.minutes == 0 && p.seconds == 0 && p.micros == 0
}

// appendText is EncodeInterval.
func (v interval) appendText(dst []byte, env *Env) ([]byte, error) {
	p := v.parts()
	if env.earlierIntervals() && p.hours != int64(int32(p.hours)) {
		return dst, errIntervalOutside
	}
	switch env.intervalStyle {
	case intervalPostgres:
		return p.appendPostgres(dst), nil
	case intervalVerbose:
		return p.appendVerbose(dst), nil
	case intervalSQL:
		return p.appendSQL(dst), nil
	case intervalISO:
		return p.appendISO(dst), nil
	}
	return dst, notDone(fmt.Sprintf("pgseal does not know the IntervalStyle %q", env.intervalStyleName), "SET IntervalStyle TO postgres.", anchorTypes)
}

func abs(n int64) int64 { return max(n, -n) }

// appendClock writes hours, minutes and seconds without their sign.
func (p *intervalParts) appendClock(dst []byte, width int) []byte {
	dst = append(pad(dst, int(abs(p.hours)), width), ':')
	dst = append(pad(dst, int(abs(p.minutes)), 2), ':')
	return appendSeconds(dst, abs(p.seconds), abs(p.micros), 2)
}

// appendSeconds writes seconds with their fraction, without zeros at its end
// (AppendSeconds).
func appendSeconds(dst []byte, seconds, micros int64, width int) []byte {
	dst = pad(dst, int(seconds), width)
	if micros == 0 {
		return dst
	}
	dst = pad(append(dst, '.'), int(micros), 6)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// appendPostgres writes "1 year 2 mons 3 days -04:05:06".
func (p *intervalParts) appendPostgres(dst []byte) []byte {
	first, negative := true, false // of the part before
	for _, part := range [...]struct {
		value int64
		unit  string
	}{{p.years, " year"}, {p.months, " mon"}, {p.days, " day"}} {
		if part.value == 0 {
			continue
		}
		if !first {
			dst = append(dst, ' ')
		}
		if negative && part.value > 0 {
			dst = append(dst, '+')
		}
		dst = append(strconv.AppendInt(dst, part.value, 10), part.unit...)
		if part.value != 1 {
			dst = append(dst, 's')
		}
		first, negative = false, part.value < 0
	}
	if !first && p.noTime() {
		return dst
	}
	if !first {
		dst = append(dst, ' ')
	}
	if p.timeNegative() {
		dst = append(dst, '-')
	} else if negative {
		dst = append(dst, '+')
	}
	return p.appendClock(dst, 2)
}

// appendVerbose writes "@ 1 year 2 mons -3 days 4 hours 5 mins 6.7 secs", the sign of
// the first part as "ago".
func (p *intervalParts) appendVerbose(dst []byte) []byte {
	dst = append(dst, '@')
	first, ago := true, false
	for _, part := range [...]struct {
		value int64
		unit  string
	}{{p.years, " year"}, {p.months, " mon"}, {p.days, " day"}, {p.hours, " hour"}, {p.minutes, " min"}} {
		if part.value == 0 {
			continue
		}
		if first {
			ago = part.value < 0
		}
		if ago {
			part.value = -part.value
		}
		first = false
		dst = append(strconv.AppendInt(append(dst, ' '), part.value, 10), part.unit...)
		if part.value != 1 {
			dst = append(dst, 's')
		}
	}
	if p.seconds != 0 || p.micros != 0 {
		dst = append(dst, ' ')
		switch negative := p.seconds < 0 || p.micros < 0; {
		case negative && first:
			ago = true
		case negative != ago:
			dst = append(dst, '-')
		}
		first = false
		dst = append(appendSeconds(dst, abs(p.seconds), abs(p.micros), 1), " sec"...)
		if abs(p.seconds) != 1 || p.micros != 0 {
			dst = append(dst, 's')
		}
	}
	if first {
		dst = append(dst, " 0"...)
	}
	if ago {
		dst = append(dst, " ago"...)
	}
	return dst
}

// appendSQL writes what the SQL standard has, "1-2" or "3 4:05:06"; else all parts, with
// their signs.
func (p *intervalParts) appendSQL(dst []byte) []byte {
	negative, positive := false, false
	for _, part := range p.all() {
		negative, positive = negative || *part < 0, positive || *part > 0
	}
	yearMonth, dayTime := p.years != 0 || p.months != 0, p.days != 0 || !p.noTime()
	switch {
	case !negative && !positive:
		return append(dst, '0')
	case negative && positive || yearMonth && dayTime:
		dst = append(strconv.AppendInt(appendSign(dst, p.years < 0 || p.months < 0), abs(p.years), 10), '-')
		dst = append(strconv.AppendInt(dst, abs(p.months), 10), ' ')
		dst = append(strconv.AppendInt(appendSign(dst, p.days < 0), abs(p.days), 10), ' ')
		return p.appendClock(appendSign(dst, p.timeNegative()), 1)
	case negative:
		dst = append(dst, '-')
		p.negate()
	}
	if yearMonth {
		dst = append(strconv.AppendInt(dst, p.years, 10), '-')
		return strconv.AppendInt(dst, p.months, 10)
	}
	if p.days != 0 {
		dst = append(strconv.AppendInt(dst, p.days, 10), ' ')
	}
	return p.appendClock(dst, 1)
}

func appendSign(dst []byte, negative bool) []byte {
	if negative {
		return append(dst, '-')
	}
	return append(dst, '+')
}

// appendISO writes "P1Y2M3DT4H5M6.7S".
func (p *intervalParts) appendISO(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, 'P')
	dst = appendDesignated(dst, p.years, 'Y')
	dst = appendDesignated(dst, p.months, 'M')
	dst = appendDesignated(dst, p.days, 'D')
	if !p.noTime() {
		dst = append(dst, 'T')
	}
	dst = appendDesignated(dst, p.hours, 'H')
	dst = appendDesignated(dst, p.minutes, 'M')
	if p.seconds != 0 || p.micros != 0 {
		if p.seconds < 0 || p.micros < 0 {
			dst = append(dst, '-')
		}
		dst = append(appendSeconds(dst, abs(p.seconds), abs(p.micros), 1), 'S')
	}
	if len(dst) == at+1 {
		dst = append(dst, "T0S"...)
	}
	return dst
}

func appendDesignated(dst []byte, value int64, designator byte) []byte {
	if value == 0 {
		return dst
	}
	return append(strconv.AppendInt(dst, value, 10), designator)
}
