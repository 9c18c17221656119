package proxy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/rewrite"
)

// marker is in the text of each message that pgseal puts in the place of a
// refused one; the server's error quotes it, and is known by it.
const marker = "pgseal: refused"

// refusedText is a statement that every Postgres refuses when it analyses it,
// with undefined_column: after its own checks of the transaction's state, as it
// would come to the client's statement.
const refusedText = `SELECT "` + marker + `"`

// refusedSyntax is refused by the parser, before the transaction's state is
// looked at: for texts that would be, too.
const refusedSyntax = `"` + marker + `"`

// The SQLSTATEs that the server answers to what pgseal puts in place.
const (
	codeUndefinedColumn = "42703" // refusedText
	codeSyntaxError     = "42601" // refusedSyntax
	codeCheckViolation  = "23514" // an empty value bound to a pgseal.sealed parameter
	codeQueryCanceled   = "57014" // CopyFail; and a cancel request, or a timeout
)

// textInPlaceOf gives the statement to send for one that is refused.
func textInPlaceOf(refusal *pgerr.Error) string {
	if refusal.Code == pgerr.SyntaxError {
		return refusedSyntax
	}
	return refusedText
}

// isRefusal tells whether a server's error is the answer to a message that
// pgseal made to be refused; others (the transaction is aborted, the statement
// was cancelled) are relayed.
func isRefusal(body []byte) bool {
	switch string(errorField(body, 'C')) {
	case codeUndefinedColumn, codeSyntaxError, codeQueryCanceled:
		return bytes.Contains(errorField(body, 'M'), []byte(marker))
	case codeCheckViolation:
		return violatesSealed(body)
	}
	return false
}

// violatesSealed tells whether a check violation is of the type pgseal.sealed. Its
// names are fields of their own.
func violatesSealed(body []byte) bool {
	return string(errorField(body, 's')) == "pgseal" && string(errorField(body, 'd')) == "sealed"
}

// held is the error of a statement at a row that it must not change (rewrite.Held), nil
// for all other errors of the server.
func held(body []byte, st *rewrite.Statement) *pgerr.Error {
	if st == nil || st.Held == nil || string(errorField(body, 'C')) != codeCheckViolation || !violatesSealed(body) {
		return nil
	}
	c := st.Held.Column
	e := &pgerr.Error{
		Code: pgerr.FeatureNotSupported, Position: st.Held.At,
		Schema: c.Table.Schema, Table: c.Table.Name, Column: c.Name,
	}
	if st.Held.Moves {
		e.Message = "sealed column " + c.QualifiedName() + " would stay sealed for the row's old org"
		e.Detail = "The statement gives a row another org, and leaves a sealed column of it as it is."
		e.Hint = "Assign every sealed column of the row together with its org."
		e.Anchor = "org-moves"
		return e
	}
	e.Message = "sealed column " + c.QualifiedName() + " cannot be updated in a row of another org"
	e.Detail = "The value is sealed for the org of the row that was to be inserted or, with WHERE CURRENT OF, for the session's, and would not open in the row that is updated."
	e.Hint = "SET pgseal.org to the row's org; with ON CONFLICT, have " + c.Table.Org.Value + " in the key that ON CONFLICT names, or leave rows of other orgs as they are by WHERE " + c.Table.Name + "." + c.Table.Org.Value + " = EXCLUDED." + c.Table.Org.Value + "."
	e.Anchor = "org-conflict"
	return e
}

// refuseLarge refuses a message that is not even read: for all but a Query, by a
// Parse that the server refuses, after which it skips to Sync.
func (f *frontend) refuseLarge(typ byte, limit int) error {
	refusal := &pgerr.Error{
		Code:    pgerr.ProgramLimitExceeded,
		Message: fmt.Sprintf("a message of more than %d bytes is not taken", limit),
		Hint:    "Send smaller values, or raise limits.message_bytes in pgseal's configuration.",
		Anchor:  "message-too-large",
	}
	f.refused(refusal)
	if err := f.settleOpens(); err != nil {
		return err
	}
	if typ == 'Q' {
		f.s.push(reply{kind: replyQuery, refusal: refusal})
		f.out.buf = appendQuery(f.out.begin(), refusedText)
		f.endQuery()
		return nil
	}
	f.open = true
	f.s.push(reply{kind: replyParse, refusal: refusal})
	f.out.buf = appendParse(f.out.begin(), ownName, refusedText)
	return nil
}

// serverError is an ErrorResponse's body, as far as people read it.
func serverError(body []byte) *pgerr.Error {
	return &pgerr.Error{
		Code: string(errorField(body, 'C')), Message: string(errorField(body, 'M')),
		Detail: string(errorField(body, 'D')), Hint: string(errorField(body, 'H')),
		Echoes: true, AtRun: true,
	}
}

// errorField finds a field of an ErrorResponse's body, nil when it has none.
func errorField(body []byte, field byte) []byte {
	for len(body) > 1 && body[0] != 0 {
		end := bytes.IndexByte(body[1:], 0)
		if end < 0 {
			return nil
		}
		if body[0] == field {
			return body[1 : 1+end]
		}
		body = body[2+end:]
	}
	return nil
}

// appendError appends the ErrorResponse of an error of pgseal's own.
func appendError(dst []byte, severity string, e *pgerr.Error) ([]byte, error) {
	return (&pgproto3.ErrorResponse{
		Severity:            severity,
		SeverityUnlocalized: severity,
		Code:                e.Code,
		Message:             e.Message,
		Detail:              e.Detail,
		Hint:                e.FullHint(),
		Position:            int32(e.Position),
		Where:               e.Where,
		SchemaName:          e.Schema,
		TableName:           e.Table,
		ColumnName:          e.Column,
		DataTypeName:        e.DataType,
	}).Encode(dst)
}

// asClientError makes any error one that a client may see: those made for it as
// they are, others without their text, which may name what is none of its
// business.
func asClientError(err error) *pgerr.Error {
	var e *pgerr.Error
	if errors.As(err, &e) {
		return e
	}
	return &pgerr.Error{
		Code: "XX000", Message: "pgseal could not handle this statement",
		Hint: "The reason is in pgseal's log.", Cause: err,
	}
}

// positionMap maps positions in a rewritten text back to the client's. It holds
// the replaced ranges of the client's text, in bytes, and the text itself, since
// Postgres counts characters.
type positionMap struct {
	text     string
	replaced []replacedRange
}

// replacedRange is in bytes; length is that of what is in its place, in characters.
type replacedRange struct{ start, end, length int }

func (m *positionMap) sort() {
	slices.SortStableFunc(m.replaced, func(a, b replacedRange) int { return cmp.Or(a.start-b.start, a.end-b.end) })
}

// toClient maps a position, in characters from 1, in the rewritten text. What
// lies within a replacement maps to the start of what was replaced; zero when
// there is nothing to map.
func (m *positionMap) toClient(position int) int {
	if m.text == "" || position <= 0 {
		return 0
	}
	source, at := 0, 1 // bytes of the text, characters of the rewritten one
	client := 1        // characters of the text
	for i := 0; ; i++ {
		end := len(m.text)
		if i < len(m.replaced) {
			end = m.replaced[i].start
		}
		for _, r := range m.text[source:end] {
			_ = r
			if at == position {
				return client
			}
			at++
			client++
		}
		if i >= len(m.replaced) {
			return client
		}
		if position < at+m.replaced[i].length {
			return client
		}
		at += m.replaced[i].length
		client += len([]rune(m.text[m.replaced[i].start:m.replaced[i].end]))
		source = m.replaced[i].end
	}
}

// appendMapped appends a server's ErrorResponse or NoticeResponse body with its
// position mapped to the client's text.
func appendMapped(dst []byte, typ byte, body []byte, m *positionMap) ([]byte, error) {
	start := len(dst)
	dst = beginMessage(dst, typ)
	for len(body) > 1 && body[0] != 0 {
		end := bytes.IndexByte(body[1:], 0)
		if end < 0 {
			break
		}
		if body[0] != 'P' {
			dst = append(dst, body[:2+end]...)
		} else if p := m.toClient(atoi(body[1 : 1+end])); p > 0 {
			dst = append(dst, 'P')
			dst = strconv.AppendInt(dst, int64(p), 10)
			dst = append(dst, 0)
		}
		body = body[2+end:]
	}
	dst = append(dst, 0)
	return endMessage(dst, start)
}

func atoi(digits []byte) int {
	n := 0
	for _, c := range digits {
		if c < '0' || c > '9' || n > maxMessageSize {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}
