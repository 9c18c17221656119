package oracle_test

import (
	"fmt"
	"strings"

	"github.com/pgseal/pgseal/policy"
)

// settings are SETs that change how values of some types are read or written.
var settings = []struct {
	kinds string // of types, separated by blanks
	sets  []string
}{
	{"date timestamp timestamptz", []string{
		"DateStyle = 'ISO, DMY'", "DateStyle = 'SQL, MDY'", "DateStyle = 'SQL, DMY'", "DateStyle = 'Postgres, MDY'", "DateStyle = 'Postgres, DMY'", "DateStyle = 'German, DMY'", "DateStyle = 'ISO, YMD'",
	}},
	{"timestamptz timetz date timestamp", []string{
		"TimeZone = 'Europe/Berlin'", "TimeZone = 'America/New_York'", "TimeZone = 'Asia/Kathmandu'", "TimeZone = '<+03>-03'", "TimeZone = 'EST5EDT,M3.2.0,M11.1.0'",
	}},
	{"interval", []string{
		"IntervalStyle = 'sql_standard'", "IntervalStyle = 'postgres_verbose'", "IntervalStyle = 'iso_8601'",
	}},
	{"bytea", []string{"bytea_output = 'escape'"}},
	{"float4 float8", []string{"extra_float_digits = 0", "extra_float_digits = 3", "extra_float_digits = -15"}},
	{"text varchar bpchar json jsonb", []string{"client_encoding = 'LATIN1'", "client_encoding = 'WIN1252'", "client_encoding = 'SQL_ASCII'"}},
}

// settingScripts writes and reads values under each setting that concerns the type.
func settingScripts(l *logical, add func(string, func(*script))) {
	values := l.settings
	if values == nil {
		values = l.values
	}
	for _, group := range settings {
		if !concerns(group.kinds, l.policyType().Kind) {
			continue
		}
		for _, set := range group.sets {
			name := strings.NewReplacer(" = ", "=", "'", "", ", ", "-", "/", "-").Replace(set)
			add("setting,"+name, func(s *script) { setting(s, l, set, values) })
		}
	}
}

func concerns(kinds string, kind policy.Kind) bool {
	for _, k := range strings.Fields(kinds) {
		if k == string(kind) {
			return true
		}
	}
	return false
}

func setting(s *script, l *logical, set string, values []string) {
	s.query("SET %s", set)
	encode := func(value string) string { return value }
	if strings.Contains(set, "LATIN1") || strings.Contains(set, "WIN1252") {
		encode = latin1
	}
	for i, value := range values {
		row := i + 1
		s.execute(fmt.Sprintf("INSERT INTO %s (id, org_id, v) VALUES ($1, $2, $3) RETURNING v", l.table()), 0, textParam(fmt.Sprint(row)), textParam(org(row)), textParam(encode(value)))
		if value == encode(value) {
			s.query(insertRow+" RETURNING v", l.table(), row+100, org(row), quoted(value))
		}
	}
	statement := fmt.Sprintf("SELECT id, v FROM %s ORDER BY id", l.table())
	for _, how := range readers {
		how.send(s, statement)
	}
	s.query("COPY (%s) TO STDOUT", statement)
	s.query("RESET ALL")
	s.query("%s", statement)
}

// latin1 is a text in LATIN1; what it lacks is a question mark.
func latin1(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r > 0xff {
			r = '?'
		}
		b.WriteByte(byte(r))
	}
	return b.String()
}
