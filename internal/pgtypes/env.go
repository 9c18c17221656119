package pgtypes

import "strings"

// Env is what the session says about how values are written: what the server
// reports in ParameterStatus. It is immutable.
type Env struct {
	utf8      bool
	charset   *charset // when utf8 is false; nil: text is not converted
	style     dateStyle
	dayFirst  bool // of DateStyle: DMY
	styleName string
	zone      zone
}

// NewEnv makes an Env of the settings DateStyle ("ISO, MDY"), IntervalStyle
// ("postgres"), TimeZone ("Europe/Berlin") and client_encoding ("UTF8") as the server
// reports them. A setting that pgseal does not know is
// an error only when a value needs it. (No type needs IntervalStyle yet.)
func NewEnv(dateStyleSetting, _, timeZone, encoding string) *Env {
	e := &Env{utf8: IsUTF8(encoding), charset: charsetOf(encoding), styleName: dateStyleSetting, zone: loadZone(timeZone)}
	for word := range strings.SplitSeq(dateStyleSetting, ",") {
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
