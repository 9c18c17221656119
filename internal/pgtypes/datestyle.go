package pgtypes

import (
	"fmt"
	"strconv"
)

func (e *Env) unknownStyle() error {
	return notDone(fmt.Sprintf("pgseal does not know the DateStyle %q", e.styleName), "SET DateStyle TO ISO.", anchorTypes)
}

// appendDate is EncodeDateOnly; days are from 2000-01-01.
func appendDate(dst []byte, days int64, env *Env) ([]byte, error) {
	year, month, day := fromDays(days)
	shown := max(year, 1-year) // 1 BC is year 0
	switch env.style {
	case styleISO:
		dst = append(pad(dst, shown, 4), '-')
		dst = append(pad(dst, month, 2), '-')
		dst = pad(dst, day, 2)
	case styleSQL:
		dst = pad(appendMonthDay(dst, month, day, '/', env), shown, 4)
	case stylePostgres:
		dst = pad(appendMonthDay(dst, month, day, '-', env), shown, 4)
	case styleGerman:
		dst = append(pad(dst, day, 2), '.')
		dst = append(pad(dst, month, 2), '.')
		dst = pad(dst, shown, 4)
	default:
		return dst, env.unknownStyle()
	}
	if year <= 0 {
		dst = append(dst, " BC"...)
	}
	return dst, nil
}

func appendMonthDay(dst []byte, month, day int, separator byte, env *Env) []byte {
	if env.order == orderDMY {
		month, day = day, month
	}
	dst = append(pad(dst, month, 2), separator)
	return append(pad(dst, day, 2), separator)
}

// appendTimestamp is EncodeDateTime; t is in microseconds from 2000-01-01.
func appendTimestamp(dst []byte, t int64, zoned bool, env *Env) ([]byte, error) {
	offset, abbrev := 0, ""
	if zoned {
		if !env.zone.known {
			return dst, env.zone.unknown()
		}
		offset, abbrev = env.zone.at(floorDiv64(t, second) + epochSeconds)
		t += int64(offset) * second
	}
	days := floorDiv64(t, day)
	t -= days * day
	year, month, mday := fromDays(days)
	shown := max(year, 1-year)
	switch env.style {
	case styleISO:
		dst = append(pad(dst, shown, 4), '-')
		dst = append(pad(dst, month, 2), '-')
		dst = append(pad(dst, mday, 2), ' ')
		dst = appendTime(dst, t)
		if zoned {
			dst = appendOffset(dst, offset)
		}
	case styleSQL, styleGerman:
		if env.style == styleSQL {
			dst = appendMonthDay(dst, month, mday, '/', env)
		} else {
			dst = append(pad(dst, mday, 2), '.')
			dst = append(pad(dst, month, 2), '.')
		}
		dst = append(pad(dst, shown, 4), ' ')
		dst = appendTime(dst, t)
		if zoned {
			dst = appendAbbrev(dst, abbrev)
		}
	case stylePostgres:
		dst = append(dst, weekdays[(days%7+7+6)%7]...) // 2000-01-01 was a Saturday
		dst = append(dst, ' ')
		if env.order == orderDMY {
			dst = append(pad(dst, mday, 2), ' ')
			dst = append(dst, months[month-1]...)
		} else {
			dst = append(append(dst, months[month-1]...), ' ')
			dst = pad(dst, mday, 2)
		}
		dst = append(appendTime(append(dst, ' '), t), ' ')
		dst = pad(dst, shown, 4)
		if zoned {
			dst = appendAbbrev(dst, abbrev)
		}
	default:
		return dst, env.unknownStyle()
	}
	if year <= 0 {
		dst = append(dst, " BC"...)
	}
	return dst, nil
}

var (
	weekdays = [7]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
	months   = [12]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
)

// appendTime writes the microseconds of a day, the fraction without zeros at its
// end.
func appendTime(dst []byte, t int64) []byte {
	seconds, micro := int(t/second), int(t%second)
	dst = append(pad(dst, seconds/3600, 2), ':')
	dst = append(pad(dst, seconds/60%60, 2), ':')
	dst = pad(dst, seconds%60, 2)
	if micro == 0 {
		return dst
	}
	dst = pad(append(dst, '.'), micro, 6)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// appendOffset is EncodeTimezone.
func appendOffset(dst []byte, offset int) []byte {
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	dst = pad(append(dst, sign), offset/3600, 2)
	if offset%3600 != 0 {
		dst = pad(append(dst, ':'), offset/60%60, 2)
	}
	if offset%60 != 0 {
		dst = pad(append(dst, ':'), offset%60, 2)
	}
	return dst
}

// maxAbbrev is MAXTZLEN.
const maxAbbrev = 10

func appendAbbrev(dst []byte, abbrev string) []byte {
	return append(append(dst, ' '), abbrev[:min(len(abbrev), maxAbbrev)]...)
}

// pad writes a number with at least width digits.
func pad(dst []byte, n, width int) []byte {
	for limit := 10; width > 1; width-- {
		if n < limit {
			break
		}
		limit *= 10
	}
	for range width - 1 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, int64(n), 10)
}

func floorDiv64(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}
