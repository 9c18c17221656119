package kmsserver

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	algorithm   = "AWS4-HMAC-SHA256"
	amzDate     = "20060102T150405Z"
	maximumSkew = 5 * time.Minute
)

// authenticate checks the request's SigV4 signature by signing the same headers
// again with the caller's secret, and gives the caller and the region of the
// credential scope (IAM user guide, reference_sigv-create-signed-request).
func (s *Server) authenticate(r *http.Request, body []byte, service string, now time.Time) (*principal, string, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return nil, "", failure("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	fields := authorizationFields(header)
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || fields["SignedHeaders"] == "" || fields["Signature"] == "" {
		return nil, "", failure("IncompleteSignature", "the Authorization header is not one of %s", algorithm)
	}
	s.mu.Lock()
	who := s.principals[scope[0]]
	s.mu.Unlock()
	if who == nil {
		return nil, "", failure("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if scope[3] != service {
		return nil, "", failure("InvalidSignatureException", "Credential should be scoped to correct service: '%s'.", service)
	}
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Amz-Security-Token")), []byte(who.token)) != 1 {
		return nil, "", failure("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if !who.expires.IsZero() && !now.Before(who.expires) {
		return nil, "", failure("ExpiredTokenException", "The security token included in the request is expired")
	}
	at, err := time.Parse(amzDate, r.Header.Get("X-Amz-Date"))
	if err != nil || at.Format("20060102") != scope[1] {
		return nil, "", failure("IncompleteSignature", "Date must be in ISO-8601 'basic format', and that of the scope.")
	}
	if now.Sub(at).Abs() > maximumSkew {
		return nil, "", failure("InvalidSignatureException", "Signature expired: %s is too far from %s", at.Format(amzDate), now.UTC().Format(amzDate))
	}
	want, err := signatureOf(r, body, who, service, scope[2], at, strings.Split(fields["SignedHeaders"], ";"))
	if err != nil || subtle.ConstantTimeCompare([]byte(want), []byte(fields["Signature"])) != 1 {
		return nil, "", failure("InvalidSignatureException",
			"The request signature we calculated does not match the signature you provided.")
	}
	return who, scope[2], nil
}

// authorizationFields gives the parts of "AWS4-HMAC-SHA256 Credential=…,
// SignedHeaders=…, Signature=…".
func authorizationFields(header string) map[string]string {
	fields := map[string]string{}
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return fields
	}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	return fields
}

func signatureOf(r *http.Request, body []byte, who *principal, service, region string, at time.Time, signed []string) (string, error) {
	again, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
	if err != nil {
		return "", err
	}
	for _, name := range signed {
		switch name {
		case "host": // the signer adds it
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	sum := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: who.accessKey, SecretAccessKey: who.secret, SessionToken: who.token}
	if err := v4.NewSigner().SignHTTP(r.Context(), credentials, again, hex.EncodeToString(sum[:]), service, region, at); err != nil {
		return "", err
	}
	return authorizationFields(again.Header.Get("Authorization"))["Signature"], nil
}
