package proxy

import (
	"context"
	"io"
	"time"
)

// cancelTimeout bounds how long a cancel request may take to be delivered.
const cancelTimeout = 10 * time.Second

// keepCancelKey remembers whose cancel key the server handed out
// (BackendKeyData). Keys are the server's own, so that a cancel request that
// reaches another pgseal process works there too.
func (s *session) keepCancelKey(key []byte) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.cancelKey = string(key)
	s.server.cancels[s.cancelKey] = s
}

// cancelRequest forwards a CancelRequest, unless it is for a session of this
// process that has no query under way: then it has come too late, and would hit
// the next one. The client is never answered.
func (srv *Server) cancelRequest(packet []byte) {
	srv.mu.Lock()
	s := srv.cancels[string(packet[8:])]
	srv.mu.Unlock()
	if s != nil && !s.busy() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), cancelTimeout)
	defer cancel()
	conn, err := srv.dial(ctx)
	if err != nil {
		srv.config.Log.Warn("cancel request not delivered", "reason", err)
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(cancelTimeout))
	if _, err := conn.Write(packet); err != nil {
		srv.config.Log.Warn("cancel request not delivered", "reason", err)
		return
	}
	// The server closes the connection once it has sent the signal.
	_, _ = io.Copy(io.Discard, conn)
}
