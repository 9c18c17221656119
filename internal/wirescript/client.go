package wirescript

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// client is a raw client.
type client struct {
	prefix   string // of its lines in the transcript
	conn     net.Conn
	out      []byte        // messages that were not sent yet
	received chan string   // in words; nil until something is waited for
	gone     bool          // ConnectionClosed was handed out
	over     chan struct{} // closed when nobody reads received any more
}

// flush sends what was collected, in pieces if cuts says so.
func (c *client) flush(cuts *rand.Rand) error {
	out := c.out
	c.out = c.out[:0]
	for len(out) > 0 {
		n := len(out)
		if cuts != nil && cuts.IntN(4) > 0 {
			n = 1 + cuts.IntN(n)
		}
		if _, err := c.conn.Write(out[:n]); err != nil {
			return err
		}
		out = out[n:]
	}
	return nil
}

// ConnectionClosed stands in a transcript where the connection ends.
const ConnectionClosed = "connection closed"

// next gives the next message in words, "" when none comes in time.
func (c *client) next(timeout time.Duration) string {
	if c.received == nil {
		c.received = make(chan string, 1<<13) // so that a script that sends much without a wait does not hang
		go c.receiveAll()
	}
	if c.gone {
		return ConnectionClosed
	}
	select {
	case line := <-c.received:
		c.gone = line == ConnectionClosed
		return line
	default:
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case line := <-c.received:
		c.gone = line == ConnectionClosed
		return line
	case <-timer.C:
		return ""
	}
}

// receiveAll puts all that the server sends in words.
func (c *client) receiveAll() {
	frontend := pgproto3.NewFrontend(c.conn, nil)
	for {
		m, err := frontend.Receive()
		line := ConnectionClosed
		var network net.Error
		switch {
		case err == nil:
			line = Describe(m)
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &network):
			line = "unreadable: " + err.Error()
		}
		select {
		case c.received <- line:
		case <-c.over:
			return
		}
		if line == ConnectionClosed {
			return
		}
	}
}
