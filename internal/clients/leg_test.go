package clients_test

import (
	"crypto/tls"
	"net/url"
	"testing"
	"time"

	"github.com/pgseal/pgseal/internal/authquery"
	"github.com/pgseal/pgseal/internal/certtest"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/proxy"
)

// leg is a way in which client, pgseal and Postgres are connected.
type leg struct {
	name             string
	client, upstream bool // TLS
}

// Without TLS on both legs the server's authentication is passed through; with it
// SCRAM ends at pgseal (auth.mode scram).
var legs = []leg{
	{name: "without TLS"},
	{name: "TLS to pgseal", client: true},
	{name: "TLS to pgseal and from there", client: true, upstream: true},
}

// house is what all clients play against: a server that they play against
// directly, and one behind pgseal, which logs all statements.
type house struct {
	ca             *certtest.CA
	caFile         string
	direct, behind *postgres.Server
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{ca: certtest.NewCA(t)}
	h.caFile = certtest.File(t, t.TempDir(), "ca.crt", h.ca.PEM)
	options := func() postgres.Options {
		pair := h.issue(t)
		return postgres.Options{Auth: "scram-sha-256", TLS: &postgres.TLS{Cert: pair.Cert, Key: pair.Key}}
	}
	h.direct = pgtest.Private(t, options())
	logging := options()
	logging.LogStatementAll = true
	h.behind = pgtest.Private(t, logging)
	return h
}

func (h *house) issue(t *testing.T) certtest.Pair {
	t.Helper()
	return h.ca.Issue(t, certtest.Leaf{Name: "localhost", Hosts: []string{"127.0.0.1", "localhost"}})
}

// start starts a pgseal as the leg has it, with a database of its own.
func (h *house) start(t *testing.T, l leg) *proxytest.Fixture {
	t.Helper()
	database := pgtest.DatabaseOn(t, h.behind)
	return proxytest.Start(t, proxytest.Options{Database: database, Policy: itemsPolicy(), Change: func(c *proxy.Config) {
		if l.client {
			c.TLS, c.RequireTLS = &tls.Config{Certificates: []tls.Certificate{h.issue(t).TLS(t)}, MinVersion: tls.VersionTLS12}, true
		}
		if !l.upstream {
			return
		}
		var err error
		c.Upstream, err = upstream.New(upstream.Options{
			Addresses: []string{hostOf(t, database)}, ConnectTimeout: time.Minute,
			TLS: upstream.TLS{Mode: upstream.ModeVerifyFull, CA: h.caFile},
		})
		if err != nil {
			t.Fatal(err)
		}
		passwords, err := authquery.New(authquery.Config{DSN: database, Query: authquery.DefaultQuery, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(passwords.Close)
		c.Auth = proxy.Auth{Mode: proxy.AuthSCRAM, Passwords: passwords}
	}})
}

// dsn is a DSN as a client on this leg gets it.
func (h *house) dsn(t *testing.T, l leg, dsn string) string {
	t.Helper()
	u := parseURL(t, dsn)
	u.RawQuery = "sslmode=disable"
	if l.client {
		u.RawQuery = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {h.caFile}}.Encode()
	}
	return u.String()
}

func hostOf(t *testing.T, dsn string) string { return parseURL(t, dsn).Host }

func parseURL(t *testing.T, dsn string) *url.URL {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("the DSN is not a URL")
	}
	return u
}
