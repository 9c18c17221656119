package secret

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// Opaque is embedded in a struct that holds secrets in fields of its own: the
// struct then prints as "[redacted]". In an unexported field of another struct,
// fmt prints fields without asking: have a pointer to the struct there, and within
// it what is secret behind a pointer too, of which fmt shows the address.
type Opaque struct{}

var (
	_ fmt.Formatter  = Opaque{}
	_ slog.LogValuer = Opaque{}
	_ json.Marshaler = Opaque{}
)

// Format prints "[redacted]" for every verb.
func (Opaque) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue implements slog.LogValuer.
func (Opaque) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler.
func (Opaque) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }
