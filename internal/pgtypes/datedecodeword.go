package pgtypes

// wordField reads what has no digits.
func (d *dateDecoder) wordField(i int, text []byte) (dateParts, dateFault) {
	switch a, kind := d.env.abbreviation(text); kind {
	case abbreviationDoubted:
		return 0, dateUnread
	case abbreviationKnown:
		d.zone = zone{known: true, offset: a.east}
		if a.daylight {
			return partZone | partDaylight, dateFine
		}
		return partZone, dateFine
	}
	word, known := dateWords[string(cutToken(text))]
	if !known || d.lenient() && text[0] == '+' { // which +infinity is not in either
		if d.fields.kinds[i] == fieldSpecial {
			return 0, dateForm
		}
		return d.zoneName(text)
	}
	switch word.kind {
	case wordReserved:
		return d.reserved(dateWord(word.value))
	case wordMonth:
		found := partMonth
		if d.seen&partMonth != 0 && !d.textMonth && d.seen&partDay == 0 && d.month >= 1 && d.month <= 31 {
			d.day, found = d.month, partDay // what was taken for the month was the day
		}
		d.month, d.textMonth = word.value, true
		return found, dateFine
	case wordWeekday:
		return partWeekday, dateFine
	case wordAMPM:
		d.twelve, d.pm = true, word.value == 1
		return partAMPM, dateFine
	case wordEra:
		d.bc = word.value == 1
		return partEra, dateFine
	case wordIgnored:
		return 0, dateFine
	case wordUnit:
		return 0, d.unit(text)
	case wordISOTime:
		return 0, d.timeMark(i)
	}
	return 0, dateUnread // DST, which alters a zone
}

func (d *dateDecoder) reserved(word dateWord) (dateParts, dateFault) {
	switch word {
	case wordClock:
		return 0, dateUnread
	case wordAllballs:
		d.hour, d.minute, d.sec = 0, 0, 0
		d.zone = zone{known: true}
		return partClock | partZone, dateFine
	}
	if d.lenient() && d.fields.n > 1 { // which the word goes with, or not
		return 0, dateUnread
	}
	d.word = word
	return partDate | partClock | partZone, dateFine
}

func (d *dateDecoder) unit(text []byte) dateFault {
	julian := text[0] == 'j'
	switch {
	case d.lenient() && (!julian || d.prefix != prefixNone):
		return dateUnread
	case d.prefix != prefixNone:
		return dateForm
	case julian:
		d.prefix = prefixJulian
	default:
		d.prefix = prefixUnit
	}
	return dateFine
}

// timeMark is a T.
func (d *dateDecoder) timeMark(i int) dateFault {
	if d.seen&partDate != partDate {
		return dateForm
	}
	if d.lenient() {
		if i+1 >= d.fields.n {
			return dateForm
		}
		if next := d.fields.kinds[i+1]; next != fieldNumber && next != fieldTime && next != fieldDate {
			return dateForm
		}
		if d.prefix != prefixNone {
			return dateUnread
		}
	}
	if d.prefix != prefixNone {
		return dateForm
	}
	d.prefix = prefixTime
	return dateFine
}

// zoneName reads a zone of the database, or a POSIX one without daylight saving. dateForm
// is its fault for what Postgres does not know either.
func (d *dateDecoder) zoneName(text []byte) (dateParts, dateFault) {
	z, ok, doubted := zoneNamed(d.text, text)
	if doubted {
		return 0, dateUnread
	}
	if !ok {
		return 0, dateForm
	}
	d.zone, d.rules = z, rulesOnly[string(text)]
	return partZone, dateFine
}
