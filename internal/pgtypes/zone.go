package pgtypes

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zones must not depend on the machine
)

// zone is a time zone: a location, or an offset with a name.
type zone struct {
	name     string
	location *time.Location // nil: the offset counts
	known    bool
	offset   int    // seconds east of Greenwich
	abbrev   string // of the offset
}

// locations are the zones that were loaded: as many as there are in the database
// of time zones, at most.
var locations sync.Map // string to *time.Location

// loadLocation finds a zone of the IANA database.
func loadLocation(name string) (*time.Location, bool) {
	if loc, ok := locations.Load(name); ok {
		return loc.(*time.Location), true
	}
	// Names that mean something of this machine's, or that Go gives a meaning of
	// its own.
	if name == "" || name == "Local" || name == "localtime" || name == "posixrules" || strings.HasPrefix(name, "right/") {
		return nil, false
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, false
	}
	locations.Store(name, loc)
	return loc, true
}

// loadZone finds the zone that the setting TimeZone names.
func loadZone(name string) zone {
	if loc, ok := loadLocation(name); ok {
		return zone{name: name, location: loc, known: true}
	}
	if abbrev, offset, ok := parsePosixZone(name); ok {
		return zone{name: name, known: true, offset: offset, abbrev: abbrev}
	}
	return zone{name: name}
}

// parsePosixZone reads a POSIX zone without daylight saving: "<+03>-03", which is
// what SET TIME ZONE 3 reports, or "EST5". Its offset counts west of Greenwich.
func parsePosixZone(s string) (abbrev string, offset int, ok bool) {
	if rest, quoted := strings.CutPrefix(s, "<"); quoted {
		if abbrev, s, ok = strings.Cut(rest, ">"); !ok {
			return "", 0, false
		}
	} else {
		n := 0
		for n < len(s) && (s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z') {
			n++
		}
		abbrev, s = s[:n], s[n:]
	}
	sign := -1
	if s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = 1
		}
		s = s[1:]
	}
	unit := 3600
	for i, part := range strings.Split(s, ":") {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || i > 2 || i == 0 && n > 24 || i > 0 && n > 59 {
			return "", 0, false
		}
		offset += int(n) * unit
		unit /= 60
	}
	return abbrev, sign * offset, len(abbrev) >= 3
}

func (z *zone) unknown() error {
	return notDone(fmt.Sprintf("pgseal does not know the session's time zone %q", z.name),
		"SET TimeZone to a name such as 'Europe/Berlin', or use the binary format.", anchorTypes)
}

// at gives the zone's offset at a moment, in seconds since 1970, and its name
// then.
func (z *zone) at(unix int64) (offset int, abbrev string) {
	if z.location == nil {
		return z.offset, z.abbrev
	}
	abbrev, offset = time.Unix(unix, 0).In(z.location).Zone()
	return offset, abbrev
}

// local gives the offset that a local time means, given as seconds since 1970 as
// if it were UTC. Of a time that the clocks skip or show twice, Postgres takes
// the offset before the jump for the former and after it for the latter
// (DetermineTimeZoneOffset).
func (z *zone) local(seconds int64) int {
	if z.location == nil {
		return z.offset
	}
	const day = 24 * 60 * 60
	before := time.Unix(seconds-day, 0).In(z.location)
	_, offset := before.Zone()
	_, boundary := before.ZoneBounds()
	if boundary.IsZero() {
		return offset
	}
	_, after := boundary.Zone()
	at := boundary.Unix()
	byBefore, byAfter := seconds-int64(offset), seconds-int64(after)
	switch {
	case byBefore < at && byAfter < at:
		return offset
	case byBefore > at && byAfter >= at:
		return after
	case byBefore > byAfter: // skipped
		return offset
	}
	return after
}

// fixed gives the offset of a zone that has had but one.
func (z *zone) fixed() (offset int, ok bool) {
	if z.location == nil {
		return z.offset, true
	}
	at := time.Unix(0, 0).In(z.location)
	from, to := at.ZoneBounds()
	_, offset = at.Zone()
	return offset, from.IsZero() && to.IsZero()
}

// namedZone finds the zone that a value's text names: UTC by its names, or a
// zone of the IANA database, which has a slash in its name. Abbreviations mean
// what a file of the server says: they are not known.
func namedZone(name []byte) (zone, bool) {
	for _, utc := range []string{"z", "zulu", "utc", "gmt"} {
		if fold(name, utc) {
			return zone{known: true}, true
		}
	}
	if bytes.IndexByte(name, '/') <= 0 {
		return zone{}, false
	}
	loc, ok := loadLocation(string(name))
	return zone{location: loc, known: ok}, ok
}

// zoneNamed finds the zone that is named in a text, where it was found as name, in lower
// case: one of the database, whose names Postgres takes in any case, or a POSIX one. It
// does not find all that Postgres does.
func zoneNamed(text, name []byte) (zone, bool) {
	at := bytes.Index(bytes.ToLower(text), name)
	if at < 0 || at+len(name) > len(text) {
		return zone{}, false
	}
	for _, spelt := range []string{string(text[at : at+len(name)]), spellZone(name), strings.ToUpper(string(name))} {
		if loc, ok := loadLocation(spelt); ok {
			return zone{location: loc, known: true}, true
		}
	}
	_, offset, ok := parsePosixZone(string(name))
	return zone{known: ok, offset: offset}, ok
}

// spellZone writes a name as most zones are written: America/New_York.
func spellZone(name []byte) string {
	spelt := bytes.Clone(name)
	for i, c := range spelt {
		if isLetter(c) && (i == 0 || !isLetter(spelt[i-1])) {
			spelt[i] = c &^ 0x20
		}
	}
	return string(spelt)
}
