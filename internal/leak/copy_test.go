package leak_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/proxytest"
)

// copies sends data of COPY, whole and broken.
func (h *house) copies(t *testing.T, f *proxytest.Fixture) {
	send := func(name, statement, template string) {
		data, _ := h.next(name, template)
		h.run(t, f.Through, statement, func(conn *pgx.Conn) error {
			_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), statement)
			return err
		})
	}
	for _, data := range []string{
		"#\tacme\t@\n", "#\tacme\t@\textra @\n", "#\t@\n", "#\tacme\t@", "#\tnobody\t@\n", "#\t\\N\t@\n", "x\tacme\t@\n",
	} {
		send("COPY FROM STDIN", "COPY notes (id, org_id, body) FROM STDIN", data)
	}
	for _, options := range []string{"", "(FORMAT csv, DELIMITER E'\t')", "(HEADER match)", "BINARY", "(NULL 'acme')"} { // for the session's org, or none
		send("COPY FROM STDIN without the org", "COPY notes (id, body) FROM STDIN "+options, "#\t@\n")
		data, _ := h.next("COPY FROM STDIN without the org", "#\t@\n")
		h.alone(t, f.Through, "COPY for the session's org", func(conn *pgx.Conn) error {
			if _, err := conn.Exec(t.Context(), "SET pgseal.org = 'acme'"); err != nil {
				return err
			}
			_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), "COPY notes (id, body) FROM STDIN "+options)
			return err
		})
	}
	const header, id = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\x00\x03\x00\x00\x00\x04\x00\x01\xf0"
	for i, data := range []string{ // a canary has 12 bytes
		header + id + "!\x00\x00\x00\x04acme\x00\x00\x00\x0c@\xff\xff",
		header + id + "!\x00\x00\x00\x04acme\x00\x00\x00\x0c@",
		header + id + "!\x00\x00\x00\x04acme\x00\x00\x00\x0c@\xff\xff@",
		header + id + "!\x00\x00\x00\x04acme\x00\x00\x00\x0c@\x00\x01@",
		header + id + "!\x00\x00\x00\x04acme\x00\x00\x00\x0f@",
		header + id + "!\x00\x00\x00\x06nobody\x00\x00\x00\x0c@\xff\xff",
		header + id + "!\xff\xff\xff\xff\x00\x00\x00\x0c@\xff\xff",
		"PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x0c@" + id + "!\x00\x00\x00\x04acme\xff\xff\xff\xff\xff\xff",
		"PGCOPY\n\xff\r\n\x00\x00\x02\x00\x00\x00\x00\x00\x0c@",
		"PGCOPY@",
	} {
		send("COPY FROM STDIN BINARY", "COPY notes (id, org_id, body) FROM STDIN BINARY", strings.Replace(data, "!", string(rune('A'+i)), 1))
	}
	const text, csv = "#\tacme\t@\n", "#,acme,@\n"
	for _, c := range []struct{ name, options, data string }{
		{"COPY in another format than the data's", "(FORMAT binary)", text},
		{"COPY in another format than the data's", "(FORMAT binary, DELIMITER ',')", text},
		{"COPY with an option that does not exist", "(NONSENSE)", text},
		{"COPY … HEADER", "(HEADER)", text + text}, // the first row is lost, as the client wants it
		{"COPY … HEADER", "(HEADER)", "#\tacme\t@"},
		{"COPY … HEADER", "(HEADER match)", text + text},
		{"COPY … HEADER", "(HEADER match)", "id\torg_id\tbody\n" + text},
		{"COPY … HEADER", "(HEADER match)", "id\torg_id\t@\n" + text},
		{"COPY … FREEZE", "(FREEZE)", text},
		{"COPY FROM STDIN … WHERE", "WHERE id > 0", text},
		{"COPY FROM STDIN … WHERE", "WHERE id < 0", text},
		{"COPY FROM STDIN … WHERE", "WHERE 1 / (id - id) = 1", text},
		{"COPY FROM STDIN … WHERE", "WHERE body <> 'x'", text},
		{"COPY … DEFAULT, ON_ERROR", "(DEFAULT 'd')", text},
		{"COPY … DEFAULT, ON_ERROR", "(ON_ERROR ignore)", text},
		{"COPY … CSV", "(FORMAT csv)", text},
		{"COPY … CSV", "(FORMAT csv)", csv + "\\.\n@,@,@\n"},
		{"COPY … CSV", "(FORMAT csv)", "#,acme,\"@\n" + csv},
		{"COPY … CSV", "(FORMAT csv)", csv + "#1,acme,\"@\n\"\r\n" + csv},
		{"COPY … CSV", "(FORMAT csv, HEADER match)", csv},
		{"COPY … CSV with options", "(FORMAT csv, HEADER, QUOTE 'c', ESCAPE 'z')", csv + csv},
		{"COPY … CSV with options", "(FORMAT csv, DELIMITER '9')", "#9acme9@\n"},
		{"COPY … CSV with options", "(FORMAT csv, FORCE_NULL (body))", csv},
		{"COPY … CSV with options", "(FORMAT csv, FORCE_NOT_NULL *, FORCE_NULL *)", csv},
		{"COPY … CSV with options", "CSV QUOTE '\"' FORCE NOT NULL body", csv},
		{"COPY … ENCODING", "(FORMAT csv, ENCODING 'LATIN1')", csv},
		{"COPY … ENCODING", "(FORMAT csv, ENCODING 'nonsense')", csv},
		{"COPY … USING DELIMITERS", "USING DELIMITERS '|' WITH NULL AS 'none'", "#|acme|@\n"},
		{"data behind the end of COPY", "", "#\tacme\t@\n\\.\n@\t@\t@\n"},
		{"data behind the end of COPY", "", "#\tacme\t@\\.\n@\t@\t@\n"},
		{"lines of COPY that end otherwise", "", "#\tacme\t@\n#1\tacme\t@\r\n"},
		{"lines of COPY that end otherwise", "", "#\tacme\t@\\"},
	} {
		send(c.name, "COPY notes (id, org_id, body) FROM STDIN "+c.options, c.data)
	}
	send("COPY without the org", "COPY notes (id, body) FROM STDIN", text)
	send("COPY of all columns", "COPY notes FROM STDIN WHERE body <> 'x'", text)
	send("COPY of all columns", "COPY notes FROM STDIN", "#\tacme\tt\t@\n")
	send("COPY into a view", "COPY note_view (id, org_id, body) FROM STDIN", text)
	send("COPY of a value of another type", "COPY notes (id, org_id, n) FROM STDIN", text)
	send("COPY of a value of another type", "COPY notes (id, org_id, doc) FROM STDIN", text)

	data, _ := h.next("COPY that the client breaks off", text)
	h.run(t, f.Through, "COPY that fails", func(conn *pgx.Conn) error {
		_, err := conn.PgConn().CopyFrom(t.Context(), &broken{data: data}, "COPY notes (id, org_id, body) FROM STDIN")
		return err
	})
}

// broken is data that ends in an error.
type broken struct {
	data string
	sent bool
}

func (b *broken) Read(p []byte) (int, error) {
	if b.sent {
		return 0, fmt.Errorf("the client has no more")
	}
	b.sent = true
	return copy(p, b.data), nil
}
