package keyring

import (
	"math/rand/v2"
	"sync"
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
	epoch  uint64        // of the org, from before KMS was asked for the key
	turn   uint64        // of the org, for a key that this process has minted
	minted time.Duration // likewise

	// row is the data key as KMS has wrapped it, to have it proved again without
	// the keystore; wrapping is the KMS key that gave it last.
	row      atomic.Pointer[keystore.DataKey]
	wrapping atomic.Pointer[wrapping]

	proved atomic.Int64 // when KMS was last asked for it and gave it
	until  atomic.Int64 // when it must no longer be used

	mu     sync.Mutex // for closing it, and for giving it more time
	closed bool

	refreshing atomic.Bool
	retry      atomic.Int64 // when a refresh that failed may be tried again
}

// newEntry ties key, which w gave when it was asked at the given time, to its
// record.
func (r *Keyring) newEntry(key *crypto.DataKey, o *org, w *wrapping, epoch uint64, row keystore.DataKey, asked time.Duration) *entry {
	e := &entry{key: key, org: o, epoch: epoch, minted: asked}
	key.Record = e
	r.renew(e, w, row, asked)
	return e
}

// renew starts the key's TTL anew, from when KMS was asked; false when the key was
// closed meanwhile. Up to a tenth is taken off at random, so that keys opened
// together are not refreshed together.
func (r *Keyring) renew(e *entry, w *wrapping, row keystore.DataKey, asked time.Duration) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.row.Store(&row)
	e.wrapping.Store(w)
	ttl := r.options.TTL
	e.proved.Store(int64(asked))
	e.until.Store(int64(asked + ttl - rand.N(ttl/10+1)))
	return true
}

// live tells whether the key belongs to the org's present epoch, and to a KMS key
// that has not said no.
func (e *entry) live() bool { return !e.revoked() && !e.wrapping.Load().refused.Load() }

// revoked tells whether the org's epoch has passed that the key belongs to.
func (e *entry) revoked() bool { return e.epoch&gone != 0 || e.epoch != e.org.epoch.Load() }

// extend lets a key serve on while KMS does not answer, long enough that the
// next try in the background can run into its timeout unnoticed; false when the
// key was unwrapped too long ago.
func (r *Keyring) extend(e *entry) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := r.now()
	end := time.Duration(e.proved.Load()) + r.options.MaxStale
	if e.closed || !e.live() || now >= end {
		return false
	}
	more := int64(min(now+r.options.RefreshAhead+r.options.Negative+r.options.Timeout, end))
	e.until.Store(max(e.until.Load(), more))
	return true
}

// close makes the key useless to whoever still holds it.
func (e *entry) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.key.Close()
}

// exit is what becomes of a key that leaves the cache. One that was revoked, or can
// serve no more, is closed. One that had to make room may be held by sessions, and
// be what an org is sealing with: it serves them to the end of its time, and is
// left to the garbage collector then.
func (r *Keyring) exit(e *entry) {
	if e == nil { // the cache tells of nothing that it deletes, too
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.revoked() || int64(r.now()) >= e.proved.Load()+int64(r.options.MaxStale) {
		e.closed = true
		e.key.Close()
	}
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
