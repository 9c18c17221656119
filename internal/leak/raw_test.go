package leak_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// longer makes a canary longer than the shortest sealed value.
const longer = " with more bytes than a sealed value has at least"

// rawWays are ways of passing off a value as a sealed one in raw mode.
var rawWays = []way{
	{name: "a value that is no sealed one", literals: []string{
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@` + longer + `')`,
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@` + longer + `'::bytea)`,
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@` + longer + `'::pgseal.sealed)`,
		`INSERT INTO notes (id, org_id, body, doc, n) VALUES (#, 'acme', NULL, '"@` + longer + `"', 5)`,
		`UPDATE notes SET raw = '@` + longer + `', body = NULL WHERE id = 1`,
	}},
	{name: "a value that begins as a sealed one", literals: []string{
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '\x5ea1@` + longer + `')`,
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '^\241@` + longer + `')`,
	}},
}

// TestNothingLeaksInRawMode: where sealed values are given and taken as they are stored,
// plaintext is taken in no way.
func TestNothingLeaksInRawMode(t *testing.T) {
	h := newHouse(t)
	p := proxytest.NotesPolicy()
	p.RawUsers = []string{"postgres"}
	f := proxytest.Start(t, proxytest.Options{Database: pgtest.DatabaseOn(t, h.server), Policy: p})
	makeTables(t, f)
	dsn := f.Through + "&options=-c%20pgseal.raw%3Don"

	for _, w := range append(ways(), rawWays...) {
		var texts []string
		for _, statement := range w.literals {
			if strings.Contains(statement, "body") { // values for other columns are none of this test
				texts = append(texts, statement)
			}
		}
		h.playTexts(t, dsn, way{name: w.name, literals: texts, rows: w.rows})
		for _, statement := range w.params {
			for i, oid := range []uint32{0, 17, 25, 705} {
				sql, value := h.next(w.name, statement)
				h.prepared(t, dsn, sql, func(conn *pgx.Conn) error {
					_, err := conn.PgConn().ExecParams(t.Context(), sql, [][]byte{[]byte(value + longer)}, []uint32{oid}, []int16{int16(i % 2)}, nil).Close()
					if err == nil && strings.Contains(statement, "body") {
						t.Errorf("was accepted: %s", statement)
					}
					return err
				})
			}
		}
	}
	for _, c := range []struct{ options, data string }{
		{"", "#\tacme\t@\n"}, {"", "#\tacme\t@" + longer + "\n"}, {"", "#\tacme\t\\\\x5ea1@" + longer + "\n"}, {"", "#\tacme\t^\\\\241@" + longer + "\n"},
		{"CSV", "#,acme,@\n"}, {"CSV HEADER", "#,acme,@\n#,acme,@" + longer + "\n"}, {"CSV FORCE NOT NULL body NULL 'nil'", "#,acme,@" + longer + "\n"},
		{"BINARY", "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x04\x00\x01\x00\x00\x00\x00\x00\x04acme\x00\x00\x00\x0c@\xff\xff"},
	} {
		statement := "COPY notes (id, org_id, body) FROM STDIN " + c.options
		data, _ := h.next("COPY of what is not sealed", c.data)
		h.run(t, dsn, statement, func(conn *pgx.Conn) error {
			_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), statement)
			if err == nil {
				t.Errorf("was accepted: %s of %q", statement, data)
			}
			return err
		})
	}
	files, found := h.search(t, f, f.Log)
	if err := pgtest.Report(fmt.Sprintf("leak: in raw mode %d statements; %d files searched, %d values found", len(h.canaries), files, found)); err != nil {
		t.Error(err)
	}
}
