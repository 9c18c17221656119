package pgtypes

import "math"

// microsOf are the microseconds of the units that have a fixed number.
var microsOf = map[intervalUnit]int64{
	unitMicrosecond: 1, unitMillisecond: 1000, unitSecond: second, unitMinute: 60 * second, unitHour: 3600 * second,
}

// add adds value+fraction of a unit (DecodeInterval).
func (s *intervalSum) add(value int64, fraction float64, unit intervalUnit) intervalFault {
	ok := false
	switch unit {
	case unitMicrosecond, unitMillisecond, unitSecond, unitMinute, unitHour:
		scale := microsOf[unit]
		if s.earlier && scale <= 1000 { // rounds them together
			rest := value % 1000
			s.micros += int64(math.RoundToEven((float64(rest) + fraction) * float64(scale)))
			value, fraction = value-rest, 0
		}
		s.micros, ok = multiplyAdd(value, scale, s.micros)
		ok = ok && s.addMicros(fraction, scale)
	case unitDay:
		ok = s.addTo(&s.days, value, 1) && s.addMicros(fraction, day)
	case unitWeek:
		ok = s.addTo(&s.days, value, 7) && s.addDays(fraction, 7)
	case unitMonth:
		ok = s.addTo(&s.months, value, 1) && s.addDays(fraction, 30)
	case unitYear:
		ok = s.addTo(&s.years, value, 1) && s.addYears(fraction, 1)
	case unitDecade:
		ok = s.addTo(&s.years, value, 10) && s.addYears(fraction, 10)
	case unitCentury:
		ok = s.addTo(&s.years, value, 100) && s.addYears(fraction, 100)
	case unitMillennium:
		ok = s.addTo(&s.years, value, 1000) && s.addYears(fraction, 1000)
	default:
		return intervalForm
	}
	if !ok {
		return intervalField
	}
	return intervalFine
}

// addTo adds to a part of 32 bits; false when it has too many.
func (s *intervalSum) addTo(part *int32, value, scale int64) bool {
	if value != int64(int32(value)) {
		return false
	}
	product := value * scale
	sum := int64(*part) + product
	*part = int32(sum)
	return s.earlier || product == int64(int32(product)) && sum == int64(int32(sum))
}

// addMicros adds the part of a unit that has scale microseconds
// (AdjustFractMicroseconds).
func (s *intervalSum) addMicros(fraction float64, scale int64) bool {
	if fraction == 0 {
		return true
	}
	fraction *= float64(scale)
	micros := int64(fraction)
	switch fraction -= float64(micros); {
	case fraction > 0.5:
		micros++
	case fraction < -0.5:
		micros--
	case s.earlier: // by the even one
		micros += int64(math.RoundToEven(fraction+float64(micros%2)) - float64(micros%2))
	}
	sum, ok := multiplyAdd(micros, 1, s.micros)
	s.micros = sum
	return ok
}

// addDays adds the part of a unit that has scale days (AdjustFractDays).
func (s *intervalSum) addDays(fraction float64, scale int) bool {
	if fraction == 0 {
		return true
	}
	fraction *= float64(scale)
	days := int64(fraction)
	return s.addTo(&s.days, days, 1) && s.addMicros(fraction-float64(days), day)
}

// addYears adds the part of a unit that has scale years, in whole months
// (AdjustFractYears).
func (s *intervalSum) addYears(fraction float64, scale int) bool {
	if s.earlier {
		return s.addTo(&s.months, int64(fraction*12*float64(scale)), 1)
	}
	return s.addTo(&s.months, int64(math.RoundToEven(fraction*float64(scale)*12)), 1)
}
