package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// What a client sends before its session begins: ProcessSSLStartup and
// ProcessStartupPacket in Postgres, whose rules, words and silences these are.

// Codes that stand in a start-up packet where others have the protocol's
// version (pqcomm.h).
const (
	codeCancel = 80877102
	codeSSL    = 80877103
	codeGSSENC = 80877104
)

// maxStartupSize is MAX_STARTUP_PACKET_LENGTH, which does not count the length
// word.
const maxStartupSize = 10000

// newestVersion is the newest protocol that pgseal understands, 3.2.
const newestVersion = 3<<16 | 2

// protocolOption is in front of the names of parameters that change the protocol
// itself.
const protocolOption = "_pq_."

// errBadPacket closes a connection without an answer: the client speaks another
// protocol, or none (COMMERROR in Postgres).
var errBadPacket = errors.New("invalid start-up packet")

// negotiate reads packets until the start-up packet, or a cancel request, which
// it gives.
func (st *startup) negotiate() (cancel []byte, err error) {
	if first, err := st.conn.peek(1); err != nil {
		return nil, err
	} else if first[0] == tlsHandshake {
		if err := st.directTLS(); err != nil {
			return nil, err
		}
	}
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
			askedGSS = askedGSS || st.tls != nil
		case code == codeGSSENC && !askedGSS:
			askedGSS = true
			if _, err := st.conn.Write([]byte{'N'}); err != nil {
				return nil, fmt.Errorf("answer GSSENCRequest: %w", err)
			}
			if err := st.nothingAhead("GSSAPI encryption request"); err != nil {
				return nil, err
			}
		case code>>16 == newestVersion>>16:
			st.parse(packet)
			return nil, nil
		case code != 0 && code>>16 < newestVersion>>16:
			// In the form of protocol 2.0, as send_message_to_frontend does.
			_, _ = fmt.Fprintf(st.conn, "EFATAL:  %s\n\x00", unsupported(code)) // the connection ends either way
			return nil, fmt.Errorf("%w: %s", errBadPacket, unsupported(code))
		default:
			return nil, &fatalError{&pgerr.Error{Code: pgerr.FeatureNotSupported, Message: unsupported(code)}}
		}
	}
}

func unsupported(version uint32) string {
	return fmt.Sprintf("unsupported frontend protocol %d.%d: server supports 3.0 to 3.%d", version>>16, version&0xffff, newestVersion&0xffff)
}

// read reads one packet without a type byte.
func (st *startup) read() ([]byte, error) {
	head, err := st.conn.peek(4)
	if err != nil {
		return nil, fmt.Errorf("read the start-up packet: %w", err)
	}
	n := binary.BigEndian.Uint32(head)
	if n < 8 || n > 4+maxStartupSize {
		return nil, fmt.Errorf("%w: a length of %d", errBadPacket, n)
	}
	if _, err := st.conn.peek(int(n)); err != nil {
		return nil, fmt.Errorf("read the start-up packet: %w", err)
	}
	return st.conn.take(int(n)), nil
}

// nothingAhead refuses what came in clear text behind a request for encryption:
// it may have been put there by somebody in between (CVE-2021-23214).
func (st *startup) nothingAhead(request string) error {
	if len(st.conn.ahead) == 0 {
		return nil
	}
	return &fatalError{&pgerr.Error{
		Code:    pgerr.ProtocolViolation,
		Message: "received unencrypted data after " + request,
		Detail:  "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.",
	}}
}

// parse keeps what pgseal needs of the start-up packet. A packet that is not well
// formed is the server's to refuse; what it does not read of it is not kept. Of a
// parameter that is there twice the last counts.
func (st *startup) parse(packet []byte) {
	st.packet = packet
	st.parameters = make(map[string]string)
	for rest := packet[8:]; len(rest) > 0 && rest[0] != 0; {
		name, after, ok := cutString(rest)
		if !ok {
			return
		}
		var value []byte
		if value, rest, ok = cutString(after); !ok {
			return
		}
		st.parameters[string(name)] = string(value)
		if bytes.HasPrefix(name, []byte(protocolOption)) && !slices.Contains(st.options, string(name)) {
			st.options = append(st.options, string(name))
		}
	}
}

// version is the protocol that the client asks for.
func (st *startup) version() uint32 { return binary.BigEndian.Uint32(st.packet[4:]) }

// parseBool is Postgres's parse_bool: the words may be cut short where they stay
// unambiguous.
func parseBool(s string) (value, ok bool) {
	s = strings.ToLower(s)
	for word, w := range boolWords {
		if len(s) >= w.least && strings.HasPrefix(word, s) {
			return w.value, true
		}
	}
	return false, false
}

var boolWords = map[string]struct {
	least int // letters
	value bool
}{
	"true": {1, true}, "yes": {1, true}, "on": {2, true}, "1": {1, true},
	"false": {1, false}, "no": {1, false}, "off": {2, false}, "0": {1, false},
}
