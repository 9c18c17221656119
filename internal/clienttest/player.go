package clienttest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Player plays the features of a Go client, in this process.
type Player struct {
	Name string // of the feature
	Out  strings.Builder
}

// Feature plays a feature. An error of it is a line that fails the test.
func (p *Player) Feature(name string, play func() error) {
	p.Name = name
	if err := play(); err != nil {
		p.Show("FAILED: " + strings.Join(strings.Fields(err.Error()), " "))
	}
}

// Show prints a line of the feature.
func (p *Player) Show(values ...any) {
	p.Out.WriteString(p.Name + "\t")
	for i, v := range values {
		if i > 0 {
			p.Out.WriteByte(' ')
		}
		p.Out.WriteString(textOf(v))
	}
	p.Out.WriteByte('\n')
}

// textOf says the type of a value, and is the same at every run.
func textOf(v any) string {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case []byte:
		if v == nil {
			return "[]byte nil"
		}
		text = fmt.Sprintf("[]byte %x", v)
	case time.Time:
		text = "time " + v.UTC().Format(time.RFC3339Nano)
	default:
		text = fmt.Sprintf("%T %v", v, v)
	}
	if len(text) > 300 {
		sum := sha256.Sum256([]byte(text))
		return fmt.Sprintf("%d bytes with digest %x", len(text), sum[:8])
	}
	return text
}

// Expect gives an error where a statement that must fail did not.
func Expect(err error) error {
	if err == nil {
		return errors.New("there was no error")
	}
	return nil
}
