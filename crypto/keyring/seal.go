package keyring

import (
	"context"
	"errors"

	"github.com/pgseal/pgseal/crypto"
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
	o := r.orgs.find(name)
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
	case e.turn != e.org.turn.Load():
		return wornSoon // it was minted under the key that the org had before
	case age >= o.MaxAge-o.MaxAge/8 || values >= o.MaxSeals-o.MaxSeals/8 || bytes >= o.MaxBytes-o.MaxBytes/8:
		return wornSoon
	}
	return fresh
}

// sealing is ForSeal where somebody has to be asked.
func (r *Keyring) sealing(ctx context.Context, name string) (*entry, error) {
	return r.fly(ctx, "seal "+name, func(ctx context.Context) (*entry, error) {
		for range attempts {
			o, err := r.getForSeal(ctx, name)
			if err != nil {
				return nil, err
			}
			e, err := r.sealingOf(ctx, o)
			if !errors.Is(err, errGone) {
				return e, err
			}
		}
		return nil, errRevoked(name)
	})
}

// sealingOf gives the data key that an org's values are sealed with.
func (r *Keyring) sealingOf(ctx context.Context, o *org) (*entry, error) {
	e := o.current.Load()
	if e == nil || !e.live() {
		return r.mint(ctx, o)
	}
	if !r.usable(e) { // its time is over: KMS has to prove it again
		proved, err := r.open(ctx, e.key.ID(), e)
		if err != nil {
			return nil, err
		}
		e = proved
	}
	if o.current.Load() == e && r.wear(e) != worn {
		return e, nil
	}
	next, err := r.mint(ctx, o)
	// While KMS or the keystore does not answer, the old key goes on as
	// long as it may be used: its hard limit is held by the key itself.
	if err != nil && isSilence(err) && o.current.Load() == e && r.usable(e) {
		return e, nil
	}
	return next, err
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
