package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/pgseal/pgseal/internal/telemetry"
)

// frontend is the client-to-server direction of a session. Its methods run on
// one goroutine; what it shares with the backend is in the session.
type frontend struct {
	s   *session
	in  *frameReader
	out output

	ready   bool // the server's first ReadyForQuery was seen
	stream  int  // bytes left of a large message that is relayed in pieces
	discard int  // bytes left of a message that is too large to be handled
	feed    int  // bytes left of CopyData whose rows are sealed as they come

	handled uint // messages

	statements names[statement]
	portals    names[portal]
	segment    uint64
	open       bool // messages of the extended protocol but Close were sent since the last Sync
	closes     bool // a Close was
	doubtful   bool // open, if the server skips a simple Query that was sent since; see endQuery
	effects    bool // among them an Execute that may change something

	outcome telemetry.Outcome // of the message at hand
	planner planner
	seal    sealer
	bind    bindMessage
	copy    *copyIn // the COPY whose data the client is sending
	scratch []byte

	orgScratch []byte
	lastOrg    string

	sealedNames bool // a name of the session's may stand, or have stood, for what touches something sealed
}

func newFrontend(s *session) *frontend {
	f := &frontend{
		s: s, in: newFrameReader(s.client), out: output{conn: upstreamWriter{s}},
		statements: names[statement]{}, portals: names[portal]{},
	}
	f.seal.init(s)
	return f
}

// release gives the buffers back.
func (f *frontend) release() { f.in.release() }

// run handles messages until the client ends or something fails.
func (f *frontend) run() error {
	for {
		need, err := f.handleBuffered()
		if err != nil {
			return err
		}
		if err := f.out.flush(); err != nil {
			return fmt.Errorf("send to upstream: %w", err)
		}
		f.rest()
		if err := f.fill(need); err != nil {
			return err
		}
	}
}

// rest gives back what is not needed while the client is waited for.
func (f *frontend) rest() {
	f.scratch = giveBack(f.scratch)
	f.seal.canonical = giveBack(f.seal.canonical)
	f.bind.forget()
}

// fill reads more from the client. It is interrupted, by a deadline in the past,
// when the frontend has something else to do, and by one in the future when it is
// time to see whether the session has been idle for too long.
func (f *frontend) fill(need int) error {
	for {
		err := f.in.fill(need)
		if err == nil {
			return nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("%w: %w", errClientGone, err)
		}
		// Whoever interrupts from here on is seen by the next read.
		if err := f.s.client.SetReadDeadline(f.nextLook()); err != nil {
			return fmt.Errorf("%w: %w", errClientGone, err)
		}
		if err := f.interrupted(); err != nil {
			return err
		}
	}
}

// interrupt makes the frontend look at what the session asks of it.
func (s *session) interrupt() {
	_ = s.client.SetReadDeadline(time.Unix(1, 0)) // a closed connection ends the read as well
}

// interrupted does what the backend or the server asks of the frontend.
func (f *frontend) interrupted() error {
	f.s.mu.Lock()
	terminated := f.s.terminated
	f.s.mu.Unlock()
	if terminated {
		return errSessionOver
	}
	if err := f.doAsked(); err != nil {
		return err
	}
	return f.endIfIdle()
}

// doAsked does what the backend needs the server to be sent.
func (f *frontend) doAsked() error {
	if err := f.abortIfAsked(); err != nil {
		return err
	}
	f.endCopyIfAsked()
	f.s.mu.Lock()
	copyFailed := f.copy != nil && f.s.copying != f.copy
	f.s.mu.Unlock()
	if copyFailed {
		if err := f.sendHeldSyncs(f.copy, false); err != nil {
			return err
		}
	}
	return f.out.flush()
}

// handleBuffered handles all messages that are at hand whole. It gives the size
// of the message that comes next, as far as that is known.
func (f *frontend) handleBuffered() (need int, err error) {
	for {
		if left, err := f.passOn(); err != nil || left > 0 {
			return 0, err
		}
		typ, size, ok, err := f.in.peek()
		if err != nil {
			return 0, f.violates(typ, lengthInvalid)
		}
		if !ok {
			if f.in.buffered() > 0 {
				return headerSize, f.checkType(f.in.buf[f.in.start])
			}
			return headerSize, nil
		}
		if err := f.checkMessage(typ, size); err != nil {
			return 0, err
		}
		if f.in.buffered() < size {
			if size <= bufferSize {
				return size, nil
			}
			streaming, err := f.beginLarge(typ, size)
			if err != nil {
				return 0, err
			}
			if streaming {
				continue
			}
			// The message will be held whole: what was collected aliases the
			// buffer that is about to grow.
			return size, nil
		}
		if err := f.keepPace(); err != nil {
			return 0, err
		}
		frame := f.in.take(size)
		if err := f.handle(typ, frame, frame[headerSize:]); err != nil {
			return 0, err
		}
		if f.out.size() > keepBufferSize {
			if err := f.out.flush(); err != nil {
				return 0, fmt.Errorf("send to upstream: %w", err)
			}
		}
	}
}

// passOn relays, seals or drops what is at hand of a large message, and gives the
// number of bytes that are still to come of it.
func (f *frontend) passOn() (left int, err error) {
	if n := min(f.stream, f.in.buffered()); n > 0 {
		f.stream -= n
		f.out.relay(f.in.take(n))
	}
	if n := min(f.discard, f.in.buffered()); n > 0 {
		f.discard -= n
		f.in.take(n)
	}
	if n := min(f.feed, f.in.buffered()); n > 0 {
		f.feed -= n
		err = f.copyData(f.in.take(n))
	}
	return f.stream + f.discard + f.feed, err
}

// checkType holds a message's type to what SocketBackend() does, which looks at it
// before the length.
func (f *frontend) checkType(typ byte) error {
	switch typ {
	case 'Q', 'P', 'B', 'F', 'd', 'C', 'D', 'E', 'H', 'S', 'X', 'c', 'f':
		return nil
	case 'p':
		f.s.mu.Lock()
		loggedIn := f.s.txStatus != 0
		f.s.mu.Unlock()
		if !loggedIn {
			return nil
		}
	}
	return f.violates(typ, lengthValid)
}

// checkMessage holds a message's type and length to what SocketBackend() does.
func (f *frontend) checkMessage(typ byte, size int) error {
	limit := maxMessageSize
	switch typ {
	case 'Q', 'P', 'B', 'F', 'd':
	case 'C', 'D', 'E', 'H', 'S', 'X', 'c', 'f':
		limit = smallMessageSize
	default:
		if err := f.checkType(typ); err != nil {
			return err
		}
	}
	if size-1 > limit {
		return f.violates(typ, lengthInvalid)
	}
	return nil
}

// What is wrong with a message that ends the session: see violates.
const (
	lengthValid   = 4 // the type
	lengthInvalid = 0
)

// violates ends the session at a message that breaks the protocol. The server is
// sent one of the same type that is wrong in the same way, and nothing of what is
// in the client's. It says in its own words, behind the answers to all that came
// before, what it says then, and closes the connection.
func (f *frontend) violates(typ byte, length uint32) error {
	f.out.buf = binary.BigEndian.AppendUint32(append(f.out.begin(), typ), length)
	if err := f.out.flush(); err != nil {
		return fmt.Errorf("send to upstream: %w", err)
	}
	return errViolation
}

// beginLarge decides about a message that does not fit the buffer: CopyData goes
// through in pieces, another message above the limit is refused without being
// held, all else is held whole.
func (f *frontend) beginLarge(typ byte, size int) (streaming bool, err error) {
	if !f.ready && typ != 'p' {
		if err := f.awaitReady(typ); err != nil {
			return false, err
		}
	}
	switch typ {
	case 'p':
		f.answerRequest()
		f.stream = size
		return true, nil
	case 'F':
		if err := f.settleOpens(); err != nil {
			return false, err
		}
		f.pushFunctionCall()
		f.stream = size
		return true, nil
	case 'd':
		if err := f.beforeData(); err != nil {
			return false, err
		}
		if err := f.sendHeldSyncs(f.copy, true); err != nil {
			return false, err
		}
		switch {
		case f.copy == nil:
			f.discard = size
			return true, nil
		case f.copy.plan == nil:
			f.stream = size
			return true, nil
		}
		f.in.take(headerSize)
		f.feed = size - headerSize
		return true, nil
	}
	if limit := f.s.server.config.Limits.MessageBytes; limit > 0 && size > limit {
		f.discard = size
		return true, f.refuseLarge(typ, limit)
	}
	return false, nil
}

// handle dispatches one message; body is the frame without its header.
func (f *frontend) handle(typ byte, frame, body []byte) error {
	if !f.ready {
		return f.handleBeforeReady(typ, frame, body)
	}
	switch typ {
	case 'd', 'c', 'f':
		return f.handleCopy(typ, frame, body)
	case 'X':
		f.out.relay(frame)
		return errTerminated
	}
	if f.copy != nil {
		if err := f.afterData(typ); err != nil {
			return err
		}
	}
	if !f.open {
		if err := f.settleOpens(); err != nil {
			return err
		}
	}
	switch typ {
	case 'Q':
		return f.measure(f.handleQuery, frame, body)
	case 'P':
		return f.measure(f.handleParse, frame, body)
	case 'B':
		return f.measure(f.handleBind, frame, body)
	case 'D':
		return f.handleDescribe(frame, body)
	case 'E':
		return f.handleExecute(frame, body)
	case 'C':
		return f.handleClose(frame, body)
	case 'H':
		if len(body) > 0 { // an error of the extended protocol, the only answer that a Flush can have
			f.open = true
			f.s.push(reply{kind: replyParse})
		}
		f.out.relay(frame)
		return nil
	case 'S':
		return f.handleSync(frame)
	case 'F':
		if err := f.settleOpens(); err != nil {
			return err
		}
		f.pushFunctionCall()
		f.out.relay(frame)
		return nil
	}
	return f.violates(typ, lengthValid)
}

func (f *frontend) pushFunctionCall() {
	f.s.push(reply{kind: replyFunctionCall})
	f.planner.changed(effectsUnknown)
	f.endQuery() // like a Query, it ends with a ReadyForQuery
}

// handleBeforeReady relays authentication messages. Anything else waits until
// the server has let the client in: before that nothing is known about the
// session.
func (f *frontend) handleBeforeReady(typ byte, frame, body []byte) error {
	if typ == 'p' {
		if err := f.s.checkSASL(body); err != nil {
			return err
		}
		f.answerRequest()
		f.out.relay(frame)
		return nil
	}
	if typ == 'X' {
		f.out.relay(frame)
		return errTerminated
	}
	if err := f.awaitReady(typ); err != nil {
		return err
	}
	return f.handle(typ, frame, body)
}

// answerRequest counts an answer to an authentication request. It may come ahead of
// the request.
func (f *frontend) answerRequest() {
	f.s.mu.Lock()
	f.s.requests--
	f.s.mu.Unlock()
}

// awaitReady waits until the server has let the client in, before a message that
// is none of the authentication's is handled. When the server awaits one of those
// instead, it says so (recv_password_packet) and ends the connection.
func (f *frontend) awaitReady(typ byte) error {
	if err := f.out.flush(); err != nil {
		return fmt.Errorf("send to upstream: %w", err)
	}
	err := f.s.wait(func() bool {
		f.ready = f.s.txStatus != 0
		return f.ready || f.s.requests > 0
	})
	if err != nil {
		return err
	}
	if !f.ready {
		return f.violates(typ, lengthValid)
	}
	return nil
}

// cutString takes a NUL-terminated string off the front of a message.
func cutString(b []byte) (s, rest []byte, ok bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return nil, nil, false
	}
	return b[:i], b[i+1:], true
}

// nameAfter gives the name in a Describe or Close, behind the kind.
func nameAfter(body []byte) ([]byte, bool) {
	if len(body) < 2 {
		return nil, false
	}
	name, _, ok := cutString(body[1:])
	return name, ok
}

// isTimeout tells the errors of a deadline that has passed.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
