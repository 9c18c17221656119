package proxy

import (
	"io"
	"sync"
	"syscall"

	"github.com/pgseal/pgseal/internal/upstream"
)

// What a session waits for without a buffer.
//
// Most sessions are idle most of the time, and each has two connections to read
// from. A read with nothing to read keeps its buffer for as long as it waits; so
// a socket is awaited first, and the buffer is taken when there is something to
// put into it. That costs no system call more than a read does: Go's own read
// tries, waits, and tries again as well (internal/poll.FD.Read).
//
// A TLS connection can't be awaited so, since it may have decrypted bytes at hand
// while its socket has none. Its first bytes are read into a small buffer.

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// source is what a frameReader reads from.
type source struct {
	conn   io.Reader
	ahead  aheadReader     // conn, while it has bytes that its socket has not any more
	socket syscall.RawConn // nil: it can't be awaited
	await  *attempt
	small  []byte // for conn's first bytes when it can't be awaited
}

// aheadReader is a connection of which something was read ahead at its start.
type aheadReader interface {
	io.Reader
	Ahead() int
}

// smallSize is the size of source.small. Most messages of a client, and short
// answers, fit in.
const smallSize = 1 << 10

func newSource(conn io.Reader) source {
	s := source{conn: conn}
	s.ahead, _ = conn.(aheadReader)
	if plain, ok := socketOf(conn).(syscall.Conn); ok && canAwait {
		if socket, err := plain.SyscallConn(); err == nil {
			s.socket, s.await = socket, newAttempt()
			return s
		}
	}
	s.small = make([]byte, smallSize)
	return s
}

// socketOf is the connection itself: a socket, or TLS.
func socketOf(conn io.Reader) io.Reader {
	switch c := conn.(type) {
	case *clientConn:
		return c.Conn
	case *upstream.Conn:
		return c.Conn
	}
	return conn
}

// first waits until there is something to read, and gives it in a buffer from the
// pool, of which n bytes are used; without any, it gives the error.
func (s *source) first() (p *[]byte, n int, err error) {
	if s.ahead != nil {
		if s.ahead.Ahead() > 0 {
			p = buffers.Get().(*[]byte)
			n, err = s.conn.Read(*p)
			return p, n, err
		}
		s.ahead = nil // a session reads nothing ahead
	}
	if s.socket == nil {
		return s.firstSmall()
	}
	if err := s.socket.Read(s.await.try); err != nil {
		return nil, 0, err
	}
	return s.await.result()
}

// firstSmall is first without awaiting a socket.
func (s *source) firstSmall() (p *[]byte, n int, err error) {
	n, err = s.conn.Read(s.small)
	if n == 0 {
		return nil, 0, noProgress(err)
	}
	p = buffers.Get().(*[]byte)
	copy(*p, s.small[:n])
	if n == len(s.small) && !endsWhole(s.small) {
		// The rest is likely at hand, and is sure to come. What is here would else go
		// out in a write of its own.
		more, _ := s.conn.Read((*p)[n:]) // what is here comes first: the next read gives the error again
		n += more
	}
	return p, n, nil
}

// endsWhole tells whether the bytes of b end where a message does.
func endsWhole(b []byte) bool {
	r := frameReader{buf: b, end: len(b)}
	for r.buffered() > 0 {
		_, size, ok, err := r.peek()
		if !ok || err != nil || r.buffered() < size {
			return false
		}
		r.take(size)
	}
	return true
}

// noProgress is the error of a read that gave nothing.
func noProgress(err error) error {
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}
