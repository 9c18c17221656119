package pgtypes_test

import (
	"fmt"
	"math/rand"
	"strconv"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgtypes"
)

// guessedDates are dates of which DateStyle, or a guess, says what they mean.
var guessedDates = []string{
	"Jan 2 2024", "2 January 2024", "January 2, 2024", "01/02/2024", "13/02/2024", "01/13/2024", "1.2.2024", "2024.01.02", "2024-Jan-02", "Jan-02-24", "02-Jan-2024", "24-01-02", "990108", "19990108", "1999.008", "2024-002", "2024 366", "2023 366", "J2451187", "J2451187.5", "J 2451187", "Julian 2451187", "JD2451187.", "J2451187-08", "J-1", "J0", "J2147483647", "J99999999999",
	"2024-01-02 10:00 PM", "2024-01-02 12:00 am", "2024-01-02 13:00 PM", "2024-01-02 10 PM", "2024-01-02 pm", "Tue Jan 02 03:04:05 2024", "Tue 02 Jan 03:04:05 2024 CET", "Mon Jan 08 04:05:06 1999 PST", "01/08/1999 04:05:06 PST", "08.01.1999 04:05:06 CET", "1999-01-08 04:05:06.789-8:00", "1999-01-08 04:05:06 -8:00", "2024-01-02 allballs", "allballs 2024-01-02", "Jan 8 allballs 1999",
	"03:04:05", "2024", "1704164645", "2024-01-02T", "2024-01-02Z", "2024-01-02 +01 03:04", "2024-01-02+01", "2024-01-02-01", "2024-01-02 UTC", "2024-01-02 03", "2024-01-02 03:04.5", "2024-01-02 03:04:05.", "20240102 030405", "2024-01", "2024-01-02 BC 03:04", "2024-01-02 003:04", "2024-01-02 03:04:05 +01:00 +02", "2024-1-2x", "allballs", "2024-01-02 03:04:05+12345",
	"2024-01-02 03:04:05 PST8PDT", "2024-07-02 03:04:05 PST8PDT", "2024-07-02 america/new_york", "2024-07-02 AMERICA/NEW_YORK 03:04", "2024-07-02 Japan", "2024-07-02 03:04 PST8", "2024-07-02 03:04 FOO+3:30", "2024-07-02 03:04 UTC-3", "Jan 8 040506-08 1999", "Jan 8 0405-08 1999", "1999-01-08 040506-08", "1999-01-08T0405-08",
	"2024-07-02 03:04:05 Mars/Phobos", "2024-07-02 foo", "foo 2024-07-02", "2024-07-02 foo/bar/baz 03:04", "mars/phobos 2024-07-02", "2024-07-02 GMT foo", "2024-07-02 america/port-au-prince", "2024-07-02 antarctica/dumontdurville", "2024-07-02 gb-eire", "2024-07-02 US/pacific", "2024-07-02 etc/gmt+3", "2024-07-02 mexico/bajanorte", "2024-07-02 aMERICA/aRGENTINA/cOMODrIVADAVIA", "2024-07-02 foo-bar",
	"0099-01-01", "99-01-01 BC", "Jan 1 99 BC", "Jan 1 0", "Jan 1 00", "Jan 1 70", "Jan 1 069", "99 Jan 1", "1 Jan 099", "Jan 8.5 1999", "8 Jan.1999", "8.5 1999 Jan", "Sat Jan 8 Sun 1999", "Jan Feb 1999", "1 Feb 2 1999", "on 8 Jan 1999 at 04:05", "8 Jan 1999 04:05 PM AM", "04:05:06 1999-01-08", "Fri Feb-7-1997", "04:05 pm 8 Jan 1999", "bc 44-01-08", "44-01-08 bc",
	"infinity 2024", "infinity mon", "+infinity", "- infinity", "epoch bc", "+foo", "2024-01-02 +foo", "2024-01-02 t +01 04:05", "2024--01--02", "2024-01-02-", "2024-01-", "2024-01-02--", "2024/01-02", "2024-01/02", "1/2/3", "123/4/5", "1/2/03 4:5", "1,2,2024", "2024,1,2", "(2024-01-02)", "2024-01-02;03:04", "Jan/8/1999", "Jan.8.1999", "8/Jan/99", "100000101", "99990101", "5874897-01-01", "58748970101", "1 1 1 1", "2024 1 2 0304", "2024 1 2 030405.5",
	"2024-02-30 Jan", "2024 Feb 30", "Feb 29 2023", "29/02/2023", "31.12.99", "99.12.31", "32.1.2024", "2024-01-02 04:05 MET", "2024-01-02 cetdst", "2024-01-02 04:05 Z+1", "2024-01-02 CET+1", "2024-01-02 25:00 pm", "2024-01-02 24:00 pm", "J2451187 04:05 PM", "J2451187 BC", "1999.008 bc", "1999.8", "1999.367", "1999.000", "99.008", "99008", "1999008",
}

// readHow tries a text, unless pgseal refuses it. The day's time is only asked of Postgres in text,
// which shows all.
func (o *oracle) readHow(typ string, text []byte) (refused bool) {
	o.t.Helper()
	env := o.env()
	mine, err := ours(typ, 0, text, pgtypes.Text, pgtypes.Text, env)
	if refusedHere(err) {
		return true
	}
	theirs, theirErr := o.store(typ, 0, text, pgtypes.Text, pgtypes.Text)
	if got, want := describe(mine, err, pgtypes.Text), describe(theirs, theirErr, pgtypes.Text); got != want {
		status := o.conn.ParameterStatus
		o.t.Errorf("%s from %s (%s, %s, Postgres %d):\n got %s\nwant %s", typ, show(text), status("DateStyle"), status("TimeZone"), o.version, cut(got), cut(want))
	}
	return false
}

var dateStyles = []string{"ISO, MDY", "ISO, DMY", "ISO, YMD", "SQL, MDY", "SQL, DMY", "Postgres, MDY", "Postgres, DMY", "Postgres, YMD", "German, DMY"}

func TestGuessedDates(t *testing.T) {
	eachVersion(t, func(o *oracle) {
		refused := 0
		for i, order := range []string{"MDY", "DMY", "YMD"} {
			o.exec("SET DateStyle = " + order + "; SET TimeZone = '" + []string{"Europe/Berlin", "America/New_York", "UTC"}[i] + "'")
			for _, text := range guessedDates {
				if o.readHow("timestamptz", []byte(text)) {
					refused++
				}
				if order == "DMY" {
					o.readHow("timestamp", []byte(text))
					o.readHow("date", []byte(text))
				}
			}
		}
		o.t.Logf("%d values compared with Postgres %d, %d of %d refused", o.counted, o.version, refused, 3*len(guessedDates))
	})
}

// TestDatesComeBack reads what Postgres writes in each style.
func TestDatesComeBack(t *testing.T) {
	o := newOracle(t)
	for _, style := range dateStyles {
		for _, zone := range []string{"America/New_York", "Europe/Berlin", "America/Los_Angeles"} {
			o.exec("SET DateStyle = '" + style + "'; SET TimeZone = '" + zone + "'")
			for _, typ := range []string{"date", "timestamp", "timestamptz"} {
				for _, text := range []string{"1999-01-08 04:05:06.789", "1999-07-08 04:05:06", "2024-11-12 23:59:59", "0044-03-15 BC", "12024-01-02 03:04"} {
					written, err := o.store(typ, 0, []byte(text), pgtypes.Text, pgtypes.Text)
					if err != nil {
						t.Fatal(err)
					}
					if o.readHow(typ, written) && !strings.HasSuffix(string(written), "LMT BC") {
						t.Errorf("%s %q is refused", typ, written)
					}
				}
			}
		}
	}
}

// TestZoneAbbreviations holds our abbreviations to the server's.
func TestZoneAbbreviations(t *testing.T) {
	eachVersion(t, func(o *oracle) {
		o.exec("SET TimeZone = 'Asia/Kathmandu'") // which has none
		r := o.conn.ExecParams(o.t.Context(), "SELECT abbrev FROM pg_timezone_abbrevs", nil, nil, nil, nil).Read()
		if r.Err != nil {
			o.t.Fatal(r.Err)
		}
		refused := 0
		for _, row := range r.Rows {
			if o.readHow("timestamptz", append([]byte("2024-07-02 03:04:05 "), row[0]...)) {
				refused++
			}
		}
		if n := len(r.Rows); n < 150 || refused > n/3 {
			o.t.Errorf("%d of %d abbreviations are refused", refused, n)
		}
	})
}

// TestPosixZones reads and writes times in sessions whose zone says by itself when its
// daylight saving time begins and ends.
func TestPosixZones(t *testing.T) {
	o := newOracle(t)
	for _, zone := range []string{
		"EST5EDT,M3.2.0,M11.1.0", "<+03>-3<+04>,M3.5.0/2,M10.5.0/3", "NZST-12NZDT,M9.5.0,M4.1.0/3", "WET0WEST,J60,J300/1:30", "AAA3:30BBB2:15:30,60/0,300", "CET-1CEST,M3.5.0,M10.5.0/3",
	} {
		for _, style := range []string{"ISO, MDY", "Postgres, DMY"} {
			o.exec("SET TimeZone = '" + zone + "'; SET DateStyle = '" + style + "'")
			for year := 1700; year < 2500; year += 37 {
				for _, day := range []string{"01-15 12:00", "03-01 00:30", "03-10 02:30", "03-31 02:30", "04-01 02:30", "07-02 03:04:05", "09-29 02:30", "10-27 01:30", "11-03 01:30", "12-31 23:59:59"} {
					for _, behind := range []string{"", "+00"} {
						if o.readHow("timestamptz", []byte(strconv.Itoa(year)+"-"+day+behind)) {
							t.Fatalf("%s is refused in %s", day, zone)
						}
					}
				}
			}
		}
	}
	for _, zone := range []string{"EST5EDT,", "EST5EDT,M3.2.0", "EST5EDT,x,y", ",,", "EST5,M3.2.0,M11.1.0"} {
		env := pgtypes.NewEnv(pgtypes.Settings{TimeZone: zone, DateStyle: "ISO, MDY"})
		if _, err := ours("timestamptz", 0, []byte("2024-01-02 03:04"), pgtypes.Text, pgtypes.Text, env); !refusedHere(err) {
			t.Errorf("zone %s: %v", zone, err)
		}
	}
	t.Logf("%d values compared with Postgres %d", o.counted, o.version)
}

// randomDate is a text of a date's parts, in an order and with separators that may be right.
func randomDate(rng *rand.Rand) string {
	month := time12[rng.Intn(12)]
	one := func(list ...string) string { return list[rng.Intn(len(list))] }
	year := one("1999", "2024", "99", "05", "069", "12024", "0044", "70", "0", strconv.Itoa(rng.Intn(3000)))
	m, d := one("%d", "%02d"), one("%d", "%02d")
	m, d = fmt.Sprintf(m, rng.Intn(13)), fmt.Sprintf(d, rng.Intn(32))
	name := one(month, month[:3], strings.ToUpper(month), strings.ToLower(month[:3]))
	parts := []string{year, one(m, name, name), d}
	if rng.Intn(2) == 0 {
		rng.Shuffle(3, func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	}
	sep := one(" ", "-", "/", ".", ", ", "", "-", "/", " ")
	date := strings.Join(parts, sep)
	if rng.Intn(8) == 0 {
		date = one("J"+strconv.Itoa(2400000+rng.Intn(99999)), "J 2451187.25", year+"."+fmt.Sprintf("%03d", rng.Intn(368)), fmt.Sprintf("%06d", rng.Intn(1000000)), fmt.Sprintf("%08d", rng.Intn(30000000)), "epoch", "infinity", year+" "+name)
	}
	clock := fmt.Sprintf(one("%02d:%02d:%02d", "%d:%d:%d", "%02d%02d%02d", "%02d:%02d:%02d.5", "%02d:%02d:%02d.123456"), rng.Intn(25), rng.Intn(60), rng.Intn(61))
	if rng.Intn(5) == 0 {
		clock = one("allballs", "0405", "04:05", "040506.25", "12:00", "04:05.5", "24:00:00")
	}
	zone := one("+01", "-08", "-8:00", "+0530", "Z", "UTC", "PST", "CET", "EST", "est", "MSK", "America/New_York", "europe/berlin", "PST8PDT", "EST5", "foo+3", "GMT+2", "+01:30:15", "+16", "BST", "MET DST")
	pieces := []string{date}
	if rng.Intn(4) > 0 {
		pieces = append(pieces, clock)
	}
	for _, extra := range []string{zone, one("AM", "PM", "pm"), one("BC", "AD", "bc"), one("Mon", "Tuesday", "sat", "on", "at", "t", "j", "y", "h")} {
		if rng.Intn(4) == 0 {
			pieces = append(pieces, extra)
		}
	}
	if rng.Intn(3) == 0 {
		rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
	}
	return strings.Join(pieces, one(" ", " ", " ", "", "T", ", ", "  "))
}

var time12 = [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}

func TestRandomDates(t *testing.T) {
	randomDates(newOracle(t), seed, 1500)
}

func randomDates(o *oracle, from int64, n int) {
	rng := rand.New(rand.NewSource(from))
	refused, words := 0, []string{"1", "02", "1999", "Jan", "mar", ".", "-", "/", " ", " ", ":", "+", "04:05", "t", "j", "pm", "bc", "sat", "z", "est", "dst", ",", "5", "990108"}
	for i := range n {
		if i%50 == 0 {
			o.exec("SET DateStyle = '" + dateStyles[rng.Intn(len(dateStyles))] + "'; SET TimeZone = '" + []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "<-05:30>+05:30", "Europe/London"}[rng.Intn(6)] + "'")
		}
		text := randomDate(rng)
		if rng.Intn(4) == 0 {
			text = pick(rng, 7, words...)
		}
		if o.readHow([]string{"timestamptz", "timestamptz", "timestamp", "date"}[rng.Intn(4)], []byte(text)) {
			refused++
		}
	}
	o.t.Logf("%d values compared with Postgres %d; %d of %d refused", o.counted, o.version, refused, n)
}
