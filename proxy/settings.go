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
	server          int // the server's major version, zero when that is not known
	printing        pgtypes.Printing
	values          *pgtypes.Env // made of the above
	literals        *pgtypes.Env // the like for values in statements' text, which is read as UTF-8
}

// defaultSettings hold until the server reports others, which it does before
// the first ReadyForQuery.
func defaultSettings() *settings {
	s := &settings{standardStrings: true, encoding: "UTF8", dateStyle: "ISO, MDY", intervalStyle: "postgres", timeZone: "UTC"}
	s.setEnv()
	return s
}

func (s *settings) setEnv() {
	s.values = s.env(s.encoding)
	s.literals = s.values
	if !s.utf8() {
		s.literals = s.env("UTF8")
	}
}

// env is what values are read and written by, in an encoding.
func (s *settings) env(encoding string) *pgtypes.Env {
	return pgtypes.NewEnv(pgtypes.Settings{
		DateStyle: s.dateStyle, IntervalStyle: s.intervalStyle, TimeZone: s.timeZone, ClientEncoding: encoding, ServerVersion: s.server, Printing: s.printing,
	})
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
	case "server_version":
		changed.server = majorVersion(value)
	default:
		return s
	}
	changed.setEnv()
	return &changed
}

// majorVersion reads a version such as "17.2" or "18beta1".
func majorVersion(version string) int {
	end := 0
	for end < len(version) && version[end] >= '0' && version[end] <= '9' {
		end++
	}
	return atoi([]byte(version[:end]))
}
