package rewrite

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pgseal/pgseal/internal/secret"
)

// Shape is what is left of a text when its plain values are taken out: strings in
// quotes, integers and decimals. Texts of one shape differ in values alone, which is
// how clients send statements that have no parameters: each text comes once, and
// its shape again and again. See Template.
//
// A Shape is read into again and again too, and allocates when it has to grow.
type Shape struct {
	key    []byte // the text, with a mark in the place of each value
	values []shapeValue
}

// shapeValue is where a value lies in the text.
type shapeValue struct {
	start, end int
	kind       byte
}

// The marks that stand for values. No text has such bytes outside of quotes.
const (
	markString byte = 1 + iota
	markInt         // an integer that fits int4
	markBigint      // another that fits int8
	markDecimal
)

// marks end what marks are.
const marks = markDecimal

// maxShape is the longest key of a shape, and the most values that one has.
const (
	maxShape       = 8 << 10
	maxShapeValues = 256
)

// Read takes a text's values out; false for a text whose values can't be told by a
// look at its bytes: one with comments, quotes of other kinds, or parameters. What
// it takes for a value is one for Postgres too (scan.l), when
// standard_conforming_strings is on.
func (s *Shape) Read(text []byte) bool {
	s.key, s.values = s.key[:0], s.values[:0]
	if !utf8.Valid(text) {
		return false // the server tells of it
	}
	for i := 0; i < len(text); {
		var end int
		var kind byte
		switch c := text[i]; {
		case c == '\'':
			if i > 0 && class[text[i-1]] <= wide || i > 0 && text[i-1] == '&' {
				return false // E'', U&'', date''
			}
			if end = stringEnd(text, i); end < 0 || continues(text, end) {
				return false
			}
			kind = markString
		case c >= '0' && c <= '9':
			// Numbers of other bases, and with underscores, are others to older servers.
			if end, kind = numberEnd(text, i); kind == 0 && bytes.ContainsAny(text[i:end], "_xXoObB") {
				return false
			}
		case c == '"':
			n := bytes.IndexByte(text[i+1:], '"')
			if n < 0 {
				return false
			}
			end = i + n + 2
		case c == '$', c <= marks,
			i+1 < len(text) && (c == '-' && text[i+1] == '-' || c == '/' && text[i+1] == '*'):
			return false
		case class[c] <= wide: // a word, with the digits in it
			for end = i + 1; end < len(text) && class[text[end]] <= wide; end++ {
			}
		default:
			end = i + 1
		}
		if len(s.key)+1 > maxShape || len(s.values) == maxShapeValues {
			return false
		}
		if kind == 0 {
			if len(s.key)+end-i > maxShape {
				return false
			}
			s.key = append(s.key, text[i:end]...)
		} else {
			s.key = append(s.key, kind)
			s.values = append(s.values, shapeValue{start: i, end: end, kind: kind})
		}
		i = end
	}
	return len(s.values) > 0
}

// stringEnd is where the string ends that begins at start, -1 if nowhere.
func stringEnd(text []byte, start int) int {
	for i := start + 1; ; i += 2 {
		n := bytes.IndexByte(text[i:], '\'')
		if n < 0 {
			return -1
		}
		i += n
		if i+1 >= len(text) || text[i+1] != '\'' {
			return i + 1
		}
	}
}

// continues tells whether a string may go on behind its end: after a line break, in
// another pair of quotes.
func continues(text []byte, end int) bool {
	for i := end; i < len(text); i++ {
		switch {
		case text[i] == '\'':
			return true
		case text[i] == '-' && i+1 < len(text) && text[i+1] == '-': // a comment may stand between
			return true
		case !isSpace(text[i]):
			return false
		}
	}
	return false
}

// numberEnd is where the number ends that begins at start, and of which kind it is; 0
// for one that stays in the key.
func numberEnd(text []byte, start int) (end int, kind byte) {
	i := start
	digits := func() (n int) {
		for ; i < len(text) && text[i] >= '0' && text[i] <= '9'; i++ {
			n++
		}
		return n
	}
	whole, fraction := digits(), -1
	if i < len(text) && text[i] == '.' {
		i++
		fraction = digits()
	}
	if i < len(text) && (class[text[i]] <= wide || text[i] == '.') || fraction == 0 || start > 0 && text[start-1] == '.' {
		for ; i < len(text) && (class[text[i]] <= wide || text[i] == '.'); i++ {
		}
		return i, 0
	}
	switch {
	case fraction > 0:
		return i, markDecimal
	case whole > 19 || whole > 1 && text[start] == '0':
		return i, 0
	}
	n, err := strconv.ParseUint(string(text[start:i]), 10, 64)
	switch {
	case err != nil || n > math.MaxInt64:
		return i, 0
	case n > math.MaxInt32:
		return i, markBigint
	}
	return i, markInt
}

// denotes is the value in text form, as constantText gives it.
func (v shapeValue) denotes(text []byte) secret.Text {
	if v.kind != markString {
		return secret.Text(text[v.start:v.end])
	}
	inner := text[v.start+1 : v.end-1]
	if bytes.IndexByte(inner, '\'') < 0 {
		return secret.Text(inner)
	}
	return secret.Text(strings.ReplaceAll(string(inner), "''", "'"))
}
