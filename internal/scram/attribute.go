package scram

import (
	"fmt"
	"strings"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// malformed is the error for a client's message that breaks the grammar, in
// Postgres's words. The detail may quote single characters of it.
func malformed(format string, args ...any) *pgerr.Error {
	return &pgerr.Error{
		Code: pgerr.ProtocolViolation, Message: "malformed SCRAM message",
		Detail: fmt.Sprintf(format, args...), Echoes: len(args) > 0,
	}
}

// first is the first byte, zero at the end: messages have no NUL in them.
func first(text string) byte {
	if text == "" {
		return 0
	}
	return text[0]
}

// readValue reads the attribute of that name, which must come next, and what is
// behind its comma (read_attr_value).
func readValue(text string, name byte) (value, rest string, err error) {
	if first(text) != name {
		return "", "", malformed(`Expected attribute "%c" but found "%s".`, name, printable(first(text)))
	}
	text = text[1:]
	if first(text) != '=' {
		return "", "", malformed(`Expected character "=" for attribute "%c".`, name)
	}
	value, rest, _ = strings.Cut(text[1:], ",")
	return value, rest, nil
}

// readAny reads the next attribute, whatever its name (read_any_attr).
func readAny(text string) (name byte, value, rest string, err error) {
	name = first(text)
	switch {
	case name == 0:
		return 0, "", "", malformed("Attribute expected, but found end of string.")
	case (name < 'A' || name > 'Z') && (name < 'a' || name > 'z'):
		return 0, "", "", malformed(`Attribute expected, but found invalid character "%s".`, printable(name))
	}
	value, rest, err = readValue(text, name)
	return name, value, rest, err
}

// printable shows one byte in an error (sanitize_char).
func printable(c byte) string {
	if c >= 0x21 && c <= 0x7e {
		return "'" + string(rune(c)) + "'"
	}
	return fmt.Sprintf("0x%02x", c)
}

// printableText shows a short text in an error (sanitize_str).
func printableText(text string) string {
	shown := []byte(text[:min(len(text), 29)])
	for i, c := range shown {
		if c < 0x21 || c > 0x7e {
			shown[i] = '?'
		}
	}
	return string(shown)
}

// isNonce tells whether text may be a nonce: printable, without a comma.
func isNonce(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < 0x21 || c > 0x7e || c == ',' {
			return false
		}
	}
	return true
}
