package rewrap

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
)

// Try wraps the org's newest data key under a key that is to take over, and throws
// the wrap away: what a run would need of either key is there, or it is not. It
// tries nothing when the org has no data key. A *TargetError when the new key is at
// fault, a *FormerError when the one is that the data key is wrapped under.
func Try(ctx context.Context, store *keystore.Store, provider kms.Provider, key keystore.OrgKey, to kms.Key) error {
	row, err := store.NewestDataKey(ctx, key.Org)
	if errors.Is(err, keystore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("rewrap: %w", err)
	}
	target, err := Resolve(ctx, provider, to)
	if err != nil {
		return fmt.Errorf("rewrap: %w", err)
	}
	old := key.Key
	key.Key, key.Previous = to, &old
	if _, err = newWrapper(provider, key, target).wrap(ctx, row); isFormer(err) {
		err = &FormerError{ARN: row.KeyARN, Err: err}
	}
	if err != nil {
		return fmt.Errorf("rewrap: data key %d: %w", row.ID, err)
	}
	return nil
}

// FormerError: what a data key is wrapped under does not open it.
type FormerError struct {
	ARN string
	Err error
}

// Error names the key.
func (e *FormerError) Error() string {
	return fmt.Sprintf("the key %s does not open what it has wrapped: %v", e.ARN, e.Err)
}

// Unwrap gives the cause.
func (e *FormerError) Unwrap() error { return e.Err }
