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
	rule     bool           // the location is a POSIX zone's
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
	if loc, ok := posixLocation(name); ok {
		return zone{name: name, location: loc, rule: true, known: true}
	}
	return zone{name: name}
}

// posixLocation reads a POSIX zone that says when its daylight saving begins and ends:
// "EST5EDT,M3.2.0,M11.1.0". One that does not goes by a file of the server's
// (posixrules), if that is there. The location is not kept: clients make up as many as
// they like.
func posixLocation(spec string) (*time.Location, bool) {
	if len(spec) > maxZoneName || strings.Count(spec, ",") != 2 || strings.ContainsAny(spec, "\n\x00") {
		return nil, false
	}
	// A file of the database of time zones (RFC 9636) in which nothing has happened yet,
	// and the rule is in force from the beginning. Where the rule does not parse, the zone
	// is the empty file's.
	const unnamed = "?"
	file := make([]byte, 0, 256)
	header := func(transitions byte) {
		file = append(file, "TZif2"...)
		file = append(file, make([]byte, 15)...)
		for _, count := range []byte{0, 0, 0, transitions, 1, byte(len(unnamed) + 1)} { // tzh_timecnt, typecnt, charcnt last
			file = append(file, 0, 0, 0, count)
		}
	}
	local := append(make([]byte, 6), unnamed+"\x00"...) // no offset, no daylight saving time, the name at 0
	header(0)
	file = append(file, local...)
	header(1)
	file = append(append(file, 0x80, 0, 0, 0, 0, 0, 0, 0), 0) // from the first moment on
	file = append(file, local...)
	file = append(file, "\n"+spec+"\n"...)
	loc, err := time.LoadLocationFromTZData(spec, file)
	if err != nil {
		return nil, false
	}
	at := time.Unix(0, 0).In(loc)
	if _, ends := at.ZoneBounds(); at.Format("MST") == unnamed || ends.IsZero() {
		return nil, false
	}
	return loc, true
}

// maxZoneName is TZ_STRLEN_MAX.
const maxZoneName = 255

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
	abbrev, offset = time.Unix(z.cycled(unix), 0).In(z.location).Zone()
	return offset, abbrev
}

// cycled moves a moment before 1970 by whole cycles of the calendar, of 400 years, to where
// package time reckons a POSIX zone's rule right.
func (z *zone) cycled(unix int64) int64 {
	const cycle = 146097 * 24 * 60 * 60
	if z.rule && unix < 0 {
		return cycle + unix%cycle
	}
	return unix
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
	seconds = z.cycled(seconds)
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
// case: one of the database, whose names Postgres takes in any case, or a POSIX one
// (pg_tzset). When it is not found, doubted tells that Postgres may find it.
func zoneNamed(text, name []byte) (z zone, ok, doubted bool) {
	at := bytes.Index(bytes.ToLower(text), name)
	if at < 0 || at+len(name) > len(text) {
		return zone{}, false, true
	}
	for _, spelt := range []string{string(text[at : at+len(name)]), spellZone(name), strings.ToUpper(string(name))} {
		if loc, ok := loadLocation(spelt); ok {
			return zone{location: loc, known: true}, true, false
		}
	}
	if _, offset, ok := parsePosixZone(string(name)); ok {
		return zone{known: true, offset: offset}, true, false
	}
	// A POSIX zone has digits; the others are of the server's files only.
	doubted = bytes.ContainsAny(name, "0123456789") || bytes.ContainsFunc(name, func(r rune) bool { return r >= 0x80 })
	for _, own := range []string{"local", "posix", "right/", "systemv/", "factory"} {
		doubted = doubted || bytes.HasPrefix(name, []byte(own))
	}
	return zone{}, false, doubted
}

// oddlySpelt are the names of zones that spellZone does not write right, by what it writes.
var oddlySpelt = func() map[string]string {
	m := make(map[string]string)
	for _, name := range []string{
		"Africa/Dar_es_Salaam", "America/Argentina/ComodRivadavia", "America/Knox_IN", "America/Port-au-Prince", "America/Port_of_Spain",
		"Antarctica/DumontDUrville", "Antarctica/McMurdo", "Australia/ACT", "Australia/LHI", "Australia/NSW", "Brazil/DeNoronha", "Chile/EasterIsland",
		"Etc/GMT", "Etc/UCT", "Etc/UTC", "Europe/Isle_of_Man", "GB-Eire", "Mexico/BajaNorte", "Mexico/BajaSur",
	} {
		m[capitals([]byte(strings.ToLower(name)))] = name
	}
	return m
}()

// spellZone writes a name in lower case as the database of time zones does:
// America/New_York.
func spellZone(name []byte) string {
	spelt := capitals(name)
	if odd, ok := oddlySpelt[spelt]; ok {
		return odd
	}
	if rest, ok := strings.CutPrefix(spelt, "Us/"); ok {
		return "US/" + rest
	}
	if rest, ok := strings.CutPrefix(spelt, "Etc/Gmt"); ok {
		return "Etc/GMT" + rest
	}
	return spelt
}

func capitals(name []byte) string {
	spelt := bytes.Clone(name)
	for i, c := range spelt {
		if isLetter(c) && (i == 0 || !isLetter(spelt[i-1])) {
			spelt[i] = c &^ 0x20
		}
	}
	return string(spelt)
}
