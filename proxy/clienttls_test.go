package proxy_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/certtest"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/proxy"
)

// dialRaw is a bare connection to pgseal.
func dialRaw(t *testing.T, dsn string) net.Conn {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// rest reads to the end, which may be a reset.
func rest(t *testing.T, conn net.Conn) []byte {
	t.Helper()
	answer, err := io.ReadAll(conn)
	var timeout net.Error
	if err != nil && asNetError(err, &timeout) {
		t.Fatalf("the connection is not closed: %v", err)
	}
	return answer
}

func offersTLS(t *testing.T) func(*proxy.Config) {
	cert := selfSigned(t)
	return func(c *proxy.Config) { c.TLS = cert }
}

// TestFact01DirectTLS: a connection that begins with a handshake, with the
// protocol's name in it, and without.
func TestFact01DirectTLS(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Change: offersTLS(t)})
	start := append(packet(v30, loginAs+"\x00"), terminate...)
	secure := func(protocols ...string) *tls.Conn {
		return tls.Client(dialRaw(t, f.Through), &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
	}

	conn := secure("postgresql")
	if _, err := conn.Write(start); err != nil {
		t.Fatal(err)
	}
	if got := conn.ConnectionState().NegotiatedProtocol; got != "postgresql" {
		t.Errorf("ALPN gives %q", got)
	}
	if got := rest(t, conn); !bytes.HasPrefix(got, authOK) || !bytes.HasSuffix(got, readyIdle) {
		t.Errorf("answered %q", got)
	}

	// Within TLS there is no TLS (ProcessStartupPacket).
	conn = secure("postgresql")
	if _, err := conn.Write(packet(ssl, "")); err != nil {
		t.Fatal(err)
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil || answer[0] != 'N' {
		t.Errorf("SSLRequest over TLS is answered %q, %v", answer, err)
	}
	if _, err := conn.Write(start); err != nil {
		t.Fatal(err)
	}
	if got := rest(t, conn); !bytes.HasSuffix(got, readyIdle) {
		t.Errorf("answered %q", got)
	}

	conn = secure()
	_, _ = conn.Write(start) // it may be closed already
	if got, err := io.ReadAll(conn); len(got) > 0 {
		t.Errorf("without ALPN: answered %q, %v", got, err)
	}
	if err := secure("http/1.1").Handshake(); err == nil {
		t.Error("with the name of another protocol the handshake is done")
	}

	plain := proxytest.Start(t, proxytest.Options{})
	if got := rest(t, rawHello(t, plain.Through)); len(got) > 0 {
		t.Errorf("with TLS off: answered %q", got)
	}

	// A driver that does it.
	direct := proxytest.Connect(t, strings.Replace(f.Through, "sslmode=disable", "sslmode=require&sslnegotiation=direct", 1))
	var one int
	if err := direct.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil {
		t.Error(err)
	}
}

// rawHello is a connection on which the beginning of a handshake was sent.
func rawHello(t *testing.T, dsn string) net.Conn {
	t.Helper()
	conn := dialRaw(t, dsn)
	if _, err := conn.Write([]byte{0x16, 3, 1, 0, 1, 0}); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestFact02NothingAheadOfTheHandshake: a start-up packet that somebody has put
// behind the SSLRequest in clear text is not taken for the client's, which is
// told; as by Postgres 15.
func TestFact02NothingAheadOfTheHandshake(t *testing.T) {
	server, _ := secured(t, postgres.Options{})
	f := proxytest.Start(t, proxytest.Options{Database: server.DSN("postgres"), Change: offersTLS(t)})
	play := func(dsn string) string {
		raw := dialRaw(t, dsn)
		if _, err := raw.Write(append(packet(ssl, ""), packet(v30, "user\x00mallory\x00\x00")...)); err != nil {
			t.Fatal(err)
		}
		var answer [1]byte
		if _, err := io.ReadFull(raw, answer[:]); err != nil || answer[0] != 'S' {
			t.Fatalf("SSLRequest: %q, %v", answer, err)
		}
		conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
		if err := conn.Handshake(); err != nil {
			return "the handshake fails" // as with Postgres 17, for which the packet is a part of it
		}
		return asPostgres(rest(t, conn))
	}
	want, got := play(server.DSN("postgres")), play(f.Through)
	if !strings.Contains(got, "C08P01\x00Mreceived unencrypted data after SSL request") {
		t.Errorf("answered %q", got)
	}
	if got != want && want != "the handshake fails" {
		t.Errorf("answered %q, by Postgres %q", got, want)
	}
}

// TestFact02RequestsForTLSComeOnce: once TLS is there, neither it nor GSS is asked
// for again.
func TestFact02RequestsForTLSComeOnce(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Change: offersTLS(t)})
	for _, again := range []uint32{ssl, gss} {
		conn := negotiated(t, f.Through)
		if _, err := conn.Write(packet(again, "")); err != nil {
			t.Fatal(err)
		}
		if got := rest(t, conn); !bytes.Contains(got, fmt.Appendf(nil, "unsupported frontend protocol 1234.%d", again&0xffff)) {
			t.Errorf("%d: answered %q", again, got)
		}
	}
}

// negotiated is a connection over TLS that was asked for.
func negotiated(t *testing.T, dsn string) *tls.Conn {
	t.Helper()
	raw := dialRaw(t, dsn)
	if _, err := raw.Write(packet(ssl, "")); err != nil {
		t.Fatal(err)
	}
	var answer [1]byte
	if _, err := io.ReadFull(raw, answer[:]); err != nil || answer[0] != 'S' {
		t.Fatalf("SSLRequest: %q, %v", answer, err)
	}
	return tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
}

// TestTLSVersions: 1.2 and up.
func TestTLSVersions(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Change: offersTLS(t)})
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		u, err := url.Parse(f.Through)
		if err != nil {
			t.Fatal(err)
		}
		config := &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, NextProtos: []string{"postgresql"}}
		conn, err := tls.Dial("tcp", u.Host, config)
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

// TestClientCertificates: one that is shown is verified, and one that must be
// shown is asked for in words.
func TestClientCertificates(t *testing.T) {
	ca, stranger := certtest.NewCA(t), certtest.NewCA(t)
	for _, required := range []bool{false, true} {
		f := proxytest.Start(t, proxytest.Options{Change: func(c *proxy.Config) {
			c.TLS = selfSigned(t)
			c.TLS.ClientCAs, c.TLS.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
			c.TLS.ClientCAs.AppendCertsFromPEM(ca.PEM)
			c.RequireClientCert = required
		}})
		connect := func(certs ...tls.Certificate) error {
			config, err := pgx.ParseConfig(strings.Replace(f.Through, "sslmode=disable", "sslmode=require", 1))
			if err != nil {
				t.Fatal(err)
			}
			config.TLSConfig.Certificates = certs
			conn, err := pgx.ConnectConfig(t.Context(), config)
			if err == nil {
				err = conn.Close(t.Context())
			}
			return err
		}
		if err := connect(ca.Issue(t, certtest.Leaf{Name: "client"}).TLS(t)); err != nil {
			t.Errorf("required: %v: a good certificate: %v", required, err)
		}
		if err := connect(stranger.Issue(t, certtest.Leaf{Name: "client"}).TLS(t)); err == nil {
			t.Errorf("required: %v: a stranger's certificate is taken", required)
		}
		err := connect()
		if !required && err != nil || required && (err == nil || !strings.Contains(err.Error(), "connection requires a valid client certificate")) {
			t.Errorf("required: %v: no certificate: %v", required, err)
		}
		_, err = pgx.Connect(t.Context(), f.Through)
		if required && (err == nil || !strings.Contains(err.Error(), pgerr.InvalidAuthorization)) || !required && err != nil {
			t.Errorf("required: %v: without TLS: %v", required, err)
		}
	}
}

// TestCertificatesAreReplaced: SetTLS counts from the next connection on.
func TestCertificatesAreReplaced(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Change: offersTLS(t)})
	serial := func(conn *pgx.Conn) string {
		return conn.PgConn().Conn().(*tls.Conn).ConnectionState().PeerCertificates[0].NotAfter.String()
	}
	dsn := strings.Replace(f.Through, "sslmode=disable", "sslmode=require", 1)
	old := proxytest.Connect(t, dsn)
	next := selfSigned(t)
	next.Certificates[0] = certtest.NewCA(t).Issue(t, certtest.Leaf{Name: "next", End: time.Now().AddDate(1, 0, 0)}).TLS(t)
	f.Server.SetTLS(next)
	if before, after := serial(old), serial(proxytest.Connect(t, dsn)); before == after {
		t.Errorf("the certificate is still the one that ends %s", before)
	}
	var one int
	if err := old.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil {
		t.Errorf("a session from before: %v", err)
	}
	f.Server.SetTLS(nil)
	if _, err := pgx.Connect(t.Context(), dsn); err == nil {
		t.Error("TLS is still offered")
	}
}

// TestPsqlSSLModes: what psql sees for each sslmode, by what pgseal offers and by
// its own way to the server. A machine without psql cannot run it.
func TestPsqlSSLModes(t *testing.T) {
	psql, err := exec.LookPath("psql")
	if err != nil {
		t.Skip("psql is not on this machine")
	}
	ca := certtest.NewCA(t)
	caFile := certtest.File(t, t.TempDir(), "ca.crt", ca.PEM)
	cert := ca.Issue(t, certtest.Leaf{Name: "pgseal", Hosts: []string{"127.0.0.1"}}).TLS(t)
	withTLS, dbCA := secured(t, postgres.Options{})
	const (
		clear, secure = "clear", "TLS"
		refused       = "refused"
	)
	want := map[string]map[string]string{ // what pgseal offers, sslmode
		"disable": {"disable": clear, "prefer": clear, "require": refused, "verify-full": refused},
		"allow":   {"disable": clear, "prefer": secure, "require": secure, "verify-full": secure},
		"require": {"disable": refused, "prefer": secure, "require": secure, "verify-full": secure},
	}
	for _, mode := range []upstream.Mode{upstream.ModeDisable, upstream.ModePrefer, upstream.ModeRequire, upstream.ModeVerifyCA, upstream.ModeVerifyFull} {
		for offer, modes := range want {
			f := proxytest.Start(t, proxytest.Options{Database: withTLS.DSN("postgres"), Change: func(c *proxy.Config) {
				o := upstream.TLS{Mode: mode}
				if mode != upstream.ModeDisable {
					o.CA = dbCA
				}
				c.Upstream = dialer(t, upstream.Options{Addresses: []string{tcpAddress(withTLS)}, TLS: o})
				if offer != "disable" {
					c.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
				}
				c.RequireTLS = offer == "require"
			}})
			u, err := url.Parse(f.Through)
			if err != nil {
				t.Fatal(err)
			}
			for sslmode, want := range modes {
				dsn := fmt.Sprintf("host=127.0.0.1 port=%s user=postgres dbname=postgres sslmode=%s sslrootcert=%s", u.Port(), sslmode, caFile)
				cmd := exec.CommandContext(t.Context(), psql, "-XAt", "-d", dsn, "-c", `\conninfo`, "-c", "SELECT 'server: ' || ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
				out, err := cmd.CombinedOutput()
				got := clear
				switch {
				case err != nil:
					got = refused
				case bytes.Contains(out, []byte("SSL connection")):
					got = secure
				}
				if got != want {
					t.Errorf("upstream %s, tls.mode %s, sslmode=%s: %s, want %s\n%s", mode, offer, sslmode, got, want, out)
				}
				server := fmt.Sprintf("server: %v", mode != upstream.ModeDisable)
				if want != refused && !bytes.Contains(out, []byte(server)) {
					t.Errorf("upstream %s, tls.mode %s, sslmode=%s: %s, want %q", mode, offer, sslmode, out, server)
				}
			}
		}
	}
}

// TestUnixSocketClients: by a Unix socket there is no TLS, and none is required.
func TestUnixSocketClients(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Database: pgtest.Database(t), Change: func(c *proxy.Config) {
		c.TLS, c.RequireTLS, c.RequireClientCert = selfSigned(t), true, true
	}})
	folder := shortFolder(t)
	listener, err := net.Listen("unix", folder+"/.s.PGSQL.6432")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- f.Server.Serve(t.Context(), listener) }()
	defer func() {
		_ = listener.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	u, err := url.Parse(f.Through)
	if err != nil {
		t.Fatal(err)
	}
	conn := proxytest.Connect(t, "host="+folder+" port=6432 user=postgres dbname="+strings.TrimPrefix(u.Path, "/"))
	var one int
	if err := conn.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil {
		t.Error(err)
	}
	raw, err := net.Dial("unix", folder+"/.s.PGSQL.6432")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	if _, err := raw.Write(packet(ssl, "")); err != nil {
		t.Fatal(err)
	}
	var answer [1]byte
	if _, err := io.ReadFull(raw, answer[:]); err != nil || answer[0] != 'N' {
		t.Errorf("SSLRequest: %q, %v, want N", answer, err)
	}
}
