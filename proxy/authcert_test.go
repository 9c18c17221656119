package proxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/certtest"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/proxy"
)

// startCertLogin starts a pgseal that takes clients by their certificates, and
// shows its server one of its own.
func startCertLogin(t *testing.T, ca *certtest.CA, hba string) *login {
	t.Helper()
	return startLogin(t, loginOptions{mode: proxy.AuthCert, clientTLS: true, upstreamTLS: true, ca: ca, hba: hba, change: func(l *login, c *proxy.Config) {
		cert, key := ca.Issue(t, certtest.Leaf{Name: "pgseal"}).Files(t, t.TempDir(), "pgseal")
		c.Upstream = dialer(t, upstream.Options{
			Addresses: []string{tcpAddress(l.server)},
			TLS:       upstream.TLS{Mode: upstream.ModeVerifyFull, CA: l.caFile, Cert: cert, Key: key},
		})
		c.TLS.ClientCAs, c.TLS.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
		c.TLS.ClientCAs.AppendCertsFromPEM(ca.PEM)
	}})
}

// TestCertificates: who logs in to a Postgres that asks for certificates logs in
// to pgseal, and who does not is told the same.
func TestCertificates(t *testing.T) {
	ca := certtest.NewCA(t)
	const superuser = "host all postgres 127.0.0.1/32 trust\n"
	l := startCertLogin(t, ca, superuser+"hostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n")
	oracle := startLogin(t, loginOptions{ca: ca, hba: superuser + "hostssl all all 127.0.0.1/32 cert\n"})
	certificate := func(ca *certtest.CA, name string) string {
		cert, key := ca.Issue(t, certtest.Leaf{Name: name}).Files(t, t.TempDir(), "client")
		return "sslmode=verify-full sslrootcert=" + l.caFile + " sslcert=" + cert + " sslkey=" + key
	}
	for _, test := range []struct{ user, options, want string }{
		{"alice", certificate(ca, "alice"), "alice|t"},
		{"nologin", certificate(ca, "nologin"), "is not permitted to log in"},
		{"nobody", certificate(ca, "nobody"), `role "nobody" does not exist`},
		{"alice", certificate(ca, "mdfive"), `certificate authentication failed for user "alice"`},
		{"alice", certificate(ca, "Alice"), `certificate authentication failed for user "alice"`},
		{"alice", certificate(ca, ""), `certificate authentication failed for user "alice"`},
		{"alice", "sslmode=require", "connection requires a valid client certificate"},
	} {
		got, want := l.psql(t, true, test.user, "wonderland", test.options), oracle.psql(t, false, test.user, "wonderland", test.options)
		if got != want || !strings.Contains(got, test.want) {
			t.Errorf("%s: psql prints\n%s\nand directly\n%s", test.user, got, want)
		}
	}
	// The superuser, whom the server trusts, is no exception.
	if got := l.psql(t, true, "postgres", "", "sslmode=require"); !strings.Contains(got, "requires a valid client certificate") {
		t.Errorf("the superuser without a certificate: psql prints\n%s", got)
	}
	if got := l.psql(t, true, "alice", "wonderland", certificate(certtest.NewCA(t), "alice")); strings.Contains(got, "alice|") {
		t.Errorf("a certificate that nobody knows: psql prints\n%s", got)
	}
	if got := l.psql(t, true, "alice", "wonderland", "sslmode=disable"); !strings.Contains(got, "requires a valid client certificate") {
		t.Errorf("without TLS: psql prints\n%s", got)
	}
}

// TestCertificatesAndPasswords: a server that wants a password of pgseal gets none.
func TestCertificatesAndPasswords(t *testing.T) {
	ca := certtest.NewCA(t)
	l := startCertLogin(t, ca, authHBA("scram-sha-256"))
	cert, key := ca.Issue(t, certtest.Leaf{Name: "alice"}).Files(t, t.TempDir(), "client")
	got := l.psql(t, true, "alice", "wonderland", "sslmode=require sslcert="+cert+" sslkey="+key)
	for _, part := range []string{"asks for a login that pgseal cannot make", "a SASL exchange", "auth.mode is cert", "errors.md#server-login"} {
		if !strings.Contains(got, part) {
			t.Errorf("psql prints\n%s\nwithout %q", got, part)
		}
	}
}
