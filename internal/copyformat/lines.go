package copyformat

import "github.com/pgseal/pgseal/internal/pgerr"

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
	lineEndMarker // \. alone on its line
)

// lineScan finds where lines end (CopyReadLineText). It goes on where it
// stopped when more data comes.
type lineScan struct {
	csv           bool
	quote, escape byte // escape is zero when it is the quote itself
	ends          lineEnd

	pos       int // the next byte to look at
	inQuote   bool
	lastWasEs bool // the last byte was an escape that is not escaped itself
	newlines  int  // quoted ones, in the line in hand
}

func newLineScan(o *Options) lineScan {
	s := lineScan{csv: o.CSV, quote: o.Quote, escape: o.Escape}
	if s.escape == s.quote {
		s.escape = 0
	}
	return s
}

// begin forgets the line before.
func (s *lineScan) begin() { s.inQuote, s.lastWasEs, s.newlines = false, false, 0 }

// find looks for the end of the line that begins at start; s.pos is how far the
// search has come. The line is buf[start:end], the one after it begins at next.
// With last set nothing follows buf.
func (s *lineScan) find(buf []byte, start int, last bool) (end, next int, what found, err error) {
	for s.pos < len(buf) {
		c := buf[s.pos]
		if s.csv {
			if s.inQuote && s.escape != 0 && c == s.escape {
				s.lastWasEs = !s.lastWasEs
			}
			if c == s.quote && !s.lastWasEs {
				s.inQuote = !s.inQuote
			}
			if c != s.escape || s.escape == 0 {
				s.lastWasEs = false
			}
			if s.inQuote {
				if c == '\n' && s.ends == endLF || c == '\r' && s.ends != endLF {
					s.newlines++
				}
				s.pos++
				continue
			}
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
		case c == '\\' && !s.csv:
			if s.pos+1 == len(buf) {
				if last { // a backslash at the very end is data
					s.pos++
				}
				return s.unfinished(buf, last)
			}
			if buf[s.pos+1] == '.' {
				return s.endMarker(buf, start, last)
			}
			s.pos += 2 // whatever is behind a backslash ends no line
		case c == '\\' && s.pos == start:
			if s.pos+1 == len(buf) && !last {
				return s.unfinished(buf, last)
			}
			if s.pos+1 < len(buf) && buf[s.pos+1] == '.' {
				return s.endMarker(buf, start, last)
			}
			s.pos++
		default:
			s.pos++
		}
	}
	return s.unfinished(buf, last)
}

// unfinished ends the search at the end of the data.
func (s *lineScan) unfinished(buf []byte, last bool) (end, next int, what found, err error) {
	if last {
		s.pos = len(buf)
		return len(buf), len(buf), lineWhole, nil
	}
	return 0, 0, lineUnfinished, nil
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
		return s.unfinished(buf, last)
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

// endMarker looks at a \. : alone on its line it ends the data. Elsewhere it is
// data in csv and an error in text, of Postgres 18's wording; older ones take
// what is before it for a last line.
func (s *lineScan) endMarker(buf []byte, start int, last bool) (end, next int, what found, err error) {
	at := s.pos + 2
	switch {
	case at == len(buf) && !last:
		return s.unfinished(buf, last)
	case at == len(buf):
	case buf[at] == '\n' && s.ends != endCR && s.ends != endCRLF:
		at++
	case buf[at] == '\r' && s.ends != endLF:
		if at+1 == len(buf) && !last {
			return s.unfinished(buf, last)
		}
		at++
		if at < len(buf) && buf[at] == '\n' && s.ends != endCR {
			at++
		} else if s.ends == endCRLF {
			return 0, 0, 0, badCopy("end-of-copy marker does not match previous newline style", "")
		}
	case s.csv && buf[at] != '\r' && buf[at] != '\n':
		s.pos += 2
		return s.find(buf, start, last)
	case buf[at] == '\r' || buf[at] == '\n':
		return 0, 0, 0, badCopy("end-of-copy marker does not match previous newline style", "")
	default:
		return 0, 0, 0, badCopy("end-of-copy marker corrupt", "")
	}
	if s.pos > start {
		return 0, 0, 0, badCopy("end-of-copy marker is not alone on its line", "")
	}
	return s.pos, at, lineEndMarker, nil
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
