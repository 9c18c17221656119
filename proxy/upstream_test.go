package proxy_test

import (
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/certtest"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/proxy"
)

// secured is a Postgres with a certificate for 127.0.0.1, and the file of the
// authority that has signed it.
func secured(t testing.TB, o postgres.Options) (server *postgres.Server, caFile string) {
	t.Helper()
	ca := certtest.NewCA(t)
	pair := ca.Issue(t, certtest.Leaf{Name: "db", Hosts: []string{"127.0.0.1", "localhost"}})
	o.TLS = &postgres.TLS{Cert: pair.Cert, Key: pair.Key}
	return pgtest.Private(t, o), certtest.File(t, t.TempDir(), "ca.crt", ca.PEM)
}

func tcpAddress(server *postgres.Server) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(server.Port()))
}

// TestUpstreamOverTLS: a session's own connection is the one that the mode asks
// for, as the server sees it.
func TestUpstreamOverTLS(t *testing.T) {
	server, ca := secured(t, postgres.Options{})
	for mode, want := range map[upstream.Mode]bool{upstream.ModeDisable: false, upstream.ModePrefer: true, upstream.ModeRequire: true, upstream.ModeVerifyFull: true} {
		f := proxytest.Start(t, proxytest.Options{
			Database: server.DSN("postgres"),
			Change: func(c *proxy.Config) {
				tls := upstream.TLS{Mode: mode, CA: ca}
				if mode == upstream.ModeDisable {
					tls.CA = ""
				}
				c.Upstream = dialer(t, upstream.Options{Addresses: []string{tcpAddress(server)}, TLS: tls})
			},
		})
		var got bool
		conn := proxytest.Connect(t, plainly(f.Through))
		if err := conn.QueryRow(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&got); err != nil || got != want {
			t.Errorf("%s: the server sees TLS: %v, %v", mode, got, err)
		}
	}
}

// plainly gives a DSN without TLS.
func plainly(dsn string) string { return strings.Replace(dsn, "sslmode=require", "sslmode=disable", 1) }

// TestUpstreamHosts: a session goes to the first host that is there, be it a Unix
// socket, and back to an earlier one when that is there again.
func TestUpstreamHosts(t *testing.T) {
	first, second := pgtest.Private(t, postgres.Options{}), pgtest.Server(t)
	socket := filepath.Join(second.SocketDir(), ".s.PGSQL."+strconv.Itoa(second.Port()))
	f := proxytest.Start(t, proxytest.Options{Change: func(c *proxy.Config) {
		c.Upstream = dialer(t, upstream.Options{Addresses: []string{tcpAddress(first), socket}})
	}})
	u, err := url.Parse(f.Through)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/postgres"
	port := func() (port int) {
		conn, err := pgx.Connect(t.Context(), u.String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(t.Context()) }()
		if err := conn.QueryRow(t.Context(), "SELECT current_setting('port')::int").Scan(&port); err != nil {
			t.Fatal(err)
		}
		return port
	}
	if got := port(); got != first.Port() {
		t.Errorf("at first: connected to the server at port %d", got)
	}
	if err := first.Halt(); err != nil {
		t.Fatal(err)
	}
	if got := port(); got != second.Port() {
		t.Errorf("the first is down: connected to the server at port %d", got)
	}
	if err := first.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := port(); got != first.Port() {
		t.Errorf("the first is back: connected to the server at port %d", got)
	}
}
