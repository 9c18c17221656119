package copyformat_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/copyformat"
	"github.com/pgseal/pgseal/internal/pgtest"
)

// dialect is a set of options in SQL and in ours.
type dialect struct {
	sql  string
	opts copyformat.Options
}

var dialects = []dialect{
	{"", textOptions},
	{"(DELIMITER '|', NULL '')", copyformat.Options{Delimiter: '|'}},
	{"(DELIMITER E'\\x01', NULL 'é')", copyformat.Options{Delimiter: 1, Null: "é"}},
	{"(FORMAT csv)", csvOptions},
	{"(FORMAT csv, HEADER)", with(csvOptions, func(o *copyformat.Options) { o.Header = copyformat.SkipHeader })},
	{"(FORMAT csv, NULL 'NULL', DELIMITER ';')", copyformat.Options{CSV: true, Delimiter: ';', Quote: '"', Escape: '"', Null: "NULL"}},
	{`(FORMAT csv, QUOTE '''', ESCAPE '\', NULL '\N')`, copyformat.Options{CSV: true, Delimiter: ',', Quote: '\'', Escape: '\\', Null: `\N`}},
	{`(FORMAT csv, ESCAPE 'e', DELIMITER E'\t')`, copyformat.Options{CSV: true, Delimiter: '\t', Quote: '"', Escape: 'e'}},
}

// values hold what the formats treat specially.
var values = []string{
	"", " ", "a", "nil", "NULL", `\N`, `\\N`, `\.`, ".", "\\", `\\`, `a\`, `\a`, `"`, `""`, `"a"`, `a"b`, "'", `\'`, `it's`,
	"\t", "\n", "\r", "\r\n", "\b\f\v", "\x01", "\x7f", "a\tb", "a,b", "a;b", "a|b", "line\nline", "line\rline", "line\r\nline", "é", "日本語", "😀",
	`\x41`, `\101`, "e", "e\"e", "ee", strings.Repeat("long ", 3000), `{"a": "b\n"}`,
}

// table fills a table with rows of special values, and random ones made of them.
func table(t *testing.T, conn *pgx.Conn, columns int) {
	t.Helper()
	var names []string
	for i := range columns {
		names = append(names, fmt.Sprintf("c%d", i))
	}
	list := strings.Join(names, " text, ")
	exec(t, conn, "CREATE TABLE a (n serial, "+list+" text); CREATE TABLE b (n serial, "+list+" text); CREATE TABLE c (n serial, "+list+" text)")
	rng := rand.New(rand.NewSource(7))
	var rows [][]any
	value := func() any {
		if rng.Intn(10) == 0 {
			return nil
		}
		v := ""
		for range rng.Intn(3) {
			v += values[rng.Intn(len(values))]
		}
		return v
	}
	for _, v := range values {
		rows = append(rows, []any{v, v, v}[:columns])
	}
	for range 300 {
		rows = append(rows, []any{value(), value(), value()}[:columns])
	}
	if _, err := conn.CopyFrom(t.Context(), pgx.Identifier{"a"}, names, pgx.CopyFromRows(rows)); err != nil {
		t.Fatal(err)
	}
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// same tells whether tables b and c hold the same rows.
func same(t *testing.T, conn *pgx.Conn, columns string) bool {
	t.Helper()
	var differ bool
	sql := fmt.Sprintf(`SELECT (SELECT array_agg((%s)::text ORDER BY n) FROM b) IS DISTINCT FROM (SELECT array_agg((%[1]s)::text ORDER BY n) FROM c)`, columns)
	if err := conn.QueryRow(t.Context(), sql).Scan(&differ); err != nil {
		t.Fatal(err)
	}
	return !differ
}

// TestAgainstPostgres has Postgres write its rows, reads and writes them anew,
// and has Postgres read them.
func TestAgainstPostgres(t *testing.T) {
	for columns := 1; columns <= 3; columns += 2 {
		conn, err := pgx.Connect(t.Context(), pgtest.Database(t))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(t.Context()) }()
		table(t, conn, columns)
		list := strings.Join([]string{"c0", "c1", "c2"}[:columns], ", ")
		for _, d := range dialects {
			t.Run(fmt.Sprintf("%d %s", columns, d.sql), func(t *testing.T) {
				var out bytes.Buffer
				copyTo := fmt.Sprintf("COPY (SELECT %s FROM a ORDER BY n) TO STDOUT %s", list, d.sql)
				if _, err := conn.PgConn().CopyTo(t.Context(), &out, copyTo); err != nil {
					t.Fatal(err)
				}
				again, input := rewrite(t, out.Bytes(), d.opts)
				if diff := cmp.Diff(out.String(), again); diff != "" {
					t.Fatalf("written anew, COPY TO's output differs (-Postgres +ours):\n%s", diff)
				}
				// COPY TO may write a value and NULL alike; so not a's rows are the
				// measure, but what Postgres reads from its own output.
				exec(t, conn, "TRUNCATE b, c RESTART IDENTITY")
				for name, data := range map[string]string{"b": input, "c": out.String()} {
					copyFrom := fmt.Sprintf("COPY %s (%s) FROM STDIN %s", name, list, d.sql)
					if _, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), copyFrom); err != nil {
						t.Fatal(err)
					}
				}
				if !same(t, conn, "n, "+list) {
					t.Error("COPY FROM of our lines gave other rows")
				}
			})
		}
	}
}

// rewrite reads lines, in chunks, and writes them as for COPY TO; input is what
// they were written as.
func rewrite(t *testing.T, data []byte, o copyformat.Options) (output, input string) {
	t.Helper()
	r := copyformat.NewReader(o, 0)
	var out, in []byte
	for chunk := range bytes.SplitAfterSeq(data, []byte("a")) {
		r.Feed(chunk)
		for {
			row, ok, err := r.Next()
			if err != nil {
				t.Fatalf("line %d: %v", r.Line(), err)
			}
			if !ok {
				break
			}
			in = appendRaw(in, row, o)
			if row.Header {
				out = append(append(out, row.Raw...), row.End...)
			} else {
				out = copyformat.AppendRow(out, row.Fields, &o)
			}
		}
	}
	return string(out), string(in)
}

// appendRaw puts a row together of what its fields were written as.
func appendRaw(dst []byte, row copyformat.Row, o copyformat.Options) []byte {
	if row.Header {
		return append(append(dst, row.Raw...), row.End...)
	}
	for i, f := range row.Fields {
		if i > 0 {
			dst = append(dst, o.Delimiter)
		}
		dst = append(dst, f.Raw...)
	}
	return append(dst, row.End...)
}

// TestRandomDataAgainstPostgres has Postgres and the Reader read what is hardly
// COPY data at all: they must take the same rows out of it, or fail with the same
// error in the same line.
func TestRandomDataAgainstPostgres(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	version, err := strconv.Atoi(strings.SplitN(conn.PgConn().ParameterStatus("server_version"), ".", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	exec(t, conn, "CREATE TABLE one (n serial, a text); CREATE TABLE two (n serial, a text, b text)")
	pieces := []string{"a", "b", "\n", "\n", "\r\n", "\r", "\\", "\\.", "\\.\n", "\\.\r\n", "\\N", "N", "\"", "\"\"", "'", ",", "\t", "|", ";", "e", "\x01", "é", "x", "7"}
	rng := rand.New(rand.NewSource(11))
	failed, compared := 0, 0
	for i := range 2000 {
		d := dialects[i%len(dialects)]
		d.opts.Server = version
		into, columns := "one (a)", []string{"a"}
		var data strings.Builder
		for range rng.Intn(10) {
			data.WriteString(pieces[rng.Intn(len(pieces))])
		}
		if i%3 == 0 { // lines of two fields, so that not all fail at once
			into, columns = "two (a, b)", []string{"a", "b"}
			lines := data.String()
			data.Reset()
			end := []string{"\n", "\r\n", "\r"}[rng.Intn(3)]
			for range 1 + rng.Intn(3) {
				data.WriteString(lines + string(d.opts.Delimiter) + pieces[rng.Intn(len(pieces))] + end)
			}
		}
		want := readByPostgres(t, conn, data.String(), into, d.sql)
		if len(want) == 1 && strings.HasPrefix(want[0][0], "ERROR 22021") {
			continue // an escape made what is not UTF-8: that is for who reads the value
		}
		got := taken(readColumns(data.String(), d.opts, rng.Intn(4), columns))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q %s %s (-Postgres +ours):\n%s", data.String(), into, d.sql, diff)
			if failed++; failed > 5 {
				return
			}
		}
		compared += len(want)
	}
	if compared < 1000 {
		t.Errorf("only %d rows and errors were compared", compared)
	}
}

// readByPostgres is read, done by COPY.
func readByPostgres(t *testing.T, conn *pgx.Conn, data, into, options string) (rows [][]string) {
	t.Helper()
	table, columns, _ := strings.Cut(into, " ")
	exec(t, conn, "TRUNCATE "+table)
	_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), "COPY "+into+" FROM STDIN "+options)
	var e *pgconn.PgError
	if errors.As(err, &e) {
		line := regexp.MustCompile(`line ([0-9]+)`).FindString(e.Where)
		return [][]string{{"ERROR " + e.Code + " " + line + ": " + e.Message}}
	}
	if err != nil {
		t.Fatal(err)
	}
	// NULLs apart from values, in text.
	names := strings.Split(strings.Trim(columns, "()"), ", ")
	for i, name := range names {
		names[i] = "coalesce(" + name + ", '" + null + "')"
	}
	found, err := conn.Query(t.Context(), "SELECT ARRAY["+strings.Join(names, ", ")+"] FROM "+table+" ORDER BY n")
	if err != nil {
		t.Fatal(err)
	}
	rows, err = pgx.CollectRows(found, pgx.RowTo[[]string])
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// taken gives the rows that COPY stores: none when it fails in the end, and never
// the header.
func taken(rows [][]string) [][]string {
	out := [][]string{}
	for _, row := range rows {
		switch {
		case strings.HasPrefix(row[0], "ERROR"):
			return [][]string{row}
		case row[0] != "HEADER":
			out = append(out, row)
		}
	}
	return out
}
