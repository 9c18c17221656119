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
//     enabled again works without a restart. How long it takes at worst until a
//     no has its effect, WorstCase tells.
//   - KMS does not answer: keys that are open serve up to MaxStale from when they
//     were unwrapped; then, and for keys that are not open, PS002.
//   - A slow or hanging KMS key of one org holds up no other org: calls are
//     bounded an org and over all, each org has a place that nobody else can take,
//     and each call has a timeout.
//   - Times are of the monotonic clock: a clock that is set forth or back changes
//     nothing.
//
// # A change of keys
//
// An org may get another KMS key. What is open stays open and is used on; the next
// data key for sealing is made under the new key in the background, at once. A data
// key that is wrapped by both keys is unwrapped by the present one, and by the
// former one when that does not answer. The present key's no is the org's; a former
// key's no takes away what is wrapped by it alone. So health checks look at each
// former key that opened data keys hang on, too.
//
// # Orgs without a key
//
// Where there is a default key, an org that the keystore does not know is sealed for
// under it, and its row is made together with its first data key. Whoever may write
// can make up such orgs: the process remembers only those that are in use.
//
// # What it does not
//
// It does not know who may use which org: package policy does. It keeps no
// plaintext of sealed columns.
//
// It can't wipe a key from memory altogether. The 32 bytes that KMS gives are
// zeroed as soon as the cipher is made of them; what the cipher has expanded them to
// is crypto/aes's own, which offers no way to overwrite it. A key that is closed
// loses the last reference to that, for all who hold the key, and the garbage
// collector reuses the memory some time later. Copies that the HTTP client and the
// JSON decoder of a KMS's answer have made are the collector's too. A key that only
// had to make room in the cache is not closed: sessions may be in the middle of a
// statement with it, and keep it until its time is over.
//
// # How revocation scales to many processes
//
// An org's epoch in the keystore grows with what must make open keys unusable:
// pgseal keys disable, enable, destroy. A process that reads another epoch than it
// knew raises its own, in-process epoch, the one that keys are checked against. The
// keystore tells of changes, most often within milliseconds; each round of health
// checks reads all of it, too.
//
// Files: keyring.go has the keyring and its cache, options.go the options,
// revocation.go how long revocation takes. entry.go has a key's record and for how
// long it serves, org.go what is known of an org, orgs.go the orgs that are known,
// default.go those without a key, wrapping.go which KMS key a data key hangs on.
// open.go gives keys for opening, seal.go keys for sealing, mint.go makes new ones;
// flight.go has the calls that many wait for, places.go how many run at once,
// negative.go answers that are not worth asking for again at once. run.go has the
// rounds, check.go the health checks, health.go what they tell, follow.go the
// keystore's notices. errors.go has what users are told, metrics.go the instruments.
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

	orgs    *orgs
	standIn *org          // the default key's record; nil without one
	shared  chan struct{} // places for calls of KMS, of all orgs

	checking   map[string]bool // KMS keys that are being checked, by identity
	checkingMu sync.Mutex
	reading    atomic.Bool // the orgs' keys are being read
	newID      func() uint64
	changed    changes // orgs that the keystore has told a change of
	pause      func(ctx context.Context, d time.Duration)

	base    context.Context // of work that nobody's own context ends
	cancel  context.CancelFunc
	closing sync.Mutex
	closed  bool
	work    sync.WaitGroup
}

// New makes a keyring. Its health check starts with Run. meter may be nil.
func New(store *keystore.Store, provider kms.Provider, o Options, logger *slog.Logger, meter metric.Meter) (*Keyring, error) {
	o = o.withDefaults()
	r := &Keyring{
		store: store, provider: provider, options: o, now: o.Clock, log: logger,
		missing: newNegatives[string](o.Clock, o.Negative), unwritable: newNegatives[string](o.Clock, o.Negative), broken: newNegatives[uint64](o.Clock, o.Negative),
	}
	var err error
	r.cache, err = ristretto.NewCache(&ristretto.Config[uint64, *entry]{
		NumCounters:        int64(o.Capacity) * 10,
		MaxCost:            int64(o.Capacity),
		BufferItems:        64,
		IgnoreInternalCost: true,
		OnExit:             r.exit,
	})
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	r.metrics, err = newMetrics(meter)
	if err != nil {
		r.cache.Close()
		return nil, fmt.Errorf("keyring: %w", err)
	}
	r.orgs, r.shared, r.checking = newOrgs(), make(chan struct{}, sharedCalls), map[string]bool{}
	r.newID = newID
	r.changed.wake, r.pause = make(chan struct{}, 1), pause
	if o.DefaultKey != nil {
		r.standIn = r.newStandIn()
	}
	r.base, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// keep puts a key into the cache and returns when it is there, or was rejected.
func (r *Keyring) keep(e *entry) {
	r.cache.SetWithTTL(e.key.ID(), e, 1, r.options.MaxStale)
	r.cache.Wait()
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
	for _, o := range r.orgs.all() {
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
