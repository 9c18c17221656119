package proxy

import (
	"io"
	"net"
	"slices"
)

// clientConn is a client's connection, of which bytes can be read ahead of their
// use.
type clientConn struct {
	net.Conn
	ahead []byte // read and not taken yet
}

// aheadSize is what is read ahead at once.
const aheadSize = 1024

// Read gives what was read ahead first.
func (c *clientConn) Read(b []byte) (int, error) {
	if len(c.ahead) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.ahead)
	if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {
		c.ahead = nil // the buffer was for the start only
	}
	return n, nil
}

// Ahead is the number of bytes that were read ahead and not taken yet.
func (c *clientConn) Ahead() int { return len(c.ahead) }

// peek gives the next n bytes without taking them.
func (c *clientConn) peek(n int) ([]byte, error) {
	for len(c.ahead) < n {
		have := len(c.ahead)
		c.ahead = slices.Grow(c.ahead, max(n-have, aheadSize))
		read, err := c.Conn.Read(c.ahead[have:cap(c.ahead)])
		c.ahead = c.ahead[:have+read]
		if err != nil && len(c.ahead) < n {
			if have+read > 0 && err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return c.ahead[:n], nil
}

// take gives the next n bytes, which peek has given before.
func (c *clientConn) take(n int) []byte {
	b := c.ahead[:n:n]
	c.ahead = c.ahead[n:]
	return b
}
