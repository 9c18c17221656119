package aws

import (
	"context"
	"errors"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/pgseal/pgseal/crypto/kms"
)

// damagedCodes say that one wrapped key is at fault, not the org's key.
var damagedCodes = map[string]bool{
	"InvalidCiphertextException": true, // also for another encryption context
	"IncorrectKeyException":      true,
}

// silentCodes are answers with which KMS decides nothing about the key: it asks
// to try later, or does not accept pgseal's own credentials, which is not the
// organisation's doing. Anything about throttling and 5xx counts as such too.
var silentCodes = map[string]bool{
	"DependencyTimeoutException": true,
	"KeyUnavailableException":    true, // "You can retry the request"
	"KMSInternalException":       true,
	"InternalFailure":            true,
	"InternalServerError":        true,
	"ServiceUnavailable":         true,
	"LimitExceededException":     true,
	"RequestLimitExceeded":       true,
	"RequestTimeout":             true,
	"RequestTimeoutException":    true,

	"ExpiredToken":                        true,
	"ExpiredTokenException":               true,
	"IncompleteSignature":                 true,
	"IncompleteSignatureException":        true,
	"InvalidClientTokenId":                true,
	"InvalidSignatureException":           true,
	"MissingAuthenticationToken":          true,
	"MissingAuthenticationTokenException": true,
	"RequestExpired":                      true,
	"SignatureDoesNotMatch":               true,
	"UnrecognizedClientException":         true,
}

// classify turns an error of the SDK into a *kms.Error. A code that is not
// known counts as a refusal when the HTTP status is 4xx: then the org's values
// become unreadable rather than stay readable by mistake.
func classify(op, keyARN string, err error) *kms.Error {
	forgetAnswer(err)
	e := &kms.Error{Op: op, Key: keyARN, Err: err}
	var role *roleError
	if errors.As(err, &role) {
		e.Op, e.Err, err = kms.OpAssumeRole, role, role.err
	}
	if fromCredentials(err) {
		e.Reason = kms.ReasonCredentials
		return e
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		e.Reason = silence(err)
		return e
	}
	code := api.ErrorCode()
	e.Reason = code
	status := 0
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	switch {
	case damagedCodes[code]:
		e.Damaged = true
	case silentCodes[code], strings.Contains(code, "Throttl"), strings.Contains(code, "TooManyRequests"):
	case status >= 500, status == 408, status == 429:
	case status >= 400:
		e.Refused = true
	}
	return e
}

// forgetAnswer clears what the SDK keeps of an answer that it could not read,
// which may be half a data key, or a role's credentials.
func forgetAnswer(err error) {
	var d *smithy.DeserializationError
	if errors.As(err, &d) {
		clear(d.Snapshot)
		d.Snapshot = nil
	}
}

// fromCredentials tells whether the call failed for another service's answer,
// within it: STS or SSO refused pgseal's own credentials, and the service that was
// called was never asked.
func fromCredentials(err error) bool {
	var outer, inner *smithy.OperationError
	return errors.As(err, &outer) && errors.As(outer.Err, &inner)
}

// silence is the reason for a call that KMS did not answer at all.
func silence(err error) string {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return kms.SilenceReason(err)
	}
	// The SDK has no type for a credentials chain that came up empty; its
	// signing middleware wraps the cause in these words.
	if text := err.Error(); strings.Contains(text, "get identity") || strings.Contains(text, "refresh cached credentials") {
		return kms.ReasonCredentials
	}
	return kms.ReasonNetwork
}
