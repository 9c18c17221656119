package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// Conn is a connection on which no start-up packet was sent yet.
type Conn struct {
	net.Conn
	host    *Host
	address net.Addr // of the very machine that host's name led to
	tls     *tls.Conn
	unread  []byte
}

// Unread puts bytes back that were read: the next Read gives them again.
func (c *Conn) Unread(b []byte) { c.unread = append(b, c.unread...) }

// Read gives what was put back first.
func (c *Conn) Read(b []byte) (int, error) {
	if len(c.unread) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.unread)
	if c.unread = c.unread[n:]; len(c.unread) == 0 {
		c.unread = nil
	}
	return n, nil
}

// Ahead is the number of bytes that were put back and not read again.
func (c *Conn) Ahead() int { return len(c.unread) }

// Host is the server that the connection is to.
func (c *Conn) Host() *Host { return c.host }

// TLS is the state of the connection's TLS, nil when it has none.
func (c *Conn) TLS() *tls.ConnectionState {
	if c.tls == nil {
		return nil
	}
	state := c.tls.ConnectionState()
	return &state
}

// DialHost connects to one host.
func (d *Dialer) DialHost(ctx context.Context, h *Host) (*Conn, error) {
	network, address := h.dialAddress()
	return d.dial(ctx, h, network, address)
}

// DialAgain connects to the very server that conn is to, also where its host's
// name stands for several machines: for a cancel request.
func (d *Dialer) DialAgain(ctx context.Context, conn *Conn) (*Conn, error) {
	return d.dial(ctx, conn.host, conn.address.Network(), conn.address.String())
}

func (d *Dialer) dial(ctx context.Context, h *Host, network, address string) (*Conn, error) {
	if limit := d.options.ConnectTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	conn, err := d.connect(ctx, h, network, address)
	if err != nil {
		return nil, ofHost(h, err)
	}
	return conn, nil
}

// connect makes the TCP connection, and has TLS agreed on as the mode asks. With
// prefer, a TLS that does not come about is given up for none, as by libpq.
func (d *Dialer) connect(ctx context.Context, h *Host, network, address string) (*Conn, error) {
	files := d.tls.Load()
	for withTLS := files.mode != ModeDisable && network != "unix"; ; withTLS = false {
		raw, err := d.options.Keepalive.Dialer(0).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conn := &Conn{Conn: raw, host: h, address: raw.RemoteAddr()}
		if !withTLS {
			return conn, nil
		}
		err = conn.startTLS(ctx, files.config(h.name), files.mode)
		if err == nil {
			return conn, nil
		}
		_ = raw.Close() // nothing was said on it
		if files.mode != ModePrefer || ctx.Err() != nil {
			return nil, err
		}
	}
}

// sslRequest is an SSLRequest, whole.
var sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

// errNoTLS: the server does not offer TLS.
var errNoTLS = errors.New("the server does not offer TLS, which upstream.tls.mode demands")

// startTLS asks for TLS and shakes hands. Of the server's answer exactly one byte
// is read (CVE-2021-23222): what somebody put behind it becomes part of the
// handshake, which then fails. What a server says in clear text instead of an
// answer is shown to nobody (CVE-2024-10977).
func (c *Conn) startTLS(ctx context.Context, config *tls.Config, mode Mode) error {
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.Write(sslRequest); err != nil {
		return fmt.Errorf("ask for TLS: %w", err)
	}
	var answer [1]byte
	if _, err := c.Read(answer[:]); err != nil {
		return fmt.Errorf("ask for TLS: %w", err)
	}
	switch answer[0] {
	case 'S':
	case 'N':
		if mode != ModePrefer {
			return errNoTLS
		}
		return c.endDeadline(stop)
	case 'E':
		return errors.New("the server answered the request for TLS with an error, which is not shown since anybody could have sent it")
	default:
		return fmt.Errorf("the server answered the request for TLS with the byte %#02x", answer[0])
	}
	conn := tls.Client(c.Conn, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	c.Conn, c.tls = conn, conn
	return c.endDeadline(stop)
}

// endDeadline takes back the time limit of the handshake.
func (c *Conn) endDeadline(stop func() bool) error {
	if !stop() {
		return context.DeadlineExceeded
	}
	return c.SetDeadline(time.Time{})
}
