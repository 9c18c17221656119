package copyformat

import (
	"bytes"
	"encoding/hex"
	"strings"
)

// AppendField appends a value as COPY TO writes it (CopyAttributeOutText,
// CopyAttributeOutCSV). Quote is FORCE_QUOTE; alone tells that it is the line's
// only field.
//
// In the text format with a NULL marker that has no backslash, a value that
// equals the marker comes out as the marker: Postgres writes it so.
func AppendField(dst, value []byte, o *Options, quote, alone bool) []byte {
	if o.CSV {
		return appendCSV(dst, value, o, quote, alone)
	}
	return appendText(dst, value, o.Delimiter)
}

// AppendRow appends a line as COPY TO writes it, ended by a newline.
func AppendRow(dst []byte, fields []Field, o *Options) []byte {
	for i := range fields {
		if i > 0 {
			dst = append(dst, o.Delimiter)
		}
		if fields[i].Null {
			dst = append(dst, o.Null...)
		} else {
			dst = AppendField(dst, fields[i].Data, o, false, len(fields) == 1)
		}
	}
	return append(dst, '\n')
}

// AppendHex appends a bytea value in its hex form, for COPY FROM to read.
func AppendHex(dst, value []byte, o *Options) []byte {
	if !hexIsPlain(o) {
		text := hex.AppendEncode([]byte(`\x`), value)
		return AppendField(dst, text, o, true, false)
	}
	if o.CSV {
		dst = append(dst, `\x`...)
	} else {
		dst = append(dst, `\\x`...)
	}
	return hex.AppendEncode(dst, value)
}

// hexIsPlain tells whether a hex form needs neither quotes nor escapes, but for
// the backslash in text.
func hexIsPlain(o *Options) bool {
	inHex := func(c byte) bool { return c == '\\' || c == 'x' || c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }
	return !inHex(o.Delimiter) && (!o.CSV || !inHex(o.Quote) && !strings.HasPrefix(o.Null, `\x`))
}

// DecodeHex appends the bytes of a field that COPY TO has written in bytea's hex
// form as it is written mostly; ok is false for all other forms.
func (f *Field) DecodeHex(dst []byte, o *Options) (value []byte, ok bool) {
	prefix, from := `\x`, f.Data
	if !o.CSV {
		prefix, from = `\\x`, f.Raw
	}
	digits, ok := bytes.CutPrefix(from, []byte(prefix))
	if !ok {
		return dst, false
	}
	value, err := hex.AppendDecode(dst, digits)
	return value, err == nil
}

// escapes are the letters of control characters that are written so.
var escapes = [32]byte{'\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't', '\v': 'v'}

func appendText(dst, data []byte, delimiter byte) []byte {
	start := 0
	for i, c := range data {
		switch {
		case c < 0x20 && escapes[c] != 0:
			dst = append(append(dst, data[start:i]...), '\\', escapes[c])
			start = i + 1
		case c == '\\' || c == delimiter:
			dst = append(append(dst, data[start:i]...), '\\')
			start = i
		}
	}
	return append(dst, data[start:]...)
}

func appendCSV(dst, data []byte, o *Options, quote, alone bool) []byte {
	quote = quote || string(data) == o.Null || alone && string(data) == `\.` ||
		bytes.IndexByte(data, o.Delimiter) >= 0 || bytes.IndexByte(data, o.Quote) >= 0 ||
		bytes.IndexByte(data, '\n') >= 0 || bytes.IndexByte(data, '\r') >= 0
	if !quote {
		return append(dst, data...)
	}
	dst = append(dst, o.Quote)
	if bytes.IndexByte(data, o.Quote) < 0 && bytes.IndexByte(data, o.Escape) < 0 {
		dst = append(dst, data...)
		return append(dst, o.Quote)
	}
	for _, c := range data {
		if c == o.Quote || c == o.Escape {
			dst = append(dst, o.Escape)
		}
		dst = append(dst, c)
	}
	return append(dst, o.Quote)
}
