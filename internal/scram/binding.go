package scram

import (
	"crypto"
	_ "crypto/sha256" // the hashes that Binding uses
	_ "crypto/sha512"
	"crypto/x509"
	"fmt"
)

// Binding is the channel binding data tls-server-end-point (RFC 5929, section
// 4.1): the server certificate's hash, by the hash function of its signature, but
// SHA-256 where that is MD5 or SHA-1. Signatures without one of their own
// (Ed25519) have none.
func Binding(cert *x509.Certificate) ([]byte, error) {
	var hash crypto.Hash
	switch cert.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.DSAWithSHA256, x509.ECDSAWithSHA256:
		hash = crypto.SHA256
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		hash = crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		hash = crypto.SHA512
	default:
		return nil, fmt.Errorf("scram: a certificate signed by %v has no hash to bind a channel to", cert.SignatureAlgorithm)
	}
	h := hash.New()
	h.Write(cert.Raw)
	return h.Sum(nil), nil
}
