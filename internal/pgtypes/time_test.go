package pgtypes_test

import (
	"errors"
	"fmt"
	"math/rand"
	"testing"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
)

var timeTexts = []string{
	"04:05 EST", "04:05 edt", "PST 04:05 pm", "2024-07-02 04:05 CEST", "04:05 MSK", "04:05 IST", "04:05 europe/berlin", "2024-07-02 04:05 europe/berlin", "04:05 asia/tokyo", "04:05 etc/gmt+3", "04:05 us/pacific", "2024-07-02 04:05 us/pacific", "2024-07-02 04:05 PST8PDT",
	"04:05 EST5", "04:05 FOO-3:30", "04:05 Japan", "2024-07-02 04:05 Japan", "04:05 Mars/Phobos", "2024-07-02 04:05 mars/phobos", "04:05 foo", "foo 04:05", "04:05 +foo", "04:05 gb-eire", "2024-07-02 04:05 GB-Eire", "04:05 foo-bar", "04:05 EST EST", "04:05 EST+01",
	"04:05:06", "04:05", "4:5", "4:5:6", "04:05:06.789", "04:05:06.7891234", "04:05:06.0000005", "04:05:06.", "04:05.5", "05:06.789", "T04:05:06", "t 04:05", "t04:05:06.5", "T040506", "T0405", "T040506.25", "040506", "0405", "040506.789", "04050", "0405067", "405", "40", "4", "4.5", "040.5", "0405.5", "04:05:06.789 ", " 04:05 ", "04:05:06 AM", "04:05:06 pm", "12:00 am", "12:30 AM", "12:30 pm", "13:00 am", "13:00 pm", "00:30 pm", "040506 pm", "04:05AM", "am 04:05", "12:59:60 pm",
	"24:00:00", "24:00:00.000001", "24:00:01", "24:01", "25:00", "23:59:59.9999999", "23:59:60", "23:59:61", "23:59:60.5", "23:60", "-1:00", "100:00", "2147483648:00", "99999999999999999999:00", "04:05:06:07", "04::06", "04:-5", "04:", ":05", "04:05:", "04:05:0x",
	"allballs", "ALLBALLS", "allballs+01", "04:05 allballs", "04:05:06Z", "04:05:06 z", "04:05:06 UTC", "04:05:06utc", "04:05:06 GMT", "04:05:06+01", "04:05:06-08", "04:05:06 +01", "04:05:06+0130", "04:05:06+01:30", "04:05:06+01:30:15", "04:05:06-01:30:15", "04:05:06+130", "04:05:06+1", "04:05:06+15:59:59", "04:05:06+16", "04:05:06+15:60", "04:05:06-15:59:60", "04:05:06+1600", "04:05:06+99999999999", "04:05:06+01-02", "04:05:06+01.5", "04:05:06+", "04:05:06 + 01", "04:05+01", "040506+01", "040506-01", "0405-01", "04:05:06+01 +02", "04:05:06 +01 pm",
	"2024-01-02 04:05:06", "2024-07-02 04:05:06", "2024-07-02 04:05:06+01", "20240702 04:05:06", "2024-13-02 04:05:06", "2024-02-30 04:05", "0000-01-01 04:05", "2024-07-02T04:05:06", "2024-07-02", "2024-07-02 04:05:06 America/New_York", "2024-01-02 04:05:06 America/New_York", "04:05:06 Etc/GMT+5", "04:05:06 America/New_York", "2024-03-31 02:30 Europe/Berlin", "2024-07-02 04:05:06 BC", "0044-07-02 04:05:06 bc", "04:05:06 bc", "2024-07-02 pm 04:05",
	"", " ", "abc", "infinity", "epoch", "04:05 infinity", "04:05:06 h", "h 04:05", "04:05 jan", "04:05 mon", "on 04:05", "04:05 at", "04:05:06 x1", "é", "04:05é", "04:05:06,5", "04:05;06", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26", "t t 04:05", "t", "04:05 t", "04:05 04:05", "040506 040506", "+01", "+01 04:05", "-08 04:05:06",
}

func TestTimes(t *testing.T) {
	eachVersion(t, func(o *oracle) {
		for _, zone := range []string{"UTC", "Asia/Kathmandu", "<-05:30>+05:30", "Etc/GMT+3"} {
			o.exec("SET TimeZone = '" + zone + "'")
			for _, typ := range []string{"time", "timetz", "time(2)", "timetz(0)"} {
				if zone != "UTC" && typ != "timetz" {
					continue
				}
				for _, text := range timeTexts {
					if _, err := ours(typ, 0, []byte(text), pgtypes.Text, pgtypes.Text, o.env()); refusedHere(err) {
						continue
					}
					o.checkAll(typ, []string{text})
				}
			}
		}
		for _, value := range []string{"", "1234567", "\x00\x00\x00\x00\x00\x00\x00\x01", "\x00\x00\x00\x14\x1d\xd7\x60\x00", "\x00\x00\x00\x14\x1d\xd7\x60\x01", "\xff\xff\xff\xff\xff\xff\xff\xff", "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x0e\x10", "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\xe1\x00", "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\xe0\xff", "\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff\x1f\x00", "\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff\x1f\x01", "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x0e", "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x0e\x10\x00", "\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x0e\x10", "\x00\x00\x00\x00\x00\x01\x86\xa1\x00\x00\x00\x0f"} {
			for _, typ := range []string{"time", "timetz", "time(1)", "timetz(1)"} {
				o.check(typ, 0, []byte(value), pgtypes.Binary)
			}
		}
		o.check("time[]", 0, []byte(`{04:05,NULL}`), pgtypes.Text)
		o.t.Logf("%d values compared with Postgres %d", o.counted, o.version)
	})
}

// refusedHere tells whether pgseal refuses what Postgres may take.
func refusedHere(err error) bool {
	var e *pgerr.Error
	return errors.As(err, &e) && e.Code == pgerr.FeatureNotSupported
}

// refusedTimes are what Postgres takes, or may take, and pgseal refuses.
var refusedTimes = []string{
	"now", "j 2451187.5", "04:05 dst", "1950-07-02 04:05 PST8PDT", "04:05 FOO3BAR",
}

func TestTimesThatAreRefused(t *testing.T) {
	o := newOracle(t)
	o.refused("time", refusedTimes)
	o.refused("timetz", append(refusedTimes, "04:05 MSK", "2024-07-02 04:05 MSK"))
	o.exec("SET TimeZone = 'Europe/Berlin'")
	o.refused("timetz", []string{"04:05:06", "04:05 pm"}) // which hangs on today's date
	o.checkAll("timetz", []string{"2024-07-02 04:05:06", "2024-01-02 04:05:06", "04:05+01", "allballs"})
}

func TestRandomTimes(t *testing.T) {
	o := newOracle(t)
	rng := rand.New(rand.NewSource(seed))
	for range 1000 {
		typ := []string{"time", "timetz", "time(3)", "timetz(1)"}[rng.Intn(4)]
		o.check(typ, 0, fmt.Appendf(nil, "%02d:%02d:%02d.%06d%s", rng.Intn(25), rng.Intn(61), rng.Intn(62), rng.Intn(1000000), pick(rng, 1, "+01", "-0830", "Z", " am", " PM")), pgtypes.Text)
		text := []byte(pick(rng, 6, "04", "12", "59", ":", ":", ".", "+", "-", " ", "am", "pm", "t", "z", "5"))
		if _, err := ours(typ, 0, text, pgtypes.Text, pgtypes.Text, o.env()); !refusedHere(err) {
			o.check(typ, 0, text, pgtypes.Text)
		}
	}
	t.Logf("%d values compared with Postgres %d", o.counted, o.version)
}

func FuzzTime(f *testing.F) {
	fuzzCodec(f, append(timeTexts, refusedTimes...), "time", "timetz", "time(3)")
}
