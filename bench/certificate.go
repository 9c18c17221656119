package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificate is one for 127.0.0.1, signed by itself: clients encrypt, and verify
// nothing.
type certificate struct {
	cert, key         []byte // PEM
	certFile, keyFile string
}

func makeCertificate(folder string) (c certificate, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return c, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return c, err
	}
	c.cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	c.key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	c.certFile, c.keyFile = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	for file, text := range map[string][]byte{c.certFile: c.cert, c.keyFile: c.key} {
		if err := os.WriteFile(file, text, 0o644); err != nil { // PgBouncer reads it as another user
			return c, fmt.Errorf("certificate: %w", err)
		}
	}
	return c, nil
}
