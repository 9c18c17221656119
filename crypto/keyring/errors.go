package keyring

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/pgerr"
)

func errRefused(org string, cause *kms.Error) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.KeyUnavailable,
		Message: fmt.Sprintf("key of org %q is not available", org),
		Detail:  fmt.Sprintf("KMS refuses to use it: %s.", cause.Reason),
		Hint:    "The organisation has to enable its key, or allow pgseal to use it, in its KMS; pgseal then goes on by itself.",
		Anchor:  "ps001",
		Cause:   cause,
	}
}

func errDisabled(org string) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.KeyUnavailable,
		Message: fmt.Sprintf("key of org %q is not available", org),
		Detail:  "It was disabled in pgseal's keystore.",
		Hint:    fmt.Sprintf("An operator of pgseal can enable it: pgseal keys enable --org %s", org),
		Anchor:  "ps001",
	}
}

// errRevoked is for a key that was taken away while it was being fetched, twice.
func errRevoked(org string) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.KeyUnavailable,
		Message: fmt.Sprintf("key of org %q is not available", org),
		Detail:  "It was withdrawn while a data key was being fetched.",
		Hint:    "Try again.",
		Anchor:  "ps001",
	}
}

func errSilent(org string, cause *kms.Error) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.KMSUnreachable,
		Message: fmt.Sprintf("KMS cannot be reached for the key of org %q", org),
		Detail:  fmt.Sprintf("KMS does not answer: %s.", cause.Reason),
		Hint:    "Try again in a moment; if the error stays, check pgseal's way to KMS and its credentials.",
		Anchor:  "ps002",
		Cause:   cause,
	}
}

// isSchema tells a keystore that must be set right by hand from one that is
// down.
func isSchema(err error) bool {
	var newer *keystore.NewerError
	return errors.Is(err, keystore.ErrNotInitialised) || errors.As(err, &newer)
}

func errKeystore(err error) *pgerr.Error {
	e := &pgerr.Error{
		Code:    pgerr.KMSUnreachable,
		Message: "pgseal's keystore cannot be reached",
		Hint:    "Try again in a moment; if the error stays, check the database that holds the keystore.",
		Anchor:  "ps002",
		Cause:   err,
	}
	if isSchema(err) {
		e.Message, e.Hint = "pgseal's keystore is not ready", "The keystore has to be set up, or pgseal updated: pgseal check tells which."
	}
	return e
}

func errWaiting(err error) *pgerr.Error {
	detail := "The time for it is over, and KMS or the keystore has not answered."
	if errors.Is(err, context.Canceled) {
		detail = "Nobody waits for it any more."
	}
	return &pgerr.Error{Code: pgerr.KMSUnreachable, Message: "no data key in time", Detail: detail,
		Hint: "Try again in a moment.", Anchor: "ps002", Cause: err}
}

func errClosed() *pgerr.Error {
	return &pgerr.Error{Code: pgerr.AdminShutdown, Message: "pgseal is shutting down"}
}

func errNoKey(org string) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.NoKey,
		Message: fmt.Sprintf("no key is set up for org %q", org),
		Hint:    "Check the org's name, or have an operator of pgseal link its key: pgseal keys add --help",
		Anchor:  "ps004",
		Echoes:  true, // the name may be whatever a client has written into the org's column
	}
}

func errUnknown(id uint64) *pgerr.Error {
	return doesNotOpen(fmt.Sprintf("Its data key %d is not in the keystore.", id), nil)
}

func errCommitment(row keystore.DataKey) *pgerr.Error {
	return doesNotOpen(fmt.Sprintf("Its data key %d is not the one that was minted: the keystore was changed.", row.ID), nil)
}

func errDamagedKey(row keystore.DataKey, cause error) *pgerr.Error {
	return doesNotOpen(fmt.Sprintf("Its data key %d does not unwrap: the keystore was changed.", row.ID), cause)
}

func doesNotOpen(detail string, cause error) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.DoesNotOpen,
		Message: "stored value does not open",
		Detail:  detail,
		Hint:    "The value or the keystore was damaged or restored from elsewhere. Restore the keystore's table pgseal.data_keys from a backup.",
		Anchor:  "ps003",
		Cause:   cause,
	}
}

// isSilence tells whether an error only says that somebody did not answer.
func isSilence(err error) bool {
	var e *pgerr.Error
	return errors.As(err, &e) && e.Code == pgerr.KMSUnreachable
}
