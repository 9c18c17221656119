package proxy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// copyPlan is that of a COPY of five fields, the fourth of them sealed, with the
// org in the second.
func copyPlan(format rewrite.CopyFormat, in bool, column *policy.Column) *rewrite.Copy {
	c := &rewrite.Copy{In: in, Format: format, Fields: make([]rewrite.CopyField, 5)}
	switch format {
	case rewrite.CopyText:
		c.Delimiter, c.Null = '\t', `\N`
	case rewrite.CopyCSV:
		c.Delimiter, c.Quote, c.Escape = ',', '"', '"'
	}
	c.Fields[3] = rewrite.CopyField{Column: column, Org: rewrite.OrgRef{Kind: rewrite.OrgField, Field: 1, TypeOID: 25}}
	return c
}

// copyRow is a row of such a COPY: without its trailer, and with the header of the
// binary format only in the first.
func copyRow(format rewrite.CopyFormat, value []byte, first bool) []byte {
	fields := [][]byte{[]byte("12345"), []byte("acme"), []byte("another field, of some length"), value, nil}
	var row []byte
	if format == rewrite.CopyBinary {
		if first {
			row = append(row, "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
		}
		row = binary.BigEndian.AppendUint16(row, uint16(len(fields)))
		for _, f := range fields {
			row = appendValue(row, f)
		}
		return row
	}
	if format == rewrite.CopyCSV {
		return fmt.Appendf(nil, "12345,acme,\"another field, of some length\",%s,\n", value)
	}
	return fmt.Appendf(nil, "12345\tacme\tanother field, of some length\t%s\t\\N\n", value)
}

var copyFormats = map[string]rewrite.CopyFormat{"text": rewrite.CopyText, "csv": rewrite.CopyCSV, "binary": rewrite.CopyBinary}

// copyingIn gives a function that seals a message of so many rows.
func copyingIn(tb testing.TB, format rewrite.CopyFormat, size, rows int) (seal func(), bytesIn int) {
	s, column := newOfflineSession(tb, policy.Text)
	f := &frontend{s: s, out: output{conn: io.Discard}}
	f.seal.init(s)
	f.copy = &copyIn{copyRun: newCopyRun(copyPlan(format, true, column), s.settings.Load(), 1<<30)}
	var data []byte
	value := bytes.Repeat([]byte("x"), size)
	for i := range rows {
		data = append(data, copyRow(format, value, i == 0)...)
	}
	message, next := data, data[len(copyRow(format, value, true))-len(copyRow(format, value, false)):]
	return func() {
		if err := f.copyData(message); err != nil {
			tb.Fatal(err)
		}
		if len(f.out.buf) < size*rows {
			tb.Fatal("nothing was sent")
		}
		f.out.buf = f.out.buf[:0]
		message = next
	}, len(data)
}

// copyingOut gives a function that opens so many rows, each of which comes in a
// message of its own.
func copyingOut(tb testing.TB, format rewrite.CopyFormat, size, rows int) (open func(), bytesOut int) {
	s, column := newOfflineSession(tb, policy.Text)
	z := sealer{s: s}
	if err := z.readParam(bytes.Repeat([]byte("x"), size), pgtypes.Text, 0, column, s.settings.Load().values); err != nil {
		tb.Fatal(err)
	}
	sealed, err := z.seal(nil, column, "acme")
	if err != nil {
		tb.Fatal(err)
	}
	value := sealed
	if format == rewrite.CopyText {
		value = fmt.Appendf(nil, `\\x%x`, sealed)
	} else if format == rewrite.CopyCSV {
		value = fmt.Appendf(nil, `\x%x`, sealed)
	}
	b := &backend{s: s, out: output{conn: io.Discard}}
	b.open.s = s
	b.copyOut = &copyOut{copyRun: newCopyRun(copyPlan(format, false, column), s.settings.Load(), 0)}
	frame := append(make([]byte, headerSize), copyRow(format, value, true)...)
	next := append(make([]byte, headerSize), copyRow(format, value, false)...)
	return func() {
		for range rows {
			if err := b.handleCopyData(frame, frame[headerSize:]); err != nil {
				tb.Fatal(err)
			}
			frame = next
		}
		if len(b.out.buf) < size*rows {
			tb.Fatal("nothing was sent")
		}
		b.out.buf = b.out.buf[:0]
	}, rows * (size + 50)
}

// TestCopyDoesNotAllocate: in either direction, once the first rows have made room.
func TestCopyDoesNotAllocate(t *testing.T) {
	for name, format := range copyFormats {
		// A row a run: the average is rounded down, and under the race detector a
		// sync.Pool loses some of what it is given.
		seal, _ := copyingIn(t, format, 100, 1)
		open, _ := copyingOut(t, format, 100, 1)
		for what, run := range map[string]func(){"in": seal, "out": open} {
			run()
			if allocs := testing.AllocsPerRun(200, run); allocs != 0 {
				t.Errorf("%s %s: %v allocations a row, want none", name, what, allocs)
			}
		}
	}
}

func BenchmarkCopyIn(b *testing.B) {
	for _, size := range []int{64, 1 << 10} {
		for name, format := range copyFormats {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				seal, n := copyingIn(b, format, size, 100)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					seal()
				}
			})
		}
	}
}

func BenchmarkCopyOut(b *testing.B) {
	for _, size := range []int{64, 1 << 10} {
		for name, format := range copyFormats {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				open, n := copyingOut(b, format, size, 100)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					open()
				}
			})
		}
	}
}
