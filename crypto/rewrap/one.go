package rewrap

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
)

// wrapper wraps data keys of one org under its present key.
type wrapper struct {
	provider kms.Provider
	key      keystore.OrgKey
	target   Target

	mu      sync.Mutex
	refused map[string]*kms.Error // former keys that KMS refuses, by ARN
	apart   map[string]bool       // former keys that KMS does not wrap anew from by itself
}

func newWrapper(provider kms.Provider, key keystore.OrgKey, target Target) *wrapper {
	return &wrapper{provider: provider, key: key, target: target, refused: map[string]*kms.Error{}, apart: map[string]bool{}}
}

// wrap gives a data key's wrap under the present key, proven. Errors: *damagedError,
// *refusedError, *TargetError; any other means that KMS does not answer.
func (w *wrapper) wrap(ctx context.Context, row keystore.DataKey) (kms.Wrapped, error) {
	wrapped, err := w.from(ctx, row, row.Wrapped, row.KeyARN)
	if row.NextWrapped != nil && isFormer(err) {
		// Either wrap opens the data key, so both would have to be of no use.
		first := err
		var refused *refusedError
		if wrapped, err = w.from(ctx, row, row.NextWrapped, row.NextKeyARN); isFormer(err) && errors.As(first, &refused) {
			err = first // it may come back, which damage does not
		}
	}
	return wrapped, err
}

// from wraps a data key anew from one of its wraps.
func (w *wrapper) from(ctx context.Context, row keystore.DataKey, blob []byte, arn string) (kms.Wrapped, error) {
	if refusal := w.refusal(arn); refusal != nil {
		return kms.Wrapped{}, &refusedError{arn: arn, err: refusal}
	}
	from := via(w.key, arn)
	if !w.isApart(arn) {
		wrapped, err := kms.ReEncrypt(ctx, w.provider, from, blob, w.key.Key, kms.EncryptionContext(row.Org, row.ID))
		switch {
		case err == nil:
			return wrapped, w.prove(ctx, row, wrapped, true)
		case errors.Is(err, kms.ErrReEncrypt):
			w.setApart(arn)
		case isSilence(err):
			return kms.Wrapped{}, err
		}
		// A no can be about either key: the calls of their own tell which.
	}
	plaintext, err := w.provider.Decrypt(ctx, from, blob, kms.EncryptionContext(row.Org, row.ID))
	defer plaintext.Zero()
	if err != nil {
		return kms.Wrapped{}, w.former(arn, err)
	}
	if !crypto.Committed(plaintext, row.ID, row.Org, row.Commitment) {
		return kms.Wrapped{}, &damagedError{errNotMinted}
	}
	wrapped, err := w.provider.Encrypt(ctx, w.key.Key, plaintext, kms.EncryptionContext(row.Org, row.ID))
	if err != nil {
		return kms.Wrapped{}, w.present(err)
	}
	return wrapped, w.prove(ctx, row, wrapped, false)
}

// prove unwraps what is to be stored. unseen: nobody has seen the data key before,
// so that a wrong one was wrong in the keystore already.
func (w *wrapper) prove(ctx context.Context, row keystore.DataKey, wrapped kms.Wrapped, unseen bool) error {
	if !w.target.Has(wrapped.KeyARN) {
		return &TargetError{w.key.ARN, fmt.Errorf("it stands for another key than a moment ago, %s: try again", wrapped.KeyARN)}
	}
	plaintext, err := w.provider.Decrypt(ctx, w.key.With(wrapped.KeyARN), wrapped.Blob, kms.EncryptionContext(row.Org, row.ID))
	defer plaintext.Zero()
	switch {
	case err != nil:
		return w.present(err)
	case crypto.Committed(plaintext, row.ID, row.Org, row.Commitment):
		return nil
	case unseen:
		return &damagedError{errNotMinted}
	}
	return &TargetError{w.key.ARN, errors.New("it unwraps a data key to another one than it has wrapped")}
}

// former sorts an error of a call with a former key.
func (w *wrapper) former(arn string, err error) error {
	switch e := kms.AsError(err); {
	case e.Damaged:
		return &damagedError{err}
	case e.Refused:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.refused[arn] = e
		return &refusedError{arn: arn, err: e}
	}
	return err
}

// present sorts an error of a call with the present key.
func (w *wrapper) present(err error) error {
	if isSilence(err) {
		return err
	}
	return &TargetError{w.key.ARN, err}
}

func (w *wrapper) refusal(arn string) *kms.Error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refused[arn]
}

func (w *wrapper) isApart(arn string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.apart[arn]
}

func (w *wrapper) setApart(arn string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.apart[arn] = true
}

// isFormer tells whether an error is about the wrap that a data key has.
func isFormer(err error) bool {
	var damaged *damagedError
	var refused *refusedError
	return errors.As(err, &damaged) || errors.As(err, &refused)
}

func isSilence(err error) bool {
	e := kms.AsError(err)
	return !e.Refused && !e.Damaged
}
