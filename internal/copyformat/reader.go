package copyformat

import (
	"bytes"
	"fmt"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// Reader takes COPY data apart into rows.
//
// Feed it chunks; after each, call Next until it has no more. After the last
// chunk call End, and Next again.
type Reader struct {
	opts  Options
	limit int

	buf   []byte // data that was fed, from the line in hand on once Feed tidied up
	start int    // where the line in hand begins
	ended bool   // End was called

	scan     lineScan
	inLine   bool  // a line was begun
	finished bool  // the end marker was read
	lines    int   // begun so far, quoted newlines counted
	header   bool  // the next line is the header
	err      error // sticky

	fields  []Field
	scratch []byte // fields without their escapes
}

// NewReader makes a Reader. A line longer than limit bytes is an error; zero
// means no limit.
func NewReader(o Options, limit int) *Reader {
	r := &Reader{opts: o, limit: limit, header: o.Header}
	r.scan = newLineScan(&r.opts)
	return r
}

// Feed adds a chunk. It copies it: the caller keeps its bytes.
func (r *Reader) Feed(chunk []byte) {
	if r.finished {
		// Postgres drops what follows the end marker; see afterEnd for csv.
		r.afterEnd(chunk)
		return
	}
	if r.start > 0 {
		n := copy(r.buf, r.buf[r.start:])
		r.buf = r.buf[:n]
		r.scan.pos -= r.start
		r.start = 0
	}
	r.buf = append(r.buf, chunk...)
}

// End tells that no more data comes: a last line needs no line end.
func (r *Reader) End() { r.ended = true }

// Line is the number, from 1, of the line that Next gave last or fails at; for a
// csv line with quoted newlines, of its last line.
func (r *Reader) Line() int { return r.lines + r.scan.newlines }

// Next gives the next row; ok is false when the data so far holds no further
// whole line. An error is a *pgerr.Error in Postgres's words, and final.
func (r *Reader) Next() (row Row, ok bool, err error) {
	if r.err != nil {
		return Row{}, false, r.err
	}
	if r.finished {
		return Row{}, false, nil
	}
	if !r.inLine {
		if r.start == len(r.buf) {
			return Row{}, false, nil
		}
		r.inLine = true
		r.lines += 1 + r.scan.newlines
		r.scan.begin()
	}
	end, next, what, err := r.scan.find(r.buf, r.start, r.ended)
	if err != nil {
		return r.fail(err)
	}
	if r.limit > 0 && max(end, r.scan.pos)-r.start > r.limit {
		return r.fail(tooLong("line", r.limit))
	}
	if what == lineUnfinished {
		return Row{}, false, nil
	}
	r.inLine = false
	start := r.start
	r.start, r.scan.pos = next, next
	if what == lineEndMarker {
		r.finished = true
		rest := r.buf[next:]
		r.buf, r.start, r.scan.pos = nil, 0, 0
		r.afterEnd(rest)
		return Row{}, false, r.err
	}
	if r.header {
		r.header = false
		return Row{Header: true, Raw: r.endRaw(start, end)}, true, nil
	}
	if err := r.split(r.buf[start:end]); err != nil {
		return r.fail(err)
	}
	return Row{Fields: r.fields}, true, nil
}

func (r *Reader) fail(err error) (Row, bool, error) {
	r.err = err
	return Row{}, false, err
}

func tooLong(what string, limit int) error {
	return &pgerr.Error{
		Code:    pgerr.ProgramLimitExceeded,
		Message: fmt.Sprintf("a %s of COPY is longer than pgseal's limit of %d bytes", what, limit),
		Hint:    "Raise limits.message_bytes in pgseal's configuration.",
		Anchor:  "limits",
	}
}

// endRaw gives the line with a newline as its end.
func (r *Reader) endRaw(start, end int) []byte {
	if end == len(r.buf) { // the last line, without a line end
		r.buf = append(r.buf, '\n')
		r.start, r.scan.pos = len(r.buf), len(r.buf)
	}
	r.buf[end] = '\n'
	return r.buf[start : end+1]
}

// afterEnd looks at data behind the end marker. In the text format it is
// dropped, as Postgres does. In csv, Postgres up to 17 drops it too, but 18 takes
// the marker for data; rather than lose rows, it is refused.
func (r *Reader) afterEnd(rest []byte) {
	if r.opts.CSV && r.err == nil && len(bytes.Trim(rest, "\r\n")) > 0 {
		r.err = &pgerr.Error{
			Code:    pgerr.BadCopyFileFormat,
			Message: `data follows an end-of-copy marker (\.)`,
			Hint:    `Quote the value if \. is data; end the data there if it is not.`,
			Anchor:  "copy-end-marker",
		}
	}
}
