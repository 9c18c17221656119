package pgtypes

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// received gives text that a client sends in UTF-8, itself where it is that already.
// It is held to its encoding, without NUL bytes (pg_any_to_server). Of an encoding
// that is not converted only ASCII is taken, which is the same in all of them.
func received(text []byte, env *Env) ([]byte, error) {
	zero := bytes.IndexByte(text, 0) >= 0
	switch {
	case env.utf8 && (zero || !utf8.Valid(text)):
		return nil, badEncoding(text)
	case zero && env.charset != nil:
		return nil, invalidBytes(env.charset.name, []byte{0})
	case zero:
		return nil, badEncoding(text)
	case env.utf8 || ascii(text):
		return text, nil
	case env.charset != nil:
		return env.charset.decode(text)
	}
	return nil, wrongEncoding()
}

func ascii(text []byte) bool {
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func wrongEncoding() error {
	return notDone("pgseal converts text of no client_encoding of several bytes a character but UTF8", "SET client_encoding TO 'UTF8'.", anchorEncoding)
}

// appendText appends text that is sent to the client.
func appendText(dst, text []byte, env *Env) ([]byte, error) {
	switch {
	case env.utf8 || ascii(text):
		return append(dst, text...), nil
	case env.charset != nil:
		return env.charset.appendEncoded(dst, text)
	}
	return dst, wrongEncoding()
}

// badEncoding quotes the first bytes that are wrong (report_invalid_encoding).
func badEncoding(text []byte) error {
	i := 0
	for i < len(text) && text[i] != 0 {
		if r, n := utf8.DecodeRune(text[i:]); r != utf8.RuneError || n > 1 {
			i += n
			continue
		}
		break
	}
	n := 1 // pg_utf_mblen
	if i < len(text) {
		switch c := text[i]; {
		case c&0xe0 == 0xc0:
			n = 2
		case c&0xf0 == 0xe0:
			n = 3
		case c&0xf8 == 0xf0:
			n = 4
		}
	}
	return invalidBytes("UTF8", text[i:min(i+n, len(text))])
}

// invalidBytes is report_invalid_encoding.
func invalidBytes(encoding string, bytes []byte) error {
	return &pgerr.Error{
		Code: pgerr.CharacterNotInRepertory, Message: fmt.Sprintf("invalid byte sequence for encoding %q:%s", encoding, hexList(bytes)), Echoes: true,
	}
}

// isSpace is isspace() of the C locale.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// trim cuts off what isspace() tells to be blank.
func trim(text []byte) []byte {
	for len(text) > 0 && isSpace(text[0]) {
		text = text[1:]
	}
	for len(text) > 0 && isSpace(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	return text
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// foldPrefix tells whether text begins with the lower-case word, in any case.
func foldPrefix(text []byte, word string) bool {
	if len(text) < len(word) {
		return false
	}
	for i := range len(word) {
		c := text[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// fold tells whether text is the lower-case word, in any case.
func fold(text []byte, word string) bool { return len(text) == len(word) && foldPrefix(text, word) }
