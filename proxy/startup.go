package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/upstream"
)

// startup is a client that has not been connected to the upstream server yet.
type startup struct {
	server     *Server
	conn       *clientConn
	deadline   time.Time // of authentication, and all that comes before it; zero: none
	packet     []byte    // the start-up packet, whole
	parameters map[string]string
	options    []string // protocol options (_pq_.…) among the parameters

	tls         *tls.Conn        // nil: the client has none
	certificate *tls.Certificate // that the client was shown
}

// serveConn serves one connection from its first byte to its end.
func (srv *Server) serveConn(ctx context.Context, conn net.Conn) {
	st := &startup{server: srv, conn: &clientConn{Conn: conn}}
	defer func() { _ = st.conn.Close() }()
	if err := srv.config.Keepalive.Apply(conn); err != nil {
		srv.config.Log.Warn("a client's connection is closed", "reason", err)
		return
	}
	if limit := srv.config.Limits.StartupTimeout; limit > 0 {
		st.deadline = time.Now().Add(limit)
		if err := conn.SetDeadline(st.deadline); err != nil {
			return
		}
	}
	stop := context.AfterFunc(srv.starting, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	cancelKey, err := st.negotiate()
	if err != nil {
		st.refuse(err)
		return
	}
	if cancelKey != nil {
		srv.cancelRequest(cancelKey)
		return
	}
	if err := st.secureEnough(); err != nil {
		st.refuse(err)
		return
	}
	if err := st.noRaw(); err != nil {
		st.refuse(err)
		return
	}
	if err := st.mayUseOrgs(); err != nil {
		st.refuse(err)
		return
	}
	if err := st.checkCertificate(); err != nil {
		st.refuse(err)
		return
	}
	if refusal := srv.add(); refusal != nil {
		st.refuse(&fatalError{refusal})
		return
	}
	defer srv.remove()
	up, err := st.connect(srv.starting)
	if err != nil {
		if srv.starting.Err() != nil {
			err = &fatalError{errShuttingDown}
		}
		st.refuse(err)
		return
	}
	if err := srv.authenticate(st, up); err != nil {
		_ = up.Close()
		if srv.starting.Err() != nil {
			err = &fatalError{errShuttingDown}
		}
		st.refuse(err)
		return
	}
	stop()
	srv.runSession(ctx, st, up)
}

// unreachable tells a client that there is no server for it. What kept pgseal
// from each is for the log: it may be what somebody in between has said.
func (srv *Server) unreachable(err error) *pgerr.Error {
	var names []string
	for _, h := range srv.config.Upstream.Hosts() {
		names = append(names, h.String())
	}
	e := &pgerr.Error{
		Code:    pgerr.ConnectionFailure,
		Message: "pgseal cannot reach the database server",
		Detail:  "The upstream address is " + strings.Join(names, ", ") + ".",
		Hint:    "Is the server running, and is upstream.address in pgseal's configuration right? pgseal's log tells more.",
		Anchor:  "upstream",
		Cause:   err,
	}
	if errors.Is(err, upstream.ErrReadOnly) {
		e.Message = "pgseal finds no database server that takes writes"
		e.Hint = "upstream.target_session_attrs in pgseal's configuration is read-write. Is one of the servers the primary?"
	}
	return e
}

// refuse tells the client why it is not let in, if it is there to hear it.
func (st *startup) refuse(err error) {
	var fatal *fatalError
	if !errors.As(err, &fatal) {
		st.server.config.Log.Debug("connection ends before it began", "client", st.conn.RemoteAddr().String(), "reason", err)
		return
	}
	st.server.config.Log.Info("connection refused", "client", st.conn.RemoteAddr().String(), "code", fatal.err.Code, "reason", fatal.err)
	if message, err := appendError(nil, "FATAL", fatal.err); err == nil {
		_, _ = st.conn.Write(message) // the connection ends either way
	}
}
