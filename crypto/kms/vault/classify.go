package vault

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/pgseal/pgseal/crypto/kms"
)

// Vault gives no codes but HTTP's, so its words are what there is to go by. The
// reasons are AWS's where they mean the same.
const (
	reasonNotFound   = "NotFoundException"
	reasonDenied     = "PermissionDenied"
	reasonCiphertext = "InvalidCiphertextException"
	reasonTooOld     = "KeyVersionDisallowed"
)

// damagedWords are of answers to Decrypt that say no to one wrapped key, and
// nothing about the org's key: the ciphertext or its associated data was changed,
// it is of a version that the key does not have, or of one below the key's
// min_decryption_version, which shuts out what is wrapped by older versions alone.
var damagedWords = []struct{ words, reason string }{
	{"disallowed by policy (too old)", reasonTooOld},
	{"invalid ciphertext", reasonCiphertext},
	{"message authentication failed", reasonCiphertext},
	{"no such key version", reasonCiphertext},
}

// loginError is a failure to get a token, which is not the organisation's doing.
type loginError struct{ err error }

func (e *loginError) Error() string { return "login: " + e.err.Error() }
func (e *loginError) Unwrap() error { return e.err }

// classify turns an error of the client into a *kms.Error. 4xx that is not known
// counts as a refusal: then the org's values become unreadable rather than stay
// readable by mistake. Vault that is sealed, busy, a standby without a leader or
// broken answers 429, 472, 473 or 5xx.
func classify(op, keyARN string, err error) *kms.Error {
	e := &kms.Error{Op: op, Key: keyARN}
	var answer *api.ResponseError
	if !errors.As(err, &answer) {
		e.Reason, e.Err = kms.SilenceReason(err), err
		if login := (*loginError)(nil); errors.As(err, &login) && e.Reason == kms.ReasonNetwork {
			e.Reason = silenceOfLogin(login)
		}
		return e
	}
	e.Err = words(answer)
	if login := (*loginError)(nil); errors.As(err, &login) {
		e.Err = fmt.Errorf("login: %w", e.Err)
		e.Reason = kms.ReasonNetwork
		if isClientError(answer) {
			e.Reason = kms.ReasonCredentials
		}
		return e
	}
	text := e.Err.Error()
	switch {
	case answer.RawError || !isClientError(answer):
		e.Reason = fmt.Sprintf("HTTP%d", answer.StatusCode)
	case isInvalidToken(err):
		e.Reason = kms.ReasonCredentials
	case answer.StatusCode == http.StatusForbidden:
		e.Refused, e.Reason = true, reasonDenied
	case answer.StatusCode == http.StatusNotFound,
		strings.Contains(text, "encryption key not found"), // decrypt, and encrypt for a token that may not make keys
		strings.Contains(text, noType):                     // encrypt for one that may
		e.Refused, e.Reason = true, reasonNotFound
	default:
		e.Refused, e.Reason = true, fmt.Sprintf("HTTP%d", answer.StatusCode)
		for _, d := range damagedWords {
			if op == "Decrypt" && strings.Contains(text, d.words) {
				e.Refused, e.Damaged, e.Reason = false, true, d.reason
				break
			}
		}
	}
	return e
}

// isClientError tells whether Vault has decided something about the request.
func isClientError(e *api.ResponseError) bool {
	switch e.StatusCode {
	case http.StatusRequestTimeout, http.StatusPreconditionFailed, http.StatusTooManyRequests, 472, 473:
		return false
	}
	return e.StatusCode >= 400 && e.StatusCode < 500
}

// isInvalidToken tells a token that Vault does not know, which was revoked or has
// expired, from one that may not do this: both get 403, the first with these
// words besides. Older Vaults leave them out, and then it counts as a refusal.
func isInvalidToken(err error) bool {
	var e *api.ResponseError
	return errors.As(err, &e) && e.StatusCode == http.StatusForbidden && strings.Contains(words(e).Error(), "invalid token")
}

// words are Vault's, on one line; of an answer that is not Vault's, none.
func words(e *api.ResponseError) error {
	if e.RawError {
		return fmt.Errorf("HTTP %d with an answer that is not Vault's", e.StatusCode)
	}
	text := strings.Join(strings.Fields(strings.Join(e.Errors, "; ")), " ")
	if text == "" {
		text = http.StatusText(e.StatusCode)
	}
	return fmt.Errorf("HTTP %d: %s", e.StatusCode, text)
}

// silenceOfLogin is the reason for a login without an answer of Vault's: a file
// that is not there or holds no token, or a network that is down.
func silenceOfLogin(e *loginError) string {
	if errors.Is(e.err, errNoCredentials) {
		return kms.ReasonCredentials
	}
	return kms.ReasonNetwork
}
