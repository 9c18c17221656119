package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// Authentication that is passed through. Client and server talk to each other as
// if pgseal was not there, with one exception: SCRAM-SHA-256-PLUS binds the login
// to the TLS connection that the server sees, which is not the client's.

// authenticationSASL is the code of AuthenticationSASL, which lists mechanisms.
const authenticationSASL = 10

// mechanismPlus is the SASL mechanism with channel binding.
const mechanismPlus = "SCRAM-SHA-256-PLUS"

// handleAuthentication relays an authentication message of the server's, without
// the mechanism that cannot work.
func (b *backend) handleAuthentication(frame, body []byte) error {
	if len(body) < 4 || binary.BigEndian.Uint32(body) != authenticationSASL || b.s.upstream.TLS() == nil {
		b.out.relay(frame)
		return nil
	}
	dst := b.out.begin()
	start := len(dst)
	dst = append(beginMessage(dst, 'R'), body[:4]...)
	for rest := body[4:]; len(rest) > 0 && rest[0] != 0; {
		mechanism, after, ok := cutString(rest)
		if !ok {
			return errors.New("upstream's AuthenticationSASL is cut short")
		}
		if string(mechanism) != mechanismPlus {
			dst = append(append(dst, mechanism...), 0)
		}
		rest = after
	}
	dst, err := endMessage(append(dst, 0), start)
	b.out.buf = dst
	b.s.plusWithheld.Store(true)
	return err
}

// checkSASL looks at a client's first word of SASL, when channel binding was
// taken out of what the server offers. A client with TLS that knows channel
// binding says "y": it would have bound, had the server offered it. The server,
// which has, takes that for a downgrade by somebody in between and refuses
// (RFC 5802, section 6), so pgseal says what can be done about it instead.
func (s *session) checkSASL(body []byte) error {
	if !s.plusWithheld.Swap(false) {
		return nil
	}
	_, rest, ok := cutString(body)
	if !ok || len(rest) < 4 || !bytes.HasPrefix(rest[4:], []byte("y,")) {
		return nil
	}
	return &fatalError{&pgerr.Error{
		Code:    pgerr.FeatureNotSupported,
		Message: "SCRAM cannot be passed through pgseal with TLS on both sides",
		Detail:  "It binds the login to the TLS connection that the server sees, which is pgseal's own.",
		Hint:    "Set auth.mode: scram in pgseal's configuration, or connect with channel_binding=disable.",
		Anchor:  "scram-over-tls",
	}}
}
