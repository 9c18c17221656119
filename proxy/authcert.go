package proxy

import (
	"crypto/x509"
	"fmt"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// checkCertificate lets a client in whose certificate is the user's, as Postgres's
// method cert does (CheckCertAuth). It was verified in the TLS handshake. No server
// is needed for that, and none is asked before.
func (st *startup) checkCertificate() error {
	if st.server.config.Auth.Mode != AuthCert {
		return nil
	}
	var cert *x509.Certificate
	if st.tls != nil {
		if state := st.tls.ConnectionState(); len(state.VerifiedChains) > 0 {
			cert = state.PeerCertificates[0]
		}
	}
	if cert == nil {
		return &fatalError{&pgerr.Error{
			Code: pgerr.InvalidAuthorization, Message: "connection requires a valid client certificate",
		}}
	}
	user := userName(st.parameters["user"])
	name, err := commonName(cert)
	if err == nil && name != user {
		err = fmt.Errorf("the certificate is for %q", name)
	}
	if err != nil {
		return &fatalError{&pgerr.Error{
			Code: pgerr.InvalidAuthorization, Message: fmt.Sprintf(`certificate authentication failed for user "%s"`, user), Cause: err,
		}}
	}
	return nil
}

// byCertificate lets a client in who has passed checkCertificate, where the server
// lets pgseal in without a password.
func (a *authentication) byCertificate() error {
	code, _, err := a.request()
	if err != nil {
		return err
	}
	if code != requestOK {
		return cannotAnswer(code, AuthCert)
	}
	return a.accept(nil)
}

// commonName is the certificate's one common name; of several, programs take
// different ones.
func commonName(cert *x509.Certificate) (string, error) {
	var names []string
	for _, n := range cert.Subject.Names {
		if n.Type.Equal(oidCommonName) {
			name, ok := n.Value.(string)
			if !ok {
				return "", fmt.Errorf("the certificate's common name is no text")
			}
			names = append(names, name)
		}
	}
	if len(names) != 1 || names[0] == "" {
		return "", fmt.Errorf("the certificate has %d common names", len(names))
	}
	return names[0], nil
}

// oidCommonName is id-at-commonName (RFC 5280, appendix A).
var oidCommonName = []int{2, 5, 4, 3}
