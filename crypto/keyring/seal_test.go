package keyring

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgerr"
)

func itoa(id uint64) string { return strconv.FormatUint(id, 10) }

func TestMintIsStoredBeforeUse(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	_, k := e.seal(r, "acme", "secret")
	row, err := e.store.DataKey(t.Context(), k.ID())
	e.must(err)
	if row.Org != "acme" || row.KeyARN != e.arns["acme"] || row.MintedBy != t.Name() || len(row.Wrapped) == 0 {
		t.Errorf("%+v", row)
	}
}

// TestReplacement: a key that is worn by age, values or bytes is replaced, the
// next one fetched ahead; what the old one sealed still opens.
func TestReplacement(t *testing.T) {
	e := newEnv(t)
	tests := []struct {
		name string
		o    Options
		wear func(k *crypto.DataKey, part int) // by an eighth of its life, part times
	}{
		{"age", Options{MaxAge: 8 * time.Minute, TTL: time.Hour}, func(_ *crypto.DataKey, part int) { e.clock.advance(time.Duration(part) * time.Minute) }},
		{"values", Options{MaxSeals: 80}, func(k *crypto.DataKey, part int) { wearOut(t, k, part*10, 0) }},
		{"bytes", Options{MaxBytes: 800}, func(k *crypto.DataKey, part int) { wearOut(t, k, part, 100) }},
	}
	for _, test := range tests {
		r := e.ring(test.o)
		sealed, first := e.seal(r, "acme", "")
		test.wear(first, 6)
		if k, err := r.ForSeal(t.Context(), "acme"); err != nil || k != first {
			t.Errorf("%s: replaced too early: %v", test.name, err)
		}
		r.work.Wait()
		test.wear(first, 1)
		if k, err := r.ForSeal(t.Context(), "acme"); err != nil || k != first {
			t.Errorf("%s: waited for, not fetched ahead: %v", test.name, err)
		}
		r.work.Wait()
		second, err := r.ForSeal(t.Context(), "acme")
		if err != nil || second == first {
			t.Fatalf("%s: not replaced: %v", test.name, err)
		}
		if !r.Usable(first) {
			t.Errorf("%s: the old key is unusable for opening", test.name)
		}
		e.reads(r, sealed, "")
		test.wear(second, 9) // so fast that nothing was fetched ahead
		third, err := r.ForSeal(t.Context(), "acme")
		if err != nil || third == second {
			t.Errorf("%s: a worn key is handed out: %v", test.name, err)
		}
	}
}

func wearOut(t *testing.T, k *crypto.DataKey, times, bytes int) {
	t.Helper()
	for range times {
		if _, err := k.Seal(nil, make([]byte, bytes), context1); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWornInAnOutage: the old key goes on while no new one can be had.
func TestWornInAnOutage(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{MaxSeals: 8})
	_, first := e.seal(r, "acme", "secret")
	fault := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable})
	wearOut(t, first, 20, 0)
	for range 3 {
		if k, err := r.ForSeal(t.Context(), "acme"); err != nil || k != first {
			t.Fatal(err)
		}
	}
	_, err := r.ForSeal(t.Context(), "globex")
	e.code(err, pgerr.KMSUnreachable)
	fault.Remove()
	e.clock.beyond(r.options)
	if k, err := r.ForSeal(t.Context(), "acme"); err != nil || k == first {
		t.Error("not replaced when KMS is back", err)
	}
}

// TestManySessions is for the race detector: sealing and opening while keys are
// replaced, revoked and refreshed all the time.
func TestManySessions(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{MaxSeals: 64, Negative: 1})
	stop := make(chan struct{})
	var trouble, sessions sync.WaitGroup
	trouble.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			e.clock.advance(r.options.TTL / 4)
			switch i % 3 {
			case 0:
				if o := r.orgs.find("acme"); o != nil {
					r.revoke(o)
				}
			case 1:
				_ = r.round(t.Context())
			}
			time.Sleep(time.Millisecond)
		}
	})
	for _, org := range []string{"acme", "globex", "acme", "globex"} {
		sessions.Go(func() {
			for range 100 {
				k, err := r.ForSeal(t.Context(), org)
				if err != nil {
					e.tolerate(err)
					continue
				}
				sealed, err := k.Seal(nil, []byte(org), context1)
				if err != nil {
					e.tolerate(err)
					continue
				}
				if value, err := opens(t.Context(), r, sealed); err != nil {
					e.tolerate(err)
				} else if value != org {
					t.Errorf("got %q back", value)
				}
			}
		})
	}
	sessions.Wait()
	close(stop)
	trouble.Wait()
}

// tolerate lets pass what a revocation in between may cause, and nothing else.
func (e *env) tolerate(err error) {
	e.t.Helper()
	if err.Error() == "ForOpen gave a key that is not usable" {
		return // it was, until the revocation
	}
	if pe := asUser(err); pe == nil || pe.Code != pgerr.KeyUnavailable {
		e.t.Error(err)
	}
}

func asUser(err error) *pgerr.Error {
	pe, _ := err.(*pgerr.Error)
	return pe
}

func TestAllocations(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	_, k := e.seal(r, "acme", "secret")
	ctx := t.Context()
	for what, f := range map[string]func(){
		"Usable": func() {
			if !r.Usable(k) {
				t.Fatal("not usable")
			}
		},
		"ForSeal": func() {
			if got, err := r.ForSeal(ctx, "acme"); err != nil || got != k {
				t.Fatal(err)
			}
		},
		"ForOpen": func() {
			if got, err := r.ForOpen(ctx, k.ID()); err != nil || got != k {
				t.Fatal(err)
			}
		},
	} {
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
	if r.Usable(nil) {
		t.Error("no key is usable")
	}
}

func TestNewIDs(t *testing.T) {
	seen := map[uint64]bool{}
	for range 1000 {
		id := newID()
		if id == 0 || id > crypto.MaxKeyID || seen[id] {
			t.Fatal(id)
		}
		seen[id] = true
	}
}

func TestNegativesAreBounded(t *testing.T) {
	c := &clock{}
	n := newNegatives[int](c.now, time.Second)
	for i := range 3 * maxNegatives {
		_ = n.put(i, errClosed())
	}
	if len(n.answers) > maxNegatives {
		t.Errorf("%d answers are kept", len(n.answers))
	}
	last := 3*maxNegatives - 1
	if n.get(last) == nil {
		t.Error("forgotten at once")
	}
	n.drop(last)
	if n.get(last) != nil {
		t.Error("not dropped")
	}
	_ = n.put(1, errClosed())
	c.advance(time.Second)
	if n.get(1) != nil {
		t.Error("kept for longer than a moment")
	}
}
