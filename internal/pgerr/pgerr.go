// Package pgerr holds the errors that a client of pgseal sees: the fields of a
// Postgres ErrorResponse, and the SQLSTATEs that pgseal answers with.
//
// It does not write to the wire; package proxy does. It holds no sentinel
// errors: callers branch on Code.
//
// Files: pgerr.go has the type, codes.go the SQLSTATEs.
package pgerr

import "fmt"

// Error is an error meant for a client, with the fields of an ErrorResponse
// (https://www.postgresql.org/docs/current/protocol-error-fields.html).
type Error struct {
	Code    string // SQLSTATE, five characters
	Message string
	Detail  string
	Hint    string

	// Anchor names the section of docs/errors.md that explains the error;
	// it is rendered as a link at the end of the hint. Empty for errors that
	// are Postgres's own.
	Anchor string

	// Position is where in the client's statement text the error lies:
	// characters, not bytes, from 1; zero when it has no place.
	Position int

	// AtRun tells that Postgres raises the error when the statement runs, not
	// when it reads the value's text: then it gives no Position.
	AtRun bool

	// Where is the context of the error: "COPY notes, line 3".
	Where string

	Schema, Table, Column, DataType string

	// Org is the org whose key the error is about, where it is about one: it decides
	// who is told.
	Org string

	// Echoes tells that Message or Detail quote what the client sent, as
	// Postgres's own wording for bad input does. Such an error goes to the
	// client that sent the value and nowhere else: Error leaves the wording
	// out, so that it cannot reach a log, a span or a wrapped error.
	Echoes bool

	Cause error // what went wrong below; for logs, never for the client
}

// Error describes e for a log: without any value that the client sent.
func (e *Error) Error() string {
	text := e.Message
	if e.Echoes {
		text = "(message withheld: it quotes the client's value)"
	}
	if e.Column != "" && e.Echoes {
		text += fmt.Sprintf(" for column %s.%s.%s", e.Schema, e.Table, e.Column)
	}
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, text, e.Cause)
	}
	return e.Code + ": " + text
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// docsURL is where docs/errors.md is published.
const docsURL = "https://github.com/pgseal/pgseal/blob/main/docs/errors.md"

// FullHint is the hint with the link to the documentation behind it.
func (e *Error) FullHint() string {
	if e.Anchor == "" {
		return e.Hint
	}
	link := "See " + docsURL + "#" + e.Anchor
	if e.Hint == "" {
		return link
	}
	return e.Hint + " " + link
}
