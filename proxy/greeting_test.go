package proxy_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/proxy"
)

// What no Postgres at hand does is played by a server of the test's own: newer
// protocols, options that it follows, and messages in an order of its choice.

// startScripted is a pgseal in front of a server that reads a start-up packet,
// says answer, and reads on until a Terminate. Its start-up packets, and what
// else it is sent, come out of the channel.
func startScripted(t *testing.T, answer []byte) (through string, sent <-chan []byte) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	got := make(chan []byte, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				head := make([]byte, 8)
				if _, err := io.ReadFull(conn, head); err != nil {
					return
				}
				rest := make([]byte, binary.BigEndian.Uint32(head)-8)
				if _, err := io.ReadFull(conn, rest); err != nil {
					return
				}
				got <- append(head, rest...)
				if binary.BigEndian.Uint32(head[4:]) == codeCancelRequest {
					return
				}
				if _, err := conn.Write(answer); err != nil {
					return
				}
				buf := make([]byte, 4096)
				for {
					n, err := conn.Read(buf)
					if err != nil || bytes.HasSuffix(buf[:n], terminate) {
						return
					}
				}
			}()
		}
	}()
	f := proxytest.Start(t, proxytest.Options{Change: func(c *proxy.Config) {
		c.Upstream = dialer(t, upstream.Options{Addresses: []string{listener.Addr().String()}})
	}})
	return f.Through, got
}

// message makes a message of the server's.
func message(typ byte, body string) []byte {
	m := binary.BigEndian.AppendUint32([]byte{typ}, uint32(4+len(body)))
	return append(m, body...)
}

func uint32s(list ...uint32) string {
	var b []byte
	for _, n := range list {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return string(b)
}

const (
	v30, v32 = 3 << 16, 3<<16 | 2
	v39999   = 3<<16 | 9999 // what libpq asks for to see whether a server can negotiate
)

var (
	authOK    = message('R', uint32s(0))
	readyIdle = message('Z', "I")
	terminate = message('X', "")
	loginAs   = "user\x00postgres\x00database\x00postgres\x00"
)

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// TestFact05NegotiateProtocolVersion: a newer protocol and options that nobody
// knows are answered as by Postgres, with exactly one NegotiateProtocolVersion,
// which has the whole version in it and echoes the options.
func TestFact05NegotiateProtocolVersion(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{})
	for name, start := range map[string][]byte{
		"3.0":                             packet(v30, loginAs+"\x00"),
		"3.1":                             packet(v30+1, loginAs+"\x00"),
		"3.2":                             packet(v32, loginAs+"\x00"),
		"3.9999":                          packet(v39999, loginAs+"\x00"),
		"3.0 with an option":              packet(v30, loginAs+"_pq_.a\x001\x00\x00"),
		"3.2 with options":                packet(v32, "_pq_.b\x00\x00"+loginAs+"_pq_.a\x001\x00\x00"),
		"3.9999 with options":             packet(v39999, loginAs+"_pq_.a\x001\x00_pq_.b\x002\x00\x00"),
		"an option that is there twice":   packet(v30, loginAs+"_pq_.a\x001\x00_pq_.a\x002\x00\x00"),
		"3.9999 and an ill-formed packet": packet(v39999, loginAs),
		"3.9999 and no user":              packet(v39999, "\x00"),
		"a setting with a similar name":   packet(v30, loginAs+"_pqx.a\x001\x00\x00"),
	} {
		start = append(start, terminate...)
		want, got := asPostgres(startupOf(t, f.Direct, start)), asPostgres(startupOf(t, f.Through, start))
		if got != want {
			t.Errorf("%s: answered %.300q, by Postgres %.300q", name, got, want)
		}
		told := strings.Count(got, "v\x00\x00\x00")
		newer := strings.Contains(name, "option") || strings.HasPrefix(name, "3.9999") && !strings.Contains(name, "ill-formed")
		if newer && told != 1 || told > 1 {
			t.Errorf("%s: NegotiateProtocolVersion comes %d times: %.300q", name, told, got)
		}
	}
}

// TestFact05OptionsThatOnlyTheServerKnows: an option that the server does not
// echo is one that it follows, and pgseal does not.
func TestFact05OptionsThatOnlyTheServerKnows(t *testing.T) {
	start := packet(v32, loginAs+"_pq_.a\x001\x00_pq_.b\x002\x00\x00")
	for name, answer := range map[string][]byte{
		"it knows both":     authOK,
		"it knows one":      join(message('v', uint32s(v32, 1)+"_pq_.b\x00"), authOK),
		"it negotiates 3.0": join(message('v', uint32s(v30, 0)), authOK),
	} {
		through, _ := startScripted(t, join(answer, readyIdle))
		got := startupOf(t, through, start)
		if !bytes.Contains(got, []byte(`C0A000`)) || !bytes.Contains(got, []byte(`"_pq_.a"`)) || bytes.Contains(got, readyIdle) {
			t.Errorf("%s: answered %q, want a refusal of _pq_.a", name, got)
		}
	}
	through, _ := startScripted(t, join(message('v', uint32s(v32, 2)+"_pq_.b\x00_pq_.a\x00"), authOK, readyIdle))
	if got := startupOf(t, through, append(start, terminate...)); !bytes.HasSuffix(got, readyIdle) {
		t.Errorf("both are unknown to the server: answered %q", got)
	}
}

// TestFact06NeverNewerThanUpstream: the server is asked for what pgseal
// understands at most, and the client told what both speak.
func TestFact06NeverNewerThanUpstream(t *testing.T) {
	for _, test := range []struct {
		name      string
		asked     uint32
		answer    []byte
		forwarded uint32
		told      string // NegotiateProtocolVersion's body; "" for none
	}{
		{"both newer than pgseal", v39999, nil, v32, uint32s(v32, 0)},
		{"the server says so itself", v39999, message('v', uint32s(v32, 0)), v32, uint32s(v32, 0)},
		{"the server offers more than it was asked for", v39999, message('v', uint32s(v32+1, 0)), v32, uint32s(v32, 0)},
		{"an older server", v39999, message('v', uint32s(v30, 0)), v32, uint32s(v30, 0)},
		{"an older server, 3.2", v32, message('v', uint32s(v30, 0)), v32, uint32s(v30, 0)},
		{"3.2 on both sides", v32, nil, v32, ""},
		{"3.0", v30, nil, v30, ""},
	} {
		through, sent := startScripted(t, join(test.answer, authOK, readyIdle))
		got := startupOf(t, through, append(packet(test.asked, loginAs+"\x00"), terminate...))
		want := join(authOK, readyIdle)
		if test.told != "" {
			want = join(message('v', test.told), want)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: answered %q, want %q", test.name, got, want)
		}
		if start := <-sent; !bytes.Equal(start, packet(test.forwarded, loginAs+"\x00")) {
			t.Errorf("%s: the server was sent %q", test.name, start)
		}
	}
}

// TestFact07CancelKeys: keys of 4 bytes, and of up to 256, come through, and so do
// cancel requests with them; others are no cancel requests.
func TestFact07CancelKeys(t *testing.T) {
	for _, size := range []int{4, 5, 32, 255, 256} {
		key := uint32s(4711) + strings.Repeat("k", size)
		data := message('K', key)
		through, sent := startScripted(t, join(authOK, data)) // it does not get ready: busy
		u, err := url.Parse(through)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(packet(v32, loginAs+"\x00")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(authOK)+len(data))
		if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, join(authOK, data)) {
			t.Errorf("%d bytes: answered %q, %v", size, got, err)
		}
		<-sent
		if answer := startupOf(t, through, packet(codeCancelRequest, key)); len(answer) > 0 {
			t.Errorf("%d bytes: a cancel request is answered %q", size, answer)
		}
		if got := <-sent; !bytes.Equal(got, packet(codeCancelRequest, key)) {
			t.Errorf("%d bytes: the server was sent %q", size, got)
		}
		_ = conn.Close()
	}
	through, sent := startScripted(t, nil)
	for _, size := range []int{0, 1, 3, 257, 9000} {
		if answer := startupOf(t, through, packet(codeCancelRequest, uint32s(4711)+strings.Repeat("k", size))); len(answer) > 0 {
			t.Errorf("%d bytes: answered %q", size, answer)
		}
	}
	if len(sent) > 0 {
		t.Errorf("the server was sent %q", <-sent)
	}
}

// TestFact10AnyOrderBeforeReady: until the first ReadyForQuery messages come
// through in whatever order the server has them.
func TestFact10AnyOrderBeforeReady(t *testing.T) {
	notice := message('N', "SWARNING\x00VWARNING\x00C01000\x00Ma word\x00\x00")
	status := message('S', "some_setting\x00on\x00")
	key := message('K', uint32s(1, 2))
	for _, answer := range [][]byte{
		join(notice, authOK, key, status, notice, status, readyIdle),
		join(authOK, status, key, notice, readyIdle),
		join(authOK, key, readyIdle),
		join(notice, notice, authOK, notice, readyIdle),
		join(notice, message('v', uint32s(v30, 0)), authOK, readyIdle),
		join(authOK, message('E', "SFATAL\x00VFATAL\x00C28000\x00Mtoo late\x00\x00")),
		join(notice, message('E', "SFATAL\x00VFATAL\x00C28000\x00Mno\x00\x00")),
	} {
		through, _ := startScripted(t, answer)
		start := packet(v32, loginAs+"\x00")
		if got := startupOf(t, through, append(start, terminate...)); !bytes.Equal(got, answer) {
			t.Errorf("got %q, want %q", got, answer)
		}
	}
}

// TestServersThatAreNone: what is no Postgres ends in an error, not in a session.
func TestServersThatAreNone(t *testing.T) {
	for name, answer := range map[string][]byte{
		"HTTP":                    []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"a length of 3":           {'R', 0, 0, 0, 3},
		"an absurd length":        {'E', 0x7f, 0xff, 0xff, 0xff},
		"a row":                   message('D', "\x00\x00"),
		"negotiates nothing":      message('v', ""),
		"negotiates 4.0":          join(message('v', uint32s(4<<16, 0)), authOK),
		"negotiates twice":        join(message('v', uint32s(v30, 0)), message('v', uint32s(v30, 0)), authOK),
		"lists less than it says": message('v', uint32s(v30, 1)),
		"lists more than it says": message('v', uint32s(v30, 0)+"_pq_.a\x00"),
		"lists what it may not":   message('v', uint32s(v30, 1)+"user\x00"),
	} {
		through, _ := startScripted(t, answer)
		if got := startupOf(t, through, packet(v30, loginAs+"\x00")); !bytes.Contains(got, []byte("C08006\x00Mpgseal cannot reach the database server")) {
			t.Errorf("%s: answered %q", name, got)
		}
	}
}

// TestHostsThatCannotTakeConnections: the next one is asked, and when none can,
// the client hears it from the server.
func TestHostsThatCannotTakeConnections(t *testing.T) {
	starting := join(message('v', uint32s(v30, 0)), message('E', "SFATAL\x00VFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00"))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1000))
			_, _ = conn.Write(starting)
			_ = conn.Close()
		}
	}()
	server := pgtest.Server(t)
	f := proxytest.Start(t, proxytest.Options{Change: func(c *proxy.Config) {
		c.Upstream = dialer(t, upstream.Options{Addresses: []string{listener.Addr().String(), tcpAddress(server)}})
	}})
	got := startupOf(t, f.Through, append(packet(v39999, loginAs+"\x00"), terminate...))
	if !bytes.HasSuffix(got, readyIdle) || bytes.Count(got, []byte{'v', 0, 0, 0}) != 1 {
		t.Errorf("answered %.300q", got)
	}
	alone := proxytest.Start(t, proxytest.Options{Change: func(c *proxy.Config) {
		c.Upstream = dialer(t, upstream.Options{Addresses: []string{"127.0.0.1:1", listener.Addr().String()}})
	}})
	if got := startupOf(t, alone.Through, packet(v39999, loginAs+"\x00")); !bytes.Equal(got, starting) {
		t.Errorf("answered %q, want %q", got, starting)
	}
}

// TestReadWriteHosts: with target_session_attrs=read-write a session goes to the
// host that takes writes, and what a session finds out about a host is believed
// rather than what the host has said before.
func TestReadWriteHosts(t *testing.T) {
	first, second := pgtest.Private(t, postgres.Options{}), pgtest.Private(t, postgres.Options{})
	f := proxytest.Start(t, proxytest.Options{Database: first.DSN("postgres"), Change: func(c *proxy.Config) {
		c.Upstream = dialer(t, upstream.Options{
			Addresses: []string{tcpAddress(first), tcpAddress(second)}, ReadWrite: true, DSN: "user=postgres dbname=postgres",
		})
	}})
	land := func() (port int, readOnly bool) {
		t.Helper()
		conn := proxytest.Connect(t, f.Through)
		err := conn.QueryRow(t.Context(), "SELECT current_setting('port')::int, current_setting('default_transaction_read_only')::bool").Scan(&port, &readOnly)
		if err != nil {
			t.Fatal(err)
		}
		return port, readOnly
	}
	if port, _ := land(); port != first.Port() {
		t.Fatalf("connected to the server at port %d", port)
	}
	proxytest.Exec(t, first.DSN("postgres"), "ALTER SYSTEM SET default_transaction_read_only = on")
	proxytest.Exec(t, first.DSN("postgres"), "SELECT pg_reload_conf()")
	found := false
	eventually(t, "a session on the other server", func() bool {
		port, readOnly := land()
		if port == first.Port() && found {
			t.Error("a session lands on a host that the one before has found to be read-only")
		}
		found = readOnly
		return port == second.Port()
	})
}

// TestSlowServer: a server that does not answer the start-up packet is waited for
// no longer than the client may take.
func TestSlowServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	f := proxytest.Start(t, proxytest.Options{Limits: proxy.Limits{StartupTimeout: 300 * time.Millisecond}, Change: func(c *proxy.Config) {
		c.Upstream = dialer(t, upstream.Options{Addresses: []string{listener.Addr().String()}})
	}})
	startupOf(t, f.Through, packet(v30, loginAs+"\x00")) // fails the test when the connection stays open
}
