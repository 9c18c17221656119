package pgtypes

import (
	"bytes"
	"math"
)

// clockTime is a time of day, as a text gives its parts.
type clockTime struct {
	earlier           bool // read as before Postgres 15
	hour, minute, sec int
	micro             int64
}

// read reads HH:MM, HH:MM:SS[.f] or MM:SS.f (DecodeTime).
func (c *clockTime) read(text []byte) dateFault {
	s := intervalSum{earlier: c.earlier}
	micros, fault := s.clock(text)
	switch {
	case fault == intervalForm:
		return dateForm
	case fault != intervalFine || micros/second/3600 > math.MaxInt32:
		return dateField
	}
	// The parts, so that 12:59:60 is told from 13:00:00 where AM and PM ask for it.
	hours, rest, _ := scanInt32(text)
	minutes, rest, _ := scanInt32(rest[1:])
	seconds := int32(0)
	switch {
	case len(rest) > 0 && rest[0] == '.':
		hours, minutes, seconds = 0, hours, minutes
	case len(rest) > 0:
		seconds, _, _ = scanInt32(rest[1:])
	}
	c.hour, c.minute, c.sec = int(hours), int(minutes), int(seconds)
	c.micro = micros - ((int64(hours)*60+int64(minutes))*60+int64(seconds))*second
	return dateFine
}

// compact reads HHMMSS[.f] or HHMM (DecodeNumberField).
func (c *clockTime) compact(text []byte) dateFault {
	c.micro = 0
	if at := bytes.IndexByte(text, '.'); at >= 0 {
		s := intervalSum{earlier: c.earlier}
		fraction, fault := s.parseFraction(text[at:])
		if fault != intervalFine {
			return dateForm
		}
		c.micro, text = int64(math.RoundToEven(fraction*second)), text[:at]
	}
	two := func(i int) int { return int(text[i]-'0')*10 + int(text[i+1]-'0') }
	for _, b := range text {
		if !isDigit(b) {
			return dateForm
		}
	}
	switch len(text) {
	case 6:
		c.hour, c.minute, c.sec = two(0), two(2), two(4)
	case 4:
		c.hour, c.minute, c.sec = two(0), two(2), 0
	default:
		return dateForm
	}
	return dateFine
}

// half applies AM and PM; false when the hour is not one of twelve.
func (c *clockTime) half(twelve, pm bool) (ok bool) {
	switch {
	case twelve && c.hour > 12:
		return false
	case twelve && !pm && c.hour == 12:
		c.hour = 0
	case twelve && pm && c.hour != 12:
		c.hour += 12
	}
	return true
}

// micros are the microseconds since midnight.
func (c *clockTime) micros() int64 {
	return ((int64(c.hour)*60+int64(c.minute))*60+int64(c.sec))*second + c.micro
}

// set takes the microseconds since midnight apart.
func (c *clockTime) set(micros int64) {
	seconds := int(micros / second)
	c.hour, c.minute, c.sec, c.micro = seconds/3600, seconds/60%60, seconds%60, micros%second
}

// overflows tells of a time that no day has (time_overflows).
func (c *clockTime) overflows() bool {
	return c.hour < 0 || c.hour > 24 || c.minute > 59 || c.sec > 60 || c.micros() > day
}

// zoneOffset reads the offset of a zone, in seconds east of Greenwich (DecodeTimezone).
func zoneOffset(text []byte) (east int, fault dateFault) {
	if len(text) == 0 || text[0] != '+' && text[0] != '-' {
		return 0, dateForm
	}
	hours, rest, ok := scanInt32(text[1:])
	minutes, seconds := int32(0), int32(0)
	switch {
	case !ok:
		return 0, dateZone
	case len(rest) > 0 && rest[0] == ':':
		if minutes, rest, ok = scanInt32(rest[1:]); ok && len(rest) > 0 && rest[0] == ':' {
			seconds, rest, ok = scanInt32(rest[1:])
		}
		if !ok {
			return 0, dateZone
		}
	case len(rest) == 0 && len(text) > 3:
		hours, minutes = hours/100, hours%100
	}
	if hours < 0 || hours > 15 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 59 { // MAX_TZDISP_HOUR
		return 0, dateZone
	}
	if east = int(hours*3600 + minutes*60 + seconds); text[0] == '-' {
		east = -east
	}
	if len(rest) > 0 {
		return 0, dateForm
	}
	return east, dateFine
}
