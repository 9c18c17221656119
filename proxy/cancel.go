package proxy

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pgseal/pgseal/internal/upstream"
)

// Cancel requests. They come on connections of their own, without an order
// towards what the session sends, and Postgres cancels whatever the session runs
// when the signal arrives. pgseal does better: a request is passed on only while
// the session's query is under way, and while it is on its way the session sends
// nothing further. When the server closes the request's connection the signal has
// been sent (ProcessCancelRequestPacket), and what comes after it to a server
// process is not hit by it (PostgresMain clears QueryCancelPending before it runs
// a command).

// cancelTimeout bounds how long a cancel request may take to be delivered, and so
// how long a session may be kept from sending.
const cancelTimeout = 10 * time.Second

// Lengths of a cancel request: a process id and a key of 4 bytes in protocol 3.0,
// of up to 256 in 3.2.
const (
	cancelKeyAt   = 8 // behind the length and the code
	minCancelSize = cancelKeyAt + 4 + 4
	maxCancelSize = cancelKeyAt + 4 + 256
)

// keepCancelKey remembers whose cancel key the server handed out
// (BackendKeyData). Keys are the server's own, so that a cancel request that
// reaches another pgseal process works there too.
func (s *session) keepCancelKey(key []byte) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.cancelKey = string(key)
	s.server.cancels[s.cancelKey] = s
}

// cancelRequest passes a CancelRequest on: to the session's server, or, when the
// session is not one of this process, to every server. The client is never
// answered; it takes the end of its connection for the end of the delivery.
func (srv *Server) cancelRequest(packet []byte) {
	if len(packet) < minCancelSize || len(packet) > maxCancelSize {
		return // as by ProcessCancelRequestPacket
	}
	srv.mu.Lock()
	s := srv.cancels[string(packet[cancelKeyAt:])]
	srv.mu.Unlock()
	if s != nil {
		s.cancelQuery(packet)
		return
	}
	var each sync.WaitGroup
	for _, h := range srv.config.Upstream.Hosts() {
		each.Go(func() {
			srv.deliverCancel(packet, func(ctx context.Context) (*upstream.Conn, error) {
				return srv.config.Upstream.DialHost(ctx, h)
			})
		})
	}
	each.Wait()
}

// cancelQuery passes a cancel request on to the session's own server, if it has a
// query under way. Requests for one session are delivered one after the other,
// and between two of them the session sends what it was kept from sending: the
// later one is for that.
func (s *session) cancelQuery(packet []byte) {
	s.mu.Lock()
	for (s.delivering.Load() || s.held) && !s.closed {
		s.cond.Wait()
	}
	if s.closed || !s.owed() {
		s.mu.Unlock()
		return
	}
	s.delivering.Store(true)
	s.mu.Unlock()
	s.server.deliverCancel(packet, func(ctx context.Context) (*upstream.Conn, error) {
		return s.server.config.Upstream.DialAgain(ctx, s.upstream)
	})
	s.mu.Lock()
	s.delivering.Store(false)
	s.cond.Broadcast()
	s.mu.Unlock()
}

// cancelOwn cancels what the session runs, on pgseal's own account: the session is
// about to end, or has ended, and has nothing more to send that could be hit.
func (s *session) cancelOwn() {
	s.server.mu.Lock()
	key := s.cancelKey
	s.server.mu.Unlock()
	if key == "" {
		return
	}
	packet := binary.BigEndian.AppendUint32(nil, uint32(cancelKeyAt+len(key)))
	packet = binary.BigEndian.AppendUint32(packet, codeCancel)
	s.server.deliverCancel(append(packet, key...), func(ctx context.Context) (*upstream.Conn, error) {
		return s.server.config.Upstream.DialAgain(ctx, s.upstream)
	})
}

// deliverCancel returns when the server has sent the signal, or it is given up.
func (srv *Server) deliverCancel(packet []byte, dial func(context.Context) (*upstream.Conn, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), cancelTimeout)
	defer cancel()
	if err := sendCancel(ctx, packet, dial); err != nil {
		srv.config.Log.Warn("cancel request not delivered", "reason", err)
	}
}

func sendCancel(ctx context.Context, packet []byte, dial func(context.Context) (*upstream.Conn, error)) error {
	conn, err := dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // the server has closed it, or it failed
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := conn.Write(packet); err != nil {
		return fmt.Errorf("upstream %s: %w", conn.Host(), err)
	}
	// A server ends the connection as it likes: by a reset too, or without the
	// end that TLS has.
	var none [1]byte
	if _, err := io.ReadFull(conn, none[:]); isTimeout(err) {
		return fmt.Errorf("upstream %s: %w", conn.Host(), err)
	}
	return nil
}

// upstreamWriter is the frontend's way to the server, which is shut while a
// cancel request is on its way.
type upstreamWriter struct{ s *session }

func (w upstreamWriter) Write(b []byte) (int, error) {
	s := w.s
	if s.delivering.Load() {
		s.mu.Lock()
		s.held = true
		for s.delivering.Load() && !s.closed {
			s.cond.Wait()
		}
		s.held = false
		s.cond.Broadcast()
		s.mu.Unlock()
	}
	return s.upstream.Write(b)
}
