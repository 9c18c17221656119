package proxy

import (
	"go.opentelemetry.io/otel/trace"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// replyKind is the kind of message that a reply is expected to.
type replyKind uint8

const (
	replyParse replyKind = iota + 1
	replyBind
	replyDescribeStatement
	replyDescribePortal
	replyExecute
	replyClose
	replySync
	replyQuery
	replyFunctionCall
)

// reply is what the server owes for one message that was sent to it.
type reply struct {
	kind replyKind
	// own: pgseal sent the message for itself, the client sees nothing of the
	// answer (but see ownError).
	own bool
	// ownError: of an own message, an error is the client's all the same: it is
	// what Postgres would have answered to the client's next message.
	ownError bool
	// refusal is the error of pgseal's own that takes the place of the server's,
	// for a message that was made so that the server refuses it.
	refusal *pgerr.Error

	name      *nameOp    // Parse, Bind, Close, Query: whose outcome the answer tells
	statement *statement // Parse, Bind, Describe of a statement
	portal    *portal    // Describe of a portal, Execute
	query     *query     // Query that touches something sealed
	fetch     *fetch     // a FETCH: Describe, and Query that touches nothing sealed for all pgseal knows
	rows      *ownRows   // collects the rows of an own Execute
	span      trace.Span // of the statement that the message runs; nil when it is not traced

	endsAbort      bool // of an own Query: its ReadyForQuery is the client's
	changesCatalog bool
	opens          bool // its rows have sealed values to open
}

// replies is the queue of outstanding replies: the client's side pushes in the
// order of sending, the server's side takes in the order of answering. It is
// pure; the session guards it with a lock.
//
// An error in an extended-protocol message makes the server discard everything
// up to the next Sync (PostgresMain's ignore_till_sync), a simple Query
// included; the queue does the same.
type replies struct {
	ring     []reply
	head, n  int
	skipping bool // the server discards what is sent from here on, until a Sync
	opening  int  // replies in the queue with opens set
}

// push appends what is expected for a message that is about to be sent. While
// the server skips, only a Sync will be answered: anything else is dropped, and
// its name does not come to be.
func (q *replies) push(r reply) {
	if q.skipping && r.kind != replySync {
		r.drop()
		return
	}
	q.skipping = false
	if q.n == len(q.ring) {
		grown := make([]reply, max(16, 2*len(q.ring)))
		for i := range q.n {
			grown[i] = *q.at(i)
		}
		q.ring, q.head = grown, 0
	}
	q.n++
	*q.at(q.n - 1) = r
	if r.opens {
		q.opening++
	}
}

func (q *replies) at(i int) *reply { return &q.ring[(q.head+i)%len(q.ring)] }

// front is the oldest outstanding reply, nil when there is none. It is valid
// until the next push or pop.
func (q *replies) front() *reply {
	if q.n == 0 {
		return nil
	}
	return q.at(0)
}

// pop removes the oldest reply.
func (q *replies) pop() {
	r := q.at(0)
	if r.opens {
		q.opening--
	}
	*r = reply{}
	q.head = (q.head + 1) % len(q.ring)
	q.n--
}

// failed is told of an ErrorResponse. When the failed message is one of the
// extended protocol, all that was sent up to the next Sync is dropped. A Query,
// a FunctionCall and a Sync stay: their ReadyForQuery comes.
func (q *replies) failed() {
	r := q.front()
	if r == nil {
		return
	}
	switch r.kind {
	case replySync, replyQuery, replyFunctionCall:
		return
	}
	for q.n > 0 && q.front().kind != replySync {
		q.front().drop()
		q.pop()
	}
	q.skipping = q.n == 0 // the Sync has not been sent yet
}

// ready is told of a ReadyForQuery and removes the reply that it ends: the
// oldest, which is a Sync, a Query or a FunctionCall unless server and client
// disagree about the protocol; then everything before that is removed too.
func (q *replies) ready() (r reply, ok bool) {
	for q.n > 0 {
		r = *q.front()
		q.pop()
		switch r.kind {
		case replySync, replyQuery, replyFunctionCall:
			return r, true
		}
		r.drop()
	}
	return reply{}, false
}

// several tells whether more than one ReadyForQuery is outstanding.
func (q *replies) several() bool {
	n := 0
	for i := 0; i < q.n && n < 2; i++ {
		switch q.at(i).kind {
		case replySync, replyQuery, replyFunctionCall:
			n++
		}
	}
	return n > 1
}

// copyIn is told that the server reads COPY data now: Syncs that were sent
// ahead of the data are ignored by it and never answered (PostgresMain's
// CopyGetData). They lie behind the front.
func (q *replies) copyIn() {
	kept := min(q.n, 1)
	for i := 1; i < q.n; i++ {
		if r := q.at(i); r.kind != replySync {
			*q.at(kept) = *r
			kept++
		}
	}
	for i := kept; i < q.n; i++ {
		*q.at(i) = reply{}
	}
	q.n = kept
}

// drop settles a reply that will not come.
func (r *reply) drop() {
	if r.query != nil {
		r.query.ended(false)
	}
	if r.name != nil {
		r.name.settle(false)
	}
	if r.rows != nil {
		r.rows.done, r.rows.failed = true, true
	}
	r.endSpan("")
}

// ownRows collects the answer to a question of pgseal's own.
type ownRows struct {
	rows         [][]string
	done, failed bool
}
