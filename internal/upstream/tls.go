package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Mode is what libpq calls sslmode
// (https://www.postgresql.org/docs/current/libpq-ssl.html).
type Mode string

// The modes. With a file of root certificates, prefer and require verify the
// chain too, as libpq does: one that does not verify is then no TLS. Unlike libpq,
// a login that the server refuses over TLS is not tried again without it by
// prefer: pgseal passes on what the server says.
const (
	ModeDisable    Mode = "disable"
	ModePrefer     Mode = "prefer"      // when the server has it
	ModeRequire    Mode = "require"     // whoever the server is
	ModeVerifyCA   Mode = "verify-ca"   // with a certificate that an authority has signed
	ModeVerifyFull Mode = "verify-full" // and that is for this very host
)

// TLS says what is asked of a server, and shown to it. Unix sockets have no TLS,
// whatever is asked.
type TLS struct {
	Mode Mode   // "" is disable
	CA   string // file of root certificates, PEM; empty: the system's, where the mode verifies
	Cert string // file of the certificate to show, and its chain, PEM; empty: none
	Key  string // file of its key, PEM
}

// ALPN is the protocol's name in TLS
// (https://www.iana.org/assignments/tls-extensiontype-values).
const ALPN = "postgresql"

// tlsFiles is TLS with the files read.
type tlsFiles struct {
	mode  Mode
	roots *x509.CertPool // nil: the system's
	cert  *tls.Certificate
}

func (o TLS) load() (*tlsFiles, error) {
	f := &tlsFiles{mode: o.Mode}
	if f.mode == "" {
		f.mode = ModeDisable
	}
	if f.mode == ModeDisable {
		return f, nil
	}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("upstream.tls.ca: %w", err)
		}
		f.roots = x509.NewCertPool()
		if !f.roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("upstream.tls.ca: %s has no certificate in it", o.CA)
		}
	}
	if o.Cert != "" {
		cert, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, fmt.Errorf("upstream.tls.cert, upstream.tls.key: %w", err)
		}
		f.cert = &cert
	}
	return f, nil
}

// config is that of a connection to a host of that name. Package tls verifies
// names in its own way only, so what is verified is told here.
func (f *tlsFiles) config(host string) *tls.Config {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: host, // which also goes out as SNI, unless it is an IP address
		NextProtos: []string{ALPN},

		InsecureSkipVerify: true,
		VerifyConnection:   func(state tls.ConnectionState) error { return f.verify(state, host) },
	}
	// Shown whoever signed it: the server's list of authorities, which package
	// tls would choose by, is a hint (libpq ignores it too).
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if f.cert == nil {
			return &tls.Certificate{}, nil
		}
		return f.cert, nil
	}
	return c
}

func (f *tlsFiles) verify(state tls.ConnectionState, host string) error {
	if f.roots == nil && f.mode != ModeVerifyCA && f.mode != ModeVerifyFull {
		return nil
	}
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server shows no certificate")
	}
	leaf := state.PeerCertificates[0]
	options := x509.VerifyOptions{Roots: f.roots, Intermediates: x509.NewCertPool()}
	for _, cert := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(cert)
	}
	if _, err := leaf.Verify(options); err != nil {
		return err
	}
	if f.mode != ModeVerifyFull {
		return nil
	}
	return verifyName(leaf, host)
}

// verifyName holds a certificate to a host's name, or IP address. One without
// any alternative name is held by its common name, which package x509 does not
// look at but libpq does (pq_verify_peer_name_matches_certificate).
func verifyName(leaf *x509.Certificate, host string) error {
	err := leaf.VerifyHostname(host)
	if err == nil || len(leaf.DNSNames) > 0 || len(leaf.IPAddresses) > 0 {
		return err
	}
	if matchesCommonName(leaf.Subject.CommonName, host) {
		return nil
	}
	return fmt.Errorf("the server's certificate is for %q, not for %q", leaf.Subject.CommonName, host)
}

// matchesCommonName: a "*." in front stands for one label
// (pq_verify_peer_name_matches_certificate_name and its wildcard_certificate_match).
func matchesCommonName(pattern, host string) bool {
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok && strings.HasPrefix(suffix, ".") && len(suffix) > 1 {
		label, _, _ := strings.Cut(host, ".")
		return label != "" && strings.EqualFold(host[len(label):], suffix)
	}
	return strings.EqualFold(pattern, host)
}
