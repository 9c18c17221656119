package proxy

import (
	"strings"

	"github.com/pgseal/pgseal/internal/pgtypes"
)

// settings are what the server reports of the session (ParameterStatus) and
// pgseal needs. It is immutable; a change makes a new one.
type settings struct {
	standardStrings bool
	encoding        string // client_encoding
	dateStyle       string
	intervalStyle   string
	timeZone        string
	values          *pgtypes.Env // made of the above
}

// defaultSettings hold until the server reports others, which it does before
// the first ReadyForQuery.
func defaultSettings() *settings {
	s := &settings{standardStrings: true, encoding: "UTF8", dateStyle: "ISO, MDY", intervalStyle: "postgres", timeZone: "UTC"}
	s.values = s.env()
	return s
}

func (s *settings) env() *pgtypes.Env {
	return pgtypes.NewEnv(s.dateStyle, s.intervalStyle, s.timeZone, s.utf8())
}

// utf8 tells whether the client's bytes are UTF-8. SQL_ASCII means that the
// server converts nothing; values are then held to be UTF-8 by their codecs.
func (s *settings) utf8() bool {
	return strings.EqualFold(s.encoding, "UTF8") || strings.EqualFold(s.encoding, "SQL_ASCII")
}

// reportedSettings are the ones that with knows.
var reportedSettings = []string{"standard_conforming_strings", "client_encoding", "DateStyle", "IntervalStyle", "TimeZone"}

// askReported asks for them, in that order.
var askReported = "SELECT pg_catalog.current_setting('" +
	strings.Join(reportedSettings, "'), pg_catalog.current_setting('") + "')"

// with gives the settings after the server reported a parameter, s itself when
// pgseal does not need it.
func (s *settings) with(name, value string) *settings {
	changed := *s
	switch name {
	case "standard_conforming_strings":
		changed.standardStrings = value == "on"
	case "client_encoding":
		changed.encoding = value
	case "DateStyle":
		changed.dateStyle = value
	case "IntervalStyle":
		changed.intervalStyle = value
	case "TimeZone":
		changed.timeZone = value
	default:
		return s
	}
	changed.values = changed.env()
	return &changed
}
