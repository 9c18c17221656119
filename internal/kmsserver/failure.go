package kmsserver

import (
	"fmt"
	"net/http"
)

// fail is an exception as it goes over the wire.
type fail struct{ code, message string }

func (f *fail) Error() string { return f.code + ": " + f.message }

func failure(code, format string, args ...any) *fail {
	return &fail{code: code, message: fmt.Sprintf(format, args...)}
}

// httpStatus has the codes that the Errors sections of the API reference give, and
// its page CommonErrors. What is not here is 400.
var httpStatus = map[string]int{
	"DependencyTimeoutException":     http.StatusServiceUnavailable,
	"DisabledException":              http.StatusConflict,
	"DryRunOperationException":       http.StatusPreconditionFailed,
	"ExpiredTokenException":          http.StatusForbidden,
	"InvalidSignatureException":      http.StatusForbidden,
	"KeyUnavailableException":        http.StatusInternalServerError,
	"KMSInternalException":           http.StatusInternalServerError,
	"KMSInvalidStateException":       http.StatusConflict,
	"NotFoundException":              http.StatusNotFound,
	"RequestEntityTooLargeException": http.StatusRequestEntityTooLarge,
	"ServiceUnavailable":             http.StatusServiceUnavailable,
	"UnknownOperationException":      http.StatusNotFound,
	"UnrecognizedClientException":    http.StatusForbidden,
}

func (f *fail) status() int {
	if status, ok := httpStatus[f.code]; ok {
		return status
	}
	return http.StatusBadRequest
}

// The exceptions with their wording on the page key-state, notes [1], [3], [4], [5] and [11].

func errDisabled(k *key) error { return failure("DisabledException", "%s is disabled.", k.arn()) }

func errPendingDeletion(k *key) error {
	what := "pending deletion"
	if k.state == statePendingReplicaDeletion {
		what = "pending replica deletion"
	}
	return failure("KMSInvalidStateException", "%s is %s.", k.arn(), what)
}

func errPendingImport(k *key) error {
	return failure("KMSInvalidStateException", "%s is pending import.", k.arn())
}

func errUnavailable(k *key) error {
	return failure("KMSInvalidStateException", "%s is unavailable.", k.arn())
}

func errNotPendingDeletion(k *key) error {
	return failure("KMSInvalidStateException", "%s is not pending deletion.", k.arn())
}

// errMissing: the member is marked "Required: Yes" in the API reference.
func errMissing(member string) error {
	return failure("ValidationException", "1 validation error detected: value at '%s' failed to satisfy constraint: must not be null", member)
}

// errDenied: API_Decrypt, CommonErrors. For a principal of another account it does
// not tell whether the key exists.
func errDenied(c *call, action, resource string) error {
	return failure("AccessDeniedException",
		"User: %s is not authorized to perform: %s on resource: %s because no resource-based policy allows the %s action",
		c.who.arn, action, resource, action)
}

// errDryRun: developer guide, testing-permissions.
func errDryRun() error {
	return failure("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
}
