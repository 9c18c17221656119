package keyring

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/crypto/keystore"
)

// entry is an opened data key and for how long it serves. All times are of the
// keyring's clock.
type entry struct {
	key    *crypto.DataKey
	org    *org
	epoch  uint64           // of the org, from before KMS was asked for the key
	row    keystore.DataKey // as KMS has wrapped it: to have it proved again without the keystore
	minted time.Duration    // for a key that this process has minted

	proved atomic.Int64 // when KMS was last asked for it and gave it
	until  atomic.Int64 // when it must no longer be used

	refreshing atomic.Bool
	retry      atomic.Int64 // when a refresh that failed may be tried again
}

// newEntry ties key, which was asked for at the given time, to its record.
func (r *Keyring) newEntry(key *crypto.DataKey, o *org, epoch uint64, row keystore.DataKey, asked time.Duration) *entry {
	e := &entry{key: key, org: o, epoch: epoch, row: row, minted: asked}
	key.Record = e
	r.renewed(e, asked)
	return e
}

// renewed starts the key's TTL anew, from when KMS was asked. Up to a tenth is
// taken off at random, so that keys opened together are not refreshed together.
func (r *Keyring) renewed(e *entry, asked time.Duration) {
	ttl := r.options.TTL
	e.proved.Store(int64(asked))
	e.until.Store(int64(asked + ttl - rand.N(ttl/10+1)))
}

// live tells whether the key belongs to the org's present epoch.
func (e *entry) live() bool { return e.epoch == e.org.epoch.Load() }

// extend lets a key serve on while KMS does not answer, long enough that the
// next try in the background can run into its timeout unnoticed; false when the
// key was unwrapped too long ago.
func (r *Keyring) extend(e *entry) bool {
	now := r.now()
	end := time.Duration(e.proved.Load()) + r.options.MaxStale
	if !e.live() || now >= end {
		return false
	}
	more := int64(min(now+r.options.RefreshAhead+r.options.Negative+r.options.Timeout, end))
	for old := e.until.Load(); old < more; old = e.until.Load() {
		if e.until.CompareAndSwap(old, more) {
			break
		}
	}
	return true
}

// usable tells whether the key may be used now, and has it refreshed in the
// background when its end is near.
func (r *Keyring) usable(e *entry) bool {
	if !e.live() {
		return false
	}
	now, until := int64(r.now()), e.until.Load()
	if now >= until {
		return false
	}
	if now >= until-int64(r.options.RefreshAhead) && now >= e.retry.Load() {
		r.refreshAhead(e)
	}
	return true
}

// refreshAhead has the key proved again in the background, once at a time.
func (r *Keyring) refreshAhead(e *entry) {
	if !e.refreshing.CompareAndSwap(false, true) {
		return
	}
	if !r.begin() {
		return
	}
	go func() {
		defer r.work.Done()
		defer e.refreshing.Store(false)
		e.retry.Store(int64(r.now() + r.options.Negative))
		// An error is the org's: it is kept there, and the key's user meets it
		// when the key has come to its end.
		_, _ = r.open(r.base, e.key.ID(), e)
	}()
}
