package proxy_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/proxy"
)

// TestCopyTellsTheLine: a row that cannot be sealed fails the COPY with its line,
// and nothing of it is stored.
func TestCopyTellsTheLine(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	for name, bad := range map[string]struct{ row, where string }{
		"a bad value":     {"12\tacme\tnot a number\n", "line 3, column n"},
		"a missing field": {"12\tacme\n", "line 3"},
		"a field more":    {"12\tacme\t1\t2\n", "line 3"},
		"no org":          {"12\t\\N\t1\n", "line 3"},
		"an unknown org":  {"12\tinitech\t1\n", "line 3"},
	} {
		data := "10\tacme\t1\n11\tglobex\t2\n" + bad.row + "13\tacme\t3\n"
		_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), "COPY notes (id, org_id, n) FROM STDIN")
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Where != "COPY notes, "+bad.where {
			t.Errorf("%s: %v (%+v), want an error in %s", name, err, e, bad.where)
		}
	}
	var rows int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM notes WHERE id >= 10").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows were stored, %v", rows, err)
	}
}

// TestBinaryCopyTellsTheLine: the like for pgx's CopyFrom.
func TestBinaryCopyTellsTheLine(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	for name, bad := range map[string][]any{
		"a bad value":    {12, "acme", "a\xff"},
		"no org":         {12, nil, "x"},
		"an unknown org": {12, "initech", "x"},
	} {
		rows := [][]any{{10, "acme", "a"}, {11, "globex", "b"}, bad, {13, "acme", "c"}}
		_, err := conn.CopyFrom(t.Context(), pgx.Identifier{"notes"}, []string{"id", "org_id", "body"}, pgx.CopyFromRows(rows))
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Where != "COPY notes, line 3" {
			t.Errorf("%s: %v (%+v), want an error in line 3", name, err, e)
		}
	}
	var rows int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM notes WHERE id >= 10").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows were stored, %v", rows, err)
	}
}

// TestBinaryCopyOfAllTypes: what pgx's CopyFrom writes through pgseal reads as it
// does from a plain Postgres, by SELECT and by COPY TO, and nothing of it is
// stored as it was.
func TestBinaryCopyOfAllTypes(t *testing.T) {
	columns := []string{"id", "org_id", "title", "body", "doc", "raw", "n", "big", "ok", "f", "amount", "uid", "at"}
	at := time.Date(2026, 2, 28, 23, 59, 59, 123456000, time.UTC)
	var rows [][]any
	for i := range 3000 { // more than a buffer
		org := []string{"acme", "globex"}[i%2]
		rows = append(rows, []any{i, org, nil, "canary-body " + strings.Repeat("é", i%500), map[string]any{"b": i, "a": []any{nil, "x"}},
			[]byte{0, 0xff, byte(i)}, -i, int64(i) << 40, i%3 == 0, float64(i) / 3, strconv.Itoa(i) + ".50",
			"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", at.Add(time.Duration(i) * time.Hour)})
	}
	rows = append(rows, append([]any{3000, "acme"}, make([]any, len(columns)-2)...), []any{3001, "acme", "", "", nil, []byte{}, 0, 0, false, 0, "NaN", nil, at})
	f := proxytest.Start(t, proxytest.Options{})
	plain := pgtest.Database(t)
	read := map[string][]string{}
	for _, dsn := range []string{plain, f.Through} {
		proxytest.Exec(t, dsn, proxytest.NotesTable)
		conn := proxytest.Connect(t, dsn)
		if n, err := conn.CopyFrom(t.Context(), pgx.Identifier{"notes"}, columns, pgx.CopyFromRows(rows)); err != nil || n != int64(len(rows)) {
			t.Fatalf("%d rows, %v", n, err)
		}
		var text, binary strings.Builder
		for out, options := range map[*strings.Builder]string{&text: "(FORMAT csv)", &binary: "(FORMAT binary)"} {
			if _, err := conn.PgConn().CopyTo(t.Context(), out, "COPY notes TO STDOUT "+options); err != nil {
				t.Fatal(err)
			}
		}
		lines := strings.SplitAfter(text.String(), "\n")
		slices.Sort(lines)
		// In binary, what was read is what another table is written with.
		proxytest.Exec(t, dsn, "TRUNCATE notes")
		if _, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(binary.String()), "COPY notes FROM STDIN (FORMAT binary)"); err != nil {
			t.Fatal(err)
		}
		selected, err := conn.Query(t.Context(), "SELECT * FROM notes ORDER BY id", pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatal(err)
		}
		for selected.Next() {
			lines = append(lines, fmt.Sprintf("%q", selected.RawValues()))
		}
		if selected.Err() != nil {
			t.Fatal(selected.Err())
		}
		read[dsn] = append(lines, strconv.Itoa(binary.Len()))
	}
	if diff := cmp.Diff(read[plain], read[f.Through]); diff != "" || len(read[plain]) < 2*len(rows) {
		t.Errorf("%d lines; pgseal's differ from Postgres's (-Postgres +pgseal):\n%.3000s", len(read[plain]), diff)
	}
	var stored strings.Builder
	if _, err := proxytest.Connect(t, f.Direct).PgConn().CopyTo(t.Context(), &stored, "COPY notes TO STDOUT (FORMAT binary)"); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(stored.String(), "canary") || !strings.Contains(stored.String(), "globex") {
		t.Errorf("%d bytes are stored, and the values among them", stored.Len())
	}
}

// TestCopyOfMany: a COPY of more than any buffer holds, in both directions.
func TestCopyOfMany(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{})
	proxytest.Exec(t, f.Through, proxytest.NotesTable)
	conn := proxytest.Connect(t, f.Through)
	const rows = 20000
	var data strings.Builder
	for i := range rows {
		data.WriteString(strings.Join([]string{strconv.Itoa(i), "acme", strings.Repeat("x", i%2000)}, "\t") + "\n")
	}
	tag, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data.String()), "COPY notes (id, org_id, body) FROM STDIN")
	if err != nil || tag.RowsAffected() != rows {
		t.Fatalf("%v, %v", tag, err)
	}
	var out strings.Builder
	if _, err := conn.PgConn().CopyTo(t.Context(), &out, "COPY notes (id, org_id, body) TO STDOUT"); err != nil {
		t.Fatal(err)
	}
	if sortedLines(out.String()) != sortedLines(data.String()) { // Postgres may have filled gaps in earlier pages
		t.Errorf("%d bytes went in, %d other ones came out", data.Len(), out.Len())
	}
	if calls := f.KMS.Calls("GenerateDataKey", ""); calls > 4 {
		t.Errorf("%d data keys were generated for one org and one process", calls)
	}
	var sink counter
	if _, err := proxytest.Connect(t, f.Direct).PgConn().CopyTo(t.Context(), &sink, "COPY notes (body) TO STDOUT"); err != nil || sink.bytes < rows*80 {
		t.Errorf("%d bytes are stored, %v", sink.bytes, err)
	}
}

// TestCopyInOneMessage: CopyData of any size is sealed as it comes.
func TestCopyInOneMessage(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{Limits: proxy.Limits{MessageBytes: 1 << 20}})
	var data strings.Builder
	for i := range 5000 {
		data.WriteString(strconv.Itoa(100+i) + "\\tacme\\t" + strings.Repeat("x", 1000) + "\\n")
	}
	script := "Q COPY notes (id, org_id, body) FROM STDIN\nwait G\nd " + data.String() + "\nc\nwait Z\n" +
		"Q SELECT count(*), count(body) FROM notes WHERE id >= 100\nwait Z"
	got := dialWire(t, f.Through).run(script)
	if len(got) < 5 || got[1] != "C COPY 5000" || got[4] != `D "5000" "5000"` {
		t.Errorf("got %.500q", got)
	}
}

// counter counts what is written.
type counter struct{ bytes int }

var _ io.Writer = (*counter)(nil)

func (c *counter) Write(b []byte) (int, error) {
	c.bytes += len(b)
	return len(b), nil
}

// TestCopyOfATableThatHasChanged: COPY TO of a table that was changed past pgseal
// works when it is run again, at the latest.
func TestCopyOfATableThatHasChanged(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	for i, format := range []string{"text", "csv", "binary"} {
		statement := "COPY notes TO STDOUT (FORMAT " + format + ")"
		if _, err := conn.PgConn().CopyTo(t.Context(), io.Discard, statement); err != nil {
			t.Fatal(err)
		}
		proxytest.Exec(t, f.Direct, "ALTER TABLE notes ADD COLUMN more"+strconv.Itoa(i)+" int")
		if _, err := conn.PgConn().CopyTo(t.Context(), io.Discard, statement); err != nil && codeOf(err) != pgerr.FeatureNotSupported {
			t.Errorf("%s: %v, want %s", format, err, pgerr.FeatureNotSupported)
		}
		if tag, err := conn.PgConn().CopyTo(t.Context(), io.Discard, statement); err != nil || tag.RowsAffected() != 2 {
			t.Errorf("%s, again: %v, %v", format, tag, err)
		}
	}
}

// TestCopyOfPartitions: rows of a table with partitions are sealed and opened
// through it and through its partitions, in any order of columns.
func TestCopyOfPartitions(t *testing.T) {
	org := policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org_id"}
	table := policy.NewTable("public", "events", org, policy.Column{Name: "payload", Type: policy.Type{Kind: policy.Text}})
	f := proxytest.Start(t, proxytest.Options{Policy: &policy.Policy{Tables: []*policy.Table{table}}})
	for _, sql := range []string{
		"CREATE TABLE events (dropped int, payload text, id int, org_id text) PARTITION BY LIST (id)", "ALTER TABLE events DROP COLUMN dropped",
		"CREATE TABLE first (org_id text, id int, payload pgseal.sealed)", "ALTER TABLE events ATTACH PARTITION first FOR VALUES IN (1, 2)",
		"CREATE TABLE events_rest PARTITION OF events DEFAULT",
	} {
		proxytest.Exec(t, f.Through, sql)
	}
	conn := proxytest.Connect(t, f.Through)
	for statement, data := range map[string]string{
		"COPY events FROM STDIN":                       "a canary\t1\tacme\n\\N\t7\tglobex\n",
		"COPY events (org_id, payload, id) FROM STDIN": "globex\tanother canary\t8\n",
		"COPY first FROM STDIN":                        "globex\t2\ta third canary\n",
	} {
		if _, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	for statement, want := range map[string]string{
		"COPY (SELECT * FROM events ORDER BY id) TO STDOUT": "a canary\t1\tacme\na third canary\t2\tglobex\n\\N\t7\tglobex\nanother canary\t8\tglobex\n",
		"COPY first (payload, org_id) TO STDOUT CSV":        "a canary,acme\na third canary,globex\n",
	} {
		var got strings.Builder
		if _, err := conn.PgConn().CopyTo(t.Context(), &got, statement); err != nil || sortedLines(got.String()) != sortedLines(want) {
			t.Errorf("%s: %q, %v, want %q", statement, got.String(), err, want)
		}
	}
	var stored strings.Builder
	if _, err := proxytest.Connect(t, f.Direct).PgConn().CopyTo(t.Context(), &stored, "COPY (SELECT * FROM events) TO STDOUT"); err != nil || strings.Contains(stored.String(), "canary") {
		t.Errorf("stored: %q, %v", stored.String(), err)
	}
}

func sortedLines(text string) string {
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// TestCopyOptionsThatAreNotKnown: where the server takes an option that pgseal does
// not know, no data passes, in either direction.
func TestCopyOptionsThatAreNotKnown(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	const option = "(convert_selectively (id, body))" // of Postgres's own, for file_fdw
	for script, want := range map[string][]string{
		"Q COPY notes (id, org_id, body) FROM STDIN " + option + "\nwait G\nd 10\\tacme\\tcanary\\n\nd more\nc\nwait Z": {"G", "E ERROR 0A000 COPY of sealed columns with these options", "Z I"},
		"Q COPY notes (id, org_id, body) FROM STDIN " + option + "\nwait G\nc\nwait Z":                                  {"G", "E ERROR 0A000 COPY of sealed columns with these options", "Z I"},
		"Q COPY notes (id, body) TO STDOUT " + option + "\nwait Z\nQ SELECT 1\nwait Z":                                  {"E ERROR 0A000 COPY of sealed columns with these options", "Z I", "T", `D "1"`, "C", "Z I"},
		"Q COPY plain FROM STDIN (convert_selectively (id))\nwait G\nd 1\\tx\\n\nc\nwait Z":                             {"G", "C COPY 1", "Z I"},
	} {
		got := dialWire(t, f.Through).run(script)
		ok := len(got) == len(want)
		for i := 0; ok && i < len(got); i++ {
			ok = strings.HasPrefix(got[i], want[i])
		}
		if !ok {
			t.Errorf("%s\ngot\n\t%s\nwant\n\t%s", script, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
	if got := read(t, proxytest.Connect(t, f.Direct), "SELECT count(*) FROM notes"); got != "count:20 [2]" {
		t.Errorf("stored: %s", got)
	}
}
