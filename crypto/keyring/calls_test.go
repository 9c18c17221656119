package keyring

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/crypto/kms/aws"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgerr"
)

// TestThousandSessions: all start at once on a cold cache, and want both orgs' data
// keys for reading and for writing: one call a key.
func TestThousandSessions(t *testing.T) {
	e := newEnv(t)
	var values [][]byte
	for range 3 {
		for org := range e.arns {
			sealed, _ := e.seal(e.ring(Options{}), org, "secret")
			values = append(values, sealed)
		}
	}
	r := e.ring(Options{})
	e.kms.ResetCalls()
	// KMS answers when all are waiting for it.
	hang := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Hang})
	var wg, started sync.WaitGroup
	for i := range 1000 {
		started.Add(1)
		wg.Go(func() {
			started.Done()
			sealed := values[i%len(values)]
			if got, err := opens(t.Context(), r, sealed); err != nil || got != "secret" {
				t.Error(got, err)
			}
			for org := range e.arns {
				if k, err := r.ForSeal(t.Context(), org); err != nil || k.Org() != org {
					t.Error(err)
				}
			}
			for _, sealed := range values {
				if got, err := opens(t.Context(), r, sealed); err != nil || got != "secret" {
					t.Error(got, err)
				}
			}
		})
	}
	started.Wait()
	until(t, "KMS is not asked for each key", func() bool { return hang.Waiting() == len(values) })
	hang.Remove()
	wg.Wait()
	if n := e.kms.Calls("Decrypt", ""); n != len(values) {
		t.Errorf("%d calls of Decrypt, want %d", n, len(values))
	}
	if n := e.kms.Calls("GenerateDataKey", ""); n != len(e.arns) {
		t.Errorf("%d calls of GenerateDataKey, want %d", n, len(e.arns))
	}
}

// TestCallsATTL: however many rows, a data key that is in use costs one call a TTL,
// ahead of its end.
func TestCallsATTL(t *testing.T) {
	e := newEnv(t)
	sealed, _ := e.seal(e.ring(Options{}), "acme", "secret")
	r := e.ring(Options{})
	e.kms.ResetCalls()
	const rounds = 5
	for i := range rounds {
		for range 1000 { // rows
			e.reads(r, sealed, "secret")
			e.seal(r, "acme", "more")
		}
		r.work.Wait()
		// The one that seals is opened by nobody: it is proved again, too.
		if n := e.kms.Calls("Decrypt", ""); n != 1+2*i {
			t.Fatalf("round %d: %d calls of Decrypt, want %d", i, n, 1+2*i)
		}
		e.clock.intoRefreshAhead(r)
	}
	if n := e.kms.Calls("GenerateDataKey", ""); n != 1 {
		t.Errorf("%d calls of GenerateDataKey", n)
	}
}

// TestRetries: a KMS that throttles or fails now and then is asked again, within the
// time of one call; nobody notices. When it goes on, it is not asked for a moment.
func TestRetries(t *testing.T) {
	e := newEnv(t)
	sealed, _ := e.seal(e.ring(Options{}), "acme", "secret")
	for _, kind := range []kmsserver.Kind{kmsserver.Throttle, kmsserver.Internal, kmsserver.Unavailable, kmsserver.Reset, kmsserver.LostReply} {
		r := e.ring(Options{})
		r.provider = e.provider(aws.Options{Timeout: time.Minute, Attempts: 3})
		e.kms.ResetCalls()
		for _, op := range []string{"Decrypt", "GenerateDataKey"} {
			defer e.kms.Inject(kmsserver.Fault{Kind: kind, Op: op, Times: 2}).Remove()
		}
		e.reads(r, sealed, "secret")
		e.seal(r, "acme", "more")
		if d, g := e.kms.Calls("Decrypt", ""), e.kms.Calls("GenerateDataKey", ""); d != 3 || g != 3 {
			t.Errorf("fault %d: %d calls of Decrypt, %d of GenerateDataKey, want 3 of each", kind, d, g)
		}
	}
	r := e.ring(Options{})
	r.provider = e.provider(aws.Options{Timeout: time.Minute, Attempts: 2})
	fault := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Throttle})
	for range 3 {
		e.unreadable(r, "acme", sealed, pgerr.KMSUnreachable)
	}
	if n := fault.Hits(); n != 2 {
		t.Errorf("KMS was asked %d times, want 2", n)
	}
	fault.Remove()
	e.clock.beyond(r.options)
	e.reads(r, sealed, "secret")
}

// TestHangOfManyOrgs: more orgs hang than calls may run at once of all together,
// and others are served.
func TestHangOfManyOrgs(t *testing.T) {
	e := newEnv(t)
	const hanging = sharedCalls/(orgCalls-1) + 2
	globex, _ := e.seal(e.ring(Options{}), "globex", "secret")
	r := e.ring(Options{})
	var ids []uint64
	for i := range hanging {
		org := fmt.Sprintf("org-%d", i)
		e.link(org)
		ids = append(ids, e.mintRows(org, orgCalls)...)
	}
	hang := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Op: "Decrypt"})
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			if _, err := r.ForOpen(t.Context(), id); err != nil {
				t.Error(err)
			}
		})
	}
	all := sharedCalls + hanging
	until(t, "calls are not bounded, or do not run at once", func() bool { return hang.Waiting() == all })
	e.seal(r, "globex", "more") // minting does not hang
	got := make(chan error)
	go func() {
		value, err := opens(t.Context(), r, globex)
		if err == nil && value != "secret" {
			err = errClosed()
		}
		got <- err
	}()
	until(t, "an org that has no call under way gets no place", func() bool { return hang.Waiting() == all+1 })
	hang.Remove()
	e.must(<-got)
	wg.Wait()
}

// mintRows mints data keys of an org that no process has open.
func (e *env) mintRows(org string, n int) (ids []uint64) {
	e.t.Helper()
	r := e.ring(Options{})
	defer r.Close()
	o, err := r.get(e.t.Context(), org)
	e.must(err)
	for range n {
		minted, err := r.mint(e.t.Context(), o)
		e.must(err)
		ids = append(ids, minted.key.ID())
	}
	return ids
}

// TestSmallCacheUnderLoad: sessions that each hold a key, in a cache that holds next
// to nothing, meet no error: a key that had to make room serves those that have it.
func TestSmallCacheUnderLoad(t *testing.T) {
	e := newEnv(t)
	var values [][]byte
	for range 8 {
		sealed, _ := e.seal(e.ring(Options{}), "acme", "secret")
		values = append(values, sealed)
	}
	r := e.ring(Options{Capacity: 2})
	var wg sync.WaitGroup
	for i := range 16 {
		rng := rand.New(rand.NewPCG(uint64(i), 0))
		wg.Go(func() {
			var held *crypto.DataKey
			for range 50 {
				sealed := values[rng.IntN(len(values))]
				id, _ := crypto.KeyID(sealed)
				if held == nil || held.ID() != id || !r.Usable(held) { // as a session does
					var err error
					if held, err = r.ForOpen(t.Context(), id); err != nil {
						t.Error(err)
						return
					}
				}
				if got, err := held.Open(nil, sealed, context1); err != nil || string(got) != "secret" {
					t.Error(err)
				}
				if k, err := r.ForSeal(t.Context(), "acme"); err != nil {
					t.Error(err)
				} else if _, err := k.Seal(nil, nil, context1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(r.opened(nil)); n > 2 {
		t.Errorf("%d keys are kept", n)
	}
	if n := e.kms.Calls("GenerateDataKey", ""); n != len(values)+1 {
		t.Errorf("%d data keys were minted, want %d", n, len(values)+1)
	}
}

// TestKeysAreClosed: a key that leaves the cache for good is closed for whoever
// still holds it: when it can serve no more, or was revoked; not when it only has
// to make room.
func TestKeysAreClosed(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	sealed, k := e.seal(r, "acme", "secret")
	held := k.Record.(*entry)
	opensStill := func() bool { _, err := k.Open(nil, sealed, context1); return err == nil }
	r.exit(held)
	if !opensStill() {
		t.Error("a key that had to make room is closed")
	}
	e.clock.expire(r)
	r.exit(held)
	if !opensStill() || !r.extend(held) {
		t.Error("a key that may serve in an outage is closed")
	}
	e.clock.advance(r.options.MaxStale)
	r.exit(held)
	if opensStill() {
		t.Error("a key that can serve no more is not closed")
	}
	if r.extend(held) || r.renew(held, held.wrapping.Load(), *held.row.Load(), r.now()) {
		t.Error("a key that was closed gets more time")
	}
	e.reads(r, sealed, "secret") // as another object
	again, err := r.ForSeal(t.Context(), "acme")
	e.must(err)
	if again == k {
		t.Error("a key that was closed is handed out")
	}
	again.Record.(*entry).org.epoch.Add(1)
	r.exit(again.Record.(*entry))
	if _, err := again.Seal(nil, nil, context1); err == nil {
		t.Error("a key that was revoked is not closed")
	} else {
		e.code(err, pgerr.KeyUnavailable)
	}
}
