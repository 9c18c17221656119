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

// ForSeal gives the data key that this process seals an org's values with. It
// is asked for each value, since keys are replaced after so many; the key
// itself counts what it seals. An error is a *pgerr.Error: PS001, PS002 or PS004.
func (r *Keyring) ForSeal(ctx context.Context, name string) (*crypto.DataKey, error) {
	if key := r.Ready(name); key != nil {
		return key, nil
	}
	e, err := r.sealing(ctx, name)
	if err != nil {
		return nil, err
	}
	return e.key, nil
}

// Ready gives the data key that ForSeal would give, if nobody has to be asked for
// it, else nil. It does not wait, nor allocate.
func (r *Keyring) Ready(name string) *crypto.DataKey {
	o := r.find(name)
	if o == nil {
		return nil
	}
	e := o.current.Load()
	if e == nil || !r.usable(e) {
		return nil
	}
	switch r.wear(e) {
	case worn:
		return nil
	case wornSoon:
		r.mintAhead(o)
	}
	return e.key
}

// wear tells whether a key is to be replaced.
type wear int

const (
	fresh    wear = iota
	wornSoon      // the next one is fetched ahead
	worn          // the next one is waited for
)

func (r *Keyring) wear(e *entry) wear {
	o := &r.options
	age := r.now() - e.minted
	values, bytes := e.key.Sealed()
	switch {
	case age >= o.MaxAge || values >= o.MaxSeals || bytes >= o.MaxBytes:
		return worn
	case age >= o.MaxAge-o.MaxAge/8 || values >= o.MaxSeals-o.MaxSeals/8 || bytes >= o.MaxBytes-o.MaxBytes/8:
		return wornSoon
	}
	return fresh
}

// sealing is ForSeal where somebody has to be asked.
func (r *Keyring) sealing(ctx context.Context, name string) (*entry, error) {
	return r.fly(ctx, "seal "+name, func(ctx context.Context) (*entry, error) {
		o, err := r.get(ctx, name)
		if err != nil {
			return nil, err
		}
		e := o.current.Load()
		if e == nil || !e.live() {
			return r.mint(ctx, o)
		}
		if !r.usable(e) { // its time is over: KMS has to prove it again
			if e, err = r.open(ctx, e.key.ID(), e); err != nil {
				return nil, err
			}
		}
		if o.current.Load() == e && r.wear(e) != worn {
			return e, nil
		}
		next, err := r.mint(ctx, o)
		if err == nil {
			return next, nil
		}
		// While KMS or the keystore does not answer, the old key goes on as
		// long as it may be used: its hard limit is held by the key itself.
		if isSilence(err) && o.current.Load() == e && r.usable(e) {
			return e, nil
		}
		return nil, err
	})
}

// mintAhead fetches the next data key in the background, once at a time.
func (r *Keyring) mintAhead(o *org) {
	if int64(r.now()) < o.retry.Load() || !o.minting.CompareAndSwap(false, true) {
		return
	}
	if !r.begin() {
		return
	}
	go func() {
		defer r.work.Done()
		defer o.minting.Store(false)
		o.retry.Store(int64(r.now() + r.options.HealthInterval))
		_, err := r.fly(r.base, "seal ahead "+o.name, func(ctx context.Context) (*entry, error) {
			if e := o.current.Load(); e != nil && r.wear(e) == fresh {
				return e, nil
			}
			return r.mint(ctx, o)
		})
		if err != nil {
			r.log.Warn("the next data key could not be fetched ahead", "org", o.name, "error", err)
		}
	}()
}

// idAttempts is how often a data key is minted anew because its random id is
// taken: of 2^63 ids, a second time is a sign that something else is wrong.
const idAttempts = 3

// accessDenied is the Reason of a KMS that denies an operation to pgseal.
const accessDenied = "AccessDeniedException"

// mint makes a new data key and stores it, wrapped, before anything is sealed
// with it.
func (r *Keyring) mint(ctx context.Context, o *org) (*entry, error) {
	for range idAttempts {
		if err := r.unwritable.get(o.name); err != nil {
			return nil, err
		}
		refused, silent := o.blocked(r.now())
		if refused != nil {
			return nil, refused
		}
		if silent != nil {
			return nil, silent
		}
		epoch, asked := o.epoch.Load(), r.now()
		id := newID()
		key, fence := o.target(), o.fence()
		var made kms.Generated
		if failed := r.call(ctx, o, "GenerateDataKey", func(ctx context.Context) (err error) {
			made, err = r.provider.GenerateDataKey(ctx, key, kms.EncryptionContext(o.name, id))
			return err
		}); failed != nil {
			switch {
			case failed.Refused && failed.Reason == accessDenied:
				// This one call may be denied alone. What was sealed stays
				// readable unless Decrypt is denied too, which opening, or
				// the health check, meets on its own.
				return nil, r.unwritable.put(o.name, errRefused(o.name, failed))
			case failed.Refused:
				r.refuses(o, failed)
				return nil, errRefused(o.name, failed)
			}
			r.silent(o, failed)
			return nil, errSilent(o.name, failed)
		}
		e, err := r.deposit(ctx, o, id, epoch, asked, made, fence)
		switch {
		case errors.Is(err, keystore.ErrExists):
			continue
		case errors.Is(err, keystore.ErrChanged):
			if err := r.reread(ctx, o); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, errKeystore(err)
		}
		o.resolve(made.KeyARN)
		r.answers(o, epoch)
		r.keep(e)
		o.current.Store(e)
		if e.live() {
			return e, nil
		}
		r.revoke(o) // a revocation came between: it may have missed this key
	}
	return nil, errRevoked(o.name)
}

// deposit stores a data key that KMS has made and opens it. The key's bytes are
// zeroed.
func (r *Keyring) deposit(ctx context.Context, o *org, id, epoch uint64, asked time.Duration, made kms.Generated, fence keystore.Fence) (*entry, error) {
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
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	if err := r.store.InsertDataKey(ctx, row, fence); err != nil {
		return nil, err
	}
	return r.newEntry(key, o, epoch, row, asked), nil
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
