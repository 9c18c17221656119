package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/scram"
)

// maxResponse bounds a client's answer to a request, in bytes of the body
// (PG_MAX_SASL_MESSAGE_LENGTH).
const maxResponse = scram.MaxMessage

// parseRequest takes an authentication request's body apart. The data alias it.
func parseRequest(body []byte) (code uint32, data []byte, err error) {
	if len(body) < 4 {
		return 0, nil, fmt.Errorf("upstream's authentication request has %d bytes", len(body))
	}
	return binary.BigEndian.Uint32(body), body[4:], nil
}

// appendRequest appends an authentication request.
func appendRequest(dst []byte, code uint32, data []byte) []byte {
	dst = append(dst, 'R')
	dst = binary.BigEndian.AppendUint32(dst, uint32(8+len(data)))
	dst = binary.BigEndian.AppendUint32(dst, code)
	return append(dst, data...)
}

// appendResponse appends a client's response to a request.
func appendResponse(dst, body []byte) []byte {
	dst = append(dst, 'p')
	dst = binary.BigEndian.AppendUint32(dst, uint32(4+len(body)))
	return append(dst, body...)
}

// parseMechanisms reads the list of an AuthenticationSASL.
func parseMechanisms(data []byte) ([]string, error) {
	var list []string
	for {
		name, rest, ok := cutString(data)
		if !ok {
			return nil, errors.New("upstream's list of SASL mechanisms has no end")
		}
		if len(name) == 0 {
			return list, nil
		}
		list, data = append(list, string(name)), rest
	}
}

// appendMechanisms appends the data of an AuthenticationSASL.
func appendMechanisms(dst []byte, list []string) []byte {
	for _, name := range list {
		dst = append(append(dst, name...), 0)
	}
	return append(dst, 0)
}

// saslInitial is a SASLInitialResponse's body.
type saslInitial struct {
	mechanism string
	data      []byte // nil: none was given, which is not the same as an empty one
}

// parseSASLInitial reads a SASLInitialResponse as CheckSASLAuth() does.
func parseSASLInitial(body []byte) (m saslInitial, err error) {
	mechanism, rest, ok := cutString(body)
	if !ok {
		return m, malformed("invalid string in message")
	}
	if len(rest) < 4 {
		return m, malformed("insufficient data left in message")
	}
	m.mechanism = string(mechanism)
	n, rest := binary.BigEndian.Uint32(rest), rest[4:]
	if n != noResponse {
		if uint64(n) > uint64(len(rest)) {
			return m, malformed("insufficient data left in message")
		}
		m.data, rest = rest[:n], rest[n:]
	}
	if len(rest) > 0 {
		return m, malformed("invalid message format")
	}
	return m, nil
}

// noResponse is the length of an initial response that is not there.
const noResponse = 0xffffffff

// appendSASLInitial appends a SASLInitialResponse's body.
func appendSASLInitial(dst []byte, m saslInitial) []byte {
	dst = append(append(dst, m.mechanism...), 0)
	if m.data == nil {
		return binary.BigEndian.AppendUint32(dst, noResponse)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(m.data)))
	return append(dst, m.data...)
}

// malformed is what the functions of pqformat.c say.
func malformed(message string) error {
	return &fatalError{&pgerr.Error{Code: pgerr.ProtocolViolation, Message: message}}
}

// parsePassword reads a PasswordMessage's body (recv_password_packet).
func parsePassword(body []byte) ([]byte, error) {
	if len(body) == 0 || bytes.IndexByte(body, 0) != len(body)-1 {
		return nil, malformed("invalid password packet size")
	}
	if len(body) == 1 {
		return nil, &fatalError{&pgerr.Error{Code: pgerr.InvalidPassword, Message: "empty password returned by client"}}
	}
	return body[:len(body)-1], nil
}
