package gocloud

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"gocloud.dev/gcerrors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pgseal/pgseal/crypto/kms"
)

const (
	reasonCiphertext = "InvalidCiphertextException"
	reasonNotFound   = "NotFoundException"
)

var errLength = errors.New("a wrapped key of a length that no KMS gives")

// classify turns an error of a keeper into a *kms.Error, by gocloud.dev's code for
// it. FailedPrecondition is what Cloud KMS says of a version that is disabled or
// destroyed; Key Vault says Forbidden of one that is disabled. InvalidArgument is about the wrapped key when one
// is to be opened. Codes that are not known are silence: gocloud.dev has none for a
// service that is not available.
func classify(op, key string, err error) *kms.Error {
	e := &kms.Error{Op: op, Key: key, Err: short(err)}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		e.Reason = kms.SilenceReason(err)
		return e
	}
	if errors.Is(err, errLength) {
		e.Damaged, e.Reason = true, reasonCiphertext
		return e
	}
	if ownCredentials(err) {
		e.Reason = kms.ReasonCredentials
		return e
	}
	code := gcerrors.Code(err)
	e.Reason = code.String()
	switch code {
	case gcerrors.InvalidArgument:
		if op == "Decrypt" {
			e.Damaged, e.Reason = true, reasonCiphertext
		} else {
			e.Refused = true
		}
	case gcerrors.NotFound:
		e.Refused, e.Reason = true, reasonNotFound
	case gcerrors.PermissionDenied, gcerrors.FailedPrecondition, gcerrors.Unimplemented:
		e.Refused = true
	case gcerrors.Canceled:
		e.Reason = kms.ReasonCanceled
	case gcerrors.DeadlineExceeded:
		e.Reason = kms.ReasonTimeout
	case gcerrors.Unknown:
		e.Reason = kms.ReasonNetwork
	}
	return e
}

// ownCredentials tells whether the service did not accept who pgseal is, which is
// not the organisation's doing. gocloud.dev's code is PermissionDenied for
// Azure's, and Unknown for Google's.
func ownCredentials(err error) bool {
	var azure *azcore.ResponseError
	if errors.As(err, &azure) {
		return azure.StatusCode == http.StatusUnauthorized
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if status.Code(err) == codes.Unauthenticated {
			return true
		}
	}
	return false
}

// short is an error on one line: Azure's tell of the whole answer.
func short(err error) error {
	var azure *azcore.ResponseError
	if errors.As(err, &azure) {
		return &brief{http.StatusText(azure.StatusCode) + ": " + azure.ErrorCode, err}
	}
	return &brief{strings.Join(strings.Fields(err.Error()), " "), err}
}

type brief struct {
	text  string
	cause error
}

func (b *brief) Error() string { return b.text }
func (b *brief) Unwrap() error { return b.cause }
