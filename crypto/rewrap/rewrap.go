// Package rewrap wraps an org's data keys anew under its present key: after a
// change of keys, or when the alias that the org's key is named by has moved to
// another key. No row that holds sealed values is touched, and nothing that reads
// or writes waits for it: until the change is completed (keystore.Store's
// CompleteReplacement) a data key has both wraps, and either opens it.
//
// # What it promises
//
//   - A new wrap is proven before it is stored: KMS has unwrapped it, and the data
//     key is the one that was minted, by its commitment. It is stored only where
//     the data key's wraps still are those that it was made of.
//   - A run can end at any time, and another one goes on where it was: what is to
//     be done is what the keystore lacks. One run an org works at a time; where
//     its connection was lost, and another has begun, two only do some work twice.
//   - A data key that does not unwrap, or is not the one that was minted, is named
//     at the end and stops no other. So is a former key that KMS refuses, of which
//     no further data key is asked for.
//   - KMS or a keystore that does not answer is asked again for a while, with
//     growing pauses. Then the run ends, and tells what remains.
//   - Data keys in the clear are here only between two calls of KMS, and not at
//     all where KMS wraps anew by itself (kms.ReEncrypter). They are zeroed.
//
// It changes no org's key and completes no change: package keystore does.
//
// Files: rewrap.go has the run, one.go what is done with one data key, target.go
// which wraps count as the present key's, trial.go the trial before a change,
// errors.go how a run ends, worker.go the runs in the background, metrics.go the
// instruments.
package rewrap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
)

// Options of a run. A zero field has its default.
type Options struct {
	// Parallel is how many data keys are worked on at once, so how many KMS calls
	// run at most; 8. Sessions share the KMS account's request quota with them.
	Parallel int
	// Patience is for how long the same call is tried while KMS or the keystore
	// does not answer; a minute.
	Patience time.Duration
	// Progress is told how far the run is, at the start and after each data key,
	// one call at a time. It must not block.
	Progress func(Progress)
	// By is what another run is told of this one: the name of the process.
	By string

	Metrics *Metrics // may be nil
}

const (
	defaultParallel = 8
	defaultPatience = time.Minute
	// page is how many data keys are read from the keystore at once.
	page = 500
	// passes is how often a run looks whether others have changed what it has
	// just read, or added to it.
	passes = 5
)

func (o Options) withDefaults() Options {
	if o.Parallel <= 0 {
		o.Parallel = defaultParallel
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return o
}

// Progress counts an org's data keys.
type Progress struct {
	DataKeys int // in all, without destroyed ones
	Wrapped  int // under the present key
	Failed   int // this run has tried them in vain
}

// Remaining is how many are not wrapped under the present key.
func (p Progress) Remaining() int { return max(p.DataKeys-p.Wrapped, 0) }

// Run wraps the org's data keys under its present key, and gives the last
// progress. All is done when the error is nil. Errors, besides the context's and
// those of a keystore or KMS that does not answer: *BusyError, *LeftError,
// *TargetError, ErrDisabled, and keystore.ErrNotFound, ErrDestroyed and ErrChanged
// (the org's key was changed while the run was under way).
func Run(ctx context.Context, store *keystore.Store, provider kms.Provider, org string, o Options) (Progress, error) {
	o = o.withDefaults()
	unlock, holder, err := store.LockRewrap(ctx, org, o.By)
	if err != nil {
		return Progress{}, fmt.Errorf("rewrap: %w", err)
	}
	if unlock == nil {
		return Progress{}, &BusyError{Org: org, Holder: holder}
	}
	defer unlock()
	r := &run{store: store, org: org, options: o}
	var key keystore.OrgKey
	if err := r.insist(ctx, func() (err error) {
		key, err = store.OrgKey(ctx, org)
		return err
	}); err != nil {
		return Progress{}, fmt.Errorf("rewrap: %w", err)
	}
	switch key.State {
	case keystore.Destroyed:
		return Progress{}, fmt.Errorf("rewrap: org %q: %w", org, keystore.ErrDestroyed)
	case keystore.Disabled:
		return Progress{}, fmt.Errorf("rewrap: org %q: %w", org, ErrDisabled)
	}
	if err := r.begin(ctx, provider, key); err != nil {
		return r.progress, fmt.Errorf("rewrap: org %q: %w", org, err)
	}
	err = r.all(ctx)
	if err == nil {
		err = r.left()
	}
	if err != nil {
		err = fmt.Errorf("rewrap: org %q: %w", org, err)
	}
	return r.progress, err
}

// run is a run that is under way.
type run struct {
	store   *keystore.Store
	org     string
	options Options
	key     keystore.OrgKey // as the run found it
	wrapper *wrapper

	mu       sync.Mutex
	progress Progress
	failed   map[uint64]error // data keys that were tried in vain
	missed   bool             // somebody else has changed a data key meanwhile
}

// begin finds out what counts as done, and how much is.
func (r *run) begin(ctx context.Context, provider kms.Provider, key keystore.OrgKey) error {
	var target Target
	if err := r.insist(ctx, func() (err error) {
		target, err = Resolve(ctx, provider, key.Key)
		return err
	}); err != nil {
		return err
	}
	r.key, r.failed, r.wrapper = key, map[uint64]error{}, newWrapper(provider, key, target)
	return r.count(ctx)
}

// count reads the numbers from the keystore.
func (r *run) count(ctx context.Context) error {
	var counts keystore.Counts
	if err := r.insist(ctx, func() (err error) {
		counts, err = r.store.Counts(ctx, r.org, r.wrapper.target.ARNs)
		return err
	}); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.DataKeys, r.progress.Wrapped = counts.Live, counts.Wrapped
	r.options.Progress(r.progress)
	return nil
}

// all goes through the org's data keys until none is left but those that failed.
func (r *run) all(ctx context.Context) error {
	for range passes {
		r.missed = false
		if err := r.pass(ctx); err != nil {
			return err
		}
		if err := r.count(ctx); err != nil {
			return err
		}
		if !r.missed && r.progress.Remaining() <= len(r.failed) {
			return nil
		}
	}
	return nil // left tells of what others have kept adding
}

// pass goes through the org's data keys once, in the order of their ids.
func (r *run) pass(ctx context.Context) error {
	var last uint64
	for {
		var rows []keystore.DataKey
		if err := r.insist(ctx, func() (err error) {
			rows, err = r.store.DataKeysLacking(ctx, r.org, r.wrapper.target.ARNs, last, page)
			return err
		}); err != nil || len(rows) == 0 {
			return err
		}
		last = rows[len(rows)-1].ID
		if err := r.unchanged(ctx); err != nil {
			return err
		}
		group, working := errgroup.WithContext(ctx)
		group.SetLimit(r.options.Parallel)
		for _, row := range rows {
			if working.Err() == nil && !r.triedInVain(row.ID) {
				group.Go(func() error { return r.one(working, row) })
			}
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

func (r *run) triedInVain(id uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed[id] != nil
}

// unchanged gives ErrChanged when the org's key is not the one any more that the
// run wraps under.
func (r *run) unchanged(ctx context.Context) error {
	return r.insist(ctx, func() error {
		now, err := r.store.OrgKey(ctx, r.org)
		if err == nil && (now.ARN != r.key.ARN || now.Epoch != r.key.Epoch || now.State != r.key.State) {
			err = keystore.ErrChanged
		}
		return err
	})
}

// one wraps one data key and stores the wrap. Its error ends the run.
func (r *run) one(ctx context.Context, row keystore.DataKey) error {
	var wrapped kms.Wrapped
	err := r.insist(ctx, func() (err error) {
		wrapped, err = r.wrapper.wrap(ctx, row)
		return err
	})
	if err == nil {
		err = r.insist(ctx, func() error { return r.store.AddWrap(ctx, row, wrapped) })
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var damaged *damagedError
	var refused *refusedError
	switch {
	case err == nil:
		r.progress.Wrapped++
		r.options.Metrics.count("wrapped")
	case errors.Is(err, keystore.ErrChanged):
		r.missed = true
		return nil
	case errors.As(err, &damaged):
		r.failed[row.ID] = err
		r.options.Metrics.count("damaged")
	case errors.As(err, &refused):
		r.failed[row.ID] = err
		r.options.Metrics.count("refused")
	default:
		return fmt.Errorf("data key %d: %w", row.ID, err)
	}
	r.progress.Failed = len(r.failed)
	r.options.Progress(r.progress)
	return nil
}

// Pauses between two tries of a call that got no answer. They vary by a half, so
// that calls that were throttled together don't come back together.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 10 * time.Second
)

// insist tries a call until it gets an answer, whatever it is, or patience ends.
func (r *run) insist(ctx context.Context, call func() error) error {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = firstPause, longestPause
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := call()
		if err != nil && isAnswer(err) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(r.options.Patience))
	return err
}

// isAnswer tells an error that would be the same the next time from KMS or a
// keystore that does not answer.
func isAnswer(err error) bool {
	var damaged *damagedError
	var refused *refusedError
	var target *TargetError
	var newer *keystore.NewerError
	switch {
	case errors.As(err, &damaged), errors.As(err, &refused), errors.As(err, &target), errors.As(err, &newer):
		return true
	case errors.Is(err, keystore.ErrNotFound), errors.Is(err, keystore.ErrChanged), errors.Is(err, keystore.ErrNotInitialised):
		return true
	}
	return false
}
