package pgtypes

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// Postgres reads dates in a hundred shapes, some by guessing. Those that are common and that
// no setting changes, ISO 8601 and what is near it, are read here, at once. All else is
// for decodeDateTime, which reads a text as Postgres does, field by field.

// dateTime is what a text says.
type dateTime struct {
	word                     dateWord
	year, month, day         int // of the calendar: 1 BC is year 0
	hour, minute, sec, micro int
	zoned                    bool
	zone                     zone   // when zoned
	noZone                   string // a name that is none of a zone's
}

// dateWord is a word that stands for a whole value.
type dateWord uint8

const (
	noWord dateWord = iota
	wordInfinity
	wordMinusInfinity
	wordEpoch
	wordAllballs // midnight of UTC
	wordClock    // what depends on the time now
)

// parseDateTime reads a date, with or without a time and a zone, of the type that
// is named (ParseDateTime, DecodeDateTime).
func parseDateTime(text []byte, typ string, env *Env) (dateTime, error) {
	p := dateParser{rest: trim(text)}
	switch {
	case fold(p.rest, "infinity"):
		return dateTime{word: wordInfinity}, nil
	case fold(p.rest, "-infinity"):
		return dateTime{word: wordMinusInfinity}, nil
	case fold(p.rest, "epoch"):
		return dateTime{word: wordEpoch}, nil
	case noDateWords(p.rest):
		return dateTime{}, badSyntax(pgerr.InvalidDatetimeFormat, typ, text)
	}
	fault := p.parse()
	d := p.dateTime
	if fault == dateForm {
		d, fault = decodeDateTime(text, env)
	}
	switch fault {
	case dateFine:
		return d, nil
	case dateForm:
		return d, badSyntax(pgerr.InvalidDatetimeFormat, typ, text)
	case dateField:
		return d, fieldRange(text, "")
	case dateMonthDay:
		return d, fieldRange(text, env.otherDateStyle())
	case dateNoZone:
		return d, noSuchZone(d.noZone)
	case dateZone:
		return d, &pgerr.Error{
			Code: codeZoneDisplacement, Message: fmt.Sprintf("time zone displacement out of range: \"%s\"", text), Echoes: true,
		}
	}
	return d, notDone(
		fmt.Sprintf("pgseal does not read this way to write a value of type %s", typ),
		"Send it in ISO 8601 form, such as 2024-01-31 12:30:45.678+01, or as a parameter in the binary format.", anchorTypes)
}

func noSuchZone(name string) error {
	return &pgerr.Error{Code: codeInvalidParameter, Message: fmt.Sprintf("time zone \"%s\" not recognized", name), Echoes: true}
}

// otherDateStyle is the hint for a month or day that there is none of.
func (e *Env) otherDateStyle() string {
	if e.version == 0 || e.version >= 18 {
		return `Perhaps you need a different "DateStyle" setting.`
	}
	return `Perhaps you need a different "datestyle" setting.`
}

func fieldRange(text []byte, hint string) error {
	return &pgerr.Error{
		Code: pgerr.DatetimeOverflow, Message: fmt.Sprintf("date/time field value out of range: \"%s\"", text), Hint: hint, Echoes: true,
	}
}

// noDate tells whether the text is surely no date for Postgres either: nothing,
// or words of which none has a meaning of its own.
func noDate(text []byte) bool {
	return !bytes.ContainsFunc(text, func(r rune) bool { return r != ' ' && (r|0x20 < 'a' || r|0x20 > 'z') }) && noDateWords(text)
}

// noDateWords tells whether the text is surely no date: one needs digits, or a word that has
// a meaning of its own.
func noDateWords(text []byte) bool {
	if bytes.ContainsAny(text, "0123456789") {
		return false
	}
	notLetter := func(r rune) bool { return r|0x20 < 'a' || r|0x20 > 'z' }
	for word := range bytes.FieldsFuncSeq(text, notLetter) {
		for _, special := range []string{"now", "today", "tomorrow", "yesterday", "epoch", "infinity", "allballs"} {
			if fold(word, special) {
				return false
			}
		}
	}
	return true
}

// dateFault is why a text is not taken.
type dateFault uint8

const (
	dateFine     dateFault = iota
	dateForm               // DTERR_BAD_FORMAT; of dateParser, a form that is not ISO's
	dateUnread             // a form that pgseal does not read, and Postgres may
	dateField              // DTERR_FIELD_OVERFLOW
	dateMonthDay           // DTERR_MD_FIELD_OVERFLOW
	dateZone               // DTERR_TZDISP_OVERFLOW
	dateNoZone             // DTERR_BAD_TIMEZONE
)

type dateParser struct {
	dateTime
	rest []byte
}

// number takes low to high digits off.
func (p *dateParser) number(low, high int) (n int, ok bool) {
	i := 0
	for i < len(p.rest) && isDigit(p.rest[i]) {
		if i < high {
			n = n*10 + int(p.rest[i]-'0')
		}
		i++
	}
	if i < low || i > high {
		return 0, false
	}
	p.rest = p.rest[i:]
	return n, true
}

func (p *dateParser) take(c byte) bool {
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *dateParser) blanks() (some bool) {
	for len(p.rest) > 0 && isSpace(p.rest[0]) {
		p.rest, some = p.rest[1:], true
	}
	return some
}

// parse reads everything; faults come in the order in which Postgres finds them.
func (p *dateParser) parse() dateFault {
	if !p.date() {
		return dateForm
	}
	blanks := p.blanks()
	iso := !blanks && (p.take('T') || p.take('t'))
	bc := false
	if len(p.rest) > 0 && isDigit(p.rest[0]) && (blanks || iso) {
		if fault := p.time(iso); fault != dateFine {
			return fault
		}
		p.blanks()
		if len(p.rest) > 0 && !p.era(&bc) {
			if fault := p.parseZone(); fault != dateFine {
				return fault
			}
			p.blanks()
		}
	} else if blanks && len(p.rest) > 0 && (p.rest[0] == '+' || p.rest[0] == '-') {
		// A zone without a time, as JDBC's setDate sends it.
		if fault := p.parseZone(); fault != dateFine {
			return fault
		}
		p.blanks()
	} else if iso {
		return dateForm
	}
	if len(p.rest) > 0 && !p.era(&bc) {
		return dateForm
	}
	if len(p.rest) > 0 {
		return dateForm
	}
	return p.validate(bc)
}

// date reads YYYY-MM-DD, YYYY/MM/DD, or YYYYMMDD.
func (p *dateParser) date() (ok bool) {
	digits := 0
	for digits < len(p.rest) && isDigit(p.rest[digits]) {
		digits++
	}
	if digits == 8 {
		n, _ := p.number(8, 8)
		p.year, p.month, p.day = n/10000, n/100%100, n%100
		return true
	}
	if p.year, ok = p.number(4, 7); !ok {
		return false
	}
	separator := byte('-')
	if !p.take(separator) {
		separator = '/'
		if !p.take(separator) {
			return false
		}
	}
	if p.month, ok = p.number(1, 2); !ok || !p.take(separator) {
		return false
	}
	p.day, ok = p.number(1, 2)
	return ok
}

// time reads HH:MM, HH:MM:SS[.f], and behind a T also HHMM, HHMMSS[.f]
// (DecodeTime).
func (p *dateParser) time(iso bool) dateFault {
	digits := 0
	for digits < len(p.rest) && isDigit(p.rest[digits]) {
		digits++
	}
	switch {
	case digits == 1 || digits == 2:
		p.hour, _ = p.number(1, 2)
		ok := p.take(':')
		if ok {
			p.minute, ok = p.number(1, 2)
		}
		seconds := ok && p.take(':')
		if seconds {
			p.sec, ok = p.number(1, 2)
		}
		if !ok || !p.fraction(seconds) {
			return dateForm
		}
	case digits == 4 && iso:
		n, _ := p.number(4, 4)
		p.hour, p.minute = n/100, n%100
	case digits == 6 && iso:
		n, _ := p.number(6, 6)
		p.hour, p.minute, p.sec = n/10000, n/100%100, n%100
		if !p.fraction(true) {
			return dateForm
		}
	default:
		return dateForm
	}
	if digits > 2 && (p.hour > 23 || p.minute > 59 || p.sec > 59) {
		return dateForm // which is not checked in Postgres: see calendar.together
	}
	if p.minute > 59 || p.sec > 60 || p.hour > 24 || p.hour == 24 && (p.minute > 0 || p.sec > 0 || p.micro > 0) {
		return dateField
	}
	return dateFine
}

// fraction reads parts of a second, rounded to microseconds
// (ParseFractionalSecond); one must not be there when there are no seconds.
func (p *dateParser) fraction(seconds bool) (ok bool) {
	if len(p.rest) == 0 || p.rest[0] != '.' {
		return true
	}
	end := 1
	for end < len(p.rest) && isDigit(p.rest[end]) {
		end++
	}
	if !seconds || end == 1 || end > 64 {
		return false
	}
	f, err := strconv.ParseFloat(string(p.rest[:end]), 64)
	p.micro = int(math.RoundToEven(f * 1e6))
	p.rest = p.rest[end:]
	return err == nil
}

// era reads AD or BC.
func (p *dateParser) era(bc *bool) bool {
	switch {
	case fold(p.rest, "bc"):
		*bc = true
	case !fold(p.rest, "ad"):
		return false
	}
	p.rest = nil
	return true
}

// parseZone reads an offset, or a zone's name, up to a blank (DecodeTimezone).
func (p *dateParser) parseZone() dateFault {
	p.zoned = true
	if len(p.rest) > 0 && (p.rest[0] == '+' || p.rest[0] == '-') {
		return p.parseOffset()
	}
	end := 0
	for end < len(p.rest) && !isSpace(p.rest[end]) {
		end++
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	var ok bool
	if p.zone, ok = namedZone(name); !ok {
		return dateForm
	}
	return dateFine
}

// parseOffset reads +HH, +HHMM, +HH:MM or +HH:MM:SS.
func (p *dateParser) parseOffset() dateFault {
	sign := 1
	if p.rest[0] == '-' {
		sign = -1
	}
	p.rest = p.rest[1:]
	from := len(p.rest)
	hour, ok := p.number(1, 4)
	minute, sec := 0, 0
	switch {
	case !ok:
		return dateForm
	case p.take(':'):
		if from-len(p.rest) > 3 {
			return dateForm
		}
		if minute, ok = p.number(1, 2); ok && p.take(':') {
			sec, ok = p.number(1, 2)
		}
	case from-len(p.rest) > 2:
		hour, minute = hour/100, hour%100
	}
	if !ok {
		return dateForm
	}
	if hour > 15 || minute > 59 || sec > 59 { // MAX_TZDISP_HOUR
		return dateZone
	}
	p.zone = zone{known: true, offset: sign * (hour*3600 + minute*60 + sec)}
	return dateFine
}

// validate is ValidateDate.
func (p *dateParser) validate(bc bool) dateFault {
	if p.year == 0 {
		return dateField
	}
	if bc {
		p.year = 1 - p.year
	}
	if p.month < 1 || p.month > 12 || p.day < 1 || p.day > 31 {
		return dateMonthDay
	}
	if p.day > daysIn(p.year, p.month) {
		return dateField
	}
	return dateFine
}
