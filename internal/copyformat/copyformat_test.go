package copyformat_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgseal/pgseal/internal/copyformat"
	"github.com/pgseal/pgseal/internal/pgerr"
)

var (
	textOptions = copyformat.Options{Delimiter: '\t', Null: `\N`}
	csvOptions  = copyformat.Options{CSV: true, Delimiter: ',', Quote: '"', Escape: '"'}
)

// null and byDefault stand for NULL and DEFAULT in what read gives.
const (
	null      = "<NULL>"
	byDefault = "<DEFAULT>"
)

// read takes data apart that comes in chunks of the given size; 0 is all at
// once. An error ends the rows with its message and line.
func read(data string, o copyformat.Options, chunk int) [][]string {
	return readColumns(data, o, chunk, nil)
}

// readColumns is read for lines that must have fields for these columns.
func readColumns(data string, o copyformat.Options, chunk int, columns []string) [][]string {
	r := copyformat.NewReader(o, 0)
	var rows [][]string
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
			case row.Header && row.Fields == nil:
				rows = append(rows, []string{"HEADER", string(row.Raw)})
				continue
			case columns != nil && len(row.Fields) > len(columns):
				rows = append(rows, []string{fmt.Sprintf("ERROR 22P04 line %d: extra data after last expected column", r.Line())})
				return false
			case columns != nil && len(row.Fields) < len(columns):
				rows = append(rows, []string{fmt.Sprintf("ERROR 22P04 line %d: missing data for column %q", r.Line(), columns[len(row.Fields)])})
				return false
			}
			var fields []string
			for _, f := range row.Fields {
				switch {
				case f.Null:
					fields = append(fields, null)
				case f.Default:
					fields = append(fields, byDefault)
				default:
					fields = append(fields, string(f.Data))
				}
			}
			if row.Header {
				fields = append([]string{"HEADER"}, fields...)
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
		for i := range part { // the Reader must have copied what it still needs
			part[i] = 0xff
		}
		rest = rest[n:]
		if !more {
			return rows
		}
	}
	r.End()
	next()
	return rows
}

func with(o copyformat.Options, change func(*copyformat.Options)) copyformat.Options {
	change(&o)
	return o
}

func TestRead(t *testing.T) {
	header := func(o *copyformat.Options) { o.Header = copyformat.SkipHeader }
	split := func(o *copyformat.Options) { o.Header = copyformat.SplitHeader }
	old := func(o *copyformat.Options) { o.Server = 17 }
	byDefaultMarker := func(o *copyformat.Options) { o.HasDefault, o.Default = true, `\D` }
	for _, tt := range []struct {
		name string
		opts copyformat.Options
		data string
		want [][]string
	}{
		{"text", textOptions, "a\tb\n\\N\t\n", [][]string{{"a", "b"}, {null, ""}}},
		{"text, empty line", textOptions, "\n\n", [][]string{{""}, {""}}},
		{"text, no last newline", textOptions, "a\nb", [][]string{{"a"}, {"b"}}},
		{"text, escapes", textOptions, `\b\f\n\r\t\v\\\a\q` + "\n", [][]string{{"\b\f\n\r\t\v\\aq"}}},
		{"text, octal and hex", textOptions, `\101\7\08\x41\x4g\xg\777` + "\n", [][]string{{"A\a\x008A\x04gxg\xff"}}},
		{"text, escaped delimiter and newline", textOptions, "a\\\tb\tc\\\nd\n", [][]string{{"a\tb", "c\nd"}}},
		{"text, marker is compared raw", textOptions, "\\\\N\t\\N\tN\n", [][]string{{`\N`, null, "N"}}},
		{"text, backslash at the end of the data", textOptions, `a\`, [][]string{{"a"}}},
		{"text, end marker", textOptions, "a\n\\.\nb\n", [][]string{{"a"}}},
		{"text, end marker without newline", textOptions, "a\n\\.", [][]string{{"a"}, {"ERROR 22P04 line 2: end-of-copy marker is not alone on its line"}}},
		{"csv, end marker without newline", with(csvOptions, old), "a\n\\.", [][]string{{"a"}, {`\.`}}},
		{"text, end marker CRLF", textOptions, "a\r\n\\.\r\nb", [][]string{{"a"}}},
		{"text, end marker CR", textOptions, "a\r\\.\r", [][]string{{"a"}}},
		{"text, end marker of another line end", textOptions, "a\r\n\\.\n", [][]string{{"a"}, {"ERROR 22P04 line 2: end-of-copy marker does not match previous newline style"}}},
		{"text, end marker corrupt", with(textOptions, old), "a\n\\.x\n", [][]string{{"a"}, {"ERROR 22P04 line 2: end-of-copy marker corrupt"}}},
		{"text, end marker with data behind it", textOptions, "a\n\\.x\n", [][]string{{"a"}, {"ERROR 22P04 line 2: end-of-copy marker is not alone on its line"}}},
		{"text, end marker behind data, before 18", with(textOptions, old), "a\\.\nb\n", [][]string{{"a"}}},
		{"text, end marker behind data", textOptions, "a\\.\n", [][]string{{"ERROR 22P04 line 1: end-of-copy marker is not alone on its line"}}},
		{"text, a header that matters", with(textOptions, split), "x\ty\\\\\na\tb\n", [][]string{{"HEADER", "x", `y\`}, {"a", "b"}}},
		{"text, default", with(textOptions, byDefaultMarker), "\\D\t\\\\D\t\\N\n", [][]string{{byDefault, `\D`, null}}},
		{"csv, default", with(csvOptions, byDefaultMarker), "\\D,\"\\D\",\n", [][]string{{byDefault, `\D`, null}}},
		{"csv, a header that matters", with(csvOptions, split), "x,\"y \"\"\"\na,b\n", [][]string{{"HEADER", "x", `y "`}, {"a", "b"}}},
		{"text, escaped backslash and dot", textOptions, "\\\\.\n", [][]string{{`\.`}}},
		{"text, CRLF", textOptions, "a\tb\r\nc\td\r\n", [][]string{{"a", "b"}, {"c", "d"}}},
		{"text, CR", textOptions, "a\rb\r", [][]string{{"a"}, {"b"}}},
		{"text, LF then CR", textOptions, "a\nb\rc\n", [][]string{{"a"}, {"ERROR 22P04 line 2: literal carriage return found in data"}}},
		{"text, CRLF then LF", textOptions, "a\r\nb\n", [][]string{{"a"}, {"ERROR 22P04 line 2: literal newline found in data"}}},
		{"text, CRLF then CR", textOptions, "a\r\nb\rc", [][]string{{"a"}, {"ERROR 22P04 line 2: literal carriage return found in data"}}},
		{"text, header", with(textOptions, header), "x\ty\r\na\tb\r\n", [][]string{{"HEADER", "x\ty"}, {"a", "b"}}},
		{"text, header only", with(textOptions, header), "x", [][]string{{"HEADER", "x"}}},
		{"csv", csvOptions, "a,b\n,\"\"\n", [][]string{{"a", "b"}, {null, ""}}},
		{"csv, empty line", csvOptions, "\n", [][]string{{null}}},
		{"csv, quotes", csvOptions, `"a,b","say ""hi""",x"y"z,"""","p"q"r"` + "\n", [][]string{{"a,b", `say "hi"`, "xyz", `"`, "pqr"}}},
		{"csv, quoted newlines", csvOptions, "\"a\nb\r\nc\",d\ne\n", [][]string{{"a\nb\r\nc", "d"}, {"e"}}},
		{"csv, lines are counted in quotes", csvOptions, "x\n\"a\nb\"\n\"c", [][]string{{"x"}, {"a\nb"}, {"ERROR 22P04 line 4: unterminated CSV quoted field"}}},
		{"csv, own escape", with(csvOptions, func(o *copyformat.Options) { o.Escape = '\\' }),
			`"a\"b","c\\","d\e",f\g` + "\n" + `"a\\\"",b` + "\n", [][]string{{`a"b`, `c\`, `d\e`, `f\g`}, {`a\"`, "b"}}},
		{"csv, own quote and marker", with(csvOptions, func(o *copyformat.Options) { o.Quote, o.Escape, o.Null = '\'', '\'', "nil" }),
			"nil,'nil','it''s'\n", [][]string{{null, "nil", "it's"}}},
		{"csv, end marker, before 18", with(csvOptions, old), "a\n\\.\nb\n", [][]string{{"a"}}},
		{"csv, end marker CRLF, before 18", with(csvOptions, old), "a\r\n\\.\r\nb", [][]string{{"a"}}},
		{"csv, an end marker is data", csvOptions, "a\n\\.\nb\n", [][]string{{"a"}, {`\.`}, {"b"}}},
		{"csv, quoted end marker", with(csvOptions, old), "\"a\n\\.\nb\"\n", [][]string{{"a\n\\.\nb"}}},
		{"csv, end marker is data elsewhere", csvOptions, "\\.x,\\.\n\"\\.\"\n\\", [][]string{{`\.x`, `\.`}, {`\.`}, {`\`}}},
		{"csv, CRLF", csvOptions, "a,\"b\"\r\nc\r\n", [][]string{{"a", "b"}, {"c"}}},
		{"csv, LF then CR", csvOptions, "a\nb\r\n", [][]string{{"a"}, {"ERROR 22P04 line 2: unquoted carriage return found in data"}}},
		{"csv, CR then LF", csvOptions, "a\rb\n", [][]string{{"a"}, {"ERROR 22P04 line 2: unquoted newline found in data"}}},
		{"csv, header", with(csvOptions, header), "\"x\ny\",z\r\n1,2\r\n", [][]string{{"HEADER", "\"x\ny\",z"}, {"1", "2"}}},
		{"nothing", csvOptions, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for chunk := range 5 {
				if diff := cmp.Diff(tt.want, read(tt.data, tt.opts, chunk)); diff != "" {
					t.Errorf("in chunks of %d (-want +got):\n%s", chunk, diff)
				}
			}
		})
	}
}

func TestALineOverTheLimitIsRefused(t *testing.T) {
	for _, data := range []string{strings.Repeat("x", 11), strings.Repeat("x", 11) + "\n"} {
		r := copyformat.NewReader(textOptions, 10)
		r.Feed([]byte("0123456789\n"))
		if _, ok, err := r.Next(); !ok || err != nil {
			t.Fatalf("a line as long as the limit: %v, %v", ok, err)
		}
		r.Feed([]byte(data))
		_, _, err := r.Next()
		var e *pgerr.Error
		if !errors.As(err, &e) || e.Code != pgerr.ProgramLimitExceeded {
			t.Errorf("%q: %v, want 54000", data, err)
		}
		if _, _, again := r.Next(); again != err {
			t.Errorf("the error is not final: %v", again)
		}
	}
}

func TestPlainFieldsAreNotCopied(t *testing.T) {
	for _, o := range []copyformat.Options{textOptions, csvOptions} {
		line := []byte("one" + string(o.Delimiter) + "two\n")
		if o.CSV {
			line = []byte("one,\"two\"\n")
		}
		r := copyformat.NewReader(o, 0)
		read := func() {
			r.Feed(line)
			if row, ok, err := r.Next(); !ok || err != nil || len(row.Fields) != 2 || string(row.Fields[1].Data) != "two" {
				t.Fatal(row, ok, err)
			}
		}
		read()
		if allocs := testing.AllocsPerRun(100, read); allocs != 0 {
			t.Errorf("csv=%v: %v allocations a line, want none", o.CSV, allocs)
		}
	}
}

// TestHexIsReadAsTheValue: under whatever options, COPY FROM reads the hex form of
// the value, and nothing else.
func TestHexIsReadAsTheValue(t *testing.T) {
	value := []byte{0x5e, 0xa1, 0x01, 0x00, 0xff, 0x22}
	for _, o := range []copyformat.Options{
		textOptions, csvOptions,
		{CSV: true, Delimiter: 'e', Quote: '"', Escape: '"'}, {CSV: true, Delimiter: 'x', Quote: 'a', Escape: '5'},
		{CSV: true, Delimiter: '\\', Quote: '1', Escape: '1'}, {CSV: true, Delimiter: ',', Quote: '"', Escape: 'f', Null: `\x`},
		{CSV: true, Delimiter: ',', Quote: '\\', Escape: '\\'}, {Delimiter: 'X', Null: ""},
	} {
		for _, v := range [][]byte{value, {}} {
			line := append(copyformat.AppendHex(nil, v, &o), '\n')
			if diff := cmp.Diff([][]string{{fmt.Sprintf(`\x%x`, v)}}, read(string(line), o, 0)); diff != "" {
				t.Errorf("%q (-want +got):\n%s", line, diff)
			}
		}
	}
}

// TestForced is FORCE_NULL and FORCE_NOT_NULL.
func TestForced(t *testing.T) {
	o := copyformat.Options{CSV: true, Null: "nil"}
	for _, tt := range []struct {
		field         copyformat.Field
		notNull, null bool
		want          string
	}{
		{copyformat.Field{Null: true}, false, false, null},
		{copyformat.Field{Null: true}, true, false, "nil"},
		{copyformat.Field{Null: true}, true, true, "nil"}, // as NextCopyFrom has it: one or the other
		{copyformat.Field{Data: []byte("nil")}, false, true, null},
		{copyformat.Field{Data: []byte("nil")}, true, false, "nil"},
		{copyformat.Field{Data: []byte("x")}, true, true, "x"},
	} {
		got := tt.field.Forced(&o, tt.notNull, tt.null)
		if text := string(got.Data); got.Null && tt.want != null || !got.Null && text != tt.want {
			t.Errorf("%+v: got %+v", tt, got)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for name, o := range map[string]copyformat.Options{"text": textOptions, "csv": csvOptions} {
		b.Run(name, func(b *testing.B) {
			var chunk []byte
			for range 100 {
				fields := []copyformat.Field{{Data: []byte("42")}, {Data: []byte("acme")}, {Data: bytes.Repeat([]byte(`{"a": 1}, `), 20)}, {Null: true}}
				chunk = copyformat.AppendRow(chunk, fields, &o)
			}
			r := copyformat.NewReader(o, 0)
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			for b.Loop() {
				r.Feed(chunk)
				for {
					if _, ok, err := r.Next(); err != nil {
						b.Fatal(err)
					} else if !ok {
						break
					}
				}
			}
		})
	}
}

func BenchmarkAppendRow(b *testing.B) {
	for name, o := range map[string]copyformat.Options{"text": textOptions, "csv": csvOptions} {
		b.Run(name, func(b *testing.B) {
			fields := []copyformat.Field{{Data: []byte("42")}, {Data: []byte("acme")}, {Data: bytes.Repeat([]byte(`{"a": 1}, `), 20)}, {Null: true}}
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = copyformat.AppendRow(dst[:0], fields, &o)
			}
			b.SetBytes(int64(len(dst)))
		})
	}
}
