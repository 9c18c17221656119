package keyring

import (
	"testing"

	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgerr"
)

// TestReplace: after a change of keys what was open serves on, the next data key is
// made under the new key ahead of time, and old values open, here and in a new
// process.
func TestReplace(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	sealed, old := e.seal(r, "acme", "secret")
	globex, _ := e.seal(r, "globex", "secret")
	arn := e.replace("acme")
	e.kms.ResetCalls()
	hang := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Key: arn})
	if err := r.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "no data key is asked for under the new key", func() bool { return hang.Waiting() == 1 })
	for range 3 { // nobody waits for it
		if r.Ready("acme") != old || !r.Usable(old) {
			t.Fatal("what was open does not serve on")
		}
		e.reads(r, sealed, "secret")
	}
	hang.Remove()
	r.work.Wait()
	under, now := e.seal(r, "acme", "more")
	if now == old {
		t.Fatal("sealed with a data key of the former key")
	}
	row, err := e.store.DataKey(t.Context(), now.ID())
	e.must(err)
	if row.KeyARN != arn {
		t.Errorf("minted under %s", row.KeyARN)
	}
	if !r.Usable(old) || e.kms.Calls("Decrypt", "") != 0 || e.kms.Calls("GenerateDataKey", "") != 1 {
		t.Error("the former data key was dropped")
	}
	fresh := e.ring(Options{})
	for _, ring := range []*Keyring{r, fresh} {
		e.reads(ring, sealed, "secret")
		e.reads(ring, under, "more")
		e.reads(ring, globex, "secret")
		e.check(ring)
		if h := e.health(ring, "acme"); h.State != Replacing || h.ARN != arn {
			t.Errorf("%+v", h)
		}
	}
}

// TestReplaceBack: a change of keys is undone, before and after data keys were
// wrapped by the new one.
func TestReplaceBack(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	values := map[string][]byte{}
	values["before"], _ = e.seal(r, "acme", "before")
	arn := e.replace("acme")
	e.check(r)
	var k uint64
	sealed, key := e.seal(r, "acme", "meanwhile")
	values["meanwhile"], k = sealed, key.ID()
	e.replaceBy("acme", e.arns["acme"])
	e.check(r)
	values["after"], key = e.seal(r, "acme", "after")
	row, err := e.store.DataKey(t.Context(), key.ID())
	e.must(err)
	if row.KeyARN != e.arns["acme"] {
		t.Errorf("minted under %s", row.KeyARN)
	}
	for _, ring := range []*Keyring{r, e.ring(Options{})} {
		for want, sealed := range values {
			e.reads(ring, sealed, want)
		}
	}
	// Now the other key is the former one.
	e.must(e.kms.Disable(arn))
	e.check(r)
	_, err = opens(t.Context(), r, values["meanwhile"])
	e.code(err, pgerr.KeyUnavailable)
	e.must(e.kms.Enable(arn))
	e.clock.beyond(r.options)
	e.rewrap(r, k, e.arns["acme"])
	e.must(e.kms.Disable(arn))
	for want, sealed := range values {
		e.reads(r, sealed, want)
	}
}

// TestReplaceByAKeyThatRefuses: the new key's no is the org's.
func TestReplaceByAKeyThatRefuses(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	sealed, old := e.seal(r, "acme", "secret")
	arn := e.replace("acme")
	e.must(e.kms.Disable(arn))
	e.check(r)
	if r.Usable(old) {
		t.Error("what was open is usable")
	}
	e.unreadable(r, "acme", sealed, pgerr.KeyUnavailable)
	e.must(e.kms.Enable(arn))
	e.check(r)
	e.reads(r, sealed, "secret")
	e.seal(r, "acme", "more")

	// Denied GenerateDataKey alone, it is sealed with no data key of the former
	// key either; what was sealed opens.
	arn = e.arns["globex"]
	sealed, _ = e.seal(r, "globex", "secret")
	next := e.replace("globex")
	e.must(e.kms.Deny(next, "kms:GenerateDataKey"))
	e.check(r)
	_, err := r.ForSeal(t.Context(), "globex")
	e.code(err, pgerr.KeyUnavailable)
	e.reads(r, sealed, "secret")
	_ = arn
}

// TestReplaceInAnOutage: while the new key does not answer, the data key that there
// is serves on, and what has a wrap under the former key opens.
func TestReplaceInAnOutage(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	cold, _ := e.seal(e.ring(Options{}), "acme", "cold")
	both, k := e.seal(e.ring(Options{}), "acme", "both")
	_, old := e.seal(r, "acme", "secret")
	arn := e.replace("acme")
	e.rewrap(r, k.ID(), arn)
	fault := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable, Key: arn})
	e.check(r)
	if h := e.health(r, "acme"); h.State != Unreachable {
		t.Errorf("%+v", h)
	}
	for range 3 {
		if got, err := r.ForSeal(t.Context(), "acme"); err != nil || got != old {
			t.Fatal(err)
		}
		r.work.Wait()
		e.reads(r, cold, "cold")
		e.reads(r, both, "both")
		e.clock.advance(r.options.HealthInterval)
	}
	fault.Remove()
	e.check(r)
	if _, now := e.seal(r, "acme", "more"); now == old {
		r.work.Wait() // it was fetched ahead only now
		if _, now := e.seal(r, "acme", "more"); now == old {
			t.Error("no data key under the new key")
		}
	}
}

// TestPresentWrapFirst: of two wraps the present key's is asked for, and its no is
// final, whatever the former key would say.
func TestPresentWrapFirst(t *testing.T) {
	e := newEnv(t)
	sealed, k := e.seal(e.ring(Options{}), "acme", "secret")
	arn := e.replace("acme")
	r := e.ring(Options{})
	e.rewrap(r, k.ID(), arn)
	e.kms.ResetCalls()
	e.reads(r, sealed, "secret")
	if e.kms.Calls("Decrypt", arn) != 1 || e.kms.Calls("Decrypt", e.arns["acme"]) != 0 {
		t.Error("the former key was asked")
	}
	e.must(e.kms.Disable(arn))
	e.check(r)
	e.unreadable(r, "acme", sealed, pgerr.KeyUnavailable)
	e.unreadable(e.ring(Options{}), "acme", sealed, pgerr.KeyUnavailable)
	if n := e.kms.Calls("Decrypt", e.arns["acme"]); n != 0 {
		t.Errorf("the former key was asked %d times", n)
	}
	// A wrap that was damaged is no answer of the key's.
	e.must(e.kms.Enable(arn))
	e.sql("UPDATE pgseal.data_keys SET next_wrapped = set_byte(next_wrapped, 20, get_byte(next_wrapped, 20) # 1)")
	e.reads(e.ring(Options{}), sealed, "secret")
}

// TestFormerKeyRefused: only what is wrapped by it alone is lost, also what is
// open, and it comes back with it.
func TestFormerKeyRefused(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	alone, k := e.seal(r, "acme", "alone")
	both, held := e.seal(e.ring(Options{}), "acme", "both")
	e.reads(r, both, "both") // open, by the former key
	arn := e.replace("acme")
	e.rewrap(r, held.ID(), arn)
	e.check(r)
	sealed, now := e.seal(r, "acme", "now")
	e.must(e.kms.Disable(e.arns["acme"]))
	e.reads(r, alone, "alone") // nobody has told yet
	e.check(r)
	if r.Usable(k) {
		t.Error("a data key that hangs on the former key is usable")
	}
	if got, err := k.Open(nil, alone, context1); err != nil || string(got) != "alone" {
		t.Error("a session in the middle of a value loses its key", err)
	}
	for range 2 {
		_, err := opens(t.Context(), r, alone)
		if pe := e.code(err, pgerr.KeyUnavailable); pe.Message != `former key of org "acme" is not available` {
			t.Error(pe.Message)
		}
	}
	if !r.Usable(now) {
		t.Error("a data key of the present key is not usable")
	}
	for _, ring := range []*Keyring{r, e.ring(Options{})} {
		e.reads(ring, both, "both")
		e.reads(ring, sealed, "now")
		e.seal(ring, "acme", "more")
	}
	if h := e.health(r, "acme"); h.State != Replacing {
		t.Errorf("%+v", h)
	}
	e.must(e.kms.Enable(e.arns["acme"]))
	e.clock.beyond(r.options)
	e.reads(r, alone, "alone")
}

// TestFormerKeyDeleted: a change of keys that is complete needs the former key no
// more, whatever processes have kept from before.
func TestFormerKeyDeleted(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	sealed, k := e.seal(r, "acme", "secret")
	other := e.ring(Options{})
	e.reads(other, sealed, "secret")
	arn := e.replace("acme")
	e.rewrap(r, k.ID(), arn)
	if n, err := e.store.CompleteReplacement(t.Context(), "acme", []string{arn}, tester); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	e.must(e.kms.Delete(e.arns["acme"]))
	for range 3 {
		for _, ring := range []*Keyring{r, other, e.ring(Options{})} {
			e.reads(ring, sealed, "secret")
			e.seal(ring, "acme", "more")
			e.check(ring)
			e.reads(ring, sealed, "secret")
		}
		e.clock.expire(r)
	}
	if h := e.health(r, "acme"); h.State != OK {
		t.Errorf("%+v", h)
	}
}
