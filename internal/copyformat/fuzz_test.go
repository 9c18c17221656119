package copyformat_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pgseal/pgseal/internal/copyformat"
)

var fuzzSeeds = []string{
	"a\tb\n", "\\N\t\\.\n", "\\.\n", "\\.\r\nx", "a\r\nb\r\n", "a\rb", "\"a\nb\",c\n", "\"\"\"\",'\n", "\\x41\\101\\", "\\", "\"", "\r", "\r\n\\.\r", "é\t\\\n", "\\D\t\"\\D\"\n", "\\.\n\\.x\n", "a\\.\nb\n", "\"\\.\n\"\n\\.\n",
}

// FuzzChunks: however the data is cut, the rows are the same; and rows that are
// written anew read the same.
func FuzzChunks(f *testing.F) {
	if len(fuzzSeeds) < 10 {
		f.Fatal("seeds are missing")
	}
	for i, s := range fuzzSeeds {
		f.Add(s, uint8(i))
		f.Add(s, uint8(i)|0x40)
		f.Add(s, uint8(i)|0x80)
	}
	f.Fuzz(func(t *testing.T, data string, variant uint8) {
		o := dialects[int(variant)%len(dialects)].opts
		if variant&0x40 != 0 {
			o.Server = 17
		}
		if variant&0x80 != 0 {
			o.HasDefault, o.Default = true, `\D`
		}
		want := read(data, o, 0)
		for _, chunk := range []int{1, 2, 3} {
			if diff := cmp.Diff(want, read(data, o, chunk)); diff != "" {
				t.Fatalf("in chunks of %d (-whole +cut):\n%s", chunk, diff)
			}
		}
		if got := reassemble(data, o); !strings.HasPrefix(data, got) {
			t.Fatalf("put together again: %q", got)
		}
		var again []byte
		r := copyformat.NewReader(o, 0)
		r.Feed([]byte(data))
		r.End()
		for {
			row, ok, err := r.Next()
			if err != nil {
				return
			}
			if !ok {
				break
			}
			if !row.Header {
				for i := range row.Fields {
					row.Fields[i].Null = row.Fields[i].Null || row.Fields[i].Default
				}
				again = copyformat.AppendRow(again, row.Fields, &o)
			}
		}
		if o.Header != copyformat.NoHeader {
			o.Header, want = copyformat.NoHeader, want[min(1, len(want)):]
		}
		if !o.CSV && !strings.Contains(o.Null, "\\") {
			return // a value that equals the marker is written as it (see AppendField)
		}
		for _, row := range want {
			for i := range row {
				if row[i] == byDefault {
					row[i] = null
				}
			}
		}
		if diff := cmp.Diff(want, read(string(again), o, 0), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("written anew as %q (-want +got):\n%s", again, diff)
		}
	})
}

// reassemble puts data together of what its rows were written as, as far as they
// can be read.
func reassemble(data string, o copyformat.Options) string {
	r := copyformat.NewReader(o, 0)
	r.Feed([]byte(data))
	r.End()
	var out []byte
	for {
		row, ok, err := r.Next()
		if err != nil || !ok {
			return string(out)
		}
		out = appendRaw(out, row, o)
	}
}
