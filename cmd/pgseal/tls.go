package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/pgseal/pgseal/internal/config"
)

// serverTLS is what clients are offered, nil when TLS is disabled.
func serverTLS(c config.TLS) (*tls.Config, error) {
	if c.Mode == "disable" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("tls.cert, tls.key: %w", err)
	}
	server := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if c.ClientCA == "" {
		return server, nil
	}
	pem, err := os.ReadFile(c.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("tls.client_ca: %w", err)
	}
	server.ClientCAs = x509.NewCertPool()
	if !server.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls.client_ca: %s has no certificate in it", c.ClientCA)
	}
	// A client that must show one and does not is told so by the proxy, in words
	// that reach it.
	server.ClientAuth = tls.VerifyClientCertIfGiven
	return server, nil
}
