package kms

import (
	"context"
	"errors"
	"fmt"
)

// Error is a failed call, in one of three kinds. Refused: the KMS says no to
// the key, which is what an organisation does to withdraw it. Damaged: it says
// no to this one wrapped key, which it would also do for a row of the keystore
// that was tampered with; the org's other data keys are not concerned. Neither:
// it does not answer, or can't at the moment, or pgseal's own credentials are
// at fault, and the call may succeed later.
type Error struct {
	Op      string // GenerateDataKey, Encrypt, Decrypt, ReEncrypt, Check, Describe, or OpAssumeRole
	Key     string // the key's ARN
	Refused bool
	Damaged bool
	// Reason is one word: the KMS's own error code or key state where it gave
	// one (DisabledException, PendingDeletion), else one of the Reason constants.
	Reason string
	Err    error // for logs; no secret is in it
}

// Error names the call, the key, the reason and the cause.
func (e *Error) Error() string {
	what := "does not answer"
	switch {
	case e.Reason == ReasonNotAllowed:
		what = "is not asked: the configuration does not allow this key"
	case e.Refused:
		what = "refuses"
	case e.Damaged:
		what = "does not unwrap this data key"
	}
	text := fmt.Sprintf("kms: %s with key %s: KMS %s (%s)", e.Op, e.Key, what, e.Reason)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// Reasons that no KMS gives.
const (
	ReasonTimeout     = "timeout"
	ReasonCanceled    = "canceled"
	ReasonNetwork     = "network"
	ReasonCredentials = "credentials"
	ReasonNotAllowed  = "NotAllowed" // by the configuration; a refusal
)

// AsError finds the *Error in err; an error of another type, which no provider
// should give, counts as a KMS that does not answer.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Reason: SilenceReason(err), Err: err}
}

// SilenceReason is the Reason for a call that got no answer.
func SilenceReason(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return ReasonTimeout
	case errors.Is(err, context.Canceled):
		return ReasonCanceled
	}
	return ReasonNetwork
}
