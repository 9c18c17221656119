package oracle_test

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// script is a wire script under construction (see package wirescript). Each statement
// ends with a wait for ReadyForQuery, so that a transcript has a segment for each.
type script struct {
	strings.Builder
}

func (s *script) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

// text is a statement's text as a script's line has it.
func text(sql string) string {
	if strings.ContainsAny(sql, "|\n\r\x00") || strings.HasPrefix(sql, `"`) || strings.ToValidUTF8(sql, "") != sql {
		return strconv.Quote(sql)
	}
	return sql
}

// query sends a text in the simple protocol.
func (s *script) query(sql string, args ...any) {
	if len(args) > 0 {
		sql = fmt.Sprintf(sql, args...)
	}
	s.line("Q %s\nwait Z", text(sql))
}

// param is a parameter's value.
type param struct {
	value  []byte // nil: NULL
	format int    // 0 text, 1 binary
	oid    uint32 // its declared type; 0: left open
}

// textParam is a parameter in text whose type is left open.
func textParam(value string) param { return param{value: []byte(value)} }

// execute sends a statement in the extended protocol, the unnamed one. Results come in
// the format.
func (s *script) execute(sql string, format int, params ...param) {
	s.parse("_", sql, params...)
	s.bind("_", format, params...)
	s.line("S\nwait Z")
}

// parse prepares a statement with the parameters' declared types.
func (s *script) parse(name, sql string, params ...param) {
	oids := make([]string, len(params))
	for i, p := range params {
		oids[i] = strconv.Itoa(int(p.oid))
	}
	s.line("P %s | %s | %s", name, text(sql), strings.Join(oids, " "))
}

// bind binds a statement, and describes and executes the portal.
func (s *script) bind(name string, format int, params ...param) {
	values, formats := make([]string, len(params)), make([]string, len(params))
	for i, p := range params {
		values[i], formats[i] = "NULL", strconv.Itoa(p.format)
		if p.value != nil {
			values[i] = "x'" + hex.EncodeToString(p.value) + "'"
			if p.format == 0 && plain(p.value) {
				values[i] = "'" + string(p.value) + "'"
			}
		}
	}
	s.line("B _ %s | %s | %s | %d\nD P _\nE _", name, strings.Join(values, " "), strings.Join(formats, " "), format)
}

// plain tells whether a value can stand in a script as it is.
func plain(value []byte) bool {
	for _, c := range value {
		if c < ' ' || c > '~' || c == '\'' || c == '|' || c == '\\' {
			return false
		}
	}
	return true
}

// copyIn sends a COPY FROM STDIN with its data.
func (s *script) copyIn(sql string, data []byte) {
	quoted := strconv.Quote(string(data))
	s.line("Q %s\nwait G\nd %s\nc\nwait Z", text(sql), strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`))
}

// reader sends a query in one of the ways that a result can come.
type reader struct {
	name string
	send func(s *script, sql string)
}

var readers = []reader{
	{"simple", func(s *script, sql string) { s.query("%s", sql) }},
	{"text", func(s *script, sql string) { s.execute(sql, 0) }},
	{"binary", func(s *script, sql string) { s.execute(sql, 1) }},
}

// quoted is a literal in single quotes.
func quoted(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }

// escaped is an E'…' literal.
func escaped(value string) string {
	return "E'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(value) + "'"
}

// dollars is a literal in dollar quotes.
func dollars(value string) string { return "$q$" + value + "$q$" }

// unicode is a U&'…' literal.
func unicode(value string) string {
	var b strings.Builder
	b.WriteString("U&'")
	for _, r := range value {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\'':
			b.WriteString(`''`)
		case r > 0xffff:
			fmt.Fprintf(&b, `\+%06x`, r)
		case r > '~':
			fmt.Fprintf(&b, `\%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + "'"
}
