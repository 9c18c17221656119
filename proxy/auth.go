package proxy

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/pgseal/pgseal/internal/authquery"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/scram"
	"github.com/pgseal/pgseal/internal/upstream"
)

// AuthMode says who finds out whether a client is who it says it is.
type AuthMode string

const (
	// AuthPassthrough: the server does, and its messages are passed on. It is
	// what the zero value means.
	AuthPassthrough AuthMode = "passthrough"
	// AuthSCRAM: pgseal does, by what the server stores of the user's password,
	// and then logs in with what it gained thereby.
	AuthSCRAM AuthMode = "scram"
	// AuthCert: pgseal does, by the client's certificate. The server must let
	// pgseal itself in.
	AuthCert AuthMode = "cert"
)

// Auth is how clients are authenticated.
type Auth struct {
	Mode      AuthMode
	Passwords *authquery.Source // what the server stores; for AuthSCRAM
}

// The kinds of authentication requests (pqcomm.h).
const (
	requestOK           = 0
	requestPassword     = 3
	requestMD5          = 5
	requestSASL         = 10
	requestSASLContinue = 11
	requestSASLFinal    = 12
)

// errTold ends a connection whose client was told why by the server itself.
var errTold = errors.New("the server refused the connection")

// authentication is a client that has not been let in yet, and the server that
// has got its start-up packet. Both are read message by message and no further,
// since the session reads on from there.
type authentication struct {
	server *Server
	st     *startup
	up     *upstream.Conn
	user   string
	log    *slog.Logger
}

// authenticate has the client authenticated, as far as that is not simply passed
// on by the session. When it gives nil, client and server agree on what comes
// next. An error of the server's reaches the client in its own words.
func (srv *Server) authenticate(st *startup, up *upstream.Conn) error {
	a := &authentication{server: srv, st: st, up: up, user: userName(st.parameters["user"]), log: srv.config.Log}
	if err := up.SetDeadline(st.deadline); err != nil {
		return fmt.Errorf("upstream connection: %w", err)
	}
	// A server that shuts down does not wait for anybody's password.
	stop := context.AfterFunc(srv.starting, func() { _ = up.SetDeadline(time.Unix(1, 0)) })
	err := a.run(srv.starting)
	if !stop() {
		return &fatalError{errShuttingDown}
	}
	if err == nil {
		err = up.SetDeadline(time.Time{})
	}
	return err
}

// userName cuts the start-up packet's user as ProcessStartupPacket() does.
func userName(user string) string { return user[:min(len(user), maxName)] }

func (a *authentication) run(ctx context.Context) error {
	switch a.server.config.Auth.Mode {
	case AuthSCRAM:
		return a.byPassword(ctx)
	case AuthCert:
		return a.byCertificate()
	}
	return nil // passthrough.go
}

// binding is what the client binds a SCRAM exchange to, nil when it cannot.
func (st *startup) binding() ([]byte, error) {
	if st.tls == nil {
		return nil, nil
	}
	leaf := st.certificate.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(st.certificate.Certificate[0]); err != nil {
			return nil, fmt.Errorf("pgseal's certificate: %w", err)
		}
	}
	binding, err := scram.Binding(leaf)
	if err != nil {
		return nil, nil // then SCRAM-SHA-256-PLUS is not offered
	}
	return binding, nil
}

// accept tells the client that it is let in. final is the end of a SASL exchange,
// nil when there was none.
func (a *authentication) accept(final []byte) error {
	var messages []byte
	if final != nil {
		messages = appendRequest(messages, requestSASLFinal, final)
	}
	return a.tell(appendRequest(messages, requestOK, nil))
}

// tell sends messages to the client.
func (a *authentication) tell(messages []byte) error {
	if _, err := a.st.conn.Write(messages); err != nil {
		return fmt.Errorf("send to client: %w", err)
	}
	return nil
}

// answer sends the server a response to its request.
func (a *authentication) answer(body []byte) error {
	message := appendResponse(nil, body)
	defer clear(message)
	if _, err := a.up.Write(message); err != nil {
		return fmt.Errorf("send to upstream: %w", err)
	}
	return nil
}

// response reads the client's answer to a request, as the server would: what is
// expected is for its words.
func (a *authentication) response(expected string) ([]byte, error) {
	message, err := readMessage(a.st.conn, 4+maxResponse)
	switch {
	case len(message) > 0 && message[0] != 'p':
		return nil, &fatalError{&pgerr.Error{
			Code: pgerr.ProtocolViolation, Message: fmt.Sprintf("expected %s response, got message type %d", expected, message[0]),
		}}
	case errors.Is(err, errMessageLength):
		return nil, a.refusePassword("the client's message is too long")
	case err != nil:
		return nil, fmt.Errorf("read from client: %w", err)
	}
	return message[headerSize:], nil
}

// request reads the server's next authentication request. What comes before it
// is passed on; so is an error, which is errTold then.
func (a *authentication) request() (code uint32, data []byte, err error) {
	for {
		message, err := readMessage(a.up, maxGreeting)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return 0, nil, &fatalError{&pgerr.Error{
					Code: pgerr.ConnectionFailure, Message: "the database server closed the connection during authentication", Cause: err,
				}}
			}
			if errors.Is(err, errMessageLength) {
				return 0, nil, a.strange(err)
			}
			return 0, nil, fmt.Errorf("read from upstream: %w", err)
		}
		switch message[0] {
		case 'R':
			if code, data, err = parseRequest(message[headerSize:]); err != nil {
				return 0, nil, a.strange(err)
			}
			return code, data, nil
		case 'N':
			if err := a.tell(message); err != nil {
				return 0, nil, err
			}
		case 'E':
			if err := a.tell(message); err != nil {
				return 0, nil, err
			}
			return 0, nil, errTold
		default:
			return 0, nil, a.strange(fmt.Errorf("upstream's message of type %q during authentication", message[0]))
		}
	}
}

// expect reads the server's next request, which must be of that kind.
func (a *authentication) expect(code uint32) ([]byte, error) {
	got, data, err := a.request()
	if err == nil && got != code {
		err = a.strange(fmt.Errorf("upstream's authentication request %d, where %d is due", got, code))
	}
	return data, err
}

// refusePassword is the one answer to a wrong password, an unknown user, and
// whatever else is the matter with either. Why nothing is stored is for the log.
func (a *authentication) refusePassword(missing string) error {
	if missing == "" {
		missing = "the password is another"
	}
	return &fatalError{&pgerr.Error{
		Code: pgerr.InvalidPassword, Message: fmt.Sprintf(`password authentication failed for user "%s"`, a.user), Cause: errors.New(missing),
	}}
}

// strange is for a server that breaks the exchange, or is not the one that it
// should be. What it said is for the log.
func (a *authentication) strange(err error) error {
	return &fatalError{&pgerr.Error{
		Code: pgerr.InvalidAuthorization, Message: "pgseal cannot log in to the database server",
		Hint: "The reason is in pgseal's log.", Anchor: "server-login", Cause: err,
	}}
}

// cannotAnswer is for a server that asks pgseal for what it has not got.
func cannotAnswer(code uint32, mode AuthMode) error {
	e := &pgerr.Error{
		Code: pgerr.InvalidAuthorization, Message: "the database server asks for a login that pgseal cannot make",
		Detail: "It asks for " + requestName(code) + ".", Anchor: "server-login",
	}
	switch mode {
	case AuthCert:
		e.Hint = "auth.mode is cert in pgseal's configuration: have pg_hba.conf let pgseal in by trust or by pgseal's own certificate (cert), or set auth.mode: scram."
	default:
		e.Hint = "auth.mode is scram in pgseal's configuration, and pgseal never sees a password: have pg_hba.conf ask connections from pgseal for scram-sha-256, or set auth.mode: passthrough."
	}
	return &fatalError{e}
}

func requestName(code uint32) string {
	switch code {
	case requestPassword:
		return "the password in clear text"
	case requestMD5:
		return "an md5 hash of the password"
	case requestSASL:
		return "a SASL exchange"
	}
	return fmt.Sprintf("authentication of kind %d", code)
}
