package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/upstream"
)

// The way from a client's start-up packet to a server that has answered it. Two
// things are settled by that first answer: whether another host is to be asked,
// and which protocol is spoken.

// maxGreeting bounds the messages that are read here (libpq's MAX_ERRLEN).
const maxGreeting = 30000

// greeting is a server's answer to the start-up packet. The connection still has
// in it the message that is for the session: an error, or the start of
// authentication.
type greeting struct {
	conn *upstream.Conn
	held []byte // for the client, ahead of that message
	code string // of the error; "" when it is none
}

// connect finds a server for the client. A host that says it cannot take
// connections now is passed over while there are others, as by libpq.
func (st *startup) connect(ctx context.Context) (*upstream.Conn, error) {
	var last *greeting // of those that were passed over
	var errs []error
	for conn, err := range st.server.config.Upstream.Candidates(ctx) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		g, err := st.greet(ctx, conn)
		if err != nil {
			_ = conn.Close() // it failed already, or the client hears why
			var fatal *fatalError
			if errors.As(err, &fatal) {
				last.close()
				return nil, err
			}
			errs = append(errs, fmt.Errorf("upstream %s: %w", conn.Host(), err))
			continue
		}
		last.close()
		last = g
		if g.code != pgerr.CannotConnectNow {
			break
		}
	}
	if last == nil {
		return nil, &fatalError{st.server.unreachable(errors.Join(errs...))}
	}
	if _, err := st.conn.Write(last.held); err != nil {
		last.close()
		return nil, fmt.Errorf("send to client: %w", err)
	}
	return last.conn, nil
}

func (g *greeting) close() {
	if g != nil {
		_ = g.conn.Close() // nothing more is wanted of it
	}
}

// greet sends the start-up packet and reads what the server says to it, up to the
// first message that is for the session.
func (st *startup) greet(ctx context.Context, conn *upstream.Conn) (*greeting, error) {
	if err := conn.SetDeadline(st.deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	packet := st.packet
	if st.version() > newestVersion {
		packet = slices.Clone(packet)
		binary.BigEndian.PutUint32(packet[4:], newestVersion)
	}
	if _, err := conn.Write(packet); err != nil {
		return nil, fmt.Errorf("send the start-up packet: %w", err)
	}
	g := &greeting{conn: conn}
	negotiated := false
	for {
		message, err := readMessage(conn, maxGreeting)
		if err != nil {
			return nil, fmt.Errorf("read the answer to the start-up packet: %w", err)
		}
		typ, body := message[0], message[headerSize:]
		switch {
		case typ == 'N' && len(g.held) < maxGreeting:
			g.held = append(g.held, message...)
		case typ == 'v' && !negotiated:
			negotiated = true
			if g.held, err = st.appendNegotiated(g.held, body); err != nil {
				return nil, err
			}
		case typ == 'R', typ == 'E':
			if typ == 'E' {
				g.code = string(errorField(body, 'C'))
			}
			// A packet that is not well formed is refused before anything is negotiated.
			if !negotiated && g.code != pgerr.ProtocolViolation {
				if g.held, err = st.appendNotNegotiated(g.held, typ); err != nil {
					return nil, err
				}
			}
			conn.Unread(message)
			if !stop() {
				return nil, ctx.Err()
			}
			return g, conn.SetDeadline(time.Time{})
		default:
			return nil, fmt.Errorf("the server answers the start-up packet with a message of type %q", typ)
		}
	}
}

// readMessage reads one message, and nothing behind it. With errMessageLength it
// gives the header.
func readMessage(conn io.Reader, limit int) ([]byte, error) {
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(conn, head); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 || uint64(n) > uint64(limit) {
		return head, errMessageLength
	}
	message := make([]byte, 1+n)
	copy(message, head)
	_, err := io.ReadFull(conn, message[headerSize:])
	return message, err
}

// appendNegotiated appends the server's NegotiateProtocolVersion. A protocol
// option that it does not list is one that the server follows and pgseal does not
// know.
func (st *startup) appendNegotiated(dst, body []byte) ([]byte, error) {
	version, unknown, err := parseNegotiate(body)
	if err != nil {
		return dst, err
	}
	for _, option := range st.options {
		if !slices.Contains(unknown, option) {
			return dst, unknownOption(option)
		}
	}
	return appendNegotiate(dst, min(version, newestVersion), unknown)
}

// appendNotNegotiated: the server follows all that it was sent. A client that has
// asked for more than pgseal knows is told so.
func (st *startup) appendNotNegotiated(dst []byte, typ byte) ([]byte, error) {
	switch {
	case len(st.options) > 0 && typ == 'R':
		return dst, unknownOption(st.options[0])
	case st.version() > newestVersion:
		return appendNegotiate(dst, newestVersion, nil)
	}
	return dst, nil
}

func unknownOption(option string) error {
	return &fatalError{&pgerr.Error{
		Code:    pgerr.FeatureNotSupported,
		Message: fmt.Sprintf("pgseal does not know the protocol option %q, which the database server follows", option),
		Hint:    "Connect without it.",
		Anchor:  "protocol-option",
	}}
}

// parseNegotiate takes a NegotiateProtocolVersion apart: the newest version that
// the server speaks (all of the number, 196608 for 3.0) and the options that it
// does not know.
func parseNegotiate(body []byte) (version uint32, unknown []string, err error) {
	if len(body) < 8 {
		return 0, nil, errors.New("NegotiateProtocolVersion is cut short")
	}
	version, n := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
	rest := body[8:]
	for range n {
		name, after, ok := cutString(rest)
		if !ok || !strings.HasPrefix(string(name), protocolOption) {
			return 0, nil, errors.New("NegotiateProtocolVersion does not list what it says")
		}
		unknown, rest = append(unknown, string(name)), after
	}
	if len(rest) > 0 || version>>16 != newestVersion>>16 {
		return 0, nil, errors.New("NegotiateProtocolVersion has another form")
	}
	return version, unknown, nil
}

func appendNegotiate(dst []byte, version uint32, unknown []string) ([]byte, error) {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(beginMessage(dst, 'v'), version)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(unknown)))
	for _, option := range unknown {
		dst = append(append(dst, option...), 0)
	}
	return endMessage(dst, start)
}
