// Package keyring keeps the data keys that a process has opened, and hands them
// out for sealing and opening.
//
// # What it promises
//
//   - One KMS call a data key and TTL, however many sessions ask: those that ask
//     for the same key wait for the same call. A session that gives up does not
//     take the call away from the others.
//   - A key may be used for TTL from when KMS unwrapped it, not from when it was
//     used last. One that is in use is proved again by KMS ahead of that time, in
//     the background; the key stays the same object.
//   - KMS says no: the org's epoch grows, which makes every key of the org that
//     was handed out before unusable at once, and the keys are closed. Requests
//     get PS001 with KMS's reason. KMS is asked again every few seconds that
//     somebody wants a key, and by the health check, so that a key that is
//     enabled again works without a restart.
//   - KMS does not answer: keys that are open serve up to MaxStale from when they
//     were unwrapped; then, and for keys that are not open, PS002.
//   - A slow or hanging KMS key of one org holds up no other org: calls are
//     bounded an org, and each has a timeout.
//   - Times are of the monotonic clock: a clock that is set forth or back changes
//     nothing.
//
// # What it does not
//
// It does not know who may use which org: package policy does. It keeps no
// plaintext of sealed columns. It can't overwrite a key's expanded form in memory
// (see package crypto): it drops the last reference.
//
// # How revocation scales to many processes
//
// An org's epoch in the keystore grows with each change made by pgseal keys. A
// process that reads another epoch than it knew raises its own, in-process epoch,
// the one that keys are checked against. Reading happens with each health check
// now; a notification can only make it sooner.
//
// Files: keyring.go has the keyring and its cache, options.go the options,
// entry.go a key's record and for how long it serves, org.go what is known of an
// org, open.go keys for opening, seal.go keys for sealing, flight.go the calls
// that many wait for, health.go the health check, negative.go answers that are
// not worth asking for again at once, errors.go what users are told, metrics.go
// the instruments.
package keyring

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/ristretto/v2"
	"go.opentelemetry.io/otel/metric"
	"golang.org/x/sync/singleflight"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
)

// Keyring hands out data keys. Its methods are safe for use by many goroutines.
type Keyring struct {
	store    *keystore.Store
	provider kms.Provider
	options  Options
	now      func() time.Duration
	log      *slog.Logger
	metrics  *metrics

	// cache has the opened data keys by id. It may lose any of them at any
	// time, which costs a call to KMS and nothing else.
	cache   *ristretto.Cache[uint64, *entry]
	flights singleflight.Group
	missing *negatives[string] // orgs without a key
	// unwritable are orgs whose key makes no data keys for pgseal, though it
	// may unwrap them.
	unwritable *negatives[string]
	broken     *negatives[uint64] // data keys that don't unwrap

	// orgs is replaced as a whole, so that the hot path reads it without a
	// lock. It has orgs of the keystore only, so nobody can make it grow.
	orgs   atomic.Pointer[map[string]*org]
	orgsMu sync.Mutex // for those who replace it

	base    context.Context // of work that nobody's own context ends
	cancel  context.CancelFunc
	closing sync.Mutex
	closed  bool
	work    sync.WaitGroup
}

// New makes a keyring. Its health check starts with Run. meter may be nil.
func New(store *keystore.Store, provider kms.Provider, o Options, logger *slog.Logger, meter metric.Meter) (*Keyring, error) {
	o = o.withDefaults()
	cache, err := ristretto.NewCache(&ristretto.Config[uint64, *entry]{
		NumCounters:        int64(o.Capacity) * 10,
		MaxCost:            int64(o.Capacity),
		BufferItems:        64,
		IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	m, err := newMetrics(meter)
	if err != nil {
		cache.Close()
		return nil, fmt.Errorf("keyring: %w", err)
	}
	r := &Keyring{
		store: store, provider: provider, options: o, now: o.Clock, log: logger, metrics: m, cache: cache,
		missing: newNegatives[string](o.Clock, o.Negative), unwritable: newNegatives[string](o.Clock, o.Negative), broken: newNegatives[uint64](o.Clock, o.Negative),
	}
	r.orgs.Store(&map[string]*org{})
	r.base, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// keep puts a key into the cache and returns when it is there, or was rejected.
func (r *Keyring) keep(e *entry) {
	r.cache.SetWithTTL(e.key.ID(), e, 1, r.options.MaxStale)
	r.cache.Wait()
}

// revoke makes all keys of the org that were handed out so far unusable, and
// drops them.
func (r *Keyring) revoke(o *org) {
	o.epoch.Add(1)
	r.drop(o)
}

// drop takes the keys of the org's earlier epochs out of memory.
func (r *Keyring) drop(o *org) {
	var dropped []*entry
	r.cache.IterValues(func(e *entry) bool {
		if e.org == o && e.epoch != o.epoch.Load() {
			dropped = append(dropped, e)
		}
		return false
	})
	for _, e := range dropped {
		r.cache.Del(e.key.ID())
		e.key.Close()
	}
	if e := o.current.Load(); e != nil && e.epoch != o.epoch.Load() {
		o.current.CompareAndSwap(e, nil)
		e.key.Close()
	}
}

// begin counts a piece of work in, which then calls r.work.Done; false when the
// keyring is closed.
func (r *Keyring) begin() bool {
	r.closing.Lock()
	defer r.closing.Unlock()
	if r.closed {
		return false
	}
	r.work.Add(1)
	return true
}

// Close ends what runs in the background and drops every key: those that were
// handed out do not work any more.
func (r *Keyring) Close() {
	r.closing.Lock()
	closed := r.closed
	r.closed = true
	r.closing.Unlock()
	if closed {
		return
	}
	r.cancel()
	r.work.Wait()
	for _, o := range *r.orgs.Load() {
		r.revoke(o)
	}
	r.cache.Close()
}

// Usable tells whether a key that was handed out may still be used. A session
// that keeps a key asks before each use; when the answer is no, it asks for the
// key again.
func (r *Keyring) Usable(k *crypto.DataKey) bool {
	if k == nil {
		return false
	}
	e, ok := k.Record.(*entry)
	return ok && r.usable(e)
}
