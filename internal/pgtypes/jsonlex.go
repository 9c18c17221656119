package pgtypes

import (
	"fmt"
	"unicode/utf8"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// jsonToken is a kind of token (JsonTokenType).
type jsonToken uint8

const (
	jsonEnd jsonToken = iota
	jsonString
	jsonNumber
	jsonTrue
	jsonFalse
	jsonNull
	jsonObjectStart
	jsonObjectEnd
	jsonArrayStart
	jsonArrayEnd
	jsonComma
	jsonColon
)

// jsonLexer reads tokens as Postgres's json_lex does, with its errors.
type jsonLexer struct {
	src    []byte
	decode bool // string tokens are decoded, and so checked further

	token      jsonToken
	start, end int // of the token in src

	// The decoded text of a string token: src[start+1:end-1] unless it had
	// escapes, then buf[from:to].
	escaped  bool
	from, to int
	buf      []byte
}

// next reads the next token.
func (l *jsonLexer) next() error {
	i := l.end
	for i < len(l.src) && (l.src[i] == ' ' || l.src[i] == '\t' || l.src[i] == '\n' || l.src[i] == '\r') {
		i++
	}
	l.start = i
	if i == len(l.src) {
		l.token, l.end = jsonEnd, i
		return nil
	}
	l.end = i + 1
	switch c := l.src[i]; {
	case c == '"':
		return l.lexString()
	case c == '{':
		l.token = jsonObjectStart
	case c == '}':
		l.token = jsonObjectEnd
	case c == '[':
		l.token = jsonArrayStart
	case c == ']':
		l.token = jsonArrayEnd
	case c == ',':
		l.token = jsonComma
	case c == ':':
		l.token = jsonColon
	case c == '-':
		return l.lexNumber(i + 1)
	case isDigit(c):
		return l.lexNumber(i)
	case wordByte(c):
		for l.end < len(l.src) && wordByte(l.src[l.end]) {
			l.end++
		}
		switch string(l.src[i:l.end]) {
		case "true":
			l.token = jsonTrue
		case "false":
			l.token = jsonFalse
		case "null":
			l.token = jsonNull
		default:
			return l.invalidToken()
		}
	default:
		return l.invalidToken()
	}
	return nil
}

// wordByte is JSON_ALPHANUMERIC_CHAR.
func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c == '_' || c >= utf8.RuneSelf
}

// lexNumber is json_lex_number; i is behind the sign.
func (l *jsonLexer) lexNumber(i int) error {
	src := l.src
	digits := func() bool {
		from := i
		for i < len(src) && isDigit(src[i]) {
			i++
		}
		return i > from
	}
	ok := true
	if i < len(src) && src[i] == '0' {
		i++
	} else {
		ok = digits()
	}
	if i < len(src) && src[i] == '.' {
		i++
		ok = digits() && ok
	}
	if i < len(src) && (src[i] == 'e' || src[i] == 'E') {
		i++
		if i < len(src) && (src[i] == '+' || src[i] == '-') {
			i++
		}
		ok = digits() && ok
	}
	for i < len(src) && wordByte(src[i]) {
		ok = false
		i++
	}
	l.token, l.end = jsonNumber, i
	if !ok {
		return l.invalidToken()
	}
	return nil
}

// lexString is json_lex_string.
func (l *jsonLexer) lexString() error {
	src := l.src
	l.token, l.escaped = jsonString, false
	i := l.start + 1
	for i < len(src) && src[i] != '"' && src[i] != '\\' && src[i] >= ' ' {
		i++
	}
	if i < len(src) && src[i] == '\\' {
		return l.lexEscaped(i)
	}
	return l.closeString(i)
}

// closeString ends a string at i: at its quote, or with an error.
func (l *jsonLexer) closeString(i int) error {
	if i >= len(l.src) {
		l.end = len(l.src)
		return l.invalidToken()
	}
	if c := l.src[i]; c != '"' {
		return badJSON(true, "Character with value 0x%02x must be escaped.", c)
	}
	l.end = i + 1
	return nil
}

// lexEscaped goes on with a string that has a backslash at i.
func (l *jsonLexer) lexEscaped(i int) error {
	src := l.src
	l.escaped, l.from = true, len(l.buf)
	if l.decode {
		l.buf = append(l.buf, src[l.start+1:i]...)
	}
	high := rune(-1) // a high surrogate that waits for its low one
	for ; i < len(src) && src[i] != '"' && src[i] >= ' '; i++ {
		if src[i] != '\\' {
			if high >= 0 {
				return loneSurrogate()
			}
			if l.decode {
				l.buf = append(l.buf, src[i])
			}
			continue
		}
		i++
		if i == len(src) {
			break
		}
		c := src[i]
		if c == 'u' {
			r, err := l.hex4(i + 1)
			if err != nil {
				return err
			}
			i += 4
			if l.decode {
				if high, err = l.addUnicode(r, high); err != nil {
					return err
				}
			}
			continue
		}
		if high >= 0 {
			return loneSurrogate()
		}
		plain := jsonEscapes[c]
		if plain == 0 {
			_, n := utf8.DecodeRune(src[i:])
			return badJSON(true, `Escape sequence "\%s" is invalid.`, src[i:i+n])
		}
		if l.decode {
			l.buf = append(l.buf, plain)
		}
	}
	if err := l.closeString(i); err != nil {
		return err
	}
	if high >= 0 {
		return loneSurrogate()
	}
	l.to = len(l.buf)
	return nil
}

var jsonEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (l *jsonLexer) hex4(i int) (r rune, err error) {
	for range 4 {
		if i >= len(l.src) {
			l.end = len(l.src)
			return 0, l.invalidToken()
		}
		d := hexDigits[l.src[i]]
		if d < 0 {
			return 0, badJSON(false, `"\u" must be followed by four hexadecimal digits.`)
		}
		r = r<<4 | rune(d)
		i++
	}
	return r, nil
}

// addUnicode adds a \u escape to the decoded string; a high surrogate is kept
// for the next one.
func (l *jsonLexer) addUnicode(r, high rune) (rune, error) {
	switch {
	case r >= 0xd800 && r < 0xdc00:
		if high >= 0 {
			return 0, badJSON(false, "Unicode high surrogate must not follow a high surrogate.")
		}
		return r, nil
	case r >= 0xdc00 && r < 0xe000:
		if high < 0 {
			return 0, loneSurrogate()
		}
		r = 0x10000 + (high-0xd800)<<10 + (r - 0xdc00)
	case high >= 0:
		return 0, loneSurrogate()
	case r == 0:
		return 0, &pgerr.Error{
			Code: pgerr.UntranslatableCharacter, Message: "unsupported Unicode escape sequence", Detail: `\u0000 cannot be converted to text.`,
		}
	}
	l.buf = utf8.AppendRune(l.buf, r)
	return -1, nil
}

func loneSurrogate() error {
	return badJSON(false, "Unicode low surrogate must follow a high surrogate.")
}

func (l *jsonLexer) invalidToken() error {
	return badJSON(true, `Token "%s" is invalid.`, l.src[l.start:l.end])
}

// badJSON is the error for text that is no JSON, with Postgres's detail
// (json_errdetail). (Postgres adds the line that it is in as CONTEXT.)
func badJSON(echoes bool, detail string, args ...any) error {
	return &pgerr.Error{
		Code: pgerr.InvalidTextRepresent, Message: "invalid input syntax for type json", Detail: fmt.Sprintf(detail, args...), Echoes: echoes,
	}
}
