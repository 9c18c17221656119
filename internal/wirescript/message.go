package wirescript

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Parse reads a script's line that is one message of the client's.
func Parse(line string) (pgproto3.FrontendMessage, error) {
	kind, rest, _ := strings.Cut(line, " ")
	parts, err := split(rest)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", line, err)
	}
	part := func(i int) string {
		if i < len(parts) {
			return parts[i]
		}
		return ""
	}
	switch kind {
	case "Q":
		if strings.HasPrefix(rest, `"`) {
			return &pgproto3.Query{String: part(0)}, nil
		}
		return &pgproto3.Query{String: rest}, nil
	case "P":
		m := &pgproto3.Parse{Name: unnamed(part(0)), Query: part(1)}
		for _, word := range strings.Fields(part(2)) {
			oid, err := strconv.ParseUint(word, 10, 32)
			if err != nil {
				return nil, err
			}
			m.ParameterOIDs = append(m.ParameterOIDs, uint32(oid))
		}
		return m, nil
	case "B":
		names := strings.Fields(part(0) + " _ _")
		m := &pgproto3.Bind{DestinationPortal: unnamed(names[0]), PreparedStatement: unnamed(names[1])}
		if m.Parameters, err = parseValues(part(1)); err != nil {
			return nil, err
		}
		m.ParameterFormatCodes = parseFormats(part(2))
		m.ResultFormatCodes = parseFormats(part(3))
		return m, nil
	case "D", "C":
		object, name, _ := strings.Cut(rest, " ")
		if object == "" {
			return nil, fmt.Errorf("%q names no kind", line)
		}
		if kind == "D" {
			return &pgproto3.Describe{ObjectType: object[0], Name: unnamed(name)}, nil
		}
		return &pgproto3.Close{ObjectType: object[0], Name: unnamed(name)}, nil
	case "E":
		name, rows, _ := strings.Cut(rest, " ")
		most, _ := strconv.ParseUint(rows, 10, 32)
		return &pgproto3.Execute{Portal: unnamed(name), MaxRows: uint32(most)}, nil
	case "H":
		return &pgproto3.Flush{}, nil
	case "S":
		return &pgproto3.Sync{}, nil
	case "X":
		return &pgproto3.Terminate{}, nil
	case "c":
		return &pgproto3.CopyDone{}, nil
	case "f":
		return &pgproto3.CopyFail{Message: rest}, nil
	case "F":
		oid, err := strconv.ParseUint(part(0), 10, 32)
		if err != nil {
			return nil, err
		}
		m := &pgproto3.FunctionCall{Function: uint32(oid)}
		if m.Arguments, err = parseValues(part(1)); err != nil {
			return nil, err
		}
		for _, code := range parseFormats(part(2)) {
			m.ArgFormatCodes = append(m.ArgFormatCodes, uint16(code))
		}
		for _, code := range parseFormats(part(3)) {
			m.ResultFormatCode = uint16(code)
		}
		return m, nil
	case "d":
		data, err := strconv.Unquote(`"` + strings.ReplaceAll(rest, `"`, `\"`) + `"`)
		return &pgproto3.CopyData{Data: []byte(data)}, err
	}
	return nil, fmt.Errorf("unknown message %q", line)
}

// split splits a line's rest at its bars. A part that begins with a double quote is
// unquoted.
func split(rest string) ([]string, error) {
	var parts []string
	for {
		rest = strings.TrimSpace(rest)
		if quoted, err := strconv.QuotedPrefix(rest); err == nil && rest[0] == '"' {
			text, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, err
			}
			parts = append(parts, text)
			_, behind, more := strings.Cut(rest[len(quoted):], "|")
			if !more {
				return parts, nil
			}
			rest = behind
			continue
		}
		part, behind, more := strings.Cut(rest, "|")
		parts = append(parts, strings.TrimSpace(part))
		if !more {
			return parts, nil
		}
		rest = behind
	}
}

// unnamed lets a script write _ for the unnamed statement and portal.
func unnamed(name string) string {
	if name == "_" {
		return ""
	}
	return name
}

func parseFormats(s string) []int16 {
	var formats []int16
	for _, word := range strings.Fields(s) {
		n, _ := strconv.Atoi(word)
		formats = append(formats, int16(n))
	}
	return formats
}

// parseValues reads NULL, 'text' and x'hex', separated by blanks.
func parseValues(s string) ([][]byte, error) {
	var values [][]byte
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		if rest, ok := strings.CutPrefix(s, "NULL"); ok {
			values, s = append(values, nil), rest
			continue
		}
		binary := strings.HasPrefix(s, "x'")
		s = strings.TrimPrefix(s, "x")
		end := -1
		if strings.HasPrefix(s, "'") {
			end = strings.Index(s[1:], "'")
		}
		if end < 0 {
			return nil, fmt.Errorf("no value at %q", s)
		}
		value := []byte(s[1 : 1+end])
		if binary {
			var err error
			if value, err = hex.DecodeString(string(value)); err != nil {
				return nil, err
			}
		}
		if value == nil {
			value = []byte{}
		}
		values, s = append(values, value), s[end+2:]
	}
	return values, nil
}

// Describe puts a server's message in words: its type, and all of it that
// must be the same with and without pgseal. OIDs of tables differ between two
// databases, and so does what is only for people.
func Describe(m pgproto3.BackendMessage) string {
	switch m := m.(type) {
	case *pgproto3.RowDescription:
		var b strings.Builder
		b.WriteString("T")
		for _, f := range m.Fields {
			fmt.Fprintf(&b, " %s:%d,%d,%d,%d,%d", f.Name, f.TableAttributeNumber, f.DataTypeOID, f.DataTypeSize, f.TypeModifier, f.Format)
		}
		return b.String()
	case *pgproto3.DataRow:
		var b strings.Builder
		b.WriteString("D")
		for _, v := range m.Values {
			if v == nil {
				b.WriteString(" NULL")
			} else {
				fmt.Fprintf(&b, " %q", v)
			}
		}
		return b.String()
	case *pgproto3.ErrorResponse:
		return fmt.Sprintf("E %s %s %s detail=%q position=%d", m.Severity, m.Code, m.Message, m.Detail, m.Position)
	case *pgproto3.NoticeResponse:
		return fmt.Sprintf("N %s %s %s", m.Severity, m.Code, m.Message)
	case *pgproto3.ParameterDescription:
		return fmt.Sprintf("t %d", m.ParameterOIDs)
	case *pgproto3.CommandComplete:
		return "C " + string(m.CommandTag)
	case *pgproto3.ReadyForQuery:
		return "Z " + string(m.TxStatus)
	case *pgproto3.ParseComplete:
		return "1"
	case *pgproto3.BindComplete:
		return "2"
	case *pgproto3.CloseComplete:
		return "3"
	case *pgproto3.NoData:
		return "n"
	case *pgproto3.PortalSuspended:
		return "s"
	case *pgproto3.EmptyQueryResponse:
		return "I"
	case *pgproto3.CopyInResponse:
		return fmt.Sprintf("G %d %d", m.OverallFormat, m.ColumnFormatCodes)
	case *pgproto3.CopyOutResponse:
		return fmt.Sprintf("H %d %d", m.OverallFormat, m.ColumnFormatCodes)
	case *pgproto3.CopyData:
		return fmt.Sprintf("d %q", m.Data)
	case *pgproto3.CopyDone:
		return "c"
	case *pgproto3.ParameterStatus:
		return fmt.Sprintf("S %s=%s", m.Name, m.Value)
	case *pgproto3.AuthenticationOk:
		return "R 0"
	case *pgproto3.BackendKeyData:
		return fmt.Sprintf("K %d", len(m.SecretKey))
	case *pgproto3.NegotiateProtocolVersion:
		return fmt.Sprintf("v %d %q", m.NewestMinorProtocol, m.UnrecognizedOptions)
	case *pgproto3.FunctionCallResponse:
		if m.Result == nil {
			return "V NULL"
		}
		return fmt.Sprintf("V %q", m.Result)
	case *pgproto3.NotificationResponse:
		return fmt.Sprintf("A %s %s", m.Channel, m.Payload)
	}
	return fmt.Sprintf("? %T", m)
}
