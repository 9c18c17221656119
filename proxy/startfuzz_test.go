package proxy

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// scriptedConn is a client that has sent all that it will.
type scriptedConn struct {
	in  io.Reader
	out bytes.Buffer
}

func (c *scriptedConn) Read(b []byte) (int, error)     { return c.in.Read(b) }
func (c *scriptedConn) Write(b []byte) (int, error)    { return c.out.Write(b) }
func (*scriptedConn) Close() error                     { return nil }
func (*scriptedConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*scriptedConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*scriptedConn) SetDeadline(time.Time) error      { return nil }
func (*scriptedConn) SetReadDeadline(time.Time) error  { return nil }
func (*scriptedConn) SetWriteDeadline(time.Time) error { return nil }

// FuzzStartup: whatever a client begins with, at most three packets are taken,
// each within its bounds, and what follows the start-up packet is left for the
// session.
func FuzzStartup(f *testing.F) {
	request := func(code uint32, body string) []byte {
		p := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
		return append(binary.BigEndian.AppendUint32(p, code), body...)
	}
	login := request(newestVersion, "user\x00a\x00_pq_.x\x001\x00replication\x00database\x00\x00")
	for _, seed := range [][]byte{
		login, append(bytes.Clone(login), "Q\x00\x00\x00\x05\x00"...),
		request(codeSSL, ""), request(codeGSSENC, ""), request(codeCancel, "\x00\x00\x00\x01key!"),
		append(request(codeGSSENC, ""), request(codeSSL, "")...), append(request(codeSSL, ""), login...),
		{tlsHandshake, 3, 1}, {0, 0, 0, 8}, {0, 0, 0, 4, 0, 3, 0, 0}, request(2<<16, ""), request(3<<16, "user\x00a"), {},
	} {
		f.Add(seed, uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, piece uint8) {
		conn := &scriptedConn{in: &chunked{data: data, size: int(piece) + 1}}
		st := &startup{server: &Server{}, conn: &clientConn{Conn: conn}}
		cancel, err := st.negotiate()
		if out := conn.out.String(); strings.TrimLeft(out, "N") != "" && !strings.HasPrefix(strings.TrimLeft(out, "N"), "EFATAL:  unsupported") {
			t.Errorf("answered %q", out)
		}
		if len(conn.out.String()) > 2 && err == nil {
			t.Errorf("more than two requests are answered: %q", &conn.out)
		}
		packet := st.packet
		if cancel != nil {
			packet = cancel
		}
		if err != nil {
			return
		}
		if len(packet) < 8 || len(packet) > 4+maxStartupSize || int(binary.BigEndian.Uint32(packet)) != len(packet) {
			t.Errorf("a packet of %d bytes", len(packet))
		}
		left, err := io.ReadAll(st.conn)
		if err != nil || !bytes.HasSuffix(data, append(bytes.Clone(packet), left...)) {
			t.Errorf("left %q, %v", left, err)
		}
		if cancel == nil {
			_ = st.replicates()
			for name := range st.parameters {
				if strings.HasPrefix(name, protocolOption) && !slices.Contains(st.options, name) {
					t.Errorf("the option %q is not kept", name)
				}
			}
		}
	})
}

// chunked gives data in pieces.
type chunked struct {
	data []byte
	size int
}

func (c *chunked) Read(b []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), c.size)], c.data)
	c.data = c.data[n:]
	return n, nil
}

// FuzzNegotiate: what is understood of a NegotiateProtocolVersion says all of it.
func FuzzNegotiate(f *testing.F) {
	for _, seed := range []string{
		"\x00\x03\x00\x00\x00\x00\x00\x00", "\x00\x03\x00\x02\x00\x00\x00\x01_pq_.x\x00", "\x00\x03\x00\x00\xff\xff\xff\xff", "\x00\x03\x00\x00\x00\x00\x00\x01_pq_.x", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		version, unknown, err := parseNegotiate(body)
		if err != nil {
			return
		}
		again, err := appendNegotiate(nil, version, unknown)
		if err != nil || !bytes.Equal(again[headerSize:], body) {
			t.Errorf("%q becomes %q, %v", body, again, err)
		}
	})
}

// FuzzReplicationCommand: nothing but blanks and one semicolon is behind a
// command.
func FuzzReplicationCommand(f *testing.F) {
	for _, seed := range []string{"IDENTIFY_SYSTEM", "SHOW x;", "SHOW x; SELECT 1", " base_backup (LABEL 'a') ; ", ";", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !isReplicationCommand(text) {
			return
		}
		if _, behind, _ := bytes.Cut(text, []byte(";")); len(bytes.Trim(behind, " \t\n\r\f\v")) > 0 {
			t.Errorf("%q is taken for a command", text)
		}
	})
}
