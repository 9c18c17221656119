package keyring

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
)

// spreadFrom is from how many KMS keys on the checks of a round are spread over a
// tenth of the interval, so that they do not reach KMS in one instant.
const spreadFrom = 100

// Run checks the orgs' keys every HealthInterval until ctx ends or the keyring is
// closed, and gives ctx's error then. Each round reads the orgs' keys from the keystore too; what is changed
// there is read as soon as the keystore tells of it.
//
// Neither waits for the other: a keystore that hangs does not delay the checks.
// Each KMS key is checked on its own, so that one that hangs holds up no other.
func (r *Keyring) Run(ctx context.Context) error {
	if !r.begin() {
		return errClosed()
	}
	defer r.work.Done()
	var parts sync.WaitGroup
	defer parts.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.base, cancel)()
	parts.Go(func() {
		_ = r.store.Watch(ctx, keystore.Watcher{Changed: r.changed.add, State: r.watching}) // ends with ctx alone
	})
	parts.Go(func() { r.follow(ctx) })
	down := false
	for ctx.Err() == nil {
		r.startChecks(ctx, false)
		if r.reading.CompareAndSwap(false, true) {
			parts.Go(func() {
				defer r.reading.Store(false)
				err := r.read(ctx)
				switch {
				case ctx.Err() != nil:
					return
				case err != nil && !down:
					r.log.Warn("the keystore cannot be read", "error", err)
				case err == nil && down:
					r.log.Info("the keystore can be read again")
				}
				down = err != nil
				r.startChecks(ctx, true)
			})
		}
		// Up to a tenth less, so that processes that were started together do
		// not ask KMS together for ever.
		r.pause(ctx, r.options.HealthInterval-r.options.spread())
	}
	return ctx.Err()
}

// spread is a random time of up to a tenth of the interval.
func (o *Options) spread() time.Duration { return rand.N(o.HealthInterval/10 + 1) }

// round is one round of Run: it returns when the keystore was read and all checks
// were started.
func (r *Keyring) round(ctx context.Context) error {
	r.startChecks(ctx, false)
	err := r.read(ctx)
	r.startChecks(ctx, true)
	return err
}

// read reads the keys of all orgs.
func (r *Keyring) read(ctx context.Context) error {
	reading, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	asked := r.now()
	keys, err := r.store.OrgKeys(reading)
	if err != nil {
		return err
	}
	listed := make(map[string]bool, len(keys))
	for _, k := range keys {
		listed[k.Org] = true
		// Orgs of the default key are looked up when they are used.
		if k.Origin != keystore.Default || r.orgs.find(k.Org) != nil {
			r.observe(k, asked)
		}
	}
	for _, o := range r.orgs.all() {
		if !listed[o.name] {
			r.absent(o.name, asked)
		}
	}
	r.letIdleGo()
	return nil
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
