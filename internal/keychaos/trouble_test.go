package keychaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/rewrap"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/sandbox"
)

// trouble befalls the key of one org.
type trouble struct {
	w        *world
	org, arn string
	previous string // while the key is replaced
	s        *sandbox.Sandbox
	rng      *rand.Rand
}

var actor = keystore.Actor{Name: "chaos"}

// run has one thing after the other happen until ctx ends, and leaves the key as it
// should be.
func (t *trouble) run(ctx context.Context) {
	for ctx.Err() == nil && !t.w.t.Failed() {
		switch t.rng.IntN(10) {
		case 0:
			t.undone(ctx, "disabled in KMS", t.s.KMS.Disable(t.arn), func() error { return t.s.KMS.Enable(t.arn) })
		case 1:
			actions := [][]string{nil, {"kms:Decrypt"}, {"kms:GenerateDataKey"}, {"kms:DescribeKey"}}[t.rng.IntN(4)]
			t.undone(ctx, "denied", t.s.KMS.Deny(t.arn, actions...), func() error { return t.s.KMS.Allow(t.arn) })
		case 2:
			t.undone(ctx, "to be deleted", t.s.KMS.ScheduleDeletion(t.arn, 7), func() error {
				return errors.Join(t.s.KMS.CancelDeletion(t.arn), t.s.KMS.Enable(t.arn))
			})
		case 3:
			t.undone(ctx, "disabled", t.state(keystore.Disabled), func() error { return t.state(keystore.Enabled) })
		case 4, 5, 6:
			t.fail(ctx)
		default:
			t.replace(ctx)
		}
	}
	if t.previous != "" {
		t.complete()
	}
}

// pause waits for a while.
func (t *trouble) pause(ctx context.Context, most time.Duration) {
	timer := time.NewTimer(time.Duration(t.rng.Int64N(int64(most))))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// undone lets what was done be for a while, and undoes it.
func (t *trouble) undone(ctx context.Context, what string, done error, undo func() error) {
	t.must(done)
	t.happened(what)
	t.pause(ctx, 600*time.Millisecond)
	t.must(undo())
	t.pause(ctx, 300*time.Millisecond)
}

func (t *trouble) state(s keystore.State) error {
	return t.s.Store.SetOrgKeyState(t.w.t.Context(), t.org, s, actor)
}

// fail has KMS fail for the org's key, at times for longer than open keys serve.
func (t *trouble) fail(ctx context.Context) {
	kinds := []kmsserver.Kind{
		kmsserver.Throttle, kmsserver.Internal, kmsserver.Unavailable, kmsserver.Timeout, kmsserver.Refuse,
		kmsserver.Garbage, kmsserver.Reset, kmsserver.LostReply, kmsserver.Hang, kmsserver.Slow,
	}
	fault := t.s.KMS.Inject(kmsserver.Fault{Kind: kinds[t.rng.IntN(len(kinds))], Key: t.arn, Delay: 50 * time.Millisecond})
	t.happened("KMS fails")
	long := 600 * time.Millisecond
	if t.rng.IntN(3) == 0 {
		long = 2 * options().MaxStale
	}
	t.pause(ctx, long)
	fault.Remove()
	t.pause(ctx, 300*time.Millisecond)
}

// replace begins a change of keys, takes it back, or brings it to its end, after
// which the former key is deleted.
func (t *trouble) replace(ctx context.Context) {
	switch {
	case t.previous == "":
		arn, err := t.s.KMS.CreateKey(kmsserver.KeyOptions{})
		t.must(err)
		t.to(arn)
		t.happened("replaced")
	case t.rng.IntN(3) == 0:
		t.to(t.previous)
		t.happened("replaced back")
	default:
		t.complete()
	}
	t.pause(ctx, 300*time.Millisecond)
}

func (t *trouble) to(arn string) {
	t.must(t.s.Store.ReplaceOrgKey(t.w.t.Context(), t.org, keystore.Replacement{Key: kms.Key{ARN: arn}}, actor))
	t.previous, t.arn = t.arn, arn
}

// complete wraps the org's data keys anew and deletes the key that it had before.
func (t *trouble) complete() {
	ctx := t.w.t.Context()
	for {
		_, err := rewrap.Run(ctx, t.s.Store, t.s.Provider, t.org, rewrap.Options{})
		if err == nil {
			_, err = t.s.Store.CompleteReplacement(ctx, t.org, []string{t.arn}, actor)
		}
		var left *rewrap.LeftError
		var incomplete *keystore.IncompleteError
		switch {
		case err == nil:
			t.must(t.s.KMS.Delete(t.previous))
			t.previous = ""
			t.happened("completed")
			return
		case errors.As(err, &left) && left.Others > 0, errors.As(err, &incomplete):
			// Sessions have added to them meanwhile.
		default:
			t.must(err)
			return
		}
	}
}

// destroyAfter destroys the org's data keys after a while, in which KMS does not
// answer for it: for longer than open data keys serve, if it is long enough.
func (t *trouble) destroyAfter(ctx context.Context, d time.Duration) {
	defer t.s.KMS.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable, Key: t.arn}).Remove()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	_, err := t.s.Store.DestroyOrgKey(t.w.t.Context(), t.org, actor)
	t.must(err)
	t.happened("destroyed")
}

func (t *trouble) happened(what string) {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	t.w.events[what]++
}

func (t *trouble) must(err error) {
	t.w.t.Helper()
	if err != nil {
		t.w.t.Errorf("%s: %v", t.org, err)
	}
}
