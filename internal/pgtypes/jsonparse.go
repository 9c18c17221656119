package pgtypes

import (
	"fmt"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// maxJSONDepth bounds nesting. Postgres's own bound comes from max_stack_depth:
// with its default, between 12,000 and 16,000.
const maxJSONDepth = 10000

func tooDeep() error {
	return &pgerr.Error{
		Code: pgerr.StatementTooComplex, Message: "stack depth limit exceeded",
		Hint: fmt.Sprintf("pgseal takes JSON nested up to %d deep.", maxJSONDepth),
	}
}

// jsonSink is told what a document holds, in order.
type jsonSink interface {
	key(l *jsonLexer) error
	// scalar is a token of src[start:end]; a string's decoded text is as the
	// lexer has it.
	scalar(token jsonToken, s jsonSpan) error
	open(token jsonToken) error
	close()
}

// jsonSpan is where a token is.
type jsonSpan struct {
	start, end int // in src
	escaped    bool
	from, to   int // in the lexer's buf, for a string with escapes
}

func (l *jsonLexer) span() jsonSpan { return jsonSpan{l.start, l.end, l.escaped, l.from, l.to} }

// parseJSON reads a whole document, as pg_parse_json does but without recursion.
// nesting is scratch for the open containers.
func parseJSON(l *jsonLexer, sink jsonSink, nesting []jsonToken) ([]jsonToken, error) {
	nesting = nesting[:0]
	if err := l.next(); err != nil {
		return nesting, err
	}
	for {
		// A value begins with the token in hand.
		token := l.token
		switch token {
		case jsonObjectStart, jsonArrayStart:
			if len(nesting) == maxJSONDepth {
				return nesting, tooDeep()
			}
			nesting = append(nesting, token)
			if err := sink.open(token); err != nil {
				return nesting, err
			}
			if err := l.next(); err != nil {
				return nesting, err
			}
			switch {
			case token == jsonArrayStart && l.token == jsonArrayEnd, token == jsonObjectStart && l.token == jsonObjectEnd:
			case token == jsonArrayStart:
				continue
			case l.token != jsonString:
				return nesting, l.unexpected(`string or "}"`)
			default:
				if err := parseKey(l, sink); err != nil {
					return nesting, err
				}
				continue
			}
		case jsonString, jsonNumber, jsonTrue, jsonFalse, jsonNull:
			span := l.span()
			if err := l.next(); err != nil {
				return nesting, err
			}
			if err := sink.scalar(token, span); err != nil {
				return nesting, err
			}
		default:
			return nesting, l.unexpected("JSON value")
		}
		// A value has ended, or an empty container is in hand at its end.
		more, err := parseAfter(l, sink, &nesting)
		if err != nil || !more {
			return nesting, err
		}
	}
}

// parseAfter reads what is between values; more tells that another one comes.
func parseAfter(l *jsonLexer, sink jsonSink, nesting *[]jsonToken) (more bool, err error) {
	for {
		depth := len(*nesting)
		if depth == 0 {
			if l.token != jsonEnd {
				return false, l.unexpected("end of input")
			}
			return false, nil
		}
		inObject := (*nesting)[depth-1] == jsonObjectStart
		switch {
		case l.token == jsonComma:
			if err := l.next(); err != nil {
				return false, err
			}
			if inObject {
				return true, parseKey(l, sink)
			}
			return true, nil
		case inObject && l.token == jsonObjectEnd, !inObject && l.token == jsonArrayEnd:
			*nesting = (*nesting)[:depth-1]
			sink.close()
			if err := l.next(); err != nil {
				return false, err
			}
		case inObject:
			return false, l.unexpected(`"," or "}"`)
		default:
			return false, l.unexpected(`"," or "]"`)
		}
	}
}

// parseKey reads a key and its colon, up to the value.
func parseKey(l *jsonLexer, sink jsonSink) error {
	if l.token != jsonString {
		return l.unexpected("string")
	}
	if err := sink.key(l); err != nil {
		return err
	}
	if err := l.next(); err != nil {
		return err
	}
	if l.token != jsonColon {
		return l.unexpected(`":"`)
	}
	return l.next()
}

// unexpected is the error for the token in hand (report_parse_error).
func (l *jsonLexer) unexpected(wanted string) error {
	switch {
	case l.token == jsonEnd:
		return badJSON(false, "The input string ended unexpectedly.")
	case wanted == "end of input":
		return badJSON(true, `Expected end of input, but found "%s".`, l.src[l.start:l.end])
	}
	return badJSON(true, `Expected %s, but found "%s".`, wanted, l.src[l.start:l.end])
}
