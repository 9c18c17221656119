package proxy

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/upstream"
)

// Codes that stand in a start-up packet where others have the protocol's
// version (pqcomm.h).
const (
	codeCancel = 80877102
	codeSSL    = 80877103
	codeGSSENC = 80877104
)

// maxStartupSize is MAX_STARTUP_PACKET_LENGTH.
const maxStartupSize = 10000

// startup is a client that has not been connected to the upstream server yet.
type startup struct {
	server     *Server
	conn       net.Conn
	deadline   time.Time // of authentication; zero: none
	packet     []byte    // the start-up packet, whole
	parameters map[string]string
}

// serveConn serves one connection from its first byte to its end.
func (srv *Server) serveConn(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	if err := srv.config.Keepalive.Apply(conn); err != nil {
		srv.config.Log.Warn("a client's connection is closed", "reason", err)
		return
	}
	st := &startup{server: srv, conn: conn}
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
	if refusal := srv.add(); refusal != nil {
		st.refuse(&fatalError{refusal})
		return
	}
	defer srv.remove()
	up, err := srv.dial(srv.starting)
	if err != nil {
		if srv.starting.Err() != nil {
			err = &fatalError{errShuttingDown}
		}
		st.refuse(err)
		return
	}
	if _, err := up.Write(st.packet); err != nil {
		_ = up.Close()
		st.refuse(fmt.Errorf("send the start-up packet upstream: %w", err))
		return
	}
	stop()
	srv.runSession(ctx, st, up)
}

// dial connects to the upstream server.
func (srv *Server) dial(ctx context.Context) (*upstream.Conn, error) {
	conn, err := srv.config.Upstream.Dial(ctx)
	if err != nil {
		return nil, &fatalError{srv.unreachable(err)}
	}
	return conn, nil
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

// negotiate reads packets until the start-up packet or a cancel request, whose
// key it gives (ProcessStartupPacket).
func (st *startup) negotiate() (cancelKey []byte, err error) {
	var askedTLS, askedGSS bool
	for {
		packet, err := st.read()
		if err != nil {
			return nil, err
		}
		switch code := binary.BigEndian.Uint32(packet[4:]); {
		case code == codeCancel:
			return packet, nil
		case code == codeSSL && !askedTLS:
			askedTLS = true
			if err := st.answerTLS(); err != nil {
				return nil, err
			}
		case code == codeGSSENC && !askedGSS:
			askedGSS = true
			if _, err := st.conn.Write([]byte{'N'}); err != nil {
				return nil, fmt.Errorf("answer GSSENCRequest: %w", err)
			}
		case code>>16 == 3:
			return nil, st.parse(packet)
		default:
			return nil, &fatalError{&pgerr.Error{
				Code:    pgerr.FeatureNotSupported,
				Message: fmt.Sprintf("unsupported frontend protocol %d.%d: server supports 3.0 to 3.2", code>>16, code&0xffff),
			}}
		}
	}
}

// read reads one packet without a type byte, no further: what follows a request
// for TLS belongs to the handshake.
func (st *startup) read() ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(st.conn, length[:]); err != nil {
		return nil, fmt.Errorf("read the start-up packet: %w", err)
	}
	n := binary.BigEndian.Uint32(length[:])
	if n < 8 || n > maxStartupSize {
		return nil, &fatalError{&pgerr.Error{Code: pgerr.ProtocolViolation, Message: "invalid length of startup packet"}}
	}
	packet := make([]byte, n)
	copy(packet, length[:])
	if _, err := io.ReadFull(st.conn, packet[4:]); err != nil {
		return nil, fmt.Errorf("read the start-up packet: %w", err)
	}
	return packet, nil
}

// answerTLS answers an SSLRequest. The handshake reads from the connection
// itself, of which nothing was read beyond the request: bytes that somebody put
// in front of the handshake make it fail.
func (st *startup) answerTLS() error {
	if st.server.config.TLS == nil {
		_, err := st.conn.Write([]byte{'N'})
		return err
	}
	if _, err := st.conn.Write([]byte{'S'}); err != nil {
		return fmt.Errorf("answer SSLRequest: %w", err)
	}
	conn := tls.Server(st.conn, st.server.config.TLS)
	if err := conn.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	st.conn = conn
	return nil
}

// parse reads the parameters, and refuses what pgseal cannot serve safely.
func (st *startup) parse(packet []byte) error {
	st.packet = packet
	st.parameters = make(map[string]string)
	for rest := packet[8:]; len(rest) > 1; {
		name, after, ok := cutString(rest)
		if !ok || len(name) == 0 {
			break
		}
		value, after, ok := cutString(after)
		if !ok {
			break
		}
		st.parameters[string(name)] = string(value)
		rest = after
	}
	if st.server.config.RequireTLS {
		if _, ok := st.conn.(*tls.Conn); !ok {
			return &fatalError{&pgerr.Error{
				Code:    "28000",
				Message: "pgseal takes connections over TLS only",
				Hint:    "Connect with sslmode=require.",
			}}
		}
	}
	switch replication := strings.ToLower(st.parameters["replication"]); replication {
	case "", "false", "off", "no", "0":
		return nil
	default:
		return &fatalError{&pgerr.Error{
			Code:    pgerr.FeatureNotSupported,
			Message: "pgseal does not take replication connections yet",
			Hint:    "Connect to the database server itself: what replicates is sealed.",
			Anchor:  "replication",
		}}
	}
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
