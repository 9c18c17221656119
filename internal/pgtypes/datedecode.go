package pgtypes

import "bytes"

// dateParts are the parts of a text that were found (the masks of DTK_M).
type dateParts uint16

const (
	partYear dateParts = 1 << iota
	partMonth
	partDay
	partDayOfYear
	partClock
	partZone
	partAMPM
	partEra
	partWeekday
	partDaylight // a zone of daylight saving time

	partDate = partYear | partMonth | partDay
)

// datePrefix is a word that says what the field behind it is.
type datePrefix uint8

const (
	prefixNone   datePrefix = iota
	prefixTime              // T
	prefixJulian            // J
	prefixUnit              // another, which no field may follow from Postgres 16 on
)

// dateDecoder puts the fields of a text together to a date, as Postgres does
// (DecodeDateTime): field by field, each by what came before it.
type dateDecoder struct {
	calendar
	clockTime
	text   []byte
	env    *Env
	fields dateFields
	seen   dateParts
	prefix datePrefix

	word       dateWord
	textMonth  bool // the month was a word
	bc         bool
	twelve, pm bool
	zone       zone
	noZone     string // a name that is none of a zone's
	rules      bool   // the zone is one of rulesOnly
}

// rulesOnly are zones that were but rules, and cities' zones since the database's version
// 2024b: they agree since 1970.
var rulesOnly = map[string]bool{"est5edt": true, "cst6cdt": true, "mst7mdt": true, "pst8pdt": true}

// decodeDateTime reads what is not in ISO form.
func decodeDateTime(text []byte, env *Env) (dateTime, dateFault) {
	d := dateDecoder{text: text, env: env, calendar: calendar{order: env.order}, clockTime: clockTime{earlier: env.earlierIntervals()}}
	if !d.fields.split(text, maxDateBytes+maxFields) {
		return dateTime{}, dateForm
	}
	for i := range d.fields.n {
		found, fault := d.field(i)
		switch {
		case fault != dateFine:
			return dateTime{noZone: d.noZone}, fault
		case found&d.seen != 0:
			return dateTime{}, dateForm
		}
		d.seen |= found
	}
	fault := d.finish()
	return dateTime{
		word: d.word, year: d.year, month: d.month, day: d.day, hour: d.hour, minute: d.minute, sec: d.sec, micro: int(d.micro),
		zoned: d.seen&partZone != 0, zone: d.zone,
	}, fault
}

// lenient tells whether the server takes units in front of fields, and such that stand for
// nothing: before Postgres 16.
func (d *dateDecoder) lenient() bool { return d.env.version != 0 && d.env.version < 16 }

// finish checks what is there in the end.
func (d *dateDecoder) finish() dateFault {
	switch {
	case d.prefix != prefixNone && d.lenient():
		return dateUnread
	case d.prefix != prefixNone:
		return dateForm
	case d.word != noWord:
		return dateFine
	}
	if fault := d.calendar.validate(d.seen, d.bc); fault != dateFine {
		return fault
	}
	if !d.half(d.twelve, d.pm) {
		return dateField
	}
	if d.seen&partDate != partDate {
		return dateForm
	}
	if d.rules && d.year < 1970 {
		return dateUnread
	}
	return dateFine
}

func (d *dateDecoder) field(i int) (dateParts, dateFault) {
	text := d.fields.field(i)
	switch d.fields.kinds[i] {
	case fieldDate:
		return d.dateField(text)
	case fieldTime:
		if !d.behind(prefixTime) {
			return 0, dateForm
		}
		if fault := d.clockTime.read(text); fault != dateFine {
			return 0, fault
		}
		if d.overflows() {
			return 0, dateField
		}
		return partClock, dateFine
	case fieldZone:
		return d.offset(text)
	case fieldNumber:
		return d.numberOrClock(text)
	}
	return d.wordField(i, text)
}

// behind ends a prefix; false when there is another than the one that may be there.
func (d *dateDecoder) behind(allowed datePrefix) bool {
	if d.prefix != prefixNone && d.prefix != allowed {
		return false
	}
	d.prefix = prefixNone
	return true
}

// offset reads a zone in digits.
func (d *dateDecoder) offset(text []byte) (dateParts, dateFault) {
	east, fault := zoneOffset(text)
	d.zone = zone{known: true, offset: east}
	return partZone, fault
}

// dateField reads what looks like a date, and may be a zone's name or a time with a zone.
func (d *dateDecoder) dateField(text []byte) (dateParts, dateFault) {
	switch {
	case d.prefix == prefixJulian:
		d.prefix = prefixNone
		days, rest, ok := scanInt32(text)
		if !ok || days < 0 {
			return 0, dateField
		}
		d.setJulian(days)
		found, fault := d.offset(rest)
		return partDate | partClock | found, fault
	case d.prefix == prefixNone && d.seen&(partMonth|partDay) != partMonth|partDay:
		return d.date(text, d.seen)
	case d.prefix == prefixNone && !isDigit(text[0]):
		found, fault := d.zoneName(text)
		if fault == dateForm {
			d.noZone, fault = string(text), dateNoZone
		}
		return found, fault
	case !d.behind(prefixTime) || d.seen&partClock != 0:
		return 0, dateForm
	}
	at := bytes.IndexByte(text, '-')
	if at < 0 {
		return 0, dateForm
	}
	if _, fault := d.offset(text[at:]); fault != dateFine {
		return 0, fault
	}
	found, fault := d.together(text[:at], d.seen, &d.clockTime)
	return found | partZone, fault
}

// numberOrClock reads digits, perhaps with a point.
func (d *dateDecoder) numberOrClock(text []byte) (dateParts, dateFault) {
	switch d.prefix {
	case prefixJulian:
		d.prefix = prefixNone
		return d.julianNumber(text)
	case prefixTime:
		d.prefix = prefixNone
		found, fault := d.together(text, d.seen|partDate, &d.clockTime)
		if fault == dateFine && found != partClock {
			return 0, dateForm
		}
		return found, fault
	case prefixUnit:
		return 0, dateForm
	}
	point := bytes.IndexByte(text, '.')
	switch {
	case point >= 0 && d.seen&partDate == 0:
		return d.date(text, d.seen)
	case point > 2, len(text) >= 6 && (d.seen&partDate == 0 || d.seen&partClock == 0):
		return d.together(text, d.seen, &d.clockTime)
	}
	return d.number(text, d.seen, d.textMonth, &d.clockTime)
}

// julianNumber reads a Julian day, perhaps with a part of a day.
func (d *dateDecoder) julianNumber(text []byte) (dateParts, dateFault) {
	days, rest, ok := scanInt32(text)
	if !ok {
		return 0, dateField
	}
	d.setJulian(days)
	if len(rest) == 0 {
		return partDate, dateFine
	}
	s := intervalSum{earlier: d.earlier}
	fraction, fault := s.parseFraction(rest)
	if fault != intervalFine {
		return 0, dateForm
	}
	d.clockTime.set(int64(fraction * day))
	return partDate | partClock, dateFine
}
