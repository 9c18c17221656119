package copyformat_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgseal/pgseal/internal/copyformat"
)

var fuzzSeeds = []string{
	"a\tb\n", "\\N\t\\.\n", "\\.\n", "\\.\r\nx", "a\r\nb\r\n", "a\rb", "\"a\nb\",c\n", "\"\"\"\",'\n", "\\x41\\101\\", "\\", "\"", "\r", "\r\n\\.\r", "é\t\\\n",
}

// FuzzChunks: however the data is cut, the rows are the same; and rows that are
// written anew read the same.
func FuzzChunks(f *testing.F) {
	if len(fuzzSeeds) < 10 {
		f.Fatal("seeds are missing")
	}
	for i, s := range fuzzSeeds {
		f.Add(s, uint8(i))
	}
	f.Fuzz(func(t *testing.T, data string, variant uint8) {
		o := dialects[int(variant)%len(dialects)].opts
		want := read(data, o, 0)
		for _, chunk := range []int{1, 2, 3} {
			if diff := cmp.Diff(want, read(data, o, chunk)); diff != "" {
				t.Fatalf("in chunks of %d (-whole +cut):\n%s", chunk, diff)
			}
		}
		r := copyformat.NewReader(o, 0)
		r.Feed([]byte(data))
		r.End()
		var again []byte
		for {
			row, ok, err := r.Next()
			if err != nil {
				return
			}
			if !ok {
				break
			}
			if row.Header {
				again = append(again, row.Raw...)
			} else {
				again = copyformat.AppendInput(again, row.Fields, o)
			}
		}
		if o.Header && len(want) > 0 { // a header may hold line ends of its own
			return
		}
		if diff := cmp.Diff(want, read(string(again), o, 0)); diff != "" {
			t.Fatalf("written anew as %q (-want +got):\n%s", again, diff)
		}
	})
}
