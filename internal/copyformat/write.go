package copyformat

import "bytes"

// AppendRow appends a line as COPY TO writes it (CopyAttributeOutText,
// CopyAttributeOutCSV), ended by a newline.
//
// In the text format with a NULL marker that has no backslash, a value that
// equals the marker comes out as the marker: Postgres writes it so. Data for
// COPY FROM is written by AppendInput.
func AppendRow(dst []byte, fields []Field, o Options) []byte {
	return appendRow(dst, fields, &o, false)
}

// AppendInput appends a line for COPY FROM to read: as AppendRow, but a value
// that looks like the NULL marker or the end marker stays a value.
func AppendInput(dst []byte, fields []Field, o Options) []byte {
	return appendRow(dst, fields, &o, true)
}

func appendRow(dst []byte, fields []Field, o *Options, input bool) []byte {
	for i := range fields {
		if i > 0 {
			dst = append(dst, o.Delimiter)
		}
		f := &fields[i]
		switch {
		case f.Null:
			dst = append(dst, o.Null...)
		case o.CSV:
			dst = appendCSV(dst, f.Data, o, len(fields) == 1)
		default:
			at := len(dst)
			dst = appendText(dst, f.Data, o.Delimiter)
			if input && string(dst[at:]) == o.Null {
				dst = appendDisguised(dst[:at], f.Data, o)
			}
		}
	}
	return append(dst, '\n')
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

// appendDisguised writes a value otherwise than the NULL marker is written: its
// first character behind a backslash, or as an octal escape where a backslash
// would give it another meaning. (The empty value and an empty marker cannot be
// told apart, in Postgres neither.)
func appendDisguised(dst, data []byte, o *Options) []byte {
	if len(data) == 0 {
		return dst
	}
	c := data[0]
	if c < 0x80 {
		dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
	} else {
		dst = append(dst, '\\', c)
	}
	return appendText(dst, data[1:], o.Delimiter)
}

func appendCSV(dst, data []byte, o *Options, alone bool) []byte {
	quoted := string(data) == o.Null || alone && string(data) == `\.`
	for i := 0; !quoted && i < len(data); i++ {
		c := data[i]
		quoted = c == o.Delimiter || c == o.Quote || c == '\n' || c == '\r'
	}
	if !quoted {
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
