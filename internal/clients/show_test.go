package clients_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// player plays the features of a Go client, in this process.
type player struct {
	t    *testing.T
	name string // of the feature
	out  strings.Builder
}

// feature plays a feature. An error of it is a line that fails the test.
func (p *player) feature(name string, play func() error) {
	p.name = name
	if err := play(); err != nil {
		p.show("FAILED: " + strings.Join(strings.Fields(err.Error()), " "))
	}
}

// show prints a line of the feature.
func (p *player) show(values ...any) {
	p.out.WriteString(p.name + "\t")
	for i, v := range values {
		if i > 0 {
			p.out.WriteByte(' ')
		}
		p.out.WriteString(textOf(v))
	}
	p.out.WriteByte('\n')
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

// expect gives an error where a statement that must fail did not.
func expect(err error) error {
	if err == nil {
		return errors.New("there was no error")
	}
	return nil
}
