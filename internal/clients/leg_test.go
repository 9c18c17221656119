package clients_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/proxy"
)

// leg is a way in which client, pgseal and Postgres are connected.
type leg struct {
	name   string
	client bool // TLS between client and pgseal, or Postgres when it is played directly
}

var legs = []leg{
	{name: "without TLS"},
	{name: "TLS to pgseal", client: true},
}

// options make the pgseal of the leg.
func (l leg) options(t *testing.T, ca *authority, database string) proxytest.Options {
	return proxytest.Options{Database: database, Policy: itemsPolicy(), Change: func(c *proxy.Config) {
		if l.client {
			c.TLS, c.RequireTLS = &tls.Config{Certificates: []tls.Certificate{ca.pair(t)}, MinVersion: tls.VersionTLS12}, true
		}
	}}
}

// dsn is a DSN as a client on this leg gets it.
func (l leg) dsn(t *testing.T, ca *authority, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("the DSN is not a URL")
	}
	u.RawQuery = "sslmode=disable"
	if l.client {
		u.RawQuery = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {ca.file}}.Encode()
	}
	return u.String()
}

// authority is a certificate authority for the servers of a test, all of them
// on 127.0.0.1.
type authority struct {
	file string // its certificate, PEM
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	ca := &authority{file: filepath.Join(t.TempDir(), "ca.pem"), key: newKey(t)}
	template := certificate("an authority for tests")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &ca.key.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ca.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	return ca
}

// issue makes a server's certificate and key, PEM.
func (ca *authority) issue(t *testing.T) (cert, key []byte) {
	t.Helper()
	private := newKey(t)
	template := certificate("127.0.0.1")
	template.IPAddresses, template.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &private.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func (ca *authority) pair(t *testing.T) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(ca.issue(t))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func (ca *authority) server(t *testing.T) *postgres.TLS {
	t.Helper()
	cert, key := ca.issue(t)
	return &postgres.TLS{Cert: cert, Key: key}
}

func certificate(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		panic(err)
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
