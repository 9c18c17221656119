package proxy_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/certtest"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/proxy"
)

// interceptor stands between a client and the server at target: it speaks TLS
// with both, with a certificate of its own, and passes on what they say. With
// stripped it takes channel binding out of what the server offers.
func interceptor(t *testing.T, target string, stripped bool) (address string) {
	t.Helper()
	ca := certtest.NewCA(t)
	cert := ca.Issue(t, certtest.Leaf{Name: "somebody", Hosts: []string{"127.0.0.1"}}).TLS(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				if err := intercept(conn, target, cert, stripped); err != nil && !errors.Is(err, io.EOF) {
					t.Logf("in between: %v", err) // the ends tell what they make of it
				}
			}()
		}
	}()
	return listener.Addr().String()
}

var sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

func intercept(conn net.Conn, target string, cert tls.Certificate, stripped bool) error {
	request := make([]byte, 8)
	if _, err := io.ReadFull(conn, request); err != nil {
		return err
	}
	if !bytes.Equal(request, sslRequest) {
		return fmt.Errorf("the client begins with %x", request)
	}
	if _, err := conn.Write([]byte{'S'}); err != nil {
		return err
	}
	client := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})
	raw, err := net.Dial("tcp", target)
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }()
	if _, err := raw.Write(sslRequest); err != nil {
		return err
	}
	if _, err := io.ReadFull(raw, request[:1]); err != nil || request[0] != 'S' {
		return fmt.Errorf("the server answers %q, %w", request[0], err)
	}
	server := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.CloseWrite()
	}()
	head := make([]byte, 9) // AuthenticationSASL up to its list
	if _, err := io.ReadFull(server, head); err != nil {
		return err
	}
	list := make([]byte, binary.BigEndian.Uint32(head[1:])-8)
	if _, err := io.ReadFull(server, list); err != nil {
		return err
	}
	if stripped {
		list = bytes.Replace(list, []byte("SCRAM-SHA-256-PLUS\x00"), nil, 1)
		binary.BigEndian.PutUint32(head[1:], uint32(8+len(list)))
	}
	if _, err := client.Write(append(head, list...)); err != nil {
		return err
	}
	_, err = io.Copy(client, server)
	return err
}

// TestSomebodyInBetween: nobody who stands in between, with a certificate that is
// not the server's, gets a login passed on: neither between client and pgseal nor
// between pgseal and the server.
func TestSomebodyInBetween(t *testing.T) {
	l := startLogin(t, loginOptions{mode: proxy.AuthSCRAM, clientTLS: true, upstreamTLS: true})
	for stripped, want := range map[bool]string{false: "SCRAM channel binding check failed", true: "SCRAM channel binding negotiation error"} {
		t.Run(fmt.Sprintf("stripped %v", stripped), func(t *testing.T) {
			through := "hostaddr=127.0.0.1 sslmode=require port="
			port := func(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
			directly := l.psql(t, false, "alice", "wonderland", through+port(interceptor(t, tcpAddress(l.server), stripped)))
			got := l.psql(t, true, "alice", "wonderland", through+port(interceptor(t, "127.0.0.1:"+l.port(t, true), stripped)))
			if got != directly || !strings.Contains(got, want) {
				t.Errorf("in front of pgseal psql prints\n%s\nand in front of Postgres\n%s", got, directly)
			}
			behind := startLogin(t, loginOptions{mode: proxy.AuthSCRAM, like: l, change: func(_ *login, c *proxy.Config) {
				c.Upstream = dialer(t, upstream.Options{
					Addresses: []string{interceptor(t, tcpAddress(l.server), stripped)}, TLS: upstream.TLS{Mode: upstream.ModeRequire},
				})
			}})
			if got := behind.psql(t, true, "alice", "wonderland", "sslmode=disable"); !strings.Contains(got, want) {
				t.Errorf("behind pgseal psql prints\n%s", got)
			}
		})
	}
}

// fakeServer answers start-up packets by a script: messages to send, and "<" where
// a message of the client's is awaited; <nonce> stands for the client's nonce.
// "end" closes the connection.
func fakeServer(t *testing.T, script ...string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				buffer, nonce := make([]byte, 20000), "?"
				_, err := conn.Read(buffer) // the start-up packet comes in one write
				for _, line := range script {
					if err != nil {
						return
					}
					if line == "end" {
						return
					}
					if line == "<" {
						var n int
						if n, err = conn.Read(buffer); err == nil {
							if _, after, ok := bytes.Cut(buffer[:n], []byte("n=,r=")); ok {
								nonce = string(after)
							}
						}
						continue
					}
					_, err = conn.Write([]byte(strings.ReplaceAll(line, "<nonce>", nonce)))
				}
				_, _ = io.Copy(io.Discard, conn) // until pgseal has had enough
			}()
		}
	}()
	return listener.Addr().String()
}

// request is an authentication request.
func request(code uint32, data string) string {
	message := binary.BigEndian.AppendUint32([]byte{'R'}, uint32(8+len(data)))
	return string(binary.BigEndian.AppendUint32(message, code)) + data
}

// TestStrangeServers: a server that breaks the exchange, or only pretends to know
// the role's verifier, gets no client.
func TestStrangeServers(t *testing.T) {
	const list = "SCRAM-SHA-256\x00\x00"
	l := startLogin(t, loginOptions{})
	salt, iterations := l.salt(t, "alice")
	// The client's nonce has 24 characters, which is what the length counts.
	placeholder := strings.Repeat("x", 24)
	challenge := strings.Replace(request(11, "r="+placeholder+"abc,s="+salt+",i="+iterations), placeholder, "<nonce>", 1)
	signature := base64.StdEncoding.EncodeToString(make([]byte, 32))
	const cannot, asks = "pgseal cannot log in to the database server", "asks for a login that pgseal cannot make"
	for name, test := range map[string]struct {
		script []string
		want   string
	}{
		"no signature":              {[]string{request(10, list), "<", challenge, "<", request(12, "e=other-error")}, cannot},
		"wrong signature":           {[]string{request(10, list), "<", challenge, "<", request(12, "v="+signature), request(0, "")}, cannot},
		"another nonce":             {[]string{request(10, list), "<", request(11, "r=abc,s="+salt+",i="+iterations)}, cannot},
		"no challenge":              {[]string{request(10, list), "<", request(11, "")}, cannot},
		"other mechanisms":          {[]string{request(10, "OAUTHBEARER\x00\x00")}, asks},
		"no mechanisms":             {[]string{request(10, "\x00")}, asks},
		"md5 salt of three bytes":   {[]string{request(5, "abc")}, cannot},
		"Kerberos":                  {[]string{request(7, "")}, asks},
		"unknown request":           {[]string{request(99, "")}, asks},
		"list without an end":       {[]string{request(10, "SCRAM-SHA-256")}, cannot},
		"OK in the place of SASL":   {[]string{request(10, list), "<", request(0, "")}, cannot},
		"OK without a signature":    {[]string{request(10, list), "<", challenge, "<", request(0, "")}, cannot},
		"row in the place of SASL":  {[]string{request(10, list), "<", "D\x00\x00\x00\x06\x00\x00"}, cannot},
		"message without an end":    {[]string{request(10, list), "<", "R\x7f\xff\xff\xff"}, cannot},
		"request without a kind":    {[]string{"R\x00\x00\x00\x06\x00\x00"}, cannot},
		"end in the middle":         {[]string{request(10, list), "<", "end"}, "the database server closed the connection during authentication"},
		"error of the server's own": {[]string{request(10, list), "<", "E\x00\x00\x00\x1eSFATAL\x00C28P01\x00Mits words\x00\x00"}, "FATAL:  its words"},
	} {
		t.Run(name, func(t *testing.T) {
			strange := startLogin(t, loginOptions{mode: proxy.AuthSCRAM, like: l, change: func(_ *login, c *proxy.Config) {
				c.Upstream = dialer(t, upstream.Options{Addresses: []string{fakeServer(t, test.script...)}})
			}})
			got := strange.psql(t, true, "alice", "wonderland", "sslmode=disable")
			if !strings.Contains(got, test.want) {
				t.Errorf("psql prints\n%s\nwant … %s …; the log:\n%s", got, test.want, strange.Log)
			}
			if name == "wrong signature" && !strings.Contains(strange.Log.String(), "the server's signature is wrong") {
				t.Errorf("the log does not say why:\n%s", strange.Log)
			}
			noSecrets(t, strange)
		})
	}
}

// salt gives the salt and the iteration count of a user's verifier.
func (l *login) salt(t *testing.T, user string) (salt, iterations string) {
	t.Helper()
	c := rawConn(t, l.Direct)
	c.start(user)
	c.read()
	c.initial("SCRAM-SHA-256", "n,,n=,r=abc")
	_, body := c.read()
	for _, attribute := range strings.Split(string(body[4:]), ",") {
		if text, ok := strings.CutPrefix(attribute, "s="); ok {
			salt = text
		}
		if text, ok := strings.CutPrefix(attribute, "i="); ok {
			iterations = text
		}
	}
	return salt, iterations
}
