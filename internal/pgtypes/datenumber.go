package pgtypes

import (
	"bytes"
	"math"
	"strconv"
)

// calendar are the parts of a date, found one by one. What a number is, the parts that were
// seen before say, and the order in DateStyle.
type calendar struct {
	order            dateOrder
	year, month, day int
	dayOfYear        int
	twoDigits        bool // the year has two digits at most
	julian           bool // the year is the calendar's, and not to be touched
}

// date reads a field with delimiters in it (DecodeDate).
func (c *calendar) date(text []byte, seen dateParts) (found dateParts, fault dateFault) {
	var parts [maxFields][]byte
	n, textMonth := 0, false
	for len(text) > 0 && n < maxFields {
		for len(text) > 0 && !isDigit(text[0]) && !isLetter(text[0]) {
			text = text[1:]
		}
		if len(text) == 0 {
			return 0, dateForm
		}
		of := isLetter
		if isDigit(text[0]) {
			of = isDigit
		}
		end := 1
		for end < len(text) && of(text[end]) {
			end++
		}
		parts[n], text = text[:end], text[min(end+1, len(text)):]
		n++
	}
	for i, part := range parts[:n] {
		if !isLetter(part[0]) {
			continue
		}
		word, known := dateWords[string(cutToken(part))]
		switch {
		case known && word.kind == wordIgnored:
			continue // and it is no number below
		case !known || word.kind != wordMonth || seen&partMonth != 0:
			return 0, dateForm
		}
		c.month, textMonth = word.value, true
		seen, found, parts[i] = seen|partMonth, found|partMonth, nil
	}
	for _, part := range parts[:n] {
		if part == nil {
			continue
		}
		var none clockTime
		is, fault := c.number(part, seen, textMonth, &none)
		switch {
		case fault != dateFine:
			return 0, fault
		case is&seen != 0:
			return 0, dateForm
		}
		seen, found = seen|is, found|is
	}
	if seen&^(partDayOfYear|partZone) != partDate {
		return 0, dateForm
	}
	return found, dateFine
}

// number finds out what a number is by the parts of a date that were seen (DecodeNumber).
func (c *calendar) number(text []byte, seen dateParts, textMonth bool, t *clockTime) (dateParts, dateFault) {
	n, rest, ok := scanInt32(text)
	switch {
	case !ok:
		return 0, dateField
	case len(rest) == len(text):
		return 0, dateForm
	case len(rest) == 0:
	case rest[0] != '.':
		return 0, dateForm
	case len(text)-len(rest) > 2:
		return c.together(text, seen|partDate, t)
	default: // part of a second, though no time came yet
		s := intervalSum{earlier: t.earlier}
		fraction, fault := s.parseFraction(rest)
		if fault != intervalFine {
			return 0, dateForm
		}
		t.micro = int64(math.RoundToEven(fraction * second))
	}
	value, long := int(n), len(text) >= 3
	if c.order == orderUnknown && !long {
		return 0, dateUnread
	}
	if len(text) == 3 && seen&partDate == partYear && value >= 1 && value <= 366 {
		c.dayOfYear = value
		return partDayOfYear | partMonth | partDay, dateFine
	}
	is := partDay
	switch seen & partDate {
	case 0:
		switch {
		case long || c.order == orderYMD:
			is = partYear
		case c.order != orderDMY:
			is = partMonth
		}
	case partYear, partDay:
		is = partMonth
	case partMonth:
		if textMonth && (long || c.order == orderYMD) {
			is = partYear
		}
	case partYear | partMonth:
		if textMonth && long && c.twoDigits { // what was taken for the year was the day
			c.day, c.year, c.twoDigits = c.year, value, false
			return partDay, dateFine
		}
	case partMonth | partDay:
		is = partYear
	case partDate:
		return c.together(text, seen, t)
	default:
		return 0, dateForm
	}
	switch is {
	case partYear:
		c.year, c.twoDigits = value, !long
	case partMonth:
		c.month = value
	default:
		c.day = value
	}
	return is, dateFine
}

// together reads a date or a time of digits without anything between (DecodeNumberField).
func (c *calendar) together(text []byte, seen dateParts, t *clockTime) (dateParts, dateFault) {
	if bytes.ContainsFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) {
		return 0, dateUnread // C's atoi makes something of it
	}
	two := func(i int) int { return int(text[i]-'0')*10 + int(text[i+1]-'0') }
	if at := bytes.IndexByte(text, '.'); at >= 0 {
		t.micro = 0
		if at+1 < len(text) {
			fraction, err := strconv.ParseFloat(string(text[at:]), 64)
			if err != nil {
				return 0, dateForm
			}
			t.micro = int64(math.RoundToEven(fraction * second))
		}
		text = text[:at]
	} else if n := len(text); seen&partDate != partDate && n >= 6 {
		year, err := strconv.ParseInt(string(text[:n-4]), 10, 32)
		if err != nil {
			return 0, dateUnread // C's atoi wraps around
		}
		c.year, c.month, c.day = int(year), two(n-4), two(n-2)
		c.twoDigits = c.twoDigits || n == 6
		return partDate, dateFine
	}
	if seen&partClock != 0 {
		return 0, dateForm
	}
	switch len(text) {
	case 6:
		t.hour, t.minute, t.sec = two(0), two(2), two(4)
	case 4:
		t.hour, t.minute, t.sec = two(0), two(2), 0
	default:
		return 0, dateForm
	}
	if t.hour > 23 || t.minute > 59 || t.sec > 59 {
		return 0, dateUnread // it is not checked: 256161 is the next day
	}
	return partClock, dateFine
}

func (c *calendar) setJulian(days int32) {
	c.year, c.month, c.day = fromDays(int64(days) + minDate)
	c.julian = true
}

// validate is ValidateDate.
func (c *calendar) validate(seen dateParts, bc bool) dateFault {
	if seen&partYear != 0 && !c.julian {
		switch {
		case bc:
			if c.year <= 0 {
				return dateField
			}
			c.year = 1 - c.year
		case c.twoDigits && c.year < 70:
			c.year += 2000
		case c.twoDigits && c.year < 100:
			c.year += 1900
		case !c.twoDigits && c.year <= 0:
			return dateField
		}
	}
	if seen&partDayOfYear != 0 {
		if c.year > 5_000_000 || c.year < -4000 {
			return dateUnread
		}
		c.year, c.month, c.day = fromDays(daysFrom2000(c.year, 1, 1) + int64(c.dayOfYear) - 1)
	}
	switch {
	case seen&partMonth != 0 && (c.month < 1 || c.month > 12), seen&partDay != 0 && (c.day < 1 || c.day > 31):
		return dateMonthDay
	case seen&partDate == partDate && c.day > daysIn(c.year, c.month):
		return dateField
	}
	return dateFine
}
