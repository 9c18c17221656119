package pgtypes

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// checkText holds text that a client sends to its encoding: UTF-8 without NUL
// bytes (pg_verify_mbstr). In any other client encoding only ASCII is taken,
// which is the same in all of them.
func checkText(text []byte, env *Env) error {
	if bytes.IndexByte(text, 0) >= 0 || env.utf8 && !utf8.Valid(text) {
		return badEncoding(text)
	}
	if !env.utf8 && !ascii(text) {
		return wrongEncoding()
	}
	return nil
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
	return notDone("pgseal converts no text between encodings", "SET client_encoding TO 'UTF8'.", anchorEncoding)
}

// appendText appends text that is sent to the client.
func appendText(dst, text []byte, env *Env) ([]byte, error) {
	if !env.utf8 && !ascii(text) {
		return dst, wrongEncoding()
	}
	return append(dst, text...), nil
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
	var list strings.Builder
	for _, c := range text[i:min(i+n, len(text))] {
		fmt.Fprintf(&list, " 0x%02x", c)
	}
	return &pgerr.Error{
		Code: pgerr.CharacterNotInRepertory, Message: `invalid byte sequence for encoding "UTF8":` + list.String(), Echoes: true,
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
