package keyring

import (
	"context"
	"errors"
	"strconv"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/secret"
)

// ForOpen gives the data key of an id, for opening values that were sealed with
// it. Whether the user may open its org's values is for the caller to ask. An
// error is a *pgerr.Error: PS001, PS002, PS003 for an id that is not in the
// keystore or a data key that does not unwrap, PS004.
func (r *Keyring) ForOpen(ctx context.Context, id uint64) (*crypto.DataKey, error) {
	e, _ := r.cache.Get(id)
	if e != nil && r.usable(e) {
		return e.key, nil
	}
	e, err := r.open(ctx, id, e)
	if err != nil {
		return nil, err
	}
	return e.key, nil
}

// open gets a data key from KMS, or has one that is open proved again. known is
// the one that was found in the cache, however old; it may be nil.
func (r *Keyring) open(ctx context.Context, id uint64, known *entry) (*entry, error) {
	return r.fly(ctx, "open "+strconv.FormatUint(id, 10), func(ctx context.Context) (*entry, error) {
		if e, _ := r.cache.Get(id); e != nil {
			if known == nil || e.live() {
				known = e
			}
			if r.usable(e) && !r.refreshDue(e) {
				return e, nil // the flight before this one has brought it
			}
		}
		if err := r.broken.get(id); err != nil {
			return nil, err
		}
		r.metrics.missed()
		if known != nil && !known.live() {
			known = nil
		}
		row, err := r.row(ctx, id, known)
		if err != nil {
			return nil, err
		}
		for range attempts {
			o, err := r.get(ctx, row.Org)
			if err != nil {
				return nil, err
			}
			if e := o.current.Load(); known == nil && e != nil && e.key.ID() == id && r.usable(e) {
				r.keep(e) // the cache has lost the key that this process seals with
				return e, nil
			}
			e, err := r.unwrap(ctx, o, row, known)
			if !errors.Is(err, errGone) {
				return e, err
			}
			known = nil
		}
		return nil, errRevoked(row.Org)
	})
}

// refreshDue tells whether the key's end is near.
func (r *Keyring) refreshDue(e *entry) bool {
	return int64(r.now()) >= e.until.Load()-int64(r.options.RefreshAhead)
}

// row reads the wrapped data key. That of a key that is open is known, and is read
// again where another process may have wrapped it under the org's present key
// meanwhile.
func (r *Keyring) row(ctx context.Context, id uint64, known *entry) (keystore.DataKey, error) {
	if known != nil && known.org.hasPresent(known.row.Load()) {
		return *known.row.Load(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	row, err := r.store.DataKey(ctx, id)
	switch {
	case errors.Is(err, keystore.ErrNotFound):
		return row, r.broken.put(id, errUnknown(id))
	case err != nil && known != nil:
		return *known.row.Load(), nil
	case err != nil:
		return row, errKeystore(err)
	case !row.Destroyed.IsZero():
		return row, r.broken.put(id, errDestroyed(row.Org, row.Destroyed))
	}
	return row, nil
}

// unwrap asks KMS for a data key. A revocation that comes between is not
// missed: the key counts as of the epoch from before the call, and if that one
// has passed, KMS is asked again. errGone: the org was let go meanwhile.
func (r *Keyring) unwrap(ctx context.Context, o *org, row keystore.DataKey, known *entry) (*entry, error) {
	for range attempts {
		now := o.known()
		refused, silent := o.blocked(r.now())
		if refused != nil {
			return nil, refused
		}
		if known != nil && !known.live() {
			known = nil
		}
		epoch, asked := now.epoch, r.now()
		if epoch&gone != 0 {
			return nil, errGone
		}
		plaintext, from, failed := r.decrypt(ctx, o, row, silent != nil)
		switch {
		case plaintext == nil && silent != nil:
			return r.stale(known, silent)
		case failed != nil:
			e, err := r.notUnwrapped(o, row, known, from, failed)
			if failed.Refused && from.present && r.replacedMeanwhile(ctx, o, now.key) {
				if row, err = r.row(ctx, row.ID, nil); err == nil {
					continue
				}
			}
			return e, err
		}
		if from.present {
			r.answers(o, epoch)
		}
		if known != nil && r.renew(known, from.wrapping, row, asked) {
			plaintext.Zero() // the open key is the same, as the commitment shows
		} else {
			key, err := crypto.NewOpeningKey(row.ID, row.Org, plaintext)
			if err != nil {
				return nil, r.broken.put(row.ID, errDamagedKey(row, err))
			}
			known = r.newEntry(key, o, from.wrapping, epoch, row, asked)
		}
		r.keep(known)
		if known.live() {
			return known, nil
		}
		r.cache.Del(row.ID)
	}
	return nil, errRevoked(o.name)
}

// committed tells whether a key is the one that was minted.
func committed(key secret.Bytes, row keystore.DataKey) bool {
	return crypto.Committed(key, row.ID, row.Org, row.Commitment)
}

// notUnwrapped sorts a failed call out.
func (r *Keyring) notUnwrapped(o *org, row keystore.DataKey, known *entry, of wrap, failed *kms.Error) (*entry, error) {
	switch {
	case failed.Damaged && failed.Reason == notCommitted:
		return nil, r.broken.put(row.ID, errCommitment(row))
	case failed.Damaged:
		return nil, r.broken.put(row.ID, errDamagedKey(row, failed))
	case failed.Refused && of.present:
		r.refuses(o, failed)
		return nil, errRefused(o.name, failed)
	case failed.Refused: // only what is wrapped by this former key alone is lost
		return nil, r.broken.put(row.ID, errFormerRefused(o.name, failed))
	}
	return r.stale(known, errSilent(o.name, failed))
}

// stale lets an open key serve on when KMS does not answer, else err.
func (r *Keyring) stale(known *entry, err error) (*entry, error) {
	if known != nil && r.extend(known) {
		return known, nil
	}
	return nil, err
}
