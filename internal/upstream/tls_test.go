package upstream

import (
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/internal/certtest"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
)

// TestModes holds each mode to libpq's meaning, against real servers: one without
// TLS, and ones whose certificates are for the host, for another, and for it by
// common name only.
func TestModes(t *testing.T) {
	ca, stranger := certtest.NewCA(t), certtest.NewCA(t)
	folder := t.TempDir()
	ours, theirs := certtest.File(t, folder, "ca", ca.PEM), certtest.File(t, folder, "stranger", stranger.PEM)
	start := func(leaf *certtest.Leaf) string {
		var o postgres.Options
		if leaf != nil {
			pair := ca.Issue(t, *leaf)
			o.TLS = &postgres.TLS{Cert: pair.Cert, Key: pair.Key}
		}
		return "127.0.0.1:" + strconv.Itoa(pgtest.Private(t, o).Port())
	}
	plain := start(nil)
	right := start(&certtest.Leaf{Name: "db", Hosts: []string{"127.0.0.1"}})
	other := start(&certtest.Leaf{Name: "127.0.0.1", Hosts: []string{"elsewhere.example"}})
	named := start(&certtest.Leaf{Name: "127.0.0.1"})

	const (
		clear   = "without TLS"
		secured = "over TLS"
	)
	for _, test := range []struct {
		address string
		tls     TLS
		want    string // otherwise: in the error
	}{
		{plain, TLS{}, clear},
		{plain, TLS{Mode: ModeDisable}, clear},
		{plain, TLS{Mode: ModePrefer}, clear},
		{plain, TLS{Mode: ModeRequire}, "does not offer TLS"},
		{plain, TLS{Mode: ModeVerifyCA, CA: ours}, "does not offer TLS"},
		{plain, TLS{Mode: ModeVerifyFull, CA: ours}, "does not offer TLS"},

		{right, TLS{Mode: ModeDisable}, clear},
		{right, TLS{Mode: ModePrefer}, secured},
		{right, TLS{Mode: ModePrefer, CA: theirs}, clear}, // what does not verify is no TLS
		{right, TLS{Mode: ModeRequire}, secured},
		{right, TLS{Mode: ModeRequire, CA: ours}, secured},
		{right, TLS{Mode: ModeRequire, CA: theirs}, "unknown authority"}, // as libpq: like verify-ca
		{right, TLS{Mode: ModeVerifyCA, CA: ours}, secured},
		{right, TLS{Mode: ModeVerifyCA, CA: theirs}, "unknown authority"},
		{right, TLS{Mode: ModeVerifyCA}, "unknown authority"}, // by the system's roots
		{right, TLS{Mode: ModeVerifyFull, CA: ours}, secured},
		{right, TLS{Mode: ModeVerifyFull}, "unknown authority"},

		{other, TLS{Mode: ModeRequire}, secured},
		{other, TLS{Mode: ModeVerifyCA, CA: ours}, secured},
		{other, TLS{Mode: ModeVerifyFull, CA: ours}, "127.0.0.1"}, // a common name does not count beside others

		{named, TLS{Mode: ModeVerifyCA, CA: ours}, secured},
		{named, TLS{Mode: ModeVerifyFull, CA: ours}, secured},
	} {
		d, err := New(Options{Addresses: []string{test.address}, TLS: test.tls, ConnectTimeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := d.Dial(t.Context())
		if err != nil {
			if test.want == clear || test.want == secured || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%+v: %v, want %s", test, err, test.want)
			}
			continue
		}
		got := clear
		if conn.TLS() != nil {
			got = secured
		}
		if got != test.want {
			t.Errorf("%+v: connected %s", test, got)
		}
		hello(t, conn)
	}
}

// hello sees that there is a Postgres at the other end, which is waiting for a
// start-up packet.
func hello(t *testing.T, conn *Conn) {
	t.Helper()
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("\x00\x00\x00\x17\x00\x03\x00\x00user\x00postgres\x00\x00")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 9)
	if _, err := io.ReadFull(conn, answer); err != nil || !bytes.Equal(answer, []byte("R\x00\x00\x00\x08\x00\x00\x00\x00")) {
		t.Errorf("the server answers %q, %v, want AuthenticationOk", answer, err)
	}
}

// fake is a server that answers a request for TLS with the given bytes, and keeps
// what it is sent after that.
func fake(t *testing.T, answer []byte) (address string, sent <-chan []byte) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	kept := make(chan []byte, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			request := make([]byte, 8)
			_, _ = io.ReadFull(conn, request)
			_, _ = conn.Write(answer)
			_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
			rest, _ := io.ReadAll(conn)
			kept <- append(request, rest...)
			_ = conn.Close()
		}
	}()
	return listener.Addr().String(), kept
}

// TestFact03UpstreamTLSReadsOneByte: bytes that somebody puts behind the server's
// S are no part of what the server says over TLS: they end the handshake
// (CVE-2021-23222). Nor is an error shown that came before TLS was up
// (CVE-2024-10977).
func TestFact03UpstreamTLSReadsOneByte(t *testing.T) {
	const forged = "E\x00\x00\x00\x2aSFATAL\x00C28000\x00Mcall this number\x00\x00"
	for name, answer := range map[string]string{
		"an error behind S":   "S" + forged,
		"a login behind S":    "SR\x00\x00\x00\x08\x00\x00\x00\x00",
		"an error, no answer": forged,
		"another byte":        "X",
		"nothing":             "",
	} {
		address, sent := fake(t, []byte(answer))
		d, err := New(Options{Addresses: []string{address}, TLS: TLS{Mode: ModeRequire}, ConnectTimeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := d.Dial(t.Context())
		if err == nil {
			_ = conn.Close()
			t.Errorf("%s: connected", name)
			continue
		}
		if strings.Contains(err.Error(), "call this number") {
			t.Errorf("%s: the error shows what came in clear text: %v", name, err)
		}
		if got := <-sent; !bytes.Equal(got[:8], sslRequest) || bytes.Contains(got, []byte("user")) {
			t.Errorf("%s: sent %q, want an SSLRequest and at most a handshake", name, got)
		}
	}
}

// TestClientCertificate: a server that asks for a certificate gets the configured
// one, and Reload puts another in its place.
func TestClientCertificate(t *testing.T) {
	ca := certtest.NewCA(t)
	server := ca.Issue(t, certtest.Leaf{Name: "db", Hosts: []string{"127.0.0.1"}})
	pg := pgtest.Private(t, postgres.Options{
		TLS: &postgres.TLS{Cert: server.Cert, Key: server.Key, CA: ca.PEM},
		HBA: "local all all trust\nhost all pgtest 127.0.0.1/32 trust\nhostssl all all 127.0.0.1/32 cert\nhostnossl all all 127.0.0.1/32 trust\n",
	})
	folder := t.TempDir()
	write := func(name string) (string, string) {
		return ca.Issue(t, certtest.Leaf{Name: name}).Files(t, folder, "client")
	}
	cert, key := write("postgres")
	d, err := New(Options{
		Addresses: []string{"127.0.0.1:" + strconv.Itoa(pg.Port())}, ConnectTimeout: 20 * time.Second,
		TLS: TLS{Mode: ModeVerifyFull, CA: certtest.File(t, folder, "ca", ca.PEM), Cert: cert, Key: key},
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := d.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hello(t, conn)

	write("somebody")
	if err := d.Reload(); err != nil {
		t.Fatal(err)
	}
	if conn, err = d.Dial(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := firstError(t, conn); !strings.Contains(got, "certificate authentication failed") {
		t.Errorf("as somebody: %q, want a refusal", got)
	}

	certtest.File(t, folder, "client.key", []byte("nonsense"))
	if err := d.Reload(); err == nil || !strings.Contains(err.Error(), "upstream.tls.cert, upstream.tls.key") {
		t.Errorf("a key that is none: %v", err)
	}
	if conn, err = d.Dial(t.Context()); err != nil {
		t.Fatalf("the old certificate is not kept: %v", err)
	}
	_ = conn.Close()
}

// firstError logs in as postgres and gives what the server says to it.
func firstError(t *testing.T, conn *Conn) string {
	t.Helper()
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("\x00\x00\x00\x17\x00\x03\x00\x00user\x00postgres\x00\x00")); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(io.LimitReader(conn, 4096)) // the server closes behind an error
	return string(answer)
}

// TestUnixSockets: the three ways to name one, none of them over TLS.
func TestUnixSockets(t *testing.T) {
	server := pgtest.Server(t)
	folder, port := server.SocketDir(), server.Port()
	for _, address := range []string{socketIn(folder, uint16(port)), folder + ":" + strconv.Itoa(port), folder + "/:" + strconv.Itoa(port)} {
		d, err := New(Options{Addresses: []string{address}, TLS: TLS{Mode: ModeVerifyFull}, ConnectTimeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := d.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hello(t, conn)
	}
	d, err := New(Options{Addresses: []string{folder}})
	if err != nil {
		t.Fatal(err)
	}
	if _, address := d.hosts[0].dialAddress(); address != folder+"/.s.PGSQL.5432" {
		t.Errorf("a folder without a port leads to %s", address)
	}
}

func TestCommonNames(t *testing.T) {
	for _, test := range []struct {
		pattern, host string
		want          bool
	}{
		{"db.example", "db.example", true}, {"DB.example", "db.Example", true}, {"db.example", "xdb.example", false},
		{"*.example", "db.example", true}, {"*.example", "a.db.example", false}, {"*.example", "example", false},
		{"*.example", ".example", false}, {"*", "db", false}, {"*.", "db.", false}, {"d*.example", "db.example", false}, {"", "", true},
	} {
		if got := matchesCommonName(test.pattern, test.host); got != test.want {
			t.Errorf("%q for %q: %v", test.pattern, test.host, got)
		}
	}
}

// TestTimeouts: a server that says nothing is given up.
func TestTimeouts(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	d, err := New(Options{Addresses: []string{listener.Addr().String()}, TLS: TLS{Mode: ModePrefer}, ConnectTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Dial(context.Background()); err == nil {
		t.Error("connected to nobody")
	}
}
