package pgtypes

import (
	"strings"

	"github.com/pgseal/pgseal/policy"
)

// Settings are what the session says about how values are written. The server reports
// them in ParameterStatus, but for Printing.
type Settings struct {
	DateStyle      string // "ISO, MDY"
	IntervalStyle  string // "postgres"
	TimeZone       string // "Europe/Berlin"
	ClientEncoding string // "UTF8"
	ServerVersion  int    // the major version; zero when it is not known, which counts as the newest
	Printing       Printing
}

// Printing are the settings that text of some types is written by, and none is read by.
// The server does not report them. The zero value is their default.
type Printing struct {
	ByteaEscape bool // bytea_output is escape, not hex
	FloatDigits int  // extra_float_digits less its default, 1
}

// PrintedBySettings tells whether the text of a type's values depends on Printing.
func PrintedBySettings(t policy.Type) bool {
	return t.Kind == policy.Bytea || t.Kind == policy.Float4 || t.Kind == policy.Float8
}

// Env is Settings made ready for use. It is immutable.
type Env struct {
	utf8      bool
	charset   *charset // when utf8 is false; nil: text is not converted
	style     dateStyle
	order     dateOrder
	styleName string
	zone      zone
	version   int
	printing  Printing

	intervalStyle     intervalStyle
	intervalStyleName string
}

// NewEnv makes an Env. A setting that pgseal does not know is an error only when a
// value needs it.
func NewEnv(s Settings) *Env {
	e := &Env{
		utf8: IsUTF8(s.ClientEncoding), charset: charsetOf(s.ClientEncoding), styleName: s.DateStyle, zone: loadZone(s.TimeZone),
		version: s.ServerVersion, printing: s.Printing, intervalStyle: intervalStyles[strings.ToLower(s.IntervalStyle)], intervalStyleName: s.IntervalStyle,
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
			e.order = orderDMY
		case "MDY":
			e.order = orderMDY
		case "YMD":
			e.order = orderYMD
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

// dateOrder is the second part of DateStyle: what the numbers of a date are.
type dateOrder uint8

const (
	orderUnknown dateOrder = iota
	orderMDY
	orderDMY
	orderYMD
)
