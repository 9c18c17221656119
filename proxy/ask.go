package proxy

import (
	"errors"
	"strconv"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// ownName is the name of the prepared statement and portal that pgseal uses
// for itself in a client's session.
const ownName = "pgseal:own"

// errNotAnswered: the server skips messages, or refused the question; what the
// client sends next is not executed either, and the server says why.
var errNotAnswered = errors.New("the server did not answer pgseal's own query")

// ask runs a query of pgseal's own in the client's session, in the state that
// the session has right there, and gives its rows. It uses the extended
// protocol under a name of its own, so that the client's unnamed statement, its
// portals and its transaction stay what they are.
//
// Within a segment there is no Sync, which would end it; should the server
// refuse the question there, because the transaction is aborted, its error is
// what the client's next message would have got, and goes to the client.
func (f *frontend) ask(sql string) ([][]string, error) {
	if f.s.walsender {
		return f.askSimply(sql)
	}
	if err := f.settleDoubt(); err != nil {
		return nil, err
	}
	open := f.open
	rows := &ownRows{}
	dst := appendParse(f.out.begin(), ownName, sql)
	dst = appendNamed(dst, 'B', 0, ownName, ownName, 0, 0, 0, 0, 0, 0)
	dst = appendNamed(dst, 'E', 0, ownName, "", 0, 0, 0, 0)
	dst = appendNamed(dst, 'C', 'P', ownName, "")
	dst = appendNamed(dst, 'C', 'S', ownName, "")
	f.s.mu.Lock()
	for _, r := range []reply{
		{kind: replyParse}, {kind: replyBind}, {kind: replyExecute, rows: rows}, {kind: replyClose}, {kind: replyClose},
	} {
		r.own, r.ownError = true, open
		f.s.replies.push(r)
	}
	if open {
		dst = append(dst, flushMessage...)
	} else {
		dst = append(dst, 'S', 0, 0, 0, 4)
		f.s.replies.push(reply{kind: replySync, own: true})
	}
	f.s.mu.Unlock()
	f.out.buf = dst
	if err := f.out.flush(); err != nil {
		return nil, err
	}
	err := f.wait(func() bool {
		return rows.done && (open || rows.failed || f.s.replies.n == 0) || f.s.copying != nil
	})
	if err != nil {
		return nil, err
	}
	if rows.failed || !rows.done {
		return nil, f.s.notAnswered()
	}
	return rows.rows, nil
}

// notAnswered is why a question was not answered. A cancel request that has hit
// the question was meant for the client's statement, and so was a timeout: the
// server's error is the statement's. It is a *pgerr.Error then, else
// errNotAnswered.
func (s *session) notAnswered() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.ownFailure
	s.ownFailure = nil
	if e != nil && e.Code == codeQueryCanceled {
		return e
	}
	return errNotAnswered
}

// unanswered gives what the client's statement is refused with when a question was
// not answered; nil when err is another error, or none.
func unanswered(err error) *pgerr.Error {
	var e *pgerr.Error
	switch {
	case errors.Is(err, errNotAnswered):
		return refusalNotAnswered
	case errors.As(err, &e) && e.Code == codeQueryCanceled:
		return e
	}
	return nil
}

// settleDoubt finds out whether the server skips up to a Sync: one of pgseal's own
// would end that.
func (f *frontend) settleDoubt() error {
	if !f.doubtful {
		return nil
	}
	if err := f.drain(); err != nil {
		return err
	}
	f.s.mu.Lock()
	f.open = f.open || f.s.replies.skipping
	f.s.mu.Unlock()
	f.doubtful = false
	return nil
}

// appendNamed appends a message made of an optional kind, names and bytes.
func appendNamed(dst []byte, typ, kind byte, name, second string, tail ...byte) []byte {
	at := len(dst)
	dst = beginMessage(dst, typ)
	if kind != 0 {
		dst = append(dst, kind)
	}
	dst = append(append(dst, name...), 0)
	if second != "" {
		dst = append(append(dst, second...), 0)
	}
	dst = append(dst, tail...)
	n := len(dst) - at - 1
	dst[at+1], dst[at+2], dst[at+3], dst[at+4] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return dst
}

// refusalNotAnswered stands in for a plan when the server skips what it is sent:
// the client never sees it.
var refusalNotAnswered = &pgerr.Error{
	Code:    pgerr.FeatureNotSupported,
	Message: "pgseal could not plan the statement, since the server did not answer a question about the session",
	Hint:    "Try again.",
}

// decodeRow takes a DataRow's body apart into text fields, NULL as "".
func decodeRow(body []byte) ([]string, error) {
	if len(body) < 2 {
		return nil, errors.New("DataRow is cut short")
	}
	n := int(body[0])<<8 | int(body[1])
	body = body[2:]
	row := make([]string, n)
	for i := range row {
		value, rest, ok := cutValue(body)
		if !ok {
			return nil, errors.New("DataRow is cut short at field " + strconv.Itoa(i))
		}
		row[i], body = string(value), rest
	}
	return row, nil
}
