package proxy_test

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/proxy"
)

// TestCopyTellsTheLine: a row that cannot be sealed fails the COPY with its line,
// and nothing of it is stored.
func TestCopyTellsTheLine(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	for name, bad := range map[string]string{
		"a bad value":     "12\tacme\tnot a number\n",
		"a missing field": "12\tacme\n",
		"a field more":    "12\tacme\t1\t2\n",
		"no org":          "12\t\\N\t1\n",
		"an unknown org":  "12\tinitech\t1\n",
	} {
		data := "10\tacme\t1\n11\tglobex\t2\n" + bad + "13\tacme\t3\n"
		_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), "COPY notes (id, org_id, n) FROM STDIN")
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
	sorted := func(text string) string { // Postgres may have filled gaps in earlier pages
		lines := strings.SplitAfter(text, "\n")
		slices.Sort(lines)
		return strings.Join(lines, "")
	}
	if sorted(out.String()) != sorted(data.String()) {
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
