package oracle_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// badScripts are values that Postgres refuses, in each way that a value can come, and
// parameters and casts of other types. What follows in a transaction shows the state
// that the error left.
func badScripts(l *logical, add func(string, func(*script))) {
	insert := fmt.Sprintf("INSERT INTO %s (id, org_id, v) VALUES ($1, $2, $3)", l.table())
	row := func(p param) []param { return []param{textParam("1"), textParam("acme"), p} }
	valid := l.values[0]

	add("bad,literal", func(s *script) {
		for _, value := range literals(l.bad) {
			s.query(insertRow, l.table(), 1, "acme", quoted(value))
			s.query("UPDATE %s SET v = %s WHERE org_id = 'acme'", l.table(), escaped(value))
		}
	})
	add("bad,typed-literal", func(s *script) {
		for i, value := range literals(l.bad) {
			s.query(insertRow, l.table(), i+1, "acme", typed(l, i, value))
		}
	})
	add("bad,transaction", func(s *script) {
		for i, value := range literals(l.bad) {
			s.query("BEGIN")
			s.query(insertRow, l.table(), 10+i, "acme", quoted(valid))
			s.query("SAVEPOINT a")
			s.query(insertRow, l.table(), 50+i, "acme", quoted(value))
			s.query("SELECT id, v FROM %s", l.table())
			s.query("ROLLBACK TO a")
			s.query("SELECT id, v FROM %s ORDER BY id", l.table())
			s.query("COMMIT")
		}
	})
	add("bad,statements", func(s *script) {
		for _, value := range literals(l.bad) {
			s.query(insertRow+"; "+insertRow+"; "+insertRow, l.table(), 1, "acme", quoted(valid), l.table(), 2, "acme", quoted(value), l.table(), 3, "acme", quoted(valid))
			s.query("SELECT id, v FROM %s", l.table())
		}
	})
	if len(l.badBare) > 0 {
		add("bad,numbers", func(s *script) {
			for i, literal := range l.badBare {
				s.query(insertRow, l.table(), i+1, "acme", literal)
				s.query("UPDATE %s SET v = %s WHERE org_id = 'acme'", l.table(), literal)
			}
		})
	}
	for _, declared := range []bool{false, true} {
		name, oid := "bad,text", uint32(0)
		if declared {
			name, oid = "bad,text-declared", l.policyType().OID()
		}
		add(name, func(s *script) {
			for _, value := range l.bad {
				s.execute(insert, 0, row(param{value: []byte(value), oid: oid})...)
			}
		})
	}
	add("bad,text-in-a-pipeline", func(s *script) {
		for _, value := range l.bad {
			s.parse("_", insert, row(textParam(valid))...)
			s.bind("_", 0, row(textParam(valid))...)
			s.bind("_", 0, row(textParam(value))...)
			s.bind("_", 0, row(textParam(valid))...)
			s.line("S\nwait Z")
		}
		s.query("SELECT id, v FROM %s", l.table())
	})
	if len(l.badBinary) > 0 {
		add("bad,binary", func(s *script) {
			for _, value := range l.badBinary {
				s.execute(insert, 0, row(param{value: []byte(value), format: 1})...)
			}
		})
		add("bad,copy-binary", func(s *script) {
			for _, value := range l.badBinary {
				s.copyIn(fmt.Sprintf("COPY %s (id, org_id, v) FROM STDIN BINARY", l.table()), oneBinaryRow([]byte(value)))
			}
		})
	}
	add("bad,copy-text", func(s *script) {
		escape := strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)
		for _, value := range l.bad {
			s.copyIn(fmt.Sprintf("COPY %s (id, org_id, v) FROM STDIN", l.table()), []byte("1\tacme\t"+escape.Replace(valid)+"\n2\tacme\t"+escape.Replace(value)+"\n"))
		}
	})
	add("bad,copy-csv", func(s *script) {
		for _, value := range l.bad {
			s.copyIn(fmt.Sprintf("COPY %s (id, org_id, v) FROM STDIN CSV", l.table()), []byte("1,acme,\""+strings.ReplaceAll(value, `"`, `""`)+"\"\n"))
		}
	})
	add("bad,prepare", func(s *script) {
		s.query("PREPARE ins (%s) AS INSERT INTO %s (id, org_id, v) VALUES (1, 'acme', $1)", l.sql, l.table())
		for _, value := range literals(l.bad) {
			s.query("EXECUTE ins (%s)", quoted(value))
		}
	})
	add("declared-otherwise", func(s *script) {
		for _, other := range otherTypes {
			s.execute(insert+" RETURNING v", 0, row(param{value: []byte(other.value), oid: other.oid})...)
			s.query("DELETE FROM %s", l.table())
		}
	})
}

// otherTypes are parameters of types that may or may not be assigned to a column.
var otherTypes = []struct {
	oid   uint32
	value string
}{
	{16, "true"}, {17, `\x61`}, {20, "7"}, {21, "7"}, {23, "7"}, {25, "7"}, {1043, "7"}, {1042, "7 "}, {114, "7"}, {3802, "7"}, {700, "7.5"}, {701, "7.5"}, {1700, "7.5"},
	{2950, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}, {1082, "2024-02-29"}, {1114, "2024-02-29 12:00:00"}, {1184, "2024-02-29 12:00:00+00"}, {705, "7"},
}

// literals are those values that can stand in a text.
func literals(values []string) (list []string) {
	for _, value := range values {
		if strings.ToValidUTF8(value, "") == value {
			list = append(list, value)
		}
	}
	return list
}

// oneBinaryRow is a row of COPY's binary format with a value in its last field.
func oneBinaryRow(value []byte) []byte {
	b := bytes.NewBufferString("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	b.WriteString("\x00\x03\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x04acme")
	_ = binary.Write(b, binary.BigEndian, uint32(len(value)))
	b.Write(value)
	b.WriteString("\xff\xff")
	return b.Bytes()
}
