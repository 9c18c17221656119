package proxy

import (
	"errors"
	"fmt"
	"io"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/internal/telemetry"
	"github.com/pgseal/pgseal/rewrite"
)

// backend is the server-to-client direction of a session. Its methods run on
// one goroutine; what it shares with the frontend is in the session.
type backend struct {
	s   *session
	in  *frameReader
	out output

	reported *settings // what the server reported last

	ready    bool // the first ReadyForQuery was seen
	answered bool // one was handled since the last flush
	stream   int  // bytes left of a large message that is relayed in pieces
	withhold bool // a value of this segment did not open: nothing more of it goes out
	ddl      bool // a statement under way changes the catalog

	rows    rowReader
	copyOut *copyOut
	open    opener
}

func newBackend(s *session) *backend {
	b := &backend{s: s, in: newFrameReader(s.upstream), out: output{conn: &s.clientWriter}}
	b.open.s = s
	b.reported = s.settings.Load()
	return b
}

// run handles messages until the server ends or something fails.
func (b *backend) run() error {
	defer b.in.release()
	for {
		need, err := b.handleBuffered()
		if err != nil {
			return err
		}
		if err := b.flush(); err != nil {
			return err
		}
		if b.answered {
			b.answered = false
			b.s.answered()
		}
		b.rest()
		if err := b.in.fill(need); err != nil {
			if errors.Is(err, io.EOF) {
				return errors.New("the server closed the connection")
			}
			return fmt.Errorf("read from upstream: %w", err)
		}
	}
}

// handleBuffered handles all messages that are at hand whole. It gives the size
// of the message that comes next, as far as that is known.
func (b *backend) handleBuffered() (need int, err error) {
	for {
		if b.stream > 0 {
			n := min(b.stream, b.in.buffered())
			if n == 0 {
				return 0, nil
			}
			b.stream -= n
			b.out.relay(b.in.take(n))
		}
		typ, size, ok, err := b.in.peek()
		if err != nil {
			return 0, fmt.Errorf("upstream's message of type %q: %w", typ, err)
		}
		if !ok {
			return headerSize, nil
		}
		if b.in.buffered() < size {
			if size > bufferSize && (typ == 'D' || typ == 'd') && !b.handles(typ) {
				b.stream = size
				continue
			}
			return size, nil
		}
		frame := b.in.take(size)
		if err := b.handle(typ, frame, frame[headerSize:]); err != nil {
			return 0, err
		}
		if b.out.size() > keepBufferSize {
			if err := b.flush(); err != nil {
				return 0, err
			}
		}
	}
}

// rest gives back what is not needed while the server is waited for.
func (b *backend) rest() {
	b.open.plain = giveBack(b.open.plain)
	b.rows.sealed = giveBack(b.rows.sealed)
	b.rows.computed.Drop()
	b.rows.array = pgtypes.Array{}
	clear(b.rows.fields) // they lie in the reader's buffer
}

// flush sends what was collected to the client.
func (b *backend) flush() error {
	b.s.clientWriter.cut = b.stream > 0
	if err := b.out.flush(); err != nil {
		return fmt.Errorf("send to client: %w", err)
	}
	return nil
}

// handles tells whether a row or a piece of COPY data must be looked at.
func (b *backend) handles(typ byte) bool {
	if b.withhold {
		return true
	}
	if typ == 'd' {
		return b.copyOut != nil
	}
	b.rows.find(b.s)
	return b.rows.plan != nil || b.rows.own != nil
}

// handle dispatches one message; body is the frame without its header.
func (b *backend) handle(typ byte, frame, body []byte) error {
	switch typ {
	case 'D':
		return b.handleDataRow(frame, body)
	case 'd':
		return b.handleCopyData(frame, body)
	case 'N', 'A', 'v':
		b.out.relay(frame)
		return nil
	case 'R':
		return b.handleAuthentication(frame, body)
	case 'K':
		b.s.keepCancelKey(body)
		b.out.relay(frame)
		return nil
	case 'S':
		b.handleParameterStatus(body)
		b.out.relay(frame)
		return nil
	case 'Z':
		return b.handleReady(frame, body)
	case 'E':
		return b.handleError(frame, body)
	}
	b.s.mu.Lock()
	r := b.s.replies.front()
	if r == nil {
		b.s.mu.Unlock()
		b.out.relay(frame)
		return nil
	}
	current := *r
	if completes(typ, current.kind) {
		if current.name != nil {
			current.name.settle(true)
		}
		if current.rows != nil {
			current.rows.done = true
		}
		b.ddl = b.ddl || current.changesCatalog
		current.endSpan("")
		b.s.replies.pop()
		b.s.cond.Broadcast()
	}
	if current.query != nil && (typ == 'C' || typ == 'I') {
		current.query.completed()
		b.s.cond.Broadcast()
	}
	b.s.mu.Unlock()
	if current.own || b.withhold {
		b.rows.reset()
		if typ == 'T' && current.fetch != nil && !b.withhold {
			return b.describeFetched(frame, &current, current.fetch)
		}
		if typ == 'G' {
			b.s.mu.Lock()
			b.s.endCopy = true
			b.s.cond.Broadcast()
			b.s.mu.Unlock()
			b.s.interrupt()
		}
		return nil
	}
	return b.handleReply(typ, frame, body, &current)
}

// completes tells whether a message of the server ends the reply to a message
// of that kind. A Query's ends with ReadyForQuery only.
func completes(typ byte, kind replyKind) bool {
	switch kind {
	case replyParse:
		return typ == '1'
	case replyBind:
		return typ == '2'
	case replyClose:
		return typ == '3'
	case replyDescribeStatement, replyDescribePortal:
		return typ == 'T' || typ == 'n'
	case replyExecute:
		return typ == 'C' || typ == 'I' || typ == 's'
	}
	return false
}

// handleReply relays, or rewrites, a message that belongs to a reply.
func (b *backend) handleReply(typ byte, frame, body []byte, r *reply) error {
	switch typ {
	case 't':
		return b.handleParameterDescription(frame, body, r)
	case 'T':
		return b.handleRowDescription(frame, body, r)
	case 'C', 'I', 's':
		b.rows.reset()
	case 'G':
		return b.beginCopyIn(frame, r)
	case 'H':
		return b.beginCopyOut(frame, r)
	case 'W':
		b.beginCopyBoth()
	case 'c':
		if b.copyOut != nil {
			err := b.endCopyOut()
			if err != nil {
				return b.openFailed(err)
			}
		}
	}
	b.out.relay(frame)
	return nil
}

// handleParameterStatus keeps what pgseal needs to know.
func (b *backend) handleParameterStatus(body []byte) {
	name, rest, ok := cutString(body)
	if !ok {
		return
	}
	value, _, ok := cutString(rest)
	if !ok {
		return
	}
	if !b.ready && string(value) == "on" && (string(name) == "in_hot_standby" || string(name) == "default_transaction_read_only") {
		b.s.upstream.Host().Distrust()
	}
	if s := b.reported.with(string(name), string(value)); s != b.reported {
		b.reported = s.printed(b.s.settings.Load().printing)
		b.s.settings.Store(b.reported)
	}
}

// handleReady ends a segment.
func (b *backend) handleReady(frame, body []byte) error {
	if len(body) != 1 {
		return fmt.Errorf("upstream's ReadyForQuery has %d bytes", len(body))
	}
	s := b.s
	b.rows.reset()
	b.copyOut = nil
	if !b.ready {
		b.ready = true
		s.authenticated()
	}
	// What the frontend has asked for in this segment was reported by now, or undone.
	if now := s.settings.Load(); now != b.reported {
		b.reported = b.reported.printed(now.printing)
		s.settings.Store(b.reported)
	}
	s.mu.Lock()
	r, _ := s.replies.ready()
	r.endSpan("")
	if r.name != nil {
		r.name.settle(true)
	}
	if r.query != nil {
		r.query.ended(true)
	}
	if r.rows != nil {
		r.rows.done = true
	}
	b.ddl = b.ddl || r.changesCatalog
	s.txStatus = body[0]
	s.copying = nil
	if b.ddl && s.txStatus == 'I' {
		b.ddl = false
		s.server.plans.invalidate()
	}
	withheld := b.withhold
	b.withhold, s.failedOpen = false, false
	relay := !r.own || r.endsAbort
	if withheld && s.txStatus == 'T' {
		relay = false
		if s.inputOver {
			// What aborts the transaction is that the server reads no further.
			b.out.buf = append(b.out.begin(), 'Z', 0, 0, 0, 5, 'E')
		} else {
			// The client is told when the server has aborted the transaction.
			s.abort = true
		}
	}
	asked := s.abort
	b.answered = true
	s.answering.Store(true)
	s.cond.Broadcast()
	s.mu.Unlock()
	if relay {
		b.out.relay(frame)
	}
	if asked {
		s.interrupt()
	}
	return nil
}

// handleError relays the server's error, or puts pgseal's own in its place.
func (b *backend) handleError(frame, body []byte) error {
	s := b.s
	b.rows.reset()
	b.copyOut = nil
	s.mu.Lock()
	var current reply
	if r := s.replies.front(); r != nil {
		current = *r
		r.endSpan(string(errorField(body, 'C')))
		if r.query != nil {
			r.query.ended(false)
		}
		if r.kind == replyQuery && r.name != nil {
			// The unnamed statement goes before anything is looked at (exec_simple_query).
			r.name.settle(true)
			r.name = nil
		}
		if r.kind == replyQuery && r.rows != nil {
			r.rows.failed = true
		}
		if r.own && !r.ownError {
			s.ownFailure = serverError(body)
		}
	}
	s.replies.failed()
	heldSyncs := s.copying != nil && s.copying.syncs > 0
	s.copying = nil
	s.cond.Broadcast()
	s.mu.Unlock()
	if isFatal(body) {
		// The server's last word is the session's: nothing of pgseal's follows.
		b.out.relay(frame)
		err := b.flush()
		s.clientWriter.close()
		return err
	}
	if heldSyncs {
		s.interrupt()
	}
	switch {
	case b.withhold, current.own && !current.ownError:
		return nil
	case current.refusal != nil && (isRefusal(body) || current.refusal.Code == codeQueryCanceled):
		dst, err := appendError(b.out.begin(), "ERROR", current.refusal)
		b.out.buf = dst
		return err
	}
	if e := held(body, current.statementOf()); e != nil {
		dst, err := appendError(b.out.begin(), "ERROR", e)
		b.out.buf = dst
		return err
	}
	if edits := current.edits(); edits != nil && errorField(body, 'P') != nil {
		dst, err := appendMapped(b.out.begin(), 'E', body, edits)
		b.out.buf = dst
		return err
	}
	b.out.relay(frame)
	return nil
}

// isFatal tells whether an ErrorResponse ends the session.
func isFatal(body []byte) bool {
	switch string(errorField(body, 'V')) {
	case "FATAL", "PANIC":
		return true
	}
	return false
}

// edits gives the map of the text that an error's position may be in: a statement's
// when it is bound, too, where the server may analyse it anew.
func (r *reply) edits() *positionMap {
	var st *statement
	switch {
	case r.query != nil:
		return &r.query.edits
	case r.statement != nil:
		st = r.statement
	case r.portal != nil:
		st = r.portal.statement
	}
	if st == nil || st.edits.text == "" {
		return nil
	}
	return &st.edits
}

// openFailed puts an error in the place of what is left of this segment's
// answers: a value could not be opened.
func (b *backend) openFailed(err error) error {
	e := asClientError(err)
	b.s.refused(e)
	b.s.server.metrics.NotOpened(e.Code)
	dst, err := appendError(b.out.begin(), "ERROR", e)
	b.out.buf = dst
	b.withhold = true
	b.rows.reset()
	b.copyOut = nil
	b.s.mu.Lock()
	b.s.failedOpen = true
	b.s.cond.Broadcast()
	b.s.mu.Unlock()
	return err
}

// statementOf is the plan of the statement that a reply's rows belong to.
func (r *reply) statementOf() *rewrite.Statement {
	switch {
	case r.portal != nil && r.portal.statement != nil:
		return r.portal.statement.plan
	case r.statement != nil:
		return r.statement.plan
	case r.query != nil && r.query.current < len(r.query.statements):
		return &r.query.statements[r.query.current]
	}
	return nil
}

// refused is told of a statement that is not forwarded as the client meant it.
func (f *frontend) refused(e *pgerr.Error) {
	f.outcome = telemetry.Refused
	f.s.refused(e)
}

// refused counts and logs an error of pgseal's own. The log has no value in it:
// pgerr.Error sees to that.
func (s *session) refused(e *pgerr.Error) {
	s.server.metrics.Refused(e.Code, e.Anchor)
	s.log.Info("refused", "code", e.Code, "reason", e)
}
