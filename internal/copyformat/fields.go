package copyformat

import "bytes"

// split takes a line, without its end, apart into r.fields.
func (r *Reader) split(line []byte) error {
	r.fields = r.fields[:0]
	// Escapes make a value no longer: with room for the whole line, scratch
	// does not move while fields point into it.
	if cap(r.scratch) < len(line) {
		r.scratch = make([]byte, 0, len(line))
	}
	r.scratch = r.scratch[:0]
	if r.opts.CSV {
		return r.splitCSV(line)
	}
	r.splitText(line)
	return nil
}

// splitText is CopyReadAttributesText.
func (r *Reader) splitText(line []byte) {
	for {
		end := bytes.IndexByte(line, r.opts.Delimiter)
		if end < 0 {
			end = len(line)
		}
		f := Field{Data: line[:end:end], Raw: line[:end:end]}
		marker := f.Raw // compared before escapes are taken out
		if i := bytes.IndexByte(f.Raw, '\\'); i >= 0 {
			f.Data, marker, end = r.unescape(line, i)
			f.Raw = line[:end:end]
		}
		r.marked(&f, marker)
		r.fields = append(r.fields, f)
		if end == len(line) {
			return
		}
		line = line[end+1:]
	}
}

// marked tells NULL and DEFAULT by their markers.
func (r *Reader) marked(f *Field, raw []byte) {
	switch {
	case string(raw) == r.opts.Null:
		f.Null = true
	case r.opts.HasDefault && string(raw) == r.opts.Default:
		f.Default = true
	}
}

// unescape reads a field whose first backslash is at i; marker is what may be a
// marker, next where the field ends.
func (r *Reader) unescape(line []byte, i int) (data, marker []byte, next int) {
	at := len(r.scratch)
	out := append(r.scratch, line[:i]...)
	for i < len(line) && line[i] != r.opts.Delimiter {
		if n := plain(line[i:], r.opts.Delimiter, '\\', '\\'); n > 0 {
			out = append(out, line[i:i+n]...)
			i += n
			continue
		}
		i++
		if i == len(line) { // a backslash at the very end stands for nothing
			r.scratch = out
			return out[at:len(out):len(out)], line[:i-1], i
		}
		var c byte
		c, i = unescaped(line, i)
		out = append(out, c)
	}
	r.scratch = out
	return out[at:len(out):len(out)], line[:i], i
}

// unescaped reads what follows a backslash, at i.
func unescaped(line []byte, i int) (c byte, next int) {
	c = line[i]
	i++
	switch c {
	case '0', '1', '2', '3', '4', '5', '6', '7':
		value := c - '0'
		for n := 1; n < 3 && i < len(line) && line[i] >= '0' && line[i] <= '7'; n++ {
			value = value<<3 | (line[i] - '0')
			i++
		}
		return value, i
	case 'x':
		value, digits := byte(0), 0
		for ; digits < 2 && i < len(line); digits++ {
			d, ok := hexDigit(line[i])
			if !ok {
				break
			}
			value = value<<4 | d
			i++
		}
		if digits == 0 {
			return 'x', i
		}
		return value, i
	case 'b':
		return '\b', i
	case 'f':
		return '\f', i
	case 'n':
		return '\n', i
	case 'r':
		return '\r', i
	case 't':
		return '\t', i
	case 'v':
		return '\v', i
	}
	return c, i
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// splitCSV is CopyReadAttributesCSV.
func (r *Reader) splitCSV(line []byte) error {
	for {
		end := bytes.IndexByte(line, r.opts.Delimiter)
		if end < 0 {
			end = len(line)
		}
		f := Field{Data: line[:end:end]}
		if i := bytes.IndexByte(f.Data, r.opts.Quote); i >= 0 {
			var err error
			if f.Data, end, err = r.unquote(line, i); err != nil {
				return err
			}
			f.Raw = line[:end:end]
		} else {
			f.Raw = f.Data
			r.marked(&f, f.Raw)
		}
		r.fields = append(r.fields, f)
		if end == len(line) {
			return nil
		}
		line = line[end+1:]
	}
}

// unquote reads a field whose first quote is at i; n is where the field ends.
func (r *Reader) unquote(line []byte, i int) (data []byte, n int, err error) {
	delimiter, quote, escape := r.opts.Delimiter, r.opts.Quote, r.opts.Escape
	if i == 0 {
		// The usual shape: quoted as a whole, nothing escaped in it.
		if n := bytes.IndexByte(line[1:], quote); n >= 0 && (n+2 == len(line) || line[n+2] == delimiter) {
			if escape == quote || bytes.IndexByte(line[1:n+1], escape) < 0 {
				return line[1 : n+1], n + 2, nil
			}
		}
	}
	at := len(r.scratch)
	out := append(r.scratch, line[:i]...)
	inQuote := false
	for {
		if i == len(line) {
			if inQuote {
				return nil, 0, badCopy("unterminated CSV quoted field", "")
			}
			break
		}
		c := line[i]
		if !inQuote && c == delimiter {
			break
		}
		i++
		switch {
		case !inQuote && c == quote:
			inQuote = true
		case !inQuote:
			out = append(out, c)
		case c == escape && i < len(line) && (line[i] == escape || line[i] == quote):
			out = append(out, line[i])
			i++
		case c == quote:
			inQuote = false
		default:
			out = append(out, c)
		}
	}
	r.scratch = out
	return out[at:len(out):len(out)], i, nil
}
