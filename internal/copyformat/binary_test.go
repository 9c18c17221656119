package copyformat_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/copyformat"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtest"
)

const (
	binarySignature = "PGCOPY\n\xff\r\n\x00"
	binaryHeader    = binarySignature + "\x00\x00\x00\x00\x00\x00\x00\x00"
	binaryTrailer   = "\xff\xff"
)

// binaryRow writes a row; the value null stands for NULL.
func binaryRow(values ...string) string {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(values)))
	for _, v := range values {
		if v == null {
			b = append(b, "\xff\xff\xff\xff"...)
			continue
		}
		b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
		b = append(b, v...)
	}
	return string(b)
}

// readBinary is read for the binary format; written is what AppendBinary makes of
// the rows.
func readBinary(data string, columns, chunk int) (rows [][]string, written string) {
	r := copyformat.NewBinaryReader(columns, 0)
	var out []byte
	next := func() bool {
		for {
			row, ok, err := r.Next()
			var e *pgerr.Error
			switch {
			case errors.As(err, &e):
				rows = append(rows, []string{fmt.Sprintf("ERROR %s line %d: %s", e.Code, r.Line(), e.Message)})
				return false
			case err != nil:
				panic(err)
			case !ok:
				return true
			}
			out = copyformat.AppendBinary(out, row)
			if row.Header {
				continue
			}
			var fields []string
			for _, f := range row.Fields {
				if f.Null {
					fields = append(fields, null)
				} else {
					fields = append(fields, string(f.Data))
				}
			}
			rows = append(rows, fields)
		}
	}
	for rest := []byte(data); len(rest) > 0; {
		n := len(rest)
		if chunk > 0 {
			n = min(n, chunk)
		}
		part := bytes.Clone(rest[:n])
		r.Feed(part)
		more := next()
		for i := range part { // the BinaryReader must have copied what it still needs
			part[i] = 0xff
		}
		rest = rest[n:]
		if !more {
			return rows, string(out)
		}
	}
	r.End()
	next()
	return rows, string(out)
}

// binaryCases are data for rows of two fields, and what is read of them.
var binaryCases = []struct {
	name, data string
	want       [][]string
}{
	{"rows", binaryHeader + binaryRow("a", "b") + binaryRow(null, "") + binaryTrailer, [][]string{{"a", "b"}, {null, ""}}},
	{"no rows", binaryHeader + binaryTrailer, nil},
	{"no trailer", binaryHeader + binaryRow("a", "b"), [][]string{{"a", "b"}}},
	{"a header alone", binaryHeader, nil},
	{"half a count at the end", binaryHeader + binaryRow("a", "b") + "\x00", [][]string{{"a", "b"}}},
	{"a header extension", binarySignature + "\x00\x00\x00\x00\x00\x00\x00\x05hello" + binaryRow("a", "b") + binaryTrailer, [][]string{{"a", "b"}}},
	{"flags that do not matter", binarySignature + "\x00\x00\xff\xff\x00\x00\x00\x00" + binaryTrailer, nil},
	{"what looks like a trailer", binaryHeader + binaryRow("\xff\xff", binaryHeader) + binaryTrailer, [][]string{{"\xff\xff", binaryHeader}}},

	{"nothing", "", [][]string{{"ERROR 22P04 line 0: COPY file signature not recognized"}}},
	{"half a signature", binarySignature[:6], [][]string{{"ERROR 22P04 line 0: COPY file signature not recognized"}}},
	{"text", "a\tb\nc\td\ne\tf\n", [][]string{{"ERROR 22P04 line 0: COPY file signature not recognized"}}},
	{"a signature alone", binarySignature + "\x00", [][]string{{"ERROR 22P04 line 0: invalid COPY file header (missing flags)"}}},
	{"OIDs", binarySignature + "\x00\x01\x00\x00\x00\x00\x00\x00", [][]string{{"ERROR 22P04 line 0: invalid COPY file header (WITH OIDS)"}}},
	{"unknown flags", binarySignature + "\x00\x02\x00\x00\x00\x00\x00\x00", [][]string{{"ERROR 22P04 line 0: unrecognized critical flags in COPY file header"}}},
	{"an unknown high flag", binarySignature + "\x80\x00\x00\x00\x00\x00\x00\x00", [][]string{{"ERROR 22P04 line 0: unrecognized critical flags in COPY file header"}}},
	{"no length", binarySignature + "\x00\x00\x00\x00\x00\x00", [][]string{{"ERROR 22P04 line 0: invalid COPY file header (missing length)"}}},
	{"a negative length", binarySignature + "\x00\x00\x00\x00\xff\xff\xff\xff", [][]string{{"ERROR 22P04 line 0: invalid COPY file header (missing length)"}}},
	{"a short extension", binarySignature + "\x00\x00\x00\x00\x00\x00\x00\x05hell", [][]string{{"ERROR 22P04 line 0: invalid COPY file header (wrong length)"}}},
	{"too few fields", binaryHeader + binaryRow("a", "b") + binaryRow("a"), [][]string{{"a", "b"}, {"ERROR 22P04 line 2: row field count is 1, expected 2"}}},
	{"too many fields", binaryHeader + binaryRow("a", "b", "c"), [][]string{{"ERROR 22P04 line 1: row field count is 3, expected 2"}}},
	{"a negative count", binaryHeader + "\xff\xfe", [][]string{{"ERROR 22P04 line 1: row field count is -2, expected 2"}}},
	{"a negative size", binaryHeader + "\x00\x02\xff\xff\xff\xfe", [][]string{{"ERROR 22P04 line 1: invalid field size"}}},
	{"no size", binaryHeader + "\x00\x02\x00\x00", [][]string{{"ERROR 22P04 line 1: unexpected EOF in COPY data"}}},
	{"a short field", binaryHeader + "\x00\x02\x00\x00\x00\x02a", [][]string{{"ERROR 22P04 line 1: unexpected EOF in COPY data"}}},
	{"one field of two", binaryHeader + "\x00\x02\x00\x00\x00\x01a", [][]string{{"ERROR 22P04 line 1: unexpected EOF in COPY data"}}},
	{"data behind the trailer", binaryHeader + binaryRow("a", "b") + binaryTrailer + "x", [][]string{{"a", "b"}, {"ERROR 22P04 line 2: received copy data after EOF marker"}}},
}

func TestReadBinary(t *testing.T) {
	for _, tt := range binaryCases {
		t.Run(tt.name, func(t *testing.T) {
			for chunk := range 5 {
				rows, written := readBinary(tt.data, 2, chunk)
				if diff := cmp.Diff(tt.want, rows); diff != "" {
					t.Errorf("in chunks of %d (-want +got):\n%s", chunk, diff)
				}
				if strings.HasPrefix(tt.data, binaryHeader) && !strings.HasPrefix(tt.data, written) {
					t.Errorf("in chunks of %d it is written anew as %q", chunk, written)
				}
			}
		})
	}
}

// TestBinaryAgainstPostgres: Postgres reads and refuses the same data, with the
// same words and line; and reads the same rows from what is written anew.
func TestBinaryAgainstPostgres(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	exec(t, conn, "CREATE TABLE t (n serial, a bytea, b bytea)")
	load := func(data string) (rows [][]string) {
		exec(t, conn, "TRUNCATE t RESTART IDENTITY")
		_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), "COPY t (a, b) FROM STDIN (FORMAT binary)")
		var e *pgconn.PgError
		if errors.As(err, &e) {
			line := 0
			_, _ = fmt.Sscanf(e.Where, "COPY t, line %d", &line) // a header has none
			return [][]string{{fmt.Sprintf("ERROR %s line %d: %s", e.Code, line, e.Message)}}
		} else if err != nil {
			t.Fatal(err)
		}
		stored, err := conn.Query(t.Context(), "SELECT a, b FROM t ORDER BY n")
		if err != nil {
			t.Fatal(err)
		}
		rows, err = pgx.CollectRows(stored, func(row pgx.CollectableRow) ([]string, error) {
			var values [2][]byte
			err := row.Scan(&values[0], &values[1])
			fields := []string{null, null}
			for i, v := range values {
				if v != nil {
					fields[i] = string(v)
				}
			}
			return fields, err
		})
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	for _, tt := range binaryCases {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			failed := len(want) > 0 && len(want[len(want)-1]) == 1
			if failed {
				want = want[len(want)-1:]
			}
			if diff := cmp.Diff(want, load(tt.data)); diff != "" && len(want)+len(load(tt.data)) > 0 {
				t.Errorf("Postgres reads it otherwise (-ours +Postgres):\n%s", diff)
			}
			if _, written := readBinary(tt.data, 2, 3); !failed {
				if diff := cmp.Diff(want, load(written)); diff != "" && len(want)+len(load(written)) > 0 {
					t.Errorf("Postgres reads what was written anew otherwise (-ours +Postgres):\n%s", diff)
				}
			}
		})
	}
	t.Run("COPY TO", func(t *testing.T) {
		exec(t, conn, `TRUNCATE t; INSERT INTO t (a, b) SELECT CASE WHEN n % 7 > 0 THEN decode(repeat('00ff', n), 'hex') END, ''
			FROM generate_series(1, 300) n`)
		var out strings.Builder
		if _, err := conn.PgConn().CopyTo(t.Context(), &out, "COPY t TO STDOUT (FORMAT binary)"); err != nil {
			t.Fatal(err)
		}
		if rows, written := readBinary(out.String(), 3, 1000); len(rows) != 300 || written != out.String() {
			t.Errorf("%d rows; %d bytes of Postgres's are written anew as %d others", len(rows), out.Len(), len(written))
		}
	})
}

func TestABinaryRowOverTheLimitIsRefused(t *testing.T) {
	row := binaryRow("0123456789")
	for name, over := range map[string]string{
		"a whole row": binaryRow("0123456789x"), "its size": "\x00\x01\x7f\xff\xff\xff",
	} {
		r := copyformat.NewBinaryReader(1, len(row))
		r.Feed([]byte(binaryHeader + row))
		if row, ok, err := r.Next(); !ok || err != nil || len(row.Fields) != 1 {
			t.Fatalf("a row as long as the limit: %v, %v", ok, err)
		}
		r.Feed([]byte(over))
		_, _, err := r.Next()
		var e *pgerr.Error
		if !errors.As(err, &e) || e.Code != pgerr.ProgramLimitExceeded {
			t.Errorf("%s: %v, want 54000", name, err)
		}
		r.Feed([]byte(row))
		if _, _, again := r.Next(); again != err {
			t.Errorf("%s: the error is not final: %v", name, again)
		}
	}
}

func TestBinaryFieldsAreNotCopied(t *testing.T) {
	r := copyformat.NewBinaryReader(2, 0)
	r.Feed([]byte(binaryHeader))
	line := []byte(binaryRow("one", "two"))
	var dst []byte
	read := func() {
		r.Feed(line)
		row, ok, err := r.Next()
		if !ok || err != nil || len(row.Fields) != 2 || string(row.Fields[1].Data) != "two" {
			t.Fatal(row, ok, err)
		}
		dst = copyformat.AppendBinary(dst[:0], row)
	}
	read()
	if allocs := testing.AllocsPerRun(100, read); allocs != 0 {
		t.Errorf("%v allocations a row, want none", allocs)
	}
}

// FuzzBinary: however the data is cut, the rows are the same; and rows that are
// written anew read the same.
func FuzzBinary(f *testing.F) {
	if len(binaryCases) < 10 {
		f.Fatal("seeds are missing")
	}
	for _, c := range binaryCases {
		f.Add(c.data)
	}
	f.Fuzz(func(t *testing.T, data string) {
		want, written := readBinary(data, 2, 0)
		for _, chunk := range []int{1, 2, 3, 20} {
			rows, again := readBinary(data, 2, chunk)
			if diff := cmp.Diff(want, rows); diff != "" {
				t.Fatalf("in chunks of %d (-whole +cut):\n%s", chunk, diff)
			}
			// Data behind the trailer is told only when it comes.
			if again != written && again != written+binaryTrailer && again != written+binaryHeader+binaryTrailer {
				t.Fatalf("in chunks of %d it is written anew as %q, else as %q", chunk, again, written)
			}
		}
		if n := len(want); n > 0 && len(want[n-1]) == 1 {
			return
		}
		if diff := cmp.Diff(want, first(readBinary(written, 2, 0))); diff != "" {
			t.Fatalf("written anew as %q (-want +got):\n%s", written, diff)
		}
	})
}

func first[A, B any](a A, _ B) A { return a }

func BenchmarkBinary(b *testing.B) {
	var chunk []byte
	for range 100 {
		chunk = append(chunk, binaryRow("\x00\x00\x00\x2a", "acme", strings.Repeat(`{"a": 1}, `, 20), null)...)
	}
	r := copyformat.NewBinaryReader(4, 0)
	r.Feed([]byte(binaryHeader))
	var dst []byte
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		r.Feed(chunk)
		dst = dst[:0]
		for {
			row, ok, err := r.Next()
			if err != nil {
				b.Fatal(err)
			} else if !ok {
				break
			}
			dst = copyformat.AppendBinary(dst, row)
		}
	}
}
