package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"time"

	"github.com/pgseal/pgseal/internal/config"
)

// expirySoon is when a certificate's end is worth a warning.
const expirySoon = 14 * 24 * time.Hour

// checkConfig looks at what a file that loads may still have wrong.
func checkConfig(f *findings, file string, c *config.Config) {
	f.ok("%s is valid: %s", file, count(len(c.Policy.Tables), "table"))
	checkClientTLS(f, c.TLS)
	checkUpstreamTLS(f, c.Upstream.TLS)
	checkLogins(f, c)
}

func checkClientTLS(f *findings, c config.TLS) {
	server, err := serverTLS(c)
	if err != nil {
		f.fail("%v", err)
		return
	}
	if server != nil {
		checkCertificate(f, "tls.cert", server.Certificates[0].Leaf)
		checkAuthorities(f, "tls.client_ca", c.ClientCA)
	}
}

// checkUpstreamTLS looks at the files; that they can be read at all is found out
// where they are used, in checkHosts.
func checkUpstreamTLS(f *findings, c config.UpstreamTLS) {
	checkAuthorities(f, "upstream.tls.ca", c.CA)
	if c.Cert == "" {
		return
	}
	if cert, err := tls.LoadX509KeyPair(c.Cert, c.Key); err == nil {
		checkCertificate(f, "upstream.tls.cert", cert.Leaf)
	}
}

// checkCertificate tells until when a certificate is valid.
func checkCertificate(f *findings, what string, cert *x509.Certificate) {
	left := time.Until(cert.NotAfter)
	until := cert.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case left < 0:
		f.fail("%s: the certificate was valid until %s: whoever verifies it won't connect; put a new one in its place", what, until)
	case left < expirySoon:
		f.warn("%s: the certificate is valid until %s only", what, until)
	default:
		f.ok("%s: valid until %s", what, until)
	}
}

// checkAuthorities looks at each root certificate in a file. An old one may stay
// there beside its successor.
func checkAuthorities(f *findings, key, file string) {
	if file == "" {
		return
	}
	rest, err := os.ReadFile(file)
	if err != nil {
		return // told where the file is used
	}
	valid := false
	var last *x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			last = cert
			valid = valid || time.Now().Before(cert.NotAfter)
		}
	}
	switch {
	case last == nil:
	case !valid:
		f.fail("%s: no root certificate in %s is valid any more: nothing that they have signed is accepted", key, file)
	default:
		f.ok("%s: %s has a root certificate that is valid", key, file)
	}
}
