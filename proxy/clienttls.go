package proxy

import (
	"crypto/tls"
	"fmt"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/upstream"
)

// tlsHandshake is the first byte of a TLS connection, and of no start-up packet
// of a length that is allowed.
const tlsHandshake = 0x16

// SetTLS replaces what clients are offered from now on; nil: no TLS. The config
// has one certificate, and package proxy adds the protocol's name.
func (srv *Server) SetTLS(config *tls.Config) {
	if config != nil {
		config = config.Clone()
		config.NextProtos = []string{upstream.ALPN}
		config.SessionTicketsDisabled = true // as Postgres: a ticket outlives a certificate
	}
	srv.tls.Store(config)
}

// offersTLS: Unix sockets have none, as in Postgres, nor has TLS itself.
func (st *startup) offersTLS() *tls.Config {
	if st.local() || st.tls != nil {
		return nil
	}
	return st.server.tls.Load()
}

// local tells whether the client came by a Unix socket.
func (st *startup) local() bool { return st.conn.LocalAddr().Network() == "unix" }

// answerTLS answers an SSLRequest.
func (st *startup) answerTLS() error {
	config, answer := st.offersTLS(), byte('S')
	if config == nil {
		answer = 'N'
	}
	if _, err := st.conn.Write([]byte{answer}); err != nil {
		return fmt.Errorf("answer SSLRequest: %w", err)
	}
	// What came ahead of the handshake is no part of it, and is refused once the
	// client can be told so.
	early := st.nothingAhead("SSL request")
	if config != nil {
		st.conn.ahead = nil
		if err := st.shakeHands(config); err != nil {
			return err
		}
	}
	return early
}

// directTLS serves a client that begins with TLS, without asking for it
// (sslnegotiation=direct). It must name the protocol by ALPN; without TLS on
// offer the connection is closed without a word (ProcessSSLStartup).
func (st *startup) directTLS() error {
	config := st.offersTLS()
	if config == nil {
		return fmt.Errorf("%w: TLS, which is not offered", errBadPacket)
	}
	if err := st.shakeHands(config); err != nil {
		return err
	}
	if st.tls.ConnectionState().NegotiatedProtocol != upstream.ALPN {
		return fmt.Errorf("%w: direct TLS without ALPN", errBadPacket)
	}
	return nil
}

func (st *startup) shakeHands(config *tls.Config) error {
	conn := tls.Server(st.conn, config)
	if err := conn.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	st.conn, st.tls, st.certificate = &clientConn{Conn: conn}, conn, &config.Certificates[0]
	return nil
}

// secureEnough refuses a client that came without TLS, or without a certificate,
// where that is required. Unix sockets have neither.
func (st *startup) secureEnough() error {
	c := &st.server.config
	switch {
	case st.local():
		return nil
	case st.tls == nil && (c.RequireTLS || c.RequireClientCert):
		return &fatalError{&pgerr.Error{
			Code:    pgerr.InvalidAuthorization,
			Message: "pgseal takes connections over TLS only",
			Hint:    "Connect with sslmode=require.",
			Anchor:  "tls-required",
		}}
	case c.RequireClientCert && len(st.tls.ConnectionState().PeerCertificates) == 0:
		return &fatalError{&pgerr.Error{
			Code: pgerr.InvalidAuthorization, Message: "connection requires a valid client certificate", // as Postgres
		}}
	}
	return nil
}
