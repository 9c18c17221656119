package pgtypes

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// arrayText reads an array's text (array_in), which Postgres 17 reads in another
// order than those before: they look over the whole of it first.
type arrayText struct {
	whole, rest []byte
	version     int    // of Postgres
	given       int    // dimensions that the text gives; 0: none
	length      int64  // that it gives
	lower       int32  // bound
	scratch     []byte // an element without its quotes
}

// earlier tells whether it is read as before Postgres 17.
func (r *arrayText) earlier() bool { return r.version > 0 && r.version < 17 }

// malformed quotes the text.
func (r *arrayText) malformed(detail string) error { return malformedArray(r.whole, detail) }

func malformedArray(text []byte, detail string) error {
	return &pgerr.Error{
		Code: pgerr.InvalidTextRepresent, Message: fmt.Sprintf("malformed array literal: \"%s\"", text), Detail: detail, Echoes: true,
	}
}

func (r *arrayText) unexpected(c byte) error {
	return r.malformed(fmt.Sprintf("Unexpected \"%c\" character.", c))
}

const endOfInput = "Unexpected end of input."

func (r *arrayText) blanks() {
	for len(r.rest) > 0 && isSpace(r.rest[0]) {
		r.rest = r.rest[1:]
	}
}

func (r *arrayText) take(c byte) bool {
	if len(r.rest) == 0 || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// dimensions reads "[2:4]=" before the brace, or nothing (ReadArrayDimensions).
func (r *arrayText) dimensions() error {
	r.lower = 1
	for r.blanks(); r.take('['); r.blanks() {
		if r.given >= maxDimensions {
			message := fmt.Sprintf("number of array dimensions exceeds the maximum allowed (%d)", maxDimensions)
			if r.earlier() {
				message = fmt.Sprintf("number of array dimensions (%d) exceeds the maximum allowed (%d)", r.given+1, maxDimensions)
			}
			return &pgerr.Error{Code: pgerr.ProgramLimitExceeded, Message: message}
		}
		if err := r.dimension(); err != nil {
			return err
		}
		r.given++
	}
	brace := func() bool { return len(r.rest) > 0 && r.rest[0] == '{' }
	switch {
	case r.given == 0 && !brace():
		return r.malformed("Array value must start with \"{\" or dimension information.")
	case r.given == 0:
		return nil
	case !r.take('='):
		return r.malformed("Missing \"=\" after array dimensions.")
	}
	r.blanks()
	switch {
	case !brace():
		return r.malformed("Array contents must start with \"{\".")
	case r.given > 1:
		return manyDimensions()
	}
	return nil
}

// dimension reads 4] or 2:4].
func (r *arrayText) dimension() error {
	lower, upper := int32(1), int32(0)
	number, digits, err := r.bound()
	switch {
	case err != nil:
		return err
	case !digits:
		return r.malformed("\"[\" must introduce explicitly-specified array dimensions.")
	}
	upper = number
	if r.take(':') {
		lower = number
		upper, digits, err = r.bound()
		switch {
		case err != nil:
			return err
		case !digits:
			return r.malformed("Missing array dimension value.")
		}
	}
	if !r.take(']') {
		return r.malformed("Missing \"]\" after array dimensions.")
	}
	length := int64(upper) - int64(lower) + 1
	switch {
	case upper < lower:
		return &pgerr.Error{Code: "2202E", Message: "upper bound cannot be less than lower bound"} // array_subscript_error
	case r.earlier():
	case upper == math.MaxInt32:
		return boundTooLarge("upper", upper)
	case length > math.MaxInt32:
		return tooManyElements()
	}
	if r.given == 0 {
		r.lower, r.length = lower, length
	}
	return nil
}

// bound reads a number with a sign. Before Postgres 17 it is atoi's of all digits and
// signs that come.
func (r *arrayText) bound() (n int32, digits bool, err error) {
	isSign := func(c byte) bool { return c == '-' || c == '+' }
	end := 0
	for end < len(r.rest) && (isDigit(r.rest[end]) || isSign(r.rest[end]) && (r.earlier() || end == 0)) {
		end++
	}
	text := r.rest[:end]
	number := 0
	for number < end && (isDigit(text[number]) || number == 0 && isSign(text[0])) {
		number++
	}
	if !r.earlier() && end == 1 && isSign(text[0]) { // strtol reads none of it
		return 0, false, nil
	}
	r.rest = r.rest[end:]
	long, err := strconv.ParseInt(string(text[:number]), 10, 64)
	switch {
	case err == nil:
	case number == 0 || number == 1 && isSign(text[0]):
		long = 0
	case text[0] == '-':
		long = math.MinInt64
	default:
		long = math.MaxInt64
	}
	if !r.earlier() && int64(int32(long)) != long {
		return 0, false, &pgerr.Error{Code: pgerr.ProgramLimitExceeded, Message: "array bound is out of integer range"}
	}
	return int32(long), end > 0, nil
}

// elements calls add for each; r stands at the brace (ReadArrayStr).
func (r *arrayText) elements(add elementFunc) error {
	if r.earlier() {
		if err := r.lookOver(); err != nil {
			return err
		}
	}
	r.take('{')
	count := int64(0)
	for expectDelimiter := false; ; {
		r.blanks()
		if len(r.rest) == 0 {
			return r.malformed(endOfInput)
		}
		switch c := r.rest[0]; c {
		case '{':
			switch {
			case expectDelimiter:
				return r.unexpected('{')
			case r.given > 0:
				return r.malformed("Specified array dimensions do not match array contents.")
			case count > 0:
				return r.malformed("Multidimensional arrays must have sub-arrays with matching dimensions.")
			}
			return manyDimensions()
		case '}':
			if count > 0 && !expectDelimiter {
				return r.unexpected('}')
			}
			r.rest = r.rest[1:]
			return r.end(count)
		case ',':
			if !expectDelimiter {
				return r.unexpected(',')
			}
			r.rest = r.rest[1:]
			expectDelimiter = false
		default:
			element, null, err := r.element()
			switch {
			case err != nil:
				return err
			case expectDelimiter:
				return r.malformed("Unexpected array element.")
			}
			if err := add(element, null); err != nil {
				return err
			}
			count++
			expectDelimiter = true
		}
	}
}

// end is behind the brace.
func (r *arrayText) end(count int64) error {
	if err := r.fits(count); err != nil {
		return err
	}
	if r.blanks(); len(r.rest) > 0 {
		return r.malformed("Junk after closing right brace.")
	}
	return nil
}

// fits holds the number of elements to the dimensions given.
func (r *arrayText) fits(count int64) error {
	if r.given > 0 && count != r.length {
		return r.malformed("Specified array dimensions do not match array contents.")
	}
	return nil
}

// inBounds is ArrayCheckBounds.
func (r *arrayText) inBounds(count int64) error {
	if count > 0 && int64(r.lower)+count > math.MaxInt32 {
		return boundTooLarge("lower", r.lower)
	}
	return nil
}

// element reads one; it holds until the next (ReadArrayToken).
func (r *arrayText) element() (text []byte, null bool, err error) {
	r.scratch = r.scratch[:0]
	if r.take('"') {
		return r.quoted()
	}
	end, escaped := 0, false // end: of what is no blank at the end
	for {
		i := bytes.IndexAny(r.rest, `{}",\`)
		if i < 0 {
			return nil, false, r.malformed(endOfInput)
		}
		for j, c := range r.rest[:i] {
			if !isSpace(c) {
				end = len(r.scratch) + j + 1
			}
		}
		r.scratch = append(r.scratch, r.rest[:i]...)
		r.rest = r.rest[i:]
		switch r.rest[0] {
		case '{':
			return nil, false, r.unexpected('{')
		case '"':
			return nil, false, r.malformed("Incorrectly quoted array element.")
		case '\\':
			if len(r.rest) == 1 {
				return nil, false, r.malformed(endOfInput)
			}
			r.scratch = append(r.scratch, r.rest[1])
			r.rest = r.rest[2:]
			end, escaped = len(r.scratch), true
		default:
			text = r.scratch[:end]
			return text, !escaped && fold(text, "null"), nil
		}
	}
}

// quoted reads an element behind its first quote.
func (r *arrayText) quoted() (text []byte, null bool, err error) {
	for {
		i := bytes.IndexAny(r.rest, `"\`)
		if i < 0 || r.rest[i] == '\\' && i+1 == len(r.rest) {
			return nil, false, r.malformed(endOfInput)
		}
		r.scratch = append(r.scratch, r.rest[:i]...)
		if r.rest[i] == '\\' {
			r.scratch = append(r.scratch, r.rest[i+1])
			r.rest = r.rest[i+2:]
			continue
		}
		r.rest = r.rest[i+1:]
		r.blanks()
		if len(r.rest) == 0 {
			return nil, false, r.malformed(endOfInput)
		}
		if c := r.rest[0]; c != ',' && c != '{' && c != '}' {
			return nil, false, r.malformed("Incorrectly quoted array element.")
		}
		return r.scratch, false, nil
	}
}
