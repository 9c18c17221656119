package main

import (
	"crypto/tls"
	"fmt"

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
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}
