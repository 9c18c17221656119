package keyring

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
)

// attempts is how often something is tried anew that was changed by somebody else
// meanwhile: an id that is taken, of 2^63, or an org's key. More often is a sign
// that something else is wrong.
const attempts = 5

// accessDenied is the Reason of a KMS that denies an operation to pgseal.
const accessDenied = "AccessDeniedException"

// mint makes a new data key and stores it, wrapped, before anything is sealed
// with it. It is stored only if the org's key is still as it was when KMS was
// asked; else the org's key is read again, and KMS asked again.
func (r *Keyring) mint(ctx context.Context, o *org) (*entry, error) {
	var taken error
	for range attempts {
		now := o.known()
		switch refused, silent := o.blocked(r.now()); {
		case now.epoch&gone != 0:
			return nil, errGone
		case refused != nil:
			return nil, refused
		case silent != nil:
			return nil, silent
		case now.key.Origin == keystore.Default && r.standIn == nil:
			return nil, errDefaultKey(o.name)
		}
		if err := r.unwritable.get(o.name); err != nil {
			return nil, err
		}
		before, asked := o.face().epoch.Load(), r.now()
		id := r.newID()
		var made kms.Generated
		if failed := r.call(ctx, o, "GenerateDataKey", func(ctx context.Context) (err error) {
			made, err = r.provider.GenerateDataKey(ctx, now.key.Key, kms.EncryptionContext(o.name, id))
			return err
		}); failed != nil {
			err := r.notMinted(o, now, failed)
			if failed.Refused && r.replacedMeanwhile(ctx, o, now.key) {
				continue
			}
			return nil, err
		}
		e, err := r.deposit(ctx, o, id, now, asked, made)
		switch {
		case errors.Is(err, keystore.ErrExists):
			taken = err
			continue
		case errors.Is(err, keystore.ErrChanged):
			if o, err = r.reread(ctx, o.name); err == nil {
				continue
			}
			return nil, r.notRead(now.key.Org, err)
		case err != nil:
			return nil, errKeystore(err)
		}
		o.face().resolve(now.key.Key, made.KeyARN)
		r.answers(o.face(), before)
		if o.face().epoch.Load() != before {
			e.close() // a revocation came between
			continue
		}
		r.keep(e)
		e.org.current.Store(e)
		if e.live() {
			return e, nil
		}
		r.drop(e.org) // a revocation came between: it may have missed this key
	}
	if taken != nil {
		return nil, errKeystore(taken)
	}
	return nil, errRevoked(o.name)
}

// notMinted sorts a failed call out.
func (r *Keyring) notMinted(o *org, now known, failed *kms.Error) error {
	switch {
	case failed.Refused && failed.Reason == accessDenied:
		// This one call may be denied alone. What was sealed stays readable
		// unless Decrypt is denied too, which opening, or the health check,
		// meets on its own. The key that the org had before seals no more.
		if e := o.current.Load(); e != nil && e.turn != now.turn {
			o.current.CompareAndSwap(e, nil)
		}
		return r.unwritable.put(o.name, errRefused(o.name, failed))
	case failed.Refused:
		r.refuses(o.face(), failed)
		return errRefused(o.name, failed)
	}
	r.silent(o.face(), failed)
	return errSilent(o.name, failed)
}

// replacedMeanwhile reads the org's key again whose KMS has said no, and tells whether
// the org has another one by now: this process was just slow to learn of it.
func (r *Keyring) replacedMeanwhile(ctx context.Context, o *org, was keystore.OrgKey) bool {
	if o.standIn != nil {
		return false
	}
	now, err := r.reread(ctx, o.name)
	return err == nil && now == o && identity(now.known().key.Key) != identity(was.Key)
}

// notRead is the error for an org whose key was to be read from the keystore.
func (r *Keyring) notRead(name string, err error) error {
	if errors.Is(err, keystore.ErrNotFound) {
		return errNoKey(name)
	}
	return errKeystore(err)
}

// deposit stores a data key that KMS has made and opens it. The key's bytes are
// zeroed.
func (r *Keyring) deposit(ctx context.Context, o *org, id uint64, now known, asked time.Duration, made kms.Generated) (*entry, error) {
	defer made.Plaintext.Zero()
	if len(made.Plaintext) != crypto.KeySize {
		return nil, fmt.Errorf("data key %d: KMS made one of %d bytes", id, len(made.Plaintext))
	}
	row := keystore.DataKey{
		ID: id, Org: o.name, Wrapped: made.Wrapped, KeyARN: made.KeyARN, MintedBy: r.options.ProcessName,
		Commitment: crypto.Commitment(made.Plaintext, id, o.name),
	}
	key, err := crypto.NewDataKey(id, o.name, made.Plaintext)
	if err != nil {
		return nil, err
	}
	fence := keystore.Fence{Epoch: now.key.Epoch, ARN: now.key.ARN}
	if o.standIn != nil {
		fence.Default = &now.key
	}
	storing, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	if err := r.store.InsertDataKey(storing, row, fence); err != nil {
		return nil, err
	}
	if o.standIn != nil { // the org has its row now
		if o, err = r.reread(ctx, o.name); err != nil {
			return nil, err
		}
		if now = o.known(); now.key.State != keystore.Enabled || now.key.ARN != fence.ARN {
			return nil, keystore.ErrChanged
		}
	}
	e := r.newEntry(key, o, o.hang(made.KeyARN), now.epoch, row, asked)
	e.turn = now.turn
	return e, nil
}

// newID draws a data key's id: 1 to 2^63 - 1.
func newID() uint64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails (crypto/rand)
		if id := binary.BigEndian.Uint64(b[:]) >> 1; id != 0 {
			return id
		}
	}
}
