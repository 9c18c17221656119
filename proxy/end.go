package proxy

import (
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// How a session ends.
//
// Each direction ends by itself, and what is under way in the other goes on: as
// with Postgres, a client that has sent its last message still gets the answers,
// and what the server said before it went away still reaches the client. So
// whatever ends the frontend, the session lasts until the server has closed its
// connection, and the backend closes the client's. Only a client that takes no
// answers any more ends both at once.

// Why the frontend ends.
var (
	errTerminated  = errors.New("the client terminated")
	errClientGone  = errors.New("the client sends no more")
	errViolation   = errors.New("the client broke the protocol")
	errSessionOver = errors.New("the session is over")
)

// errStartupTimeout ends a session without a word, as authentication_timeout does:
// the client is not known yet, and may be in the middle of a message.
var errStartupTimeout = errors.New("the client was not authenticated within limits.startup_timeout")

// fatalError is told to the client before its connection is closed.
type fatalError struct{ err *pgerr.Error }

func (e *fatalError) Error() string { return e.err.Error() }

// lastWordTimeout bounds how long the client may take to accept the last message.
const lastWordTimeout = time.Second

// goodbyeTimeout bounds how long the server may take to close the connection
// when pgseal ends the session.
const goodbyeTimeout = 2 * time.Second

// run relays until both directions have ended.
func (s *session) run() {
	f, b := newFrontend(s), newBackend(s)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.end("server", b.run())
	}()
	f.goodbye(f.run())
	<-ended
	f.release()
}

// end closes both connections; the first reason is the one that is logged.
func (s *session) end(side string, err error) {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.cond.Broadcast()
	s.mu.Unlock()
	if !first {
		return
	}
	s.cancel()
	s.log.Debug("session ends", "side", side, "reason", err)
	_ = s.client.Close()
	_ = s.upstream.Close()
}

// goodbye makes the server close the connection, as the reason for which run has
// ended asks for.
func (f *frontend) goodbye(reason error) {
	s := f.s
	s.log.Debug("the client's side ends", "reason", reason)
	switch {
	case f.out.failed:
		// The server has gone. What it said before is still to be read.
	case errors.Is(reason, errTerminated):
		_ = f.out.flush() // the server closes the connection either way
	case errors.Is(reason, errClientGone):
		if f.settleInput() {
			f.passOnCut()
			closeWrite(s.upstream.Conn)
		}
	case errors.Is(reason, errViolation):
		if f.settleInput() {
			closeWrite(s.upstream.Conn)
		}
	default:
		f.leave(reason)
	}
}

// settleInput does what the backend needs the server to be sent, for the last
// time. It is false when the server has gone, or pgseal ends the session.
func (f *frontend) settleInput() bool {
	s := f.s
	for over := false; !over; {
		if err := f.doAsked(); err != nil {
			return false
		}
		s.mu.Lock()
		over = !s.abort && !s.endCopy
		s.inputOver = over
		s.mu.Unlock()
	}
	return true
}

// passOnCut cuts a message short when the client's last one has not come whole:
// the server shall see that as well, and need not see what was in it.
func (f *frontend) passOnCut() {
	if typ, cut := f.cutShort(); cut && f.ready {
		f.out.buf = append(f.out.begin(), typ, 0, 0, 0, 5)
		_ = f.out.flush() // the server ends either way
	}
}

// cutShort tells whether the client's last message has not come whole, and its
// type. Of one that is relayed in pieces the server has seen the beginning.
func (f *frontend) cutShort() (typ byte, cut bool) {
	switch {
	case f.feed > 0:
		return 'd', true
	case f.in.buffered() > 0:
		return f.in.buf[f.in.start], true
	}
	return 0, false
}

// leave ends the session on pgseal's part. The client is told why, unless it was
// told already; the server is made to end without a complaint in its log.
func (f *frontend) leave(reason error) {
	s := f.s
	s.mu.Lock()
	over := s.closed
	copying := s.copying != nil
	s.mu.Unlock()
	if over {
		return
	}
	var fatal *fatalError
	switch {
	case errors.As(reason, &fatal):
		s.fatal(fatal.err)
	case !errors.Is(reason, errSessionOver):
		s.log.Error("the session cannot go on", "reason", reason)
		s.fatal(&pgerr.Error{Code: "XX000", Message: "pgseal cannot go on with this session", Hint: "The reason is in pgseal's log."})
	}
	_ = s.upstream.SetDeadline(time.Now().Add(goodbyeTimeout))
	if f.ready && f.stream == 0 {
		f.out.drop()
		if copying && !s.walsender { // which takes no CopyFail (ProcessRepliesIfAny)
			f.out.buf = appendNamed(f.out.begin(), 'f', 0, marker, "")
		}
		f.out.buf = append(f.out.begin(), 'X', 0, 0, 0, 4)
		_ = f.out.flush() // the connection is closed either way
	}
	closeWrite(s.upstream.Conn)
}

// terminate ends a session that may be busy: what the server does for it is
// cancelled. It returns when that has been set going.
func (s *session) terminate(e *pgerr.Error) {
	s.fatal(e)
	s.mu.Lock()
	s.terminated = true
	s.cond.Broadcast()
	queued, owed := s.replies.several(), s.owed()
	s.mu.Unlock()
	s.cancel()
	if queued {
		// The server has more to do than what can be cancelled. It does not begin it
		// when it has found that there is nobody to answer.
		reset(s.upstream.Conn)
	}
	_ = s.upstream.SetDeadline(time.Now().Add(goodbyeTimeout))
	s.interrupt()
	if owed {
		s.cancelOwn()
	}
}

// fatal tells the client why its session ends.
func (s *session) fatal(e *pgerr.Error) {
	message, err := appendError(nil, "FATAL", e)
	if err != nil {
		return // the session ends without a word
	}
	_ = s.client.SetWriteDeadline(time.Now().Add(lastWordTimeout))
	s.clientWriter.last(message)
}

// closeWrite closes a connection for writing. One that cannot be is closed.
func closeWrite(conn net.Conn) {
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite() // fails when it is closed already
		return
	}
	_ = conn.Close()
}

// reset closes a connection so that the other side can't send on it any more.
func reset(conn net.Conn) {
	if c, ok := conn.(*tls.Conn); ok {
		conn = c.NetConn()
	}
	if c, ok := conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0) // fails when it is closed already
	}
	_ = conn.Close()
}

// isClosed tells the errors that a connection closed by ourselves gives.
func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
