package proxy_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/secret"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/proxy"
)

// TestAuthentication: whatever the server asks for is passed through, over TLS
// on the client's side too.
func TestAuthentication(t *testing.T) {
	for _, method := range []string{"trust", "password", "md5", "scram-sha-256"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			server := pgtest.Private(t, postgres.Options{Auth: method, Password: secret.Text("right")})
			f := proxytest.Start(t, proxytest.Options{
				Database: server.DSN("postgres"),
				Change:   func(c *proxy.Config) { c.TLS = selfSigned(t) },
			})
			for _, mode := range []string{"disable", "require"} {
				dsn := strings.Replace(f.Through, "sslmode=disable", "sslmode="+mode, 1)
				conn := proxytest.Connect(t, dsn)
				var one int
				if err := conn.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil {
					t.Errorf("sslmode=%s: %v", mode, err)
				}
				if _, isTLS := conn.PgConn().Conn().(*tls.Conn); isTLS != (mode == "require") {
					t.Errorf("sslmode=%s: TLS is %v", mode, isTLS)
				}
				if method == "trust" {
					continue
				}
				u, err := url.Parse(dsn)
				if err != nil {
					t.Fatal(err)
				}
				u.User = url.UserPassword(u.User.Username(), "wrong")
				if _, err := pgx.Connect(t.Context(), u.String()); err == nil || !strings.Contains(err.Error(), "28P01") {
					t.Errorf("sslmode=%s, a wrong password: %v, want 28P01", mode, err)
				}
			}
		})
	}
}

// selfSigned makes a certificate for the test's server.
func selfSigned(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

func TestTLSRequired(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Change: func(c *proxy.Config) { c.TLS, c.RequireTLS = selfSigned(t), true }})
	if _, err := pgx.Connect(t.Context(), f.Through); err == nil || !strings.Contains(err.Error(), "28000") {
		t.Errorf("without TLS: %v, want 28000", err)
	}
	proxytest.Connect(t, strings.Replace(f.Through, "sslmode=disable", "sslmode=require", 1))
}

// TestCancel: a cancel request reaches the session that it is for, and none that
// is idle.
func TestCancel(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{})
	conn, other := proxytest.Connect(t, f.Through), proxytest.Connect(t, f.Through)
	go func() {
		time.Sleep(200 * time.Millisecond)
		if err := conn.PgConn().CancelRequest(context.Background()); err != nil {
			t.Errorf("cancel: %v", err)
		}
	}()
	began := time.Now()
	_, err := conn.Exec(t.Context(), "SELECT pg_sleep(30)")
	if codeOf(err) != "57014" || time.Since(began) > 20*time.Second {
		t.Errorf("after %s: %v, want 57014", time.Since(began), err)
	}
	if err := other.PgConn().CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	var one int
	if err := other.QueryRow(t.Context(), "SELECT 1 FROM pg_sleep(0.2)").Scan(&one); err != nil {
		t.Errorf("the query after a late cancel: %v", err)
	}
}

// startupOf sends raw bytes to a fresh connection and gives what comes back
// until the server closes it.
func startupOf(t *testing.T, dsn string, data []byte) []byte {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(data); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	var timeout net.Error
	if err != nil && (!strings.Contains(err.Error(), "reset") || asNetError(err, &timeout)) {
		t.Fatalf("the connection is not closed: %v", err)
	}
	return answer
}

func asNetError(err error, target *net.Error) bool {
	e, ok := err.(net.Error)
	*target = e
	return ok && e.Timeout()
}

// packet makes a start-up packet of a code and a body.
func packet(code uint32, body string) []byte {
	p := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(binary.BigEndian.AppendUint32(p, code), body...)
}

// TestBadStartup: what is no start-up is answered, or not, and nobody else
// notices.
func TestBadStartup(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Limits: proxy.Limits{StartupTimeout: 500 * time.Millisecond}})
	conn := proxytest.Connect(t, f.Through)
	tests := []struct {
		name string
		data []byte
		want string // in the answer; "" for none at all
	}{
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "invalid length of startup packet"},
		{"length zero", make([]byte, 16), "invalid length of startup packet"},
		{"absurd length", []byte{0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0}, "invalid length of startup packet"},
		{"nothing more", []byte{0, 0, 0, 100, 0, 3, 0, 0}, ""},
		{"protocol 2.0", packet(2<<16, ""), "unsupported frontend protocol 2.0"},
		{"protocol 4.0", packet(4<<16, ""), "unsupported frontend protocol 4.0"},
		{"a second SSLRequest", append(packet(80877103, ""), packet(80877103, "")...), "Nunsupported"},
		{"GSSENCRequest, then no user", append(packet(80877104, ""), packet(3<<16, "\x00")...), "no PostgreSQL user name"},
		{"replication", packet(3<<16, "user\x00postgres\x00replication\x00database\x00\x00"), "replication"},
		{"a cancel for nobody", packet(80877102, "\x00\x00\x00\x01\x00\x00\x00\x02"), ""},
		{"an unknown message", append(packet(3<<16, "user\x00postgres\x00database\x00postgres\x00\x00"), 0xfe, 0, 0, 0, 4), "invalid frontend message type"},
	}
	for _, test := range tests {
		got := startupOf(t, f.Through, test.data)
		if test.want == "" && len(got) > 0 || !bytes.Contains(bytes.ReplaceAll(got, []byte("NE"), []byte("N")), []byte(strings.TrimPrefix(test.want, "N"))) {
			t.Errorf("%s: answered %q, want %q", test.name, got, test.want)
		}
	}
	var one int
	if err := conn.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil {
		t.Errorf("another session: %v", err)
	}
}

// TestNothingBeforeAuthentication: a statement that a client sends with its
// start-up packet is handled like any other.
func TestNothingBeforeAuthentication(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	u, err := url.Parse(f.Through)
	if err != nil {
		t.Fatal(err)
	}
	data := packet(3<<16, "user\x00postgres\x00database\x00"+strings.TrimPrefix(u.Path, "/")+"\x00\x00")
	statement := "INSERT INTO notes (id, org_id, body) VALUES (9, 'acme', 'early'); SELECT body FROM notes WHERE id = 9\x00"
	data = append(data, 'Q')
	data = binary.BigEndian.AppendUint32(data, uint32(4+len(statement)))
	data = append(data, statement...)
	data = append(data, 'X', 0, 0, 0, 4)
	if got := startupOf(t, f.Through, data); !bytes.Contains(got, []byte("early")) {
		t.Errorf("the value does not come back: %q", got)
	}
	var stored []byte
	if err := proxytest.Connect(t, f.Direct).QueryRow(t.Context(), "SELECT body FROM notes WHERE id = 9").Scan(&stored); err != nil || bytes.Contains(stored, []byte("early")) {
		t.Errorf("stored as %q, %v", stored, err)
	}
}

// dialer makes what a server connects upstream with.
func dialer(t testing.TB, o upstream.Options) *upstream.Dialer {
	t.Helper()
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = 20 * time.Second
	}
	d, err := upstream.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestUpstreamIsDown(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Change: func(c *proxy.Config) { c.Upstream = dialer(t, upstream.Options{Addresses: []string{"127.0.0.1:1"}}) }})
	if _, err := pgx.Connect(t.Context(), f.Through); err == nil || !strings.Contains(err.Error(), pgerr.ConnectionFailure) {
		t.Errorf("%v, want %s", err, pgerr.ConnectionFailure)
	}
}

func TestTooManyClients(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Limits: proxy.Limits{Clients: 1}})
	conn := proxytest.Connect(t, f.Through)
	if _, err := pgx.Connect(t.Context(), f.Through); err == nil || !strings.Contains(err.Error(), pgerr.TooManyConnections) {
		t.Errorf("the second client: %v, want %s", err, pgerr.TooManyConnections)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a place for the next client", func() bool {
		next, err := pgx.Connect(t.Context(), f.Through)
		if err != nil {
			return false
		}
		return next.Close(t.Context()) == nil
	})
}
