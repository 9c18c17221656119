package pgtypes

import "strings"

// Settings are what the session says about how values are written, as the server reports
// it in ParameterStatus.
type Settings struct {
	DateStyle      string // "ISO, MDY"
	IntervalStyle  string // "postgres"
	TimeZone       string // "Europe/Berlin"
	ClientEncoding string // "UTF8"
	ServerVersion  int    // the major version; zero when it is not known, which counts as the newest
}

// Env is Settings made ready for use. It is immutable.
type Env struct {
	utf8      bool
	charset   *charset // when utf8 is false; nil: text is not converted
	style     dateStyle
	dayFirst  bool // of DateStyle: DMY
	styleName string
	zone      zone
	version   int

	intervalStyle     intervalStyle
	intervalStyleName string
}

// NewEnv makes an Env. A setting that pgseal does not know is an error only when a
// value needs it.
func NewEnv(s Settings) *Env {
	e := &Env{
		utf8: IsUTF8(s.ClientEncoding), charset: charsetOf(s.ClientEncoding), styleName: s.DateStyle, zone: loadZone(s.TimeZone),
		version: s.ServerVersion, intervalStyle: intervalStyles[strings.ToLower(s.IntervalStyle)], intervalStyleName: s.IntervalStyle,
	}
	for word := range strings.SplitSeq(s.DateStyle, ",") {
		switch strings.ToUpper(strings.TrimSpace(word)) {
		case "ISO":
			e.style = styleISO
		case "SQL":
			e.style = styleSQL
		case "POSTGRES":
			e.style = stylePostgres
		case "GERMAN":
			e.style = styleGerman
		case "DMY":
			e.dayFirst = true
		}
	}
	return e
}

// IsUTF8 tells whether text in an encoding is UTF-8. SQL_ASCII means that the server
// converts nothing; values are then held to be UTF-8.
func IsUTF8(encoding string) bool {
	switch CleanEncoding(encoding) {
	case "utf8", "unicode", "sqlascii":
		return true
	}
	return false
}

// Converts tells whether text that clients send in an encoding can be taken: UTF-8,
// and those of one byte a character.
func Converts(encoding string) bool { return IsUTF8(encoding) || charsetOf(encoding) != nil }

// dateStyle is the first part of DateStyle.
type dateStyle uint8

const (
	styleUnknown dateStyle = iota
	styleISO
	styleSQL
	stylePostgres
	styleGerman
)
