// Package secret holds the types for what must never be printed: plaintext of
// sealed columns, keys and passwords. Every way of fmt, slog and encoding/json
// to print them gives "[redacted]", but for JSON of a map whose keys they are: do
// not use them so.
//
// It does not protect memory: who can read the process's memory reads these.
package secret

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Bytes is secret binary data: a key, or a value's canonical bytes.
type Bytes []byte

// Text is secret text: a literal of the client's statement, a password.
type Text string

var (
	_ fmt.Formatter  = Bytes(nil)
	_ slog.LogValuer = Bytes(nil)
	_ json.Marshaler = Bytes(nil)
	_ fmt.Formatter  = Text("")
	_ slog.LogValuer = Text("")
	_ json.Marshaler = Text("")
)

// Format prints "[redacted]" for every verb.
func (Bytes) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue implements slog.LogValuer.
func (Bytes) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler.
func (Bytes) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// Zero overwrites the bytes.
func (b Bytes) Zero() { clear(b) }

// Format prints "[redacted]" for every verb.
func (Text) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue implements slog.LogValuer.
func (Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler.
func (Text) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// Reveal gives the text itself, for the one place that needs it.
func (t Text) Reveal() string { return string(t) }
