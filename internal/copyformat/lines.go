package copyformat

import (
	"bytes"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// lineEnd is the way that lines end, fixed by the first one (EolType).
type lineEnd uint8

const (
	endUnknown lineEnd = iota
	endLF
	endCR
	endCRLF
)

// found is what lineScan.find came to.
type found uint8

const (
	lineUnfinished found = iota // more data is needed
	lineWhole
	// lineEndMarker: \. ends the data. What stands before it on its line is a
	// last line, for servers before version 18.
	lineEndMarker
)

// lineScan finds where lines end (CopyReadLineText). It goes on where it
// stopped when more data comes.
type lineScan struct {
	csv           bool
	marker        bool // \. may end the data
	old           bool // the server is older than version 18
	quote, escape byte // escape is zero when it is the quote itself
	ends          lineEnd

	pos       int // the next byte to look at, from the line's first
	inQuote   bool
	lastWasEs bool // the last byte was an escape that is not escaped itself
	newlines  int  // quoted ones, in the line in hand
}

func newLineScan(o *Options) lineScan {
	s := lineScan{csv: o.CSV, quote: o.Quote, escape: o.Escape, old: o.markerInCSV()}
	s.marker = !s.csv || s.old
	if s.escape == s.quote {
		s.escape = 0
	}
	return s
}

// begin forgets the line before.
func (s *lineScan) begin() { s.pos, s.inQuote, s.lastWasEs, s.newlines = 0, false, false, 0 }

// window is how far ahead plain data is looked at in one go. The bytes that are
// looked for come near each other or not at all; a longer search for one of them
// would be made again for each of the others.
const window = 512

// plain is the number of bytes before the first a, b or c, within a window.
func plain(data []byte, a, b, c byte) int {
	data = data[:min(len(data), window)]
	for _, special := range [...]byte{a, b, c} {
		if i := bytes.IndexByte(data, special); i >= 0 {
			data = data[:i]
		}
	}
	return len(data)
}

// find looks for the end of the line that begins with buf; s.pos is how far the
// search has come. The line is buf[:end], the one after it begins at next. With
// last set nothing follows buf.
func (s *lineScan) find(buf []byte, last bool) (end, next int, what found, err error) {
	for s.pos < len(buf) {
		c := buf[s.pos]
		if s.csv {
			if s.quoted(buf[s.pos:], c) {
				continue
			}
		} else if n := plain(buf[s.pos:], '\n', '\r', '\\'); n > 0 {
			s.pos += n
			continue
		}
		switch {
		case c == '\r':
			return s.carriageReturn(buf, last)
		case c == '\n':
			if s.ends == endCR || s.ends == endCRLF {
				return 0, 0, 0, s.mixed(newlineFound)
			}
			s.ends = endLF
			end = s.pos
			return end, end + 1, lineWhole, nil
		case c == '\\' && s.marker && (!s.csv || s.pos == 0):
			if at := s.pos + 1; at == len(buf) && !last {
				return 0, 0, lineUnfinished, nil
			} else if at == len(buf) { // at the very end it is data
				s.pos++
			} else if buf[at] == '.' {
				end, next, what, err = s.endMarker(buf, last)
				if what != lineWhole { // of csv: no marker
					return end, next, what, err
				}
				s.pos++
			} else if s.csv {
				s.pos++
			} else {
				s.pos += 2 // whatever is behind a backslash ends no line
			}
		default:
			s.pos++
		}
	}
	if last {
		s.pos = len(buf)
		return len(buf), len(buf), lineWhole, nil
	}
	return 0, 0, lineUnfinished, nil
}

// quoted passes by what is quoted, and plain data; it tells whether it did.
func (s *lineScan) quoted(rest []byte, c byte) bool {
	newline := byte('\r')
	if s.ends == endLF {
		newline = '\n'
	}
	if s.inQuote {
		escape := s.escape
		if escape == 0 {
			escape = s.quote
		}
		if n := plain(rest, s.quote, escape, newline); n > 0 {
			s.lastWasEs = false
			s.pos += n
			return true
		}
		if s.escape != 0 && c == s.escape {
			s.lastWasEs = !s.lastWasEs
		}
	} else if s.pos > 0 {
		if n := plain(rest, s.quote, '\n', '\r'); n > 0 {
			s.lastWasEs = false
			s.pos += n
			return true
		}
	}
	if c == s.quote && !s.lastWasEs {
		s.inQuote = !s.inQuote
	}
	if s.escape == 0 || c != s.escape {
		s.lastWasEs = false
	}
	if !s.inQuote {
		return false
	}
	if c == newline {
		s.newlines++
	}
	s.pos++
	return true
}

// carriageReturn ends a line at a \r, which a \n may follow.
func (s *lineScan) carriageReturn(buf []byte, last bool) (end, next int, what found, err error) {
	end = s.pos
	if s.ends == endLF {
		return 0, 0, 0, s.mixed(returnFound)
	}
	if s.ends == endCR {
		return end, end + 1, lineWhole, nil
	}
	if end+1 == len(buf) && !last {
		return 0, 0, lineUnfinished, nil
	}
	if end+1 < len(buf) && buf[end+1] == '\n' {
		s.ends = endCRLF
		return end, end + 2, lineWhole, nil
	}
	if s.ends == endCRLF {
		return 0, 0, 0, s.mixed(returnFound)
	}
	s.ends = endCR
	return end, end + 1, lineWhole, nil
}

// endMarker looks at a \. at s.pos. Followed by a line end it ends the data;
// elsewhere it is an error in text, and in csv it is data: lineWhole then.
func (s *lineScan) endMarker(buf []byte, last bool) (end, next int, what found, err error) {
	at := s.pos + 2
	byteAt := func(i int) byte { // zero behind the data's end
		if i < len(buf) {
			return buf[i]
		}
		return 0
	}
	if s.ends == endCRLF {
		if at == len(buf) && !last {
			return 0, 0, lineUnfinished, nil
		}
		c := byteAt(at)
		at++
		switch {
		case c == '\r':
		case s.csv:
			return 0, 0, lineWhole, nil
		case c == '\n':
			return 0, 0, 0, badCopy("end-of-copy marker does not match previous newline style", "")
		default:
			return 0, 0, 0, s.misplaced()
		}
	}
	if at >= len(buf) && !last {
		return 0, 0, lineUnfinished, nil
	}
	c := byteAt(at)
	switch {
	case c != '\r' && c != '\n' && s.csv:
		return 0, 0, lineWhole, nil
	case c != '\r' && c != '\n':
		return 0, 0, 0, s.misplaced()
	case s.ends == endLF && c != '\n', s.ends == endCRLF && c != '\n', s.ends == endCR && c != '\r':
		return 0, 0, 0, badCopy("end-of-copy marker does not match previous newline style", "")
	case s.pos > 0 && !s.old:
		return 0, 0, 0, s.misplaced()
	}
	return s.pos, s.pos, lineEndMarker, nil
}

// misplaced is the error of a marker with something next to it.
func (s *lineScan) misplaced() error {
	if s.old {
		return badCopy("end-of-copy marker corrupt", "")
	}
	return badCopy("end-of-copy marker is not alone on its line", "")
}

// stray is a line end of another kind than the first line's.
type stray uint8

const (
	newlineFound stray = iota
	returnFound
)

func (s *lineScan) mixed(what stray) error {
	switch {
	case s.csv && what == newlineFound:
		return badCopy("unquoted newline found in data", "Use quoted CSV field to represent newline.")
	case s.csv:
		return badCopy("unquoted carriage return found in data", "Use quoted CSV field to represent carriage return.")
	case what == newlineFound:
		return badCopy("literal newline found in data", `Use "\n" to represent newline.`)
	}
	return badCopy("literal carriage return found in data", `Use "\r" to represent carriage return.`)
}

func badCopy(message, hint string) error {
	return &pgerr.Error{Code: pgerr.BadCopyFileFormat, Message: message, Hint: hint}
}
