package pgtypes

// wordKind is what a word in a date, time or interval is.
type wordKind uint8

const (
	wordNone     wordKind = iota
	wordReserved          // a whole value: value is one of the dateWord constants
	wordEra               // value is 1 for BC
	wordAMPM              // value is 1 for PM
	wordMonth             // value is its number
	wordWeekday
	wordIgnored
	wordUnit // value is an intervalUnit, of dates a unit that is not told apart
	wordDST
	wordISOTime // T
	wordAgo
)

type wordMeaning struct {
	kind  wordKind
	value int
}

// dateWords are the words of dates, in lower case (datetktbl). Time zones' abbreviations
// are not among them.
var dateWords = func() map[string]wordMeaning {
	m := map[string]wordMeaning{
		"+infinity": {wordReserved, int(wordInfinity)}, "infinity": {wordReserved, int(wordInfinity)}, "-infinity": {wordReserved, int(wordMinusInfinity)},
		"epoch": {wordReserved, int(wordEpoch)}, "allballs": {wordReserved, int(wordAllballs)}, "now": {wordReserved, int(wordClock)},
		"today": {wordReserved, int(wordClock)}, "tomorrow": {wordReserved, int(wordClock)}, "yesterday": {wordReserved, int(wordClock)},
		"ad": {wordEra, 0}, "bc": {wordEra, 1}, "am": {wordAMPM, 0}, "pm": {wordAMPM, 1}, "at": {wordIgnored, 0}, "on": {wordIgnored, 0},
		"t": {wordISOTime, 0}, "dst": {wordDST, 0}, "sept": {wordMonth, 9},
	}
	for _, unit := range []string{"d", "dow", "doy", "h", "isodow", "isoyear", "j", "jd", "julian", "m", "mm", "s", "y"} {
		m[unit] = wordMeaning{wordUnit, 0}
	}
	for i, month := range []string{
		"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
	} {
		m[month], m[month[:3]] = wordMeaning{wordMonth, i + 1}, wordMeaning{wordMonth, i + 1}
	}
	for _, day := range []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"} {
		m[day], m[day[:3]] = wordMeaning{wordWeekday, 0}, wordMeaning{wordWeekday, 0}
	}
	for _, day := range []string{"tues", "weds", "thur", "thurs"} {
		m[day] = wordMeaning{wordWeekday, 0}
	}
	return m
}()

// intervalUnit is a unit of an interval.
type intervalUnit int

const (
	unitUnset intervalUnit = iota
	unitOther              // a unit that no interval is written in
	unitMicrosecond
	unitMillisecond
	unitSecond
	unitMinute
	unitHour
	unitDay
	unitWeek
	unitMonth
	unitYear
	unitDecade
	unitCentury
	unitMillennium
)

// intervalWords are the words of intervals, cut to fieldToken letters (deltatktbl).
var intervalWords = func() map[string]wordMeaning {
	m := map[string]wordMeaning{"ago": {wordAgo, 0}}
	for unit, words := range map[intervalUnit][]string{
		unitMicrosecond: {"microsecon", "us", "usec", "usecond", "useconds", "usecs"},
		unitMillisecond: {"millisecon", "ms", "msec", "msecond", "mseconds", "msecs"},
		unitSecond:      {"s", "sec", "second", "seconds", "secs"},
		unitMinute:      {"m", "min", "mins", "minute", "minutes"},
		unitHour:        {"h", "hour", "hours", "hr", "hrs"},
		unitDay:         {"d", "day", "days"},
		unitWeek:        {"w", "week", "weeks"},
		unitMonth:       {"mon", "mons", "month", "months"},
		unitYear:        {"y", "year", "years", "yr", "yrs"},
		unitDecade:      {"dec", "decade", "decades", "decs"},
		unitCentury:     {"c", "cent", "centuries", "century"},
		unitMillennium:  {"mil", "millennia", "millennium", "mils"},
		unitOther:       {"qtr", "quarter", "timezone"},
	} {
		for _, word := range words {
			m[word] = wordMeaning{wordUnit, int(unit)}
		}
	}
	return m
}()
