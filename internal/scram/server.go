package scram

import (
	"crypto/hmac"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/secret"
)

// Server is the server's side of one exchange: Select, Challenge, Finish, in this
// order. Its errors are ErrProof, for a client that does not know the password,
// and otherwise *pgerr.Error with Postgres's codes and words.
type Server struct {
	secret.Opaque
	verifier *Verifier
	binding  []byte // nil: channel binding is not offered
	nonce    string // the server's part

	bound        bool   // the client chose the mechanism with channel binding
	flag         byte   // gs2-cbind-flag: n, y or p
	clientNonce  string // the client's part
	clientFirst  string // client-first-message-bare
	serverFirst  string
	wholeNonce   string
	withoutProof string // client-final-message-without-proof
}

// NewServer begins an exchange with a client that is to know the password of v.
// binding is what Binding gives for the certificate that the client was shown;
// nil when the connection is not TLS, or the certificate has no such hash. The
// verifier is the caller's to zero.
func NewServer(v *Verifier, binding []byte) *Server {
	return &Server{verifier: v, binding: binding, nonce: newNonce()}
}

// Mechanisms are the names to offer, the preferred first
// (pg_be_scram_get_mechanisms).
func (s *Server) Mechanisms() []string {
	if s.binding != nil {
		return []string{MechanismPlus, Mechanism}
	}
	return []string{Mechanism}
}

// Select takes the client's choice of mechanism (scram_init).
func (s *Server) Select(mechanism string) error {
	if !slices.Contains(s.Mechanisms(), mechanism) {
		return &pgerr.Error{Code: pgerr.ProtocolViolation, Message: "client selected an invalid SASL authentication mechanism"}
	}
	s.bound = mechanism == MechanismPlus
	return nil
}

// Challenge takes the client-first-message and gives the server-first-message
// (read_client_first_message, build_server_first_message).
func (s *Server) Challenge(message []byte) ([]byte, error) {
	text, err := checkMessage(message)
	if err != nil {
		return nil, err
	}
	if text, err = s.readHeader(text); err != nil {
		return nil, err
	}
	s.clientFirst = text
	if first(text) == 'm' {
		return nil, &pgerr.Error{Code: pgerr.FeatureNotSupported, Message: "client requires an unsupported SCRAM extension"}
	}
	// The user is the one of the start-up packet.
	if _, text, err = readValue(text, 'n'); err != nil {
		return nil, err
	}
	if s.clientNonce, text, err = readValue(text, 'r'); err != nil {
		return nil, err
	}
	if !isNonce(s.clientNonce) {
		return nil, &pgerr.Error{Code: pgerr.ProtocolViolation, Message: "non-printable characters in SCRAM nonce"}
	}
	for text != "" { // optional extensions
		if _, _, text, err = readAny(text); err != nil {
			return nil, err
		}
	}
	s.wholeNonce = s.clientNonce + s.nonce
	s.serverFirst = fmt.Sprintf("r=%s,s=%s,i=%d", s.wholeNonce, base64.StdEncoding.EncodeToString(s.verifier.salt), s.verifier.iterations)
	return []byte(s.serverFirst), nil
}

// readHeader reads the gs2-header and gives what is behind it.
func (s *Server) readHeader(text string) (rest string, err error) {
	s.flag = first(text)
	switch {
	case s.flag == 'n' || s.flag == 'y':
		if s.bound {
			return "", malformed("The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.")
		}
		if s.flag == 'y' && s.binding != nil {
			// Somebody took the better mechanism off the list that the client saw.
			return "", &pgerr.Error{
				Code: pgerr.InvalidAuthorization, Message: "SCRAM channel binding negotiation error",
				Detail: "The client supports SCRAM channel binding but thinks the server does not.  However, this server does support channel binding.",
			}
		}
		text = text[1:]
		if first(text) != ',' {
			return "", malformed(`Comma expected, but found character "%s".`, printable(first(text)))
		}
		text = text[1:]
	case s.flag == 'p':
		if !s.bound {
			return "", malformed("The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.")
		}
		var kind string
		if kind, text, err = readValue(text, 'p'); err != nil {
			return "", err
		}
		if kind != bindingType {
			return "", &pgerr.Error{
				Code: pgerr.ProtocolViolation, Message: fmt.Sprintf(`unsupported SCRAM channel-binding type "%s"`, printableText(kind)), Echoes: true,
			}
		}
	default:
		return "", malformed(`Unexpected channel-binding flag "%s".`, printable(s.flag))
	}
	switch first(text) {
	case ',':
		return text[1:], nil
	case 'a':
		return "", &pgerr.Error{Code: pgerr.FeatureNotSupported, Message: "client uses authorization identity, but it is not supported"}
	}
	return "", malformed(`Unexpected attribute "%s" in client-first-message.`, printable(first(text)))
}

// Finish takes the client-final-message. When the proof is right it gives the
// server-final-message and the client's key, which is the caller's to zero
// (read_client_final_message, verify_client_proof). A mock verifier is gone
// through like any other.
func (s *Server) Finish(message []byte) (final []byte, key *Key, err error) {
	text, err := checkMessage(message)
	if err != nil {
		return nil, nil, err
	}
	bound, rest, err := readValue(text, 'c')
	if err != nil {
		return nil, nil, err
	}
	if err := s.checkBinding(bound); err != nil {
		return nil, nil, err
	}
	nonce, rest, err := readValue(rest, 'r')
	if err != nil {
		return nil, nil, err
	}
	var proof string
	for name := byte(0); name != 'p'; { // optional extensions come before it
		s.withoutProof = strings.TrimSuffix(text[:len(text)-len(rest)], ",")
		if name, proof, rest, err = readAny(rest); err != nil {
			return nil, nil, err
		}
	}
	key = &Key{bytes: &[keySize]byte{}}
	if !decodeKey(key.bytes, []byte(proof)) {
		return nil, nil, malformed("Malformed proof in client-final-message.")
	}
	if rest != "" {
		return nil, nil, malformed("Garbage found at the end of client-final-message.")
	}
	if !hmac.Equal([]byte(nonce), []byte(s.wholeNonce)) {
		return nil, nil, &pgerr.Error{Code: pgerr.ProtocolViolation, Message: "invalid SCRAM response", Detail: "Nonce does not match."}
	}
	*key.bytes = xor(*key.bytes, sum(s.verifier.keys.stored[:], s.clientFirst, s.serverFirst, s.withoutProof))
	if !s.verifier.proves(key) {
		key.Zero()
		return nil, nil, ErrProof
	}
	signature := sum(s.verifier.keys.server[:], s.clientFirst, s.serverFirst, s.withoutProof)
	return append([]byte("v="), base64.StdEncoding.EncodeToString(signature[:])...), key, nil
}

// checkBinding compares the client's view of the connection with this side's.
func (s *Server) checkBinding(attribute string) error {
	if s.bound {
		want := base64.StdEncoding.EncodeToString(append([]byte("p="+bindingType+",,"), s.binding...))
		if !hmac.Equal([]byte(attribute), []byte(want)) {
			return &pgerr.Error{Code: pgerr.InvalidAuthorization, Message: "SCRAM channel binding check failed"}
		}
		return nil
	}
	if attribute != base64.StdEncoding.EncodeToString([]byte{s.flag, ',', ','}) {
		return &pgerr.Error{Code: pgerr.ProtocolViolation, Message: "unexpected SCRAM channel-binding attribute in client-final-message"}
	}
	return nil
}

// checkMessage holds a client's message to what scram_exchange does.
func checkMessage(message []byte) (string, error) {
	switch {
	case len(message) == 0:
		return "", malformed("The message is empty.")
	case len(message) > MaxMessage:
		return "", malformed("The message is too long.")
	case slices.Contains(message, 0):
		return "", malformed("Message length does not match input length.")
	}
	return string(message), nil
}
