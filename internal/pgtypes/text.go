package pgtypes

import (
	"fmt"
	"unicode/utf8"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// textKind is text. The canonical bytes are the text.
type textKind struct{}

func (textKind) in(dst, text []byte, _ *Env) ([]byte, error) { return append(dst, text...), nil }

func (textKind) recv(dst, data []byte, env *Env) ([]byte, error) {
	data, err := received(data, env)
	if err != nil {
		return dst, err
	}
	return append(dst, data...), nil
}

func (textKind) out(dst, canonical []byte, env *Env) ([]byte, error) {
	return appendText(dst, canonical, env)
}

func (textKind) send(dst, canonical []byte, env *Env) ([]byte, error) {
	return appendText(dst, canonical, env)
}

// varcharKind is varchar(n), or varchar when limit is zero. The canonical bytes
// are the text.
type varcharKind struct {
	textKind
	limit int // in characters
}

// in cuts blanks that are too many, as varchar() does for an assignment.
func (k varcharKind) in(dst, text []byte, _ *Env) ([]byte, error) {
	if k.limit > 0 && len(text) > k.limit {
		var err error
		if text, err = clip(text, k.limit, "character varying"); err != nil {
			return dst, err
		}
	}
	return append(dst, text...), nil
}

func (k varcharKind) recv(dst, data []byte, env *Env) ([]byte, error) {
	data, err := received(data, env)
	if err != nil {
		return dst, err
	}
	return k.in(dst, data, env)
}

// clip cuts text to a number of characters; what is cut must be blanks.
func clip(text []byte, limit int, typ string) ([]byte, error) {
	end := 0
	for n := 0; n < limit && end < len(text); n++ {
		_, size := utf8.DecodeRune(text[end:])
		end += size
	}
	for _, c := range text[end:] {
		if c != ' ' {
			return nil, &pgerr.Error{
				Code: pgerr.StringTruncation, Message: fmt.Sprintf("value too long for type %s(%d)", typ, limit), AtRun: true,
			}
		}
	}
	return text[:end], nil
}

// bpcharKind is char(n), or bpchar without a length when that is zero. The
// canonical bytes are the text, padded with blanks to its length in characters.
type bpcharKind struct {
	textKind
	length int
}

func (k bpcharKind) in(dst, text []byte, _ *Env) ([]byte, error) {
	if k.length == 0 {
		return append(dst, text...), nil
	}
	if len(text) > k.length {
		var err error
		if text, err = clip(text, k.length, "character"); err != nil {
			return dst, err
		}
	}
	dst = append(dst, text...)
	for range k.length - utf8.RuneCount(text) {
		dst = append(dst, ' ')
	}
	return dst, nil
}

func (k bpcharKind) recv(dst, data []byte, env *Env) ([]byte, error) {
	data, err := received(data, env)
	if err != nil {
		return dst, err
	}
	return k.in(dst, data, env)
}

// trimSpaces cuts off blanks at the end, as the cast from bpchar to text does
// (rtrim1).
func trimSpaces(text []byte) []byte {
	for len(text) > 0 && text[len(text)-1] == ' ' {
		text = text[:len(text)-1]
	}
	return text
}

// nameKind is name: text that is cut to 63 bytes (namein).
type nameKind struct{ textKind }

const nameBytes = 63 // NAMEDATALEN - 1

func (nameKind) in(dst, text []byte, _ *Env) ([]byte, error) {
	if len(text) > nameBytes {
		text = text[:nameBytes]
		for len(text) > 0 && !utf8.Valid(text) {
			text = text[:len(text)-1]
		}
	}
	return append(dst, text...), nil
}

func (k nameKind) recv(dst, data []byte, env *Env) ([]byte, error) {
	data, err := received(data, env)
	if err != nil {
		return dst, err
	}
	if len(data) > nameBytes {
		return dst, &pgerr.Error{
			Code: "42622", Message: "identifier too long", Detail: "Identifier must be less than 64 characters.",
		}
	}
	return append(dst, data...), nil
}
