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
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"regexp"
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
// until the server closes it. Between one piece of bytes and the next it reads
// one byte.
func startupOf(t *testing.T, dsn string, pieces ...[]byte) []byte {
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
	var answer []byte
	for i, piece := range pieces {
		if _, err := conn.Write(piece); err != nil {
			t.Fatal(err)
		}
		if i < len(pieces)-1 {
			one := make([]byte, 1)
			if _, err := io.ReadFull(conn, one); err != nil {
				t.Fatalf("after %q: %v", piece, err)
			}
			answer = append(answer, one...)
		}
	}
	rest, err := io.ReadAll(conn)
	var timeout net.Error
	if err != nil && (!strings.Contains(err.Error(), "reset") || asNetError(err, &timeout)) {
		t.Fatalf("the connection is not closed: %v", err)
	}
	return append(answer, rest...)
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

// asPostgres takes out of an answer what differs between Postgres and pgseal, or
// two runs of Postgres: the place in Postgres's source, process ids and keys, and
// the newest protocol.
func asPostgres(answer []byte) string {
	text := regexp.MustCompile(`F[a-z_]+\.c\x00L[0-9]+\x00R[A-Za-z_]+\x00`).ReplaceAllString(string(answer), "")
	text = regexp.MustCompile(`E\x00\x00..SFATAL`).ReplaceAllString(text, "E????SFATAL")
	for _, size := range []int{4, 32} { // of a cancel key, in protocol 3.0 and 3.2
		head := "K\x00\x00\x00" + string(rune(4+4+size))
		if i := strings.Index(text, head); i >= 0 && len(text) >= i+9+size {
			text = text[:i] + fmt.Sprintf("K%d", size) + text[i+9+size:]
		}
	}
	return strings.NewReplacer("3.0 to 3.0", "3.0 to 3.x", "3.0 to 3.2", "3.0 to 3.x").Replace(text)
}

// The codes of start-up packets.
const (
	ssl, gss = 80877103, 80877104
	v3       = 3 << 16
)

// TestFact11BadStartupPackets: what is no start-up is answered as Postgres
// answers it, or closed without a word where Postgres does that, and nobody else
// notices.
func TestFact11BadStartupPackets(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	login := "user\x00postgres\x00database\x00postgres\x00"
	tests := map[string][][]byte{
		"HTTP":                              {[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
		"length zero":                       {make([]byte, 16)},
		"length 7":                          {[]byte{0, 0, 0, 7, 0, 3, 0, 0}},
		"absurd length":                     {[]byte{0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0}},
		"negative length":                   {[]byte{0xff, 0xff, 0xff, 0xff, 0, 3, 0, 0}},
		"just too long":                     {packet(v3, login+"\x00"+strings.Repeat("\x00", 10001-4-len(login)-1))},
		"as long as can be, and ill-formed": {packet(v3, login+"\x00"+strings.Repeat("\x00", 10000-4-len(login)-1))},
		"as long as can be":                 {append(packet(v3, login+"application_name\x00"+strings.Repeat("x", 10000-4-len(login)-17-2)+"\x00\x00"), 'X', 0, 0, 0, 4)},
		"a packet of nothing":               {packet(v3, "")},
		"no terminator":                     {packet(v3, login)},
		"a name without a value":            {packet(v3, login+"application_name\x00")},
		"a value without an end":            {packet(v3, login+"application_name\x00x")},
		"more behind the terminator":        {packet(v3, login+"\x00x")},
		"no user":                           {packet(v3, "database\x00postgres\x00\x00")},
		"an empty user":                     {packet(v3, "user\x00\x00\x00")},
		"the last user counts":              {packet(v3, "user\x00postgres\x00user\x00nobody\x00\x00")},
		"no such database":                  {packet(v3, "user\x00postgres\x00database\x00nowhere\x00\x00")},
		"a bad setting":                     {packet(v3, login+"DateStyle\x00sometimes\x00\x00")},
		"bad options":                       {packet(v3, login+"options\x00--nonsense\x00\x00")},
		"protocol 2.0":                      {packet(2<<16, "")},
		"protocol 0.0":                      {packet(0, "")},
		"protocol 4.0":                      {packet(4<<16, "")},
		"protocol 1234.1":                   {packet(1234<<16|1, "")},
		"SSLRequest, then start-up":         {packet(ssl, ""), append(packet(v3, login+"\x00"), 'X', 0, 0, 0, 4)},
		"SSLRequest and start-up at once":   {append(packet(ssl, ""), packet(v3, login+"\x00")...)},
		"SSLRequest twice":                  {packet(ssl, ""), packet(ssl, "")},
		"SSLRequest with a body":            {packet(ssl, "x"), packet(v3, "\x00")},
		"a cancel for nobody":               {packet(80877102, "\x00\x00\x00\x01\x00\x00\x00\x02")},
		"a cancel that is too short":        {packet(80877102, "\x00\x00\x00\x01")},
		"an unknown message":                {append(packet(v3, login+"\x00"), 0xfe, 0, 0, 0, 4)},
	}
	for name, pieces := range tests {
		t.Run(name, func(t *testing.T) {
			want, got := asPostgres(startupOf(t, f.Direct, pieces...)), asPostgres(startupOf(t, f.Through, pieces...))
			if got != want {
				t.Errorf("answered %.500q, by Postgres %.500q", got, want)
			}
		})
	}
	var one int
	if err := conn.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil {
		t.Errorf("another session: %v", err)
	}
}

// TestFact04GSSENCRequest: it is answered N, once, before or after an SSLRequest.
// A Postgres that is built with GSS says G, so there is nothing to compare with.
func TestFact04GSSENCRequest(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{})
	login := "user\x00postgres\x00database\x00postgres\x00"
	for name, pieces := range map[string][][]byte{
		"GSS, then start-up":           {packet(gss, ""), append(packet(v3, login+"\x00"), 'X', 0, 0, 0, 4)},
		"GSS, then SSL, then start-up": {packet(gss, ""), packet(ssl, ""), append(packet(v3, login+"\x00"), 'X', 0, 0, 0, 4)},
		"SSL, then GSS, then start-up": {packet(ssl, ""), packet(gss, ""), append(packet(v3, login+"\x00"), 'X', 0, 0, 0, 4)},
		"GSS and start-up at once":     {append(packet(gss, ""), packet(v3, login+"\x00")...)},
		"GSS twice":                    {packet(gss, ""), packet(gss, "")},
		"GSS, SSL, GSS":                {packet(gss, ""), packet(ssl, ""), packet(gss, "")},
		"SSL, GSS, SSL":                {packet(ssl, ""), packet(gss, ""), packet(ssl, "")},
		"GSS, then no user":            {packet(gss, ""), packet(v3, "\x00")},
	} {
		got := asPostgres(startupOf(t, f.Through, pieces...))
		rest, declined := strings.CutPrefix(got, strings.Repeat("N", len(pieces)-1))
		if strings.HasSuffix(name, "at once") {
			rest, declined = strings.CutPrefix(got, "N")
		}
		want := "R\x00\x00\x00\x08\x00\x00\x00\x00"
		switch {
		case strings.HasSuffix(name, "at once"):
			want = "received unencrypted data after GSSAPI encryption request"
		case strings.HasSuffix(name, "no user"):
			want = "no PostgreSQL user name specified"
		case !strings.HasSuffix(name, "start-up"):
			want = "unsupported frontend protocol 1234.56"
		}
		if !declined || !strings.Contains(rest, want) {
			t.Errorf("%s: answered %q, want %q", name, got, want)
		}
	}
}

// TestFact11SlowStartup: a client that does not finish its packet, or its TLS
// handshake, is not waited for.
func TestFact11SlowStartup(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Limits: proxy.Limits{StartupTimeout: 300 * time.Millisecond}, Change: offersTLS(t)})
	for _, data := range [][]byte{{0, 0, 0, 100, 0, 3, 0, 0}, {0}, {}, {0x16, 3, 1, 2, 0, 1}} {
		if got := startupOf(t, f.Through, data); len(got) > 0 {
			t.Errorf("after %q: answered %q", data, got)
		}
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

// withHost gives a DSN for another address.
func withHost(t *testing.T, dsn, address string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = address
	return u.String()
}

// shortFolder is a folder whose path is short enough for a Unix socket.
func shortFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "pgseal")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}
