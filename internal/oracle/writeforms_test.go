package oracle_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// copyText is the rows as COPY's text format has them.
func copyText(l *logical) []byte {
	var b bytes.Buffer
	escape := strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)
	l.rows(func(row int, value string, null bool) {
		field := escape.Replace(value)
		if null {
			field = `\N`
		}
		fmt.Fprintf(&b, "%d\t%s\t%s\n", row, org(row), field)
	})
	return b.Bytes()
}

// copyCSV is the rows as COPY's CSV format has them.
func copyCSV(l *logical) []byte {
	var b bytes.Buffer
	l.rows(func(row int, value string, null bool) {
		field := `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
		if null {
			field = ""
		}
		fmt.Fprintf(&b, "%s,%s,%d\n", field, org(row), row)
	})
	return b.Bytes()
}

// copyBinary is the rows as COPY's binary format has them.
func copyBinary(l *logical) []byte {
	b := append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...)
	field := func(value []byte) {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(value))), value...)
	}
	l.rows(func(row int, _ string, null bool) {
		b = binary.BigEndian.AppendUint16(b, 3)
		field(binary.BigEndian.AppendUint32(nil, uint32(row)))
		field([]byte(org(row)))
		if null {
			b = binary.BigEndian.AppendUint32(b, 0xffffffff)
		} else {
			field(l.binary[row-1])
		}
	})
	return binary.BigEndian.AppendUint16(b, 0xffff)
}

var copyWrites = []write{
	{name: "copy-text", send: func(s *script, l *logical) {
		s.copyIn(fmt.Sprintf("COPY %s (id, org_id, v) FROM STDIN", l.table()), copyText(l))
	}},
	{name: "copy-csv", send: func(s *script, l *logical) {
		s.copyIn(fmt.Sprintf("COPY %s (v, org_id, id) FROM STDIN (FORMAT csv)", l.table()), copyCSV(l))
	}},
	{name: "copy-binary", send: func(s *script, l *logical) {
		s.copyIn(fmt.Sprintf("COPY %s (id, org_id, v) FROM STDIN (FORMAT binary)", l.table()), copyBinary(l))
	}},
}

// eachUpdate is eachLiteral behind seed.
func eachUpdate(pattern string, form func(l *logical, row int, value string) string) func(*script, *logical) {
	return func(s *script, l *logical) {
		l.seed(s)
		eachLiteral(pattern, form)(s, l)
	}
}

// updateParam is eachParam behind seed.
func updateParam(pattern string, format int, declared bool) func(*script, *logical) {
	return func(s *script, l *logical) {
		l.seed(s)
		eachParam(pattern, format, declared)(s, l)
	}
}

var updateWrites = []write{
	{name: "update", send: eachUpdate("UPDATE %[1]s SET v = %[4]s WHERE id = %[2]d AND org_id = '%[3]s'", inForms)},
	{name: "update-typed", send: eachUpdate("UPDATE %[1]s t SET v = %[4]s, note = 'n' WHERE t.org_id = '%[3]s' AND t.id = %[2]d RETURNING t.v", typed)},
	{name: "update-text", send: updateParam("UPDATE %[1]s SET v = $3 WHERE id = $1 AND org_id = $2", 0, false)},
	{name: "update-binary", send: updateParam("UPDATE %[1]s SET v = $3 WHERE id = $1 AND org_id = $2 RETURNING id, v", 1, true)},
	{name: "update-tuple", send: eachUpdate("UPDATE %[1]s SET (note, v) = ('n', %[4]s) WHERE id = %[2]d AND org_id = '%[3]s'", inQuotes)},
	{name: "update-row", send: eachUpdate("UPDATE %[1]s SET (v, note) = ROW(%[4]s, 'n') WHERE id = %[2]d AND org_id = '%[3]s'", inQuotes)},
	{name: "conflict-excluded", send: func(s *script, l *logical) {
		l.seed(s)
		s.query("INSERT INTO %s (id, org_id, v) VALUES %s ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v RETURNING v", l.table(), l.valuesList())
	}},
	{name: "conflict-literal", send: eachUpdate("INSERT INTO %[1]s (id, org_id) VALUES (%[2]d, '%[3]s') ON CONFLICT (id) DO UPDATE SET v = %[4]s", inQuotes)},
	{name: "conflict-params", send: updateParam("INSERT INTO %[1]s (id, org_id, v) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v RETURNING v", 0, false)},
	{name: "conflict-nothing", send: func(s *script, l *logical) {
		s.query("INSERT INTO %s (id, org_id, v) VALUES %s ON CONFLICT DO NOTHING", l.table(), l.valuesList())
		s.query("INSERT INTO %s (id, org_id, v) VALUES %s ON CONFLICT (id) DO NOTHING RETURNING v", l.table(), l.valuesList())
	}},
	{name: "delete-returning", send: func(s *script, l *logical) {
		s.query("INSERT INTO %s (id, org_id, v) VALUES %s", l.table(), l.valuesList())
		s.execute(fmt.Sprintf("DELETE FROM %s WHERE id = 1 RETURNING v, id", l.table()), 0)
		s.execute(fmt.Sprintf("DELETE FROM %s WHERE id = 2 RETURNING *", l.table()), 1)
		s.query("WITH d AS (DELETE FROM %s WHERE id %% 2 = 0 RETURNING v, id) SELECT * FROM d ORDER BY id", l.table())
	}},
	{name: "update-itself", send: func(s *script, l *logical) {
		s.query("INSERT INTO %s (id, org_id, v) VALUES %s", l.table(), l.valuesList())
		s.query("UPDATE %s SET v = v, note = 'x' WHERE org_id = 'globex' AND id = 1 RETURNING id, v", l.table())
		s.query("WITH u AS (UPDATE %s SET v = v WHERE org_id = 'acme' RETURNING id, v) SELECT v, id FROM u ORDER BY id", l.table())
	}},
}
