package pgtypes

import (
	"math"
)

// designated reads P1Y2M3DT4H5M6.7S, and the alternative forms P0001-02-03T04:05:06 and
// P00010203T040506 (DecodeISO8601Interval).
func (s *intervalSum) designated(text []byte) intervalFault {
	if len(text) < 2 || text[0] != 'P' {
		return intervalForm
	}
	p := isoInterval{intervalSum: *s, rest: text[1:]}
	fault := p.read()
	*s = p.intervalSum
	return fault
}

// isoInterval is what is read of an interval of ISO 8601, and the last number.
type isoInterval struct {
	intervalSum
	rest     []byte
	value    int64
	fraction float64
}

// read takes field by field, up to the end.
func (p *isoInterval) read() intervalFault {
	inTime, some := false, false // behind the T; a field was read
	for len(p.rest) > 0 {
		if p.rest[0] == 'T' {
			inTime, some, p.rest = true, false, p.rest[1:]
			continue
		}
		width := isoWidth(p.rest)
		if fault := p.number(); fault != intervalFine {
			return fault
		}
		designator := p.takeDesignator()
		var fault intervalFault
		done, turned := false, false
		if inTime {
			done, fault = p.time(designator, width, some)
		} else {
			done, turned, fault = p.date(designator, width, some)
		}
		if fault != intervalFine || done {
			return fault
		}
		some = true
		if turned {
			inTime, some = true, false
		}
	}
	return intervalFine
}

// isoWidth counts the digits that come, behind a sign.
func isoWidth(text []byte) int {
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	n := 0
	for n < len(text) && isDigit(text[n]) {
		n++
	}
	return n
}

// number takes what strtod would (ParseISO8601Number).
func (p *isoInterval) number() intervalFault {
	if len(p.rest) == 0 || !isDigit(p.rest[0]) && p.rest[0] != '-' && p.rest[0] != '.' {
		return intervalForm
	}
	number, special, ok := scanFloat(p.rest)
	if !ok {
		return intervalForm
	}
	if special != 0 { // infinite, or no number
		return intervalField
	}
	value, err := float8Kind.parse(number)
	if err != nil || value != 0 && math.Abs(value) < 0x1p-1022 {
		return intervalForm
	}
	most, least := 1e15, -1e15
	if p.earlier {
		most, least = math.MaxInt32, math.MinInt32
	}
	if value > most || value < least {
		return intervalField
	}
	p.rest = p.rest[len(number):]
	p.value = int64(value)
	p.fraction = value - float64(p.value)
	return intervalFine
}

// takeDesignator takes the byte behind a number, zero at the end.
func (p *isoInterval) takeDesignator() byte {
	if len(p.rest) == 0 {
		return 0
	}
	c := p.rest[0]
	p.rest = p.rest[1:]
	return c
}

func (p *isoInterval) put(unit intervalUnit) intervalFault {
	return p.intervalSum.add(p.value, p.fraction, unit)
}

// date takes a field before the T; turned: the T came behind it.
func (p *isoInterval) date(designator byte, width int, some bool) (done, turned bool, fault intervalFault) {
	switch designator {
	case 'Y':
		return false, false, p.put(unitYear)
	case 'M':
		return false, false, p.put(unitMonth)
	case 'W':
		return false, false, p.put(unitWeek)
	case 'D':
		return false, false, p.put(unitDay)
	case 'T', 0:
		if width == 8 && !some {
			value := p.value
			for _, part := range []struct {
				value int64
				unit  intervalUnit
			}{{value / 10000, unitYear}, {value / 100 % 100, unitMonth}, {value % 100, unitDay}} {
				if fault := p.intervalSum.add(part.value, 0, part.unit); fault != intervalFine {
					return false, false, fault
				}
			}
			if !p.addMicros(p.fraction, day) {
				return false, false, intervalField
			}
			return designator == 0, designator == 'T', intervalFine
		}
	case '-':
	default:
		return false, false, intervalForm
	}
	if some {
		return false, false, intervalForm
	}
	if fault := p.put(unitYear); fault != intervalFine || designator != '-' {
		return designator == 0, designator == 'T', fault
	}
	for _, unit := range []intervalUnit{unitMonth, unitDay} {
		if fault := p.number(); fault != intervalFine {
			return false, false, fault
		}
		if fault := p.put(unit); fault != intervalFine {
			return false, false, fault
		}
		switch {
		case len(p.rest) == 0:
			return true, false, intervalFine
		case p.rest[0] == 'T': // which the loop takes
			return false, true, intervalFine
		case p.rest[0] != '-' || unit == unitDay:
			return false, false, intervalForm
		}
		p.rest = p.rest[1:]
	}
	return false, false, intervalForm
}

// time takes a field behind the T.
func (p *isoInterval) time(designator byte, width int, some bool) (done bool, fault intervalFault) {
	switch designator {
	case 'H':
		return false, p.put(unitHour)
	case 'M':
		return false, p.put(unitMinute)
	case 'S':
		return false, p.put(unitSecond)
	case 0:
		if width == 6 && !some {
			value := p.value
			for _, part := range []struct {
				value int64
				unit  intervalUnit
			}{{value / 10000, unitHour}, {value / 100 % 100, unitMinute}, {value % 100, unitSecond}} {
				if fault := p.intervalSum.add(part.value, 0, part.unit); fault != intervalFine {
					return false, fault
				}
			}
			return true, p.addLastFraction()
		}
	case ':':
	default:
		return false, intervalForm
	}
	if some {
		return false, intervalForm
	}
	if fault := p.put(unitHour); fault != intervalFine || designator == 0 {
		return true, fault
	}
	for _, unit := range []intervalUnit{unitMinute, unitSecond} {
		if fault := p.number(); fault != intervalFine {
			return false, fault
		}
		if fault := p.put(unit); fault != intervalFine {
			return false, fault
		}
		switch {
		case len(p.rest) == 0:
			return true, intervalFine
		case p.rest[0] != ':' || unit == unitSecond:
			return false, intervalForm
		}
		p.rest = p.rest[1:]
	}
	return false, intervalForm
}

// addLastFraction adds the fraction behind HHMMSS, which Postgres from 15 on takes for
// one of microseconds.
func (p *isoInterval) addLastFraction() intervalFault {
	scale := int64(1)
	if p.earlier {
		scale = second
	}
	if !p.addMicros(p.fraction, scale) {
		return intervalField
	}
	return intervalFine
}
