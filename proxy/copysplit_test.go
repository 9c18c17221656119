package proxy

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgseal/pgseal/internal/copyformat"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// splitData is data of a COPY as copyPlan has it, in each format, and the values in
// the sealed field; "-" stands for NULL.
var splitData = map[rewrite.CopyFormat]struct {
	data   string
	values []string
}{
	rewrite.CopyText: {
		"1\tacme\tx\tone\\ttab \\\\ \\x41\\101\t\\N\r\n2\tacme\t\\\\N\té\\\r\\\n\t\r\n3\tacme\t\t\\N\t\r\n4\tacme\tx\t\tlast\\",
		[]string{"one\ttab \\ AA", "é\r\n", "-", ""},
	},
	rewrite.CopyCSV: {
		"1,acme,\"a,\n\"\"b\",\"one, \"\"two\"\"\r\n\",\n2,acme,,\"\",x\n3,acme,,,\n4,acme,x,pl\"ai\"n,\"\"\n5,acme,\"\",é,\"\n\"",
		[]string{"one, \"two\"\r\n", "", "-", "plain", "é"},
	},
	rewrite.CopyBinary: {
		string(copyRow(rewrite.CopyBinary, []byte("one\x02"), true)) + string(copyRow(rewrite.CopyBinary, nil, false)) +
			string(copyRow(rewrite.CopyBinary, []byte{}, false)) + string(copyRow(rewrite.CopyBinary, []byte("é"), false)) + "\xff\xff",
		[]string{"one\x02", "-", "", "é"},
	},
}

// sealInPieces seals COPY data that comes in pieces, and gives what the server gets.
func sealInPieces(t *testing.T, format rewrite.CopyFormat, pieces [][]byte) (s *session, column *policy.Column, sent []byte) {
	t.Helper()
	s, column = newOfflineSession(t, policy.Text)
	f := &frontend{s: s, out: output{conn: io.Discard}}
	f.seal.init(s)
	f.copy = &copyIn{copyRun: newCopyRun(copyPlan(format, true, column), s.settings.Load(), 0)}
	c := f.copy
	for _, piece := range pieces {
		own := bytes.Clone(piece)
		if err := f.copyData(own); err != nil {
			t.Fatal(err)
		}
		for i := range own { // what is still needed must have been copied
			own[i] = 0xff
		}
	}
	if err := f.copyRows(c, nil, true); err != nil {
		t.Fatal(err)
	}
	if c.failed {
		t.Fatal("the COPY failed")
	}
	return s, column, payload(t, f.out.buf)
}

// payload gives what CopyData messages carry.
func payload(t *testing.T, messages []byte) (data []byte) {
	t.Helper()
	for len(messages) > 0 {
		size := 1 + int(binary.BigEndian.Uint32(messages[1:]))
		if messages[0] != 'd' {
			t.Fatalf("a message of type %c", messages[0])
		}
		data, messages = append(data, messages[headerSize:size]...), messages[size:]
	}
	return data
}

// openInPieces opens COPY data that comes in pieces, and gives what the client gets.
func openInPieces(t *testing.T, s *session, column *policy.Column, format rewrite.CopyFormat, pieces [][]byte) []byte {
	t.Helper()
	b := &backend{s: s, out: output{conn: io.Discard}}
	b.open.s = s
	b.copyOut = &copyOut{copyRun: newCopyRun(copyPlan(format, false, column), s.settings.Load(), 0)}
	for _, piece := range pieces {
		message := append(make([]byte, headerSize), piece...)
		if err := b.handleCopyData(message, message[headerSize:]); err != nil {
			t.Fatal(err)
		}
		for i := range message {
			message[i] = 0xff
		}
	}
	if err := b.endCopyOut(); err != nil {
		t.Fatal(err)
	}
	return payload(t, b.out.buf)
}

// pieces cuts data at the given places.
func pieces(data []byte, at ...int) (list [][]byte) {
	from := 0
	for _, to := range append(at, len(data)) {
		list = append(list, data[from:to])
		from = to
	}
	return list
}

// sealedValues reads the sealed fields out of what the server gets, and opens them.
func sealedValues(t *testing.T, s *session, column *policy.Column, format rewrite.CopyFormat, data []byte) (values []string) {
	t.Helper()
	run := newCopyRun(copyPlan(format, true, column), s.settings.Load(), 0)
	run.reader.Feed(data)
	run.reader.End()
	for {
		row, ok, err := run.reader.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return values
		}
		if row.Header {
			continue
		}
		if len(row.Fields) != 5 || string(row.Fields[1].Data) != "acme" {
			t.Fatalf("a row of %d fields", len(row.Fields))
		}
		values = append(values, openedField(t, s, column, run.values, row.Fields[3]))
	}
}

func openedField(t *testing.T, s *session, column *policy.Column, format pgtypes.Format, field copyformat.Field) string {
	t.Helper()
	if field.Null {
		return "-"
	}
	sealed := field.Data
	if format == pgtypes.Text {
		var err error
		if sealed, err = hex.DecodeString(strings.TrimPrefix(string(field.Data), `\x`)); err != nil {
			t.Fatal(err)
		}
	}
	o := opener{s: s}
	if err := o.open(sealed, column, "acme"); err != nil {
		t.Fatal(err)
	}
	return string(o.plain)
}

// TestCopyDataCutAnywhere: where COPY's messages begin and end does not matter, in
// either direction.
func TestCopyDataCutAnywhere(t *testing.T) {
	rng := rand.New(rand.NewSource(3))
	for name, format := range copyFormats {
		t.Run(name, func(t *testing.T) {
			c := splitData[format]
			data := []byte(c.data)
			cuts := [][]int{nil}
			for i := range len(data) + 1 {
				cuts = append(cuts, []int{i})
			}
			every := make([]int, len(data))
			for i := range every {
				every[i] = i
			}
			cuts = append(cuts, every)
			for range 50 {
				var cut []int
				for i := range data {
					if rng.Intn(6) == 0 {
						cut = append(cut, i)
					}
				}
				cuts = append(cuts, cut)
			}
			for _, cut := range cuts {
				s, column, sent := sealInPieces(t, format, pieces(data, cut...))
				if diff := cmp.Diff(c.values, sealedValues(t, s, column, format, sent)); diff != "" {
					t.Fatalf("cut at %v (-want +sealed):\n%s", cut, diff)
				}
				if bytes.Contains(sent, []byte("one")) {
					t.Fatalf("cut at %v: plaintext was sent: %q", cut, sent)
				}
				// And back: cut in the middle, and once at every byte.
				out := [][]byte{openInPieces(t, s, column, format, pieces(sent, len(sent)/2))}
				if len(cut) == 0 {
					at := make([]int, len(sent))
					for i := range at {
						at[i] = i
						out = append(out, openInPieces(t, s, column, format, pieces(sent, i)))
					}
					out = append(out, openInPieces(t, s, column, format, pieces(sent, at...)))
				}
				for _, back := range out {
					if got := plainValues(t, s, column, format, back); cmp.Diff(c.values, got) != "" {
						t.Fatalf("cut at %v: opened to %q, want %q", cut, got, c.values)
					}
				}
			}
		})
	}
}

// plainValues reads the fields that were sealed out of what the client gets.
func plainValues(t *testing.T, s *session, column *policy.Column, format rewrite.CopyFormat, data []byte) (values []string) {
	t.Helper()
	run := newCopyRun(copyPlan(format, true, column), s.settings.Load(), 0)
	run.reader.Feed(data)
	run.reader.End()
	for {
		row, ok, err := run.reader.Next()
		switch {
		case err != nil:
			t.Fatal(fmt.Errorf("%w in %q", err, data))
		case !ok:
			return values
		case row.Header:
		case row.Fields[3].Null:
			values = append(values, "-")
		default:
			values = append(values, string(row.Fields[3].Data))
		}
	}
}
