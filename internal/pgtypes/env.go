package pgtypes

import "strings"

// Env is what the session says about how values are written: what the server
// reports in ParameterStatus. It is immutable.
type Env struct {
	utf8      bool
	style     dateStyle
	dayFirst  bool // of DateStyle: DMY
	styleName string
	zone      zone
}

// NewEnv makes an Env of the settings DateStyle ("ISO, MDY"), IntervalStyle
// ("postgres") and TimeZone ("Europe/Berlin") as the server reports them. utf8
// tells that the client's text is UTF-8. A setting that pgseal does not know is
// an error only when a value needs it. (No type needs IntervalStyle yet.)
func NewEnv(dateStyleSetting, _, timeZone string, utf8 bool) *Env {
	e := &Env{utf8: utf8, styleName: dateStyleSetting, zone: loadZone(timeZone)}
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

// dateStyle is the first part of DateStyle.
type dateStyle uint8

const (
	styleUnknown dateStyle = iota
	styleISO
	styleSQL
	stylePostgres
	styleGerman
)
