package pgtypes

// fieldKind is what a field of a date's, time's or interval's text looks like; some look
// like what they are not.
type fieldKind uint8

const (
	fieldNumber  fieldKind = iota // digits, perhaps with a point
	fieldDate                     // digits and two delimiters, or digits and text
	fieldTime                     // digits and colons
	fieldString                   // letters
	fieldSpecial                  // a sign and letters
	fieldZone                     // a sign and digits, also with : . -
)

const (
	maxFields     = 25 // MAXDATEFIELDS
	maxFieldBytes = 256
	fieldToken    = 10 // TOKMAXLEN: of a word no more counts
)

// dateFields are the fields of a text, in lower case.
type dateFields struct {
	buffer [maxFieldBytes]byte
	used   int
	kinds  [maxFields]fieldKind
	ends   [maxFields]int
	n      int
}

// field gives a field's text.
func (f *dateFields) field(i int) []byte {
	from := 0
	if i > 0 {
		from = f.ends[i-1] + 1 // as in C, a NUL ends each
	}
	return f.buffer[from:f.ends[i]]
}

// split cuts a text into its fields; most is the space for them, with a byte more for
// each (ParseDateTime).
func (f *dateFields) split(text []byte, most int) (ok bool) {
	for len(text) > 0 {
		c := text[0]
		if isSpace(c) {
			text = text[1:]
			continue
		}
		if f.n >= maxFields {
			return false
		}
		s := fieldScanner{rest: text, fields: f, most: most}
		var kind fieldKind
		switch {
		case isDigit(c):
			kind = s.digits()
		case c == '.':
			s.take()
			s.takeAll(isDigit)
			kind = fieldNumber
		case isLetter(c):
			kind = s.letters()
		case c == '+' || c == '-':
			if kind, ok = s.sign(); !ok {
				return false
			}
		case isPunct(c):
			text = text[1:]
			continue
		default:
			return false
		}
		if s.full {
			return false
		}
		f.kinds[f.n], f.ends[f.n] = kind, f.used
		f.used++
		f.n++
		text = s.rest
	}
	return true
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// isPunct is ispunct() of the C locale.
func isPunct(c byte) bool { return c > ' ' && c < 0x7f && !isLetter(c) && !isDigit(c) }

// fieldScanner takes one field off.
type fieldScanner struct {
	rest   []byte
	fields *dateFields
	most   int
	full   bool // there was no space
}

func (s *fieldScanner) peek() byte {
	if len(s.rest) == 0 {
		return 0
	}
	return s.rest[0]
}

func (s *fieldScanner) take() {
	f := s.fields
	if f.used+1 >= s.most {
		s.full = true
		s.rest = nil
		return
	}
	c := s.rest[0]
	if c >= 'A' && c <= 'Z' {
		c |= 0x20
	}
	f.buffer[f.used] = c
	f.used++
	s.rest = s.rest[1:]
}

func (s *fieldScanner) takeAll(fits func(c byte) bool) {
	for fits(s.peek()) {
		s.take()
	}
}

// digits takes a time, a date or a number.
func (s *fieldScanner) digits() fieldKind {
	s.takeAll(isDigit)
	delimiter := s.peek()
	switch delimiter {
	case ':':
		s.takeAll(func(c byte) bool { return isDigit(c) || c == ':' || c == '.' })
		return fieldTime
	case '-', '/', '.':
	default:
		return fieldNumber
	}
	s.take()
	if !isDigit(s.peek()) {
		s.takeAll(func(c byte) bool { return isDigit(c) || isLetter(c) || c == delimiter })
		return fieldDate
	}
	s.takeAll(isDigit)
	if s.peek() == delimiter {
		s.takeAll(func(c byte) bool { return isDigit(c) || c == delimiter })
		return fieldDate
	}
	if delimiter == '.' {
		return fieldNumber
	}
	return fieldDate
}

// letters takes a word, or a date or zone with other characters in it.
func (s *fieldScanner) letters() fieldKind {
	from := s.fields.used
	s.takeAll(isLetter)
	switch c := s.peek(); {
	case c == '-' || c == '/' || c == '.':
	case c == '+' || isDigit(c):
		if _, known := dateWords[string(cutToken(s.fields.buffer[from:s.fields.used]))]; known {
			return fieldString
		}
	default:
		return fieldString
	}
	s.takeAll(func(c byte) bool {
		return isDigit(c) || isLetter(c) || c == '+' || c == '-' || c == '/' || c == '_' || c == '.' || c == ':'
	})
	return fieldDate
}

// sign takes what begins with a sign.
func (s *fieldScanner) sign() (kind fieldKind, ok bool) {
	s.take()
	for isSpace(s.peek()) {
		s.rest = s.rest[1:]
	}
	switch {
	case isDigit(s.peek()):
		s.takeAll(func(c byte) bool { return isDigit(c) || c == ':' || c == '.' || c == '-' })
		return fieldZone, true
	case isLetter(s.peek()):
		s.takeAll(isLetter)
		return fieldSpecial, true
	}
	return 0, false
}

func cutToken(word []byte) []byte { return word[:min(len(word), fieldToken)] }
