package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/pgerr"
)

func errRefused(org string, cause *kms.Error) *pgerr.Error {
	e := &pgerr.Error{
		Code:    pgerr.KeyUnavailable,
		Message: fmt.Sprintf("key of org %q is not available", org),
		Detail:  fmt.Sprintf("KMS refuses to use it: %s.", cause.Reason),
		Hint:    "The organisation has to enable its key, or allow pgseal to use it, in its KMS; pgseal then goes on by itself.",
		Anchor:  "ps001",
		Org:     org,
		Cause:   cause,
	}
	switch {
	case cause.Reason == kms.ReasonNotAllowed:
		e.Detail = "The configuration of pgseal does not allow this key."
		e.Hint = "An operator of pgseal can add it to kms.allow, or give the organisation another key."
	case cause.Reason == kms.ReasonNoProvider:
		e.Detail = "The configuration of pgseal has no KMS for this key."
		e.Hint = "An operator of pgseal can add its provider to kms.provider."
	case cause.Op == kms.OpAssumeRole:
		e.Detail = fmt.Sprintf("pgseal may not assume the role that the key is used with: %s.", cause.Reason)
		e.Hint = "The organisation has to let pgseal assume its role, and pgseal's own policy to allow it; pgseal then goes on by itself."
	}
	return e
}

func errDisabled(org string) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.KeyUnavailable,
		Message: fmt.Sprintf("key of org %q is not available", org),
		Detail:  "It was disabled in pgseal's keystore.",
		Hint:    fmt.Sprintf("An operator of pgseal can enable it: pgseal keys enable --org %s", org),
		Anchor:  "ps001",
		Org:     org,
	}
}

// errFormerRefused is for a data key that is wrapped by a former key of the org's
// alone.
func errFormerRefused(org string, cause *kms.Error) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.KeyUnavailable,
		Message: fmt.Sprintf("former key of org %q is not available", org),
		Detail:  fmt.Sprintf("The value's data key is wrapped by that key alone, and KMS refuses to use it: %s.", cause.Reason),
		Hint:    "The organisation has to enable its former key until pgseal keys rewrap is through; pgseal then goes on by itself.",
		Anchor:  "ps001",
		Org:     org,
		Cause:   cause,
	}
}

// errDestroyed is for what pgseal keys destroy has made unreadable.
func errDestroyed(org string, at time.Time) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.KeyUnavailable,
		Message: fmt.Sprintf("data keys of org %q were destroyed", org),
		Detail:  fmt.Sprintf("They were destroyed on %s, and what was sealed with them is gone for good.", at.UTC().Format(time.DateOnly)),
		Hint:    "pgseal keys add gives the org a key for new values.",
		Anchor:  "ps001",
		Org:     org,
	}
}

// errGone is for an org that was let go while something was fetched for it: it has
// to be looked up again. Users do not see it.
var errGone = errors.New("keyring: org was let go")

// errRevoked is for a key that was taken away while it was being fetched, twice.
func errRevoked(org string) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.KeyUnavailable,
		Message: fmt.Sprintf("key of org %q is not available", org),
		Detail:  "It was withdrawn while a data key was being fetched.",
		Hint:    "Try again.",
		Anchor:  "ps001",
		Org:     org,
	}
}

func errSilent(org string, cause *kms.Error) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.KMSUnreachable,
		Message: fmt.Sprintf("KMS cannot be reached for the key of org %q", org),
		Detail:  fmt.Sprintf("KMS does not answer: %s.", cause.Reason),
		Hint:    "Try again in a moment; if the error stays, check pgseal's way to KMS and its credentials.",
		Anchor:  "ps002",
		Org:     org,
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
		Org:     org,
		Echoes:  true, // the name may be whatever a client has written into the org's column
	}
}

// errDefaultKey is for an org that was given the default key once, which the policy
// does not allow any more.
func errDefaultKey(org string) *pgerr.Error {
	return &pgerr.Error{
		Code:    pgerr.NoKey,
		Message: fmt.Sprintf("org %q has no key of its own", org),
		Detail:  "Its values were sealed under the default key, which the policy does not let orgs use any more.",
		Hint:    "Have an operator of pgseal link the org's key (pgseal keys add --help), or set policy.orgs_without_key to default_key.",
		Anchor:  "ps004",
		Org:     org,
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

// isNoKey tells whether an error says that the org has no key.
func isNoKey(err error) bool {
	var e *pgerr.Error
	return errors.As(err, &e) && e.Code == pgerr.NoKey
}

// isSilence tells whether an error only says that somebody did not answer.
func isSilence(err error) bool {
	var e *pgerr.Error
	return errors.As(err, &e) && e.Code == pgerr.KMSUnreachable
}
