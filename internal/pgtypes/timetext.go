package pgtypes

import (
	"bytes"
	"fmt"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// parseTime reads a time of day, in the forms that Postgres has: with a date in front,
// which a zone may need, with AM or PM, with a zone (time_in, timetz_in). east is the
// zone's offset in seconds; without a zone it is the session's, which is asked only when
// zoned.
func parseTime(text []byte, zoned bool, env *Env) (micros int64, east int, err error) {
	typ := "time"
	if zoned {
		typ = "time with time zone"
	}
	p := timeParser{text: text, clockTime: clockTime{earlier: env.earlierIntervals()}, lenient: env.version != 0 && env.version < 16}
	fault := dateForm
	if !noDate(trim(text)) && p.fields.split(text, maxDateBytes+maxFields) {
		fault = p.parse(zoned, env)
	}
	switch {
	case p.refusal != nil:
		return 0, 0, p.refusal
	case p.notRead:
		return 0, 0, notDone(fmt.Sprintf("pgseal does not read this way to write a value of type %s", typ),
			"Send it in ISO 8601 form, such as 12:30:45.678+01, or as a parameter in the binary format.", anchorTypes)
	case fault == dateField:
		return 0, 0, fieldRange(text, "")
	case fault == dateMonthDay:
		return 0, 0, fieldRange(text, env.otherDateStyle())
	case fault == dateNoZone:
		return 0, 0, noSuchZone(p.noZone)
	case fault == dateZone:
		return 0, 0, &pgerr.Error{
			Code: codeZoneDisplacement, Message: fmt.Sprintf("time zone displacement out of range: \"%s\"", text), Echoes: true,
		}
	case fault != dateFine:
		return 0, 0, badSyntax(pgerr.InvalidDatetimeFormat, typ, text)
	}
	return p.micros(), p.east, nil
}

// maxDateBytes is MAXDATELEN: as much of a date or time is read.
const maxDateBytes = 128

type timeParser struct {
	clockTime
	text    []byte
	fields  dateFields
	lenient bool // as before Postgres 16, where units may stand for nothing

	seen                   dateParts
	year, month, day       int  // of a date
	named                  zone // a zone by its name, when isNamed
	isNamed                bool
	noZone                 string // a name that is none of a zone's
	rules                  bool   // the zone is one of rulesOnly
	bc, twelve, pm, prefix bool   // prefix: a T came, and its time did not yet

	east    int
	notRead bool  // a form that pgseal does not read, and Postgres may
	refusal error // what is not read for another reason
}

// parse is DecodeTimeOnly. dateForm is its fault for what is no time.
func (p *timeParser) parse(zoned bool, env *Env) dateFault {
	for i := range p.fields.n {
		found, fault := p.field(i, zoned, env)
		if fault != dateFine || p.notRead {
			return fault
		}
		if found&p.seen != 0 {
			return dateForm
		}
		p.seen |= found
	}
	if p.prefix {
		p.notRead = p.lenient
		return dateForm
	}
	if p.seen&partDate != 0 {
		d := dateParser{dateTime: dateTime{year: p.year, month: p.month, day: p.day}}
		if fault := d.validate(p.bc); fault != dateFine {
			return fault
		}
		p.year = d.year
	}
	if !p.half(p.twelve, p.pm) || p.overflows() {
		return dateField
	}
	if p.seen&partClock == 0 {
		return dateForm
	}
	return p.offset(zoned, env)
}

// offset finds what a zone by name means, or the session's.
func (p *timeParser) offset(zoned bool, env *Env) dateFault {
	z := &p.named
	if !p.isNamed {
		if p.seen&partZone != 0 || !zoned {
			return dateFine
		}
		if z = &env.zone; !z.known {
			p.refusal = z.unknown()
			return dateForm
		}
	}
	if offset, ok := z.fixed(); ok {
		p.east = offset
		return dateFine
	}
	if p.seen&partDate != 0 {
		if p.notRead = p.rules && p.year < 1970; p.notRead {
			return dateForm
		}
		days := daysFrom2000(p.year, p.month, p.day)
		p.east = z.local(days*86400 + floorDiv64(p.micros(), second) + epochSeconds)
		return dateFine
	}
	if !p.isNamed {
		p.refusal = unknownToday()
	}
	return dateForm
}

func unknownToday() error {
	return notDone("pgseal does not know today's offset of the session's time zone, which a time without a zone has",
		"Send the time with its offset, such as 12:30:45+01.", anchorTypes)
}

func (p *timeParser) field(i int, zoned bool, env *Env) (dateParts, dateFault) {
	f := &p.fields
	text, last := f.field(i), f.kinds[f.n-1]
	switch f.kinds[i] {
	case fieldTime:
		p.prefix = false
		return partClock, p.read(text)
	case fieldZone:
		return partZone, p.offsetField(text)
	case fieldNumber:
		if p.prefix {
			p.prefix = false
			return partClock, p.compact(text)
		}
		digits := bytes.IndexByte(text, '.')
		switch {
		case digits >= 0 && i == 0 && f.n >= 2 && last == fieldDate: // a date such as 1.2.2024
			p.notRead = true
			return 0, dateForm
		case digits >= 0 && digits <= 2:
			return 0, dateForm
		}
		return partClock, p.compact(text)
	case fieldDate:
		if i == 0 && f.n >= 2 && (last == fieldDate || f.kinds[1] == fieldTime) {
			d := dateParser{rest: text}
			p.notRead = !d.date() || len(d.rest) > 0
			p.year, p.month, p.day = d.year, d.month, d.day
			return partDate, dateFine
		}
		if !isDigit(text[0]) {
			fault := p.zoneName(text)
			if fault == dateForm && !p.notRead {
				p.noZone, fault = string(text), dateNoZone
			}
			return partZone, fault
		}
		at := bytes.IndexByte(text, '-')
		if p.seen&partClock != 0 || at < 0 {
			return 0, dateForm
		}
		if fault := p.offsetField(text[at:]); fault != dateFine {
			return 0, fault
		}
		return partClock | partZone, p.compact(text[:at])
	}
	return p.word(i, text, zoned, env)
}

// word reads what has no digits.
func (p *timeParser) word(i int, text []byte, zoned bool, env *Env) (dateParts, dateFault) {
	for _, utc := range []string{"z", "zulu", "utc", "gmt", "ut"} {
		if string(text) == utc {
			return partZone, dateFine
		}
	}
	switch a, kind := env.abbreviation(text); {
	case kind == abbreviationKnown, kind == abbreviationDoubted && !zoned: // which does not look at what it means
		p.east = a.east
		return partZone, dateFine
	case kind == abbreviationDoubted:
		p.notRead = true
		return 0, dateForm
	}
	word, known := dateWords[string(cutToken(text))]
	switch {
	case !known && p.fields.kinds[i] == fieldSpecial:
		return 0, dateForm
	case !known:
		return partZone, p.zoneName(text)
	case word.kind == wordIgnored:
		return 0, dateFine
	case word.kind == wordReserved && dateWord(word.value) == wordAllballs:
		p.hour, p.minute, p.sec = 0, 0, 0
		return partClock | partZone, dateFine
	case word.kind == wordReserved && dateWord(word.value) == wordClock, word.kind == wordDST: // now; part of a zone
		p.notRead = true
	case word.kind == wordAMPM:
		p.twelve, p.pm = true, word.value == 1
		return partAMPM, dateFine
	case word.kind == wordEra:
		p.bc = word.value == 1
		return partEra, dateFine
	case word.kind == wordISOTime && !p.prefix:
		p.prefix = true
		return 0, dateFine
	case word.kind == wordUnit || word.kind == wordISOTime:
		p.notRead = p.lenient || text[0] == 'j'
	}
	return 0, dateForm
}

func (p *timeParser) offsetField(text []byte) (fault dateFault) {
	p.east, fault = zoneOffset(text)
	return fault
}

// zoneName reads a zone of the database, or a POSIX one without daylight saving. dateForm
// is its fault for what Postgres does not know either.
func (p *timeParser) zoneName(text []byte) dateFault {
	z, ok, doubted := zoneNamed(p.text, text)
	if p.notRead = doubted; !ok {
		return dateForm
	}
	p.named, p.isNamed, p.rules = z, true, rulesOnly[string(text)]
	return dateFine
}
