package rewrap

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
)

// Worker runs in the background of every process that serves: it looks for orgs
// whose key is being replaced, and wraps their data keys anew. Of all processes one
// works on an org at a time. An org that is in trouble holds up no other, is tried
// again after growing pauses, and is told of once.
type Worker struct {
	store    *keystore.Store
	provider kms.Provider
	options  WorkerOptions
	log      *slog.Logger

	places chan struct{} // one an org that is worked on
	work   sync.WaitGroup

	mu   sync.Mutex
	orgs map[string]*task // those whose key is being replaced
}

// WorkerOptions of a worker. A zero field has its default.
type WorkerOptions struct {
	Options
	// Interval is about the time between two looks for orgs; 15 s.
	Interval time.Duration
	// Pause is the first one before an org in trouble is tried again; a minute.
	Pause time.Duration
}

const (
	// backgroundParallel is the default of Options.Parallel here: nobody waits, and
	// sessions need the KMS account's quota.
	backgroundParallel = 4
	// orgsAtOnce is how many orgs a process works on.
	orgsAtOnce = 4
	// longestWait is the longest pause before an org in trouble is tried again.
	longestWait = 15 * time.Minute
	// progressEvery is how often a run that takes long tells how far it is.
	progressEvery = 30 * time.Second
)

// task is what the worker knows of an org's change of keys.
type task struct {
	arn     string
	since   time.Time
	running bool
	done    bool
	next    time.Time // not before
	pauses  *backoff.ExponentialBackOff
	said    string // the trouble that was told last
}

// NewWorker makes a worker.
func NewWorker(store *keystore.Store, provider kms.Provider, o WorkerOptions, log *slog.Logger) *Worker {
	if o.Interval <= 0 {
		o.Interval = 15 * time.Second
	}
	if o.Pause <= 0 {
		o.Pause = time.Minute
	}
	if o.Parallel <= 0 {
		o.Parallel = backgroundParallel
	}
	return &Worker{store: store, provider: provider, options: o, log: log, places: make(chan struct{}, orgsAtOnce), orgs: map[string]*task{}}
}

// Run works until ctx ends, and gives ctx's error then.
func (w *Worker) Run(ctx context.Context) error {
	defer w.work.Wait()
	for {
		w.round(ctx)
		// Processes that were started together don't look together.
		timer := time.NewTimer(w.options.Interval/2 + rand.N(w.options.Interval))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// round starts work on the orgs that need it. A keystore that can't be read is the
// keyring's to tell of.
func (w *Worker) round(ctx context.Context) {
	keys, err := w.store.OrgKeys(ctx)
	if err != nil {
		return
	}
	for _, key := range w.due(keys) {
		w.work.Go(func() {
			select {
			case w.places <- struct{}{}:
				defer func() { <-w.places }()
				w.one(ctx, key)
			case <-ctx.Done():
			}
		})
	}
}

// due picks the orgs to work on, and forgets those whose change has ended.
func (w *Worker) due(keys []keystore.OrgKey) []keystore.OrgKey {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	var due []keystore.OrgKey
	replacing := map[string]bool{}
	for _, key := range keys {
		if key.Previous == nil || key.State != keystore.Enabled {
			continue
		}
		replacing[key.Org] = true
		t := w.orgs[key.Org]
		if t == nil || !t.running && (t.arn != key.ARN || !t.since.Equal(key.Replacing)) {
			t = &task{arn: key.ARN, since: key.Replacing, pauses: backoff.NewExponentialBackOff()}
			t.pauses.InitialInterval, t.pauses.MaxInterval = w.options.Pause, longestWait
			t.pauses.Reset()
			w.orgs[key.Org] = t
		}
		if !t.running && !t.done && !now.Before(t.next) {
			t.running = true
			due = append(due, key)
		}
	}
	for org, t := range w.orgs {
		if !replacing[org] && !t.running {
			delete(w.orgs, org)
		}
	}
	return due
}

// one works on an org.
func (w *Worker) one(ctx context.Context, key keystore.OrgKey) {
	o := w.options.Options
	began := false
	told := time.Now()
	o.Progress = func(p Progress) {
		log := func(text string) {
			w.log.Info(text, "org", key.Org, "data_keys", p.DataKeys, "wrapped", p.Wrapped, "failed", p.Failed)
		}
		switch now := time.Now(); {
		case !began && p.Remaining() > 0:
			began = true
			log("data keys are being wrapped under the org's new key")
		case began && now.Sub(told) >= progressEvery:
			told = now
			log("data keys are still being wrapped under the org's new key")
		}
	}
	p, err := Run(ctx, w.store, w.provider, key.Org, o)
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.orgs[key.Org]
	t.running = false
	var busy *BusyError
	switch {
	case err == nil:
		t.done = true
		w.log.Info("all data keys are wrapped under the org's new key: pgseal keys replace --complete ends the change", "org", key.Org, "data_keys", p.DataKeys)
	case errors.As(err, &busy), errors.Is(err, keystore.ErrChanged), ctx.Err() != nil:
	default:
		t.next = time.Now().Add(t.pauses.NextBackOff())
		if trouble := trouble(err); trouble != t.said {
			t.said = trouble
			w.log.Warn("not all data keys could be wrapped under the org's new key: it is tried again", "org", key.Org,
				"data_keys", p.DataKeys, "wrapped", p.Wrapped, "error", err)
		}
	}
}

// trouble is what tells one trouble from another. The texts of KMS errors don't: they
// have the request's id.
func trouble(err error) string {
	var left *LeftError
	var e *kms.Error
	switch {
	case errors.As(err, &left):
		return left.Error()
	case errors.As(err, &e):
		return e.Key + " " + e.Reason
	}
	return err.Error()
}
