package pgtypes

// lookState is where in an array lookOver is (ArrayParseState).
type lookState uint8

const (
	levelStarted lookState = iota
	elementStarted
	quotedStarted
	quotedCompleted
	elementDelimited
)

// lookOver looks for faults from the brace on, without reading the elements. Errors
// quote the text from there (ArrayCount of Postgres 14 to 16).
func (r *arrayText) lookOver() error {
	look := arrayText{whole: r.rest}
	state, count := levelStarted, int64(0)
	text := r.rest[1:]
	for i := 0; i < len(text); i++ {
		c := text[i]
		if state == quotedStarted && c != '"' && c != '\\' {
			continue
		}
		switch {
		case c == '\\':
			if state == quotedCompleted {
				return look.unexpected('\\')
			}
			if state != quotedStarted {
				state = elementStarted
			}
			if i++; i == len(text) {
				return look.malformed(endOfInput)
			}
		case c == '"':
			switch state {
			case levelStarted, elementDelimited:
				state = quotedStarted
			case quotedStarted:
				state = quotedCompleted
			default:
				return look.malformed("Unexpected array element.")
			}
		case c == '{':
			if state != levelStarted {
				return look.unexpected('{')
			}
			return manyDimensions()
		case c == '}':
			if state == elementDelimited {
				return look.unexpected('}')
			}
			look.rest = text[i+1:]
			if look.blanks(); len(look.rest) > 0 {
				return look.malformed("Junk after closing right brace.")
			}
			if state != levelStarted {
				count++
			}
			if err := r.fits(count); err != nil {
				return err
			}
			return r.inBounds(count)
		case c == ',':
			if state != elementStarted && state != quotedCompleted {
				return look.unexpected(',')
			}
			state = elementDelimited
			count++
		case !isSpace(c):
			if state == quotedCompleted {
				return look.malformed("Unexpected array element.")
			}
			state = elementStarted
		}
	}
	return look.malformed(endOfInput)
}
