package keystore

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound: the keystore has no such row.
	ErrNotFound = errors.New("not in the keystore")

	// ErrExists: the keystore has such a row already.
	ErrExists = errors.New("already in the keystore")

	// ErrChanged: the row is not what the caller knew; it reads it again.
	ErrChanged = errors.New("changed in the keystore meanwhile")

	// ErrDestroyed: the org's data keys were destroyed.
	ErrDestroyed = errors.New("the org's data keys were destroyed")

	// ErrInUse: data keys are wrapped by the org's key.
	ErrInUse = errors.New("data keys are wrapped by it")

	// ErrReplacing: another change of the org's key is under way.
	ErrReplacing = errors.New("the org's key is being replaced already")

	// ErrNotReplacing: no change of the org's key is under way.
	ErrNotReplacing = errors.New("the org's key is not being replaced")
)

// IncompleteError: a change of keys can't be completed, since data keys are
// still wrapped by the previous key alone.
type IncompleteError struct {
	Remaining int // data keys
}

// Error tells how many.
func (e *IncompleteError) Error() string {
	return fmt.Sprintf("%d data keys are not wrapped by the new key yet", e.Remaining)
}
