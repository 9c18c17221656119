package pgtypes

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What an abbreviation of a time zone means, the server's setting timezone_abbreviations says, which
// clients are not told of. The tables below are of its value Default, from
// share/timezonesets/Default of Postgres 14 to 18, where it is the same. What the other
// values that Postgres comes with, Australia and India, say otherwise is taken only where
// the session's zone says so too. From Postgres 18 on, the session's zone goes first
// (DecodeTimezoneAbbrev).

// fixedAbbreviations are abbreviations and their seconds east of Greenwich, with a D when they
// are of daylight saving time.
const fixedAbbreviations = `
ACDT 37800D ACSST 37800D ACST 34200 ACT -18000 ACWST 31500 ADT -10800D AEDT 39600D AESST 39600D AEST 36000 AFT 16200
AKDT -28800D AKST -32400 ALMST 25200D ALMT 21600 AMT -14400 AST -14400 AWSST 32400D AWST 28800 AZOST 0D AZOT -3600
BDST 7200D BDT 21600 BNT 28800 BORT 28800 BOT -14400 BRA -10800 BRST -7200D BRT -10800 BST 3600D BTT 21600 CADT 37800D
CAST 34200 CCT 28800 CDT -18000D CEST 7200D CET 3600 CETDST 7200D CHADT 49500D CHAST 45900 CHUT 36000 CLST -10800D
COT -18000 CST -21600 CXT 25200 DDUT 36000 EAT 10800 EDT -14400D EEST 10800D EET 7200 EETDST 10800D EGST 0D EGT -3600
EST -18000 FET 10800 FJST 46800D FJT 43200 FNST -3600D FNT -7200 GALT -21600 GAMT -32400 GFT -10800 GILT 43200 GMT 0
HKT 28800 HST -36000 ICT 25200 IDT 10800D IRT 12600 IST 7200 JAYT 32400 JST 32400 KDT 36000D KGST 21600D KST 32400
LHST 37800 LIGT 36000 MART -34200 MDT -21600D MEST 7200D MESZ 7200D MET 3600 METDST 7200D MEZ 3600 MHT 43200 MMT 23400
MPT 36000 MSD 14400D MST -25200 MUST 18000D MUT 14400 MVT 18000 MYT 28800 NDT -9000D NFT -12600 NPT 20700 NST -12600
NZDT 46800D NZST 43200 NZT 43200 PDT -25200D PET -18000 PGT 36000 PHT 28800 PKST 21600D PKT 18000 PMDT -7200D
PMST -10800 PONT 39600 PST -28800 PWT 32400 PYST -10800D RET 14400 SADT 37800D SAST 7200 SCT 14400 TAHT -36000
TFT 18000 TJT 18000 TOT 46800 TRUT 36000 TVT 43200 UCT 0 ULAST 32400D UT 0 UTC 0 UYST -7200D UYT -10800 UZST 21600D
UZT 18000 VUT 39600 WADT 28800D WAKT 43200 WAST 25200 WAT 3600 WDT 32400D WET 0 WETDST 3600D WFT 43200 WGST -7200D
WGT -10800 XJT 21600 YAPT 36000 YEKST 21600D Z 0 ZULU 0
`

// movingAbbreviations are those whose meaning depends on the date.
const movingAbbreviations = `
AMST ANAST ANAT ARST ART AZST AZT CKT CLT DAVT EASST EAST FKST FKT GEST GET GYT IOT IRKST IRKT KGT KOST KRAST KRAT
LHDT LINT LKT MAGST MAGT MAWT MSK NOVST NOVT NUT OMSST OMST PETST PETT PYT SGT TKT TMT ULAT VET VLAST VLAT VOLT YAKST
YAKT YEKT
`

// contestedAbbreviations are those that Australia or India give another meaning.
const contestedAbbreviations = "CST EAST EST IST SAST"

type zoneAbbreviation struct {
	east              int
	daylight          bool
	moving, contested bool
}

// zoneAbbreviations are all those, in lower case.
var zoneAbbreviations = func() map[string]zoneAbbreviation {
	m := make(map[string]zoneAbbreviation)
	pairs := strings.Fields(strings.ToLower(fixedAbbreviations))
	for pair := range slices.Chunk(pairs, 2) {
		seconds, daylight := strings.CutSuffix(pair[1], "d")
		east, err := strconv.Atoi(seconds)
		if err != nil {
			panic("pgtypes: internal error: " + err.Error())
		}
		m[pair[0]] = zoneAbbreviation{east: east, daylight: daylight}
	}
	for name := range strings.FieldsSeq(strings.ToLower(movingAbbreviations)) {
		m[name] = zoneAbbreviation{moving: true}
	}
	for name := range strings.FieldsSeq(strings.ToLower(contestedAbbreviations)) {
		if a, ok := m[name]; ok {
			a.contested = true
			m[name] = a
		}
	}
	return m
}()

// abbreviationKind is what is known of a word that may be a zone's abbreviation.
type abbreviationKind uint8

const (
	abbreviationNone    abbreviationKind = iota // it is none
	abbreviationKnown                           // it is one, for sure of this offset
	abbreviationDoubted                         // it is one, and its offset is not sure
)

// abbreviation says what a word in lower case means as a zone's abbreviation.
func (e *Env) abbreviation(word []byte) (a zoneAbbreviation, kind abbreviationKind) {
	a, known := zoneAbbreviations[string(word)]
	own := e.zone.offsetsOf(bytes.ToUpper(word))
	agrees := len(own) == 1 && own[0] == a.east
	sessionFirst := e.version == 0 || e.version >= 18
	switch {
	case sessionFirst && len(own) > 0 && !(known && agrees):
		return a, abbreviationDoubted
	case !known:
		return a, abbreviationNone
	case a.moving, a.contested && !agrees, !e.zone.known && sessionFirst:
		return a, abbreviationDoubted
	}
	return a, abbreviationKnown
}

// ownAbbreviations are the abbreviations of zones that were asked for, and the offsets of each:
// *time.Location to map[string][]int.
var ownAbbreviations sync.Map

// offsetsOfRule is offsetsOf for a POSIX zone, which has two.
func (z *zone) offsetsOfRule(abbrev string) (offsets []int) {
	at := time.Unix(0, 0).In(z.location)
	for range 2 {
		if name, offset := at.Zone(); name == abbrev {
			offsets = append(offsets, offset)
		}
		_, at = at.ZoneBounds()
	}
	return offsets
}

// offsetsOf gives the offsets that the zone itself has ever had under an abbreviation.
func (z *zone) offsetsOf(abbrev []byte) []int {
	if z.location == nil {
		if z.abbrev == string(abbrev) {
			return []int{z.offset}
		}
		return nil
	}
	if z.rule {
		return z.offsetsOfRule(string(abbrev))
	}
	if m, ok := ownAbbreviations.Load(z.location); ok {
		return m.(map[string][]int)[string(abbrev)]
	}
	m := make(map[string][]int)
	const first, last = -1 << 33, 1 << 31 // before all zones began, and into the rules of today
	for unix := int64(first); unix < last; {
		at := time.Unix(unix, 0).In(z.location)
		name, offset := at.Zone()
		if !slices.Contains(m[name], offset) {
			m[name] = append(m[name], offset)
		}
		_, end := at.ZoneBounds()
		if end.IsZero() {
			break
		}
		unix = max(end.Unix(), unix+24*60*60)
	}
	ownAbbreviations.Store(z.location, m)
	return m[string(abbrev)]
}
