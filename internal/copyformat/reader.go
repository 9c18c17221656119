package copyformat

import (
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

	data  chunks
	ended bool // End was called

	scan     lineScan
	inLine   bool  // a line was begun
	finished bool  // the end marker was read; what follows is dropped, as Postgres does
	lines    int   // begun so far, quoted newlines counted
	header   bool  // the next line is the header
	err      error // sticky

	fields  []Field
	scratch []byte // fields without their escapes
}

// NewReader makes a Reader. A line longer than limit bytes is an error; zero
// means no limit.
func NewReader(o Options, limit int) *Reader {
	r := &Reader{opts: o, limit: limit, header: o.Header != NoHeader}
	r.scan = newLineScan(&r.opts)
	return r
}

// Feed adds a chunk. The chunk must stay as it is until Next has no more.
func (r *Reader) Feed(chunk []byte) {
	if !r.finished {
		r.data.feed(chunk)
	}
}

// End tells that no more data comes: a last line needs no line end.
func (r *Reader) End() { r.ended = true }

// Line is the number, from 1, of the line that Next gave last or fails at; for a
// csv line with quoted newlines, of its last line.
func (r *Reader) Line() int { return r.lines + r.scan.newlines }

// Next gives the next row; ok is false when the data so far holds no further
// whole line. An error is a *pgerr.Error in Postgres's words, and final.
func (r *Reader) Next() (row Row, ok bool, err error) {
	if r.err != nil || r.finished {
		return Row{}, false, r.err
	}
	data := r.data.rest()
	if !r.inLine {
		if len(data) == 0 {
			return Row{}, false, nil
		}
		r.inLine = true
		r.lines += 1 + r.scan.newlines
		r.scan.begin()
	}
	end, next, what, err := r.scan.find(data, r.ended)
	if err != nil {
		return r.fail(err)
	}
	if r.limit > 0 && max(end, r.scan.pos) > r.limit {
		return r.fail(tooLong("line", r.limit))
	}
	switch what {
	case lineUnfinished:
		r.data.keep()
		return Row{}, false, nil
	case lineEndMarker:
		r.finished = true
		r.data.drop()
		if end == 0 {
			return Row{}, false, nil
		}
	default:
		r.data.take(next)
	}
	r.inLine = false
	line := data[:end]
	row = Row{End: data[end:next]}
	if r.header {
		r.header = false
		row.Header, row.Raw = true, line
		if r.opts.Header == SkipHeader {
			return row, true, nil
		}
	}
	if err := r.split(line); err != nil {
		return r.fail(err)
	}
	row.Fields = r.fields
	return row, true, nil
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
