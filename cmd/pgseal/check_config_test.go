package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writeCertificate makes a self-signed certificate that ends at the given time.
func writeCertificate(t *testing.T, folder string, end time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: end.AddDate(-1, 0, 0), NotAfter: end}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCheckOfACertificate(t *testing.T) {
	file := writeConfig(t, "postgres://u@127.0.0.1:1/d", "tls: {mode: allow, cert: cert.pem, key: key.pem}\n"+policyText)
	folder := filepath.Dir(file)
	pgseal(t, "check", "-c", file).has(t, exitFailed, "FAIL  config    tls.cert, tls.key: open "+folder+"/cert.pem: no such file or directory\n")
	now := time.Now().UTC()
	for _, test := range []struct {
		end  time.Time
		want string
	}{
		{now.AddDate(1, 0, 0), "ok    config    tls.cert: valid until " + now.AddDate(1, 0, 0).Format(time.DateOnly) + "\n"},
		{now.AddDate(0, 0, 5), "warn  config    tls.cert: the certificate is valid until " + now.AddDate(0, 0, 5).Format(time.DateOnly) + " only\n"},
		{now.AddDate(0, 0, -5), "FAIL  config    tls.cert: the certificate was valid until " + now.AddDate(0, 0, -5).Format(time.DateOnly)},
	} {
		writeCertificate(t, folder, test.end)
		pgseal(t, "check", "-c", file).has(t, exitFailed, test.want) // the database is down
	}
	if err := os.WriteFile(filepath.Join(folder, "key.pem"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	pgseal(t, "check", "-c", file).has(t, exitFailed, "FAIL  config    tls.cert, tls.key: tls: failed to find any PEM data in key input\n")
}

// TestTypesThatCannotBeSealed: check names them, and serve does not begin.
func TestTypesThatCannotBeSealed(t *testing.T) {
	file := writeConfig(t, "postgres://u@127.0.0.1:1/d", onFreePorts+`
policy:
  tables:
    spans:
      org: {column: org_id}
      columns: {at: {type: interval day to second}, doc: {type: xml}}
`)
	for command, code := range map[string]int{"check": exitFailed, "serve": exitUsage} {
		out := pgseal(t, command, "-c", file)
		out.has(t, code, "policy.tables.spans.columns.at.type: ")
		out.has(t, code, "policy.tables.spans.columns.doc.type: ")
	}
}
