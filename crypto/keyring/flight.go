package keyring

import (
	"context"
	"errors"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// fly runs f once for all who ask for the same name at the same time. f runs
// in the keyring's own context: when ctx ends, only this caller stops waiting.
// An error is a *pgerr.Error of the caller's own.
func (r *Keyring) fly(ctx context.Context, name string, f func(context.Context) (*entry, error)) (*entry, error) {
	done := r.flights.DoChan(name, func() (any, error) {
		if !r.begin() {
			return (*entry)(nil), errClosed()
		}
		defer r.work.Done()
		return f(r.base)
	})
	select {
	case result := <-done:
		if result.Err != nil {
			return nil, own(result.Err)
		}
		return result.Val.(*entry), nil
	case <-ctx.Done():
		return nil, errWaiting(ctx.Err())
	}
}

// own copies an error that several callers may have got: each may fill in its
// own place in the statement.
func own(err error) error {
	var e *pgerr.Error
	if !errors.As(err, &e) {
		return errKeystore(err)
	}
	c := *e
	return &c
}
