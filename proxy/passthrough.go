package proxy

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/scram"
)

// Authentication that is passed through. Client and server talk to each other as
// if pgseal was not there, with one exception: SCRAM-SHA-256-PLUS binds the login
// to the TLS connection that the server sees, which is not the client's.

// handleAuthentication relays an authentication message of the server's, without
// the mechanism that cannot work.
func (b *backend) handleAuthentication(frame, body []byte) error {
	if len(body) >= 4 {
		switch binary.BigEndian.Uint32(body) {
		case requestOK, requestSASLFinal:
		default:
			b.s.mu.Lock()
			b.s.requests++
			b.s.cond.Broadcast()
			b.s.mu.Unlock()
		}
	}
	if len(body) < 4 || binary.BigEndian.Uint32(body) != requestSASL || b.s.upstream.TLS() == nil {
		b.out.relay(frame)
		return nil
	}
	list, err := parseMechanisms(body[4:])
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(name string) bool { return name == scram.MechanismPlus })
	b.out.buf = appendRequest(b.out.begin(), requestSASL, appendMechanisms(nil, list))
	b.s.plusWithheld.Store(true)
	return nil
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
