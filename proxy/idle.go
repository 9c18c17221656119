package proxy

import (
	"time"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// Sessions that are idle, for too long or when the server shuts down.
//
// A session's idle time begins, as Postgres's does, when a ReadyForQuery has been
// sent. The frontend looks when its read's deadline passes; the deadline is not
// moved with each message, but computed anew when it has passed.

// What ends idle sessions, in the words of Postgres (ProcessInterrupts).
var (
	errIdle = &pgerr.Error{
		Code: pgerr.IdleSessionTimeout, Message: "terminating connection due to idle-session timeout",
	}
	errIdleInTx = &pgerr.Error{
		Code: pgerr.IdleInTransactionTimeout, Message: "terminating connection due to idle-in-transaction timeout",
	}
)

// clock is the time since the server was made.
func (srv *Server) clock() time.Duration { return time.Since(srv.began) }

// authenticated is told of the first ReadyForQuery.
func (s *session) authenticated() {
	if s.startup != nil {
		s.startup.Stop()
	}
	if l := &s.server.config.Limits; l.IdleTimeout > 0 || l.IdleInTx > 0 {
		s.interrupt() // to look at the clock from now on
	}
}

// answered is told that everything up to a ReadyForQuery was sent to the client.
func (s *session) answered() {
	if l := &s.server.config.Limits; l.IdleTimeout > 0 || l.IdleInTx > 0 {
		s.answeredAt.Store(int64(s.server.clock()))
	}
	s.answering.Store(false)
	if s.draining.Load() {
		s.interrupt()
	}
}

// idle tells whether the client is owed nothing, not even the end of a
// ReadyForQuery, and the server awaits a new message; tx is the state of the
// transaction.
func (f *frontend) idle() (tx byte, ok bool) {
	s := f.s
	if f.open || s.answering.Load() {
		return 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.txStatus, s.txStatus != 0 && s.replies.n == 0 && s.copying == nil && !s.abort
}

// endIfIdle ends the session when it is idle and should not be.
func (f *frontend) endIfIdle() error {
	tx, ok := f.idle()
	if !ok {
		return nil
	}
	if f.s.draining.Load() && tx == 'I' {
		return &fatalError{errAdminShutdown}
	}
	if limit := f.idleLimit(tx); limit > 0 && f.idleFor() >= limit {
		if tx == 'I' {
			return &fatalError{errIdle}
		}
		return &fatalError{errIdleInTx}
	}
	return nil
}

func (f *frontend) idleLimit(tx byte) time.Duration {
	if tx == 'I' {
		return f.s.server.config.Limits.IdleTimeout
	}
	return f.s.server.config.Limits.IdleInTx
}

func (f *frontend) idleFor() time.Duration {
	return f.s.server.clock() - time.Duration(f.s.answeredAt.Load())
}

// nextLook is when it must be seen next whether the session has been idle for too
// long; the zero time: never. A time of idleness that begins from now on does not
// end earlier than the shorter limit after now.
func (f *frontend) nextLook() time.Time {
	limits := &f.s.server.config.Limits
	wait := limits.IdleTimeout
	if wait == 0 || limits.IdleInTx > 0 && limits.IdleInTx < wait {
		wait = limits.IdleInTx
	}
	if wait == 0 {
		return time.Time{}
	}
	if tx, ok := f.idle(); ok {
		if limit := f.idleLimit(tx); limit > 0 {
			wait = min(wait, limit-f.idleFor())
		}
	}
	return time.Now().Add(max(wait, time.Millisecond))
}
