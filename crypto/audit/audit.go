// Package audit tells who uses which organisation's data: the first time in an hour
// that a database user opens an org's values, and every refusal by the policy's access
// rules. Each goes to the keystore's audit log, which is a hash chain, and to the
// structured log.
//
// Who tells it waits for nothing: entries are kept in memory, at most so many, and
// written in batches. What a client can make happen as often as it likes costs the
// keystore little: the same refusal again is counted, and of different ones of a user
// only so many a minute have an entry of their own. While the keystore does not answer,
// entries are kept; what there is no room for is counted, and an entry tells of it when
// the keystore is back. Nothing is left out silently.
//
// It decides nothing: package policy says who may use what, package proxy asks it. It
// holds names and no values. Changes of orgs' keys are logged by package keystore, in
// the transaction of the change; this package brings those that were made elsewhere into
// the structured log.
//
// Files: audit.go has the log, pending.go what waits to be written (pure), entry.go what
// an entry says, flush.go writes.
package audit

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
)

// Options say how a Log works. Zero values mean the defaults.
type Options struct {
	Process string // this process's name in the log
	NoOpens bool   // only refusals are logged
	// Known tells whether an org's name is known while the keystore, which has all of
	// them, can't be asked: a name that is not may be anything that a client wrote
	// where an org belongs, and is left out. Nil: none is.
	Known func(org string) bool

	Interval time.Duration // between batches; 5 s
	Period   time.Duration // that the first open in is logged; 1 h
	Timeout  time.Duration // of the keystore, for a batch; 10 s
	Pending  int           // entries that are kept while the keystore does not answer; 10,000
}

// Log is where opens and refusals are told. All methods may be called on a nil Log,
// which logs nothing.
type Log struct {
	store  *keystore.Store
	log    *slog.Logger
	o      Options
	period atomic.Int64 // the number of the period that now lies in

	mu      sync.Mutex
	pending pending

	// Run's:
	silent bool  // the last batch could not be written
	last   int64 // the last entry of the keystore's that was seen, of whatever process; -1 for none yet
}

// New makes a Log that writes to store and to log. It writes while Run runs.
func New(store *keystore.Store, log *slog.Logger, o Options) *Log {
	if o.Interval == 0 {
		o.Interval = 5 * time.Second
	}
	if o.Period == 0 {
		o.Period = time.Hour
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Pending == 0 {
		o.Pending = 10_000
	}
	l := &Log{store: store, log: log, o: o, pending: newPending(o.Pending), last: -1}
	l.setPeriod(time.Now())
	return l
}

func (l *Log) setPeriod(now time.Time) { l.period.Store(now.UnixNano() / int64(l.o.Period)) }

// Period numbers the stretch of time that now lies in, 0 for a nil Log. Whoever has told
// of an open need not tell of it again until the number changes. It is a load.
func (l *Log) Period() int64 {
	if l == nil || l.o.NoOpens {
		return 0
	}
	return l.period.Load()
}

// Opened is told that a value was opened. All but the first of a user and org in a period
// are dropped.
func (l *Log) Opened(u Use) {
	if l == nil || l.o.NoOpens {
		return
	}
	l.mu.Lock()
	dropped := l.pending.opened(u.clean(), l.period.Load(), time.Now())
	l.mu.Unlock()
	l.logDropped(dropped)
}

// Refused is told that the access rules have refused something.
func (l *Log) Refused(u Use) {
	if l == nil {
		return
	}
	l.mu.Lock()
	dropped := l.pending.refused(u.clean(), time.Now())
	l.mu.Unlock()
	l.logDropped(dropped)
}

// Run writes what the Log is told, and when ctx ends what is left. It returns then.
func (l *Log) Run(ctx context.Context) error {
	ticker := time.NewTicker(l.o.Interval)
	defer ticker.Stop()
	for {
		l.setPeriod(time.Now())
		l.write(ctx, false)
		select {
		case <-ctx.Done():
			l.write(context.WithoutCancel(ctx), true)
			return nil
		case <-ticker.C:
		}
	}
}
