package keyring

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgerr"
)

// withDefault makes a default key.
func (e *env) withDefault() *kms.Key {
	e.t.Helper()
	arn, err := e.kms.CreateKey(kmsserver.KeyOptions{})
	e.must(err)
	e.arns["default"] = arn
	return &kms.Key{ARN: arn}
}

// known counts the orgs that a process knows.
func (e *env) known(r *Keyring) int { return len(r.orgs.all()) }

// TestDefaultKey: the first write for an org without a key makes its row, once,
// whoever writes at the same time; reads alone make none.
func TestDefaultKey(t *testing.T) {
	e := newEnv(t)
	o := Options{DefaultKey: e.withDefault()}
	r, other := e.ring(o), e.ring(o)
	var sealed [2][]byte
	var wg sync.WaitGroup
	for range 8 {
		for _, ring := range []*Keyring{r, other} {
			wg.Go(func() {
				k, err := ring.ForSeal(t.Context(), "hooli")
				if err != nil || k.Org() != "hooli" || !ring.Usable(k) {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	sealed[0], _ = e.seal(r, "hooli", "secret")
	sealed[1], _ = e.seal(other, "hooli", "secret")
	for _, value := range sealed {
		e.reads(r, value, "secret")
		e.reads(other, value, "secret")
	}
	row, err := e.store.OrgKey(t.Context(), "hooli")
	e.must(err)
	if row.ARN != e.arns["default"] || row.Origin != keystore.Default {
		t.Errorf("%+v", row)
	}
	e.check(r)
	if h := e.health(r, "hooli"); h.State != OK || h.ARN != e.arns["default"] {
		t.Errorf("%+v", h)
	}
	// Its own key takes over, as any key does.
	arn, err := e.kms.CreateKey(kmsserver.KeyOptions{})
	e.must(err)
	e.must(e.store.AddOrgKey(t.Context(), keystore.OrgKey{Org: "hooli", Name: "hooli", Key: kms.Key{ARN: arn}}, tester))
	e.check(r)
	_, k := e.seal(r, "hooli", "own")
	under, err := e.store.DataKey(t.Context(), k.ID())
	e.must(err)
	if under.KeyARN != arn {
		t.Errorf("minted under %s", under.KeyARN)
	}
	e.reads(r, sealed[0], "secret")
	for _, name := range []string{"", "with\x00nul", "\xff", string(make([]byte, 300))} {
		_, err := r.ForSeal(t.Context(), name)
		e.code(err, pgerr.NoKey)
	}
}

// TestDefaultKeyWithdrawn: the policy does not allow it any more. What was sealed
// under it opens, and nothing more is sealed.
func TestDefaultKeyWithdrawn(t *testing.T) {
	e := newEnv(t)
	sealed, _ := e.seal(e.ring(Options{DefaultKey: e.withDefault()}), "hooli", "secret")
	r := e.ring(Options{})
	e.reads(r, sealed, "secret")
	_, err := r.ForSeal(t.Context(), "hooli")
	e.code(err, pgerr.NoKey)
}

// TestDefaultKeyThatFails: nothing is kept of orgs that could not be given a data
// key, and KMS is not asked for each of them.
func TestDefaultKeyThatFails(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{DefaultKey: e.withDefault()})
	e.check(r)
	before := e.known(r)
	fault := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable, Key: e.arns["default"]})
	e.kms.ResetCalls()
	for i := range 20 {
		_, err := r.ForSeal(t.Context(), fmt.Sprintf("made-up-%d", i))
		e.code(err, pgerr.KMSUnreachable)
	}
	fault.Remove()
	e.clock.beyond(r.options)
	e.must(e.kms.Disable(e.arns["default"]))
	for i := range 20 {
		_, err := r.ForSeal(t.Context(), fmt.Sprintf("made-up-%d", i))
		if pe := e.code(err, pgerr.KeyUnavailable); pe.Message != fmt.Sprintf(`key of org "made-up-%d" is not available`, i) {
			t.Error(pe.Message)
		}
	}
	if n := e.kms.Calls("GenerateDataKey", e.arns["default"]); n != 2 {
		t.Errorf("KMS was asked %d times, want 2", n)
	}
	if n := e.known(r); n != before {
		t.Errorf("%d orgs are kept, %d were", n, before)
	}
	if _, err := e.store.OrgKey(t.Context(), "made-up-0"); !errors.Is(err, keystore.ErrNotFound) {
		t.Error("a row was made", err)
	}
	e.must(e.kms.Enable(e.arns["default"]))
	e.check(r)
	e.seal(r, "made-up-0", "secret")
	_, err := r.ForOpen(t.Context(), 5)
	e.code(err, pgerr.DoesNotOpen)
}

// TestIdleOrgsAreLetGo: of the default key's orgs those are known that are in use,
// and the others come back when they are.
func TestIdleOrgsAreLetGo(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{DefaultKey: e.withDefault()})
	e.check(r)
	own := e.known(r)
	values := map[string][]byte{}
	for i := range 10 {
		org := fmt.Sprintf("org-%d", i)
		values[org], _ = e.seal(r, org, org)
	}
	if n := e.known(r); n != own+10 {
		t.Errorf("%d orgs are known", n)
	}
	for range 15 { // past MaxStale, of which org-0 is in use
		e.clock.advance(r.options.TTL)
		e.seal(r, "org-0", "more")
		e.check(r)
	}
	if n := e.known(r); n != own+1 {
		t.Errorf("%d orgs are known, want %d", n, own+1)
	}
	for org, sealed := range values {
		e.reads(r, sealed, org)
		e.seal(r, org, "more")
	}
	fresh := e.ring(Options{DefaultKey: r.options.DefaultKey})
	e.check(fresh)
	if n := e.known(fresh); n != own {
		t.Errorf("a process that has just started knows %d orgs, want %d", n, own)
	}
}

// TestLetGoDuringACall: an org that is let go while KMS is asked for its data key
// is looked up again; no data key is left that nobody would revoke.
func TestLetGoDuringACall(t *testing.T) {
	e := newEnv(t)
	sealed, k := e.seal(e.ring(Options{}), "acme", "secret")
	r := e.ring(Options{})
	for op, ask := range map[string]func() error{
		"Decrypt":         func() error { _, err := r.ForOpen(t.Context(), k.ID()); return err },
		"GenerateDataKey": func() error { _, err := r.ForSeal(t.Context(), "acme"); return err },
	} {
		hang := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Op: op})
		got := make(chan error)
		go func() { got <- ask() }()
		until(t, "KMS is not asked", func() bool { return hang.Waiting() == 1 })
		before := r.orgs.find("acme")
		r.orgs.mu.Lock()
		r.letGo(before)
		r.orgs.mu.Unlock()
		hang.Remove()
		e.must(<-got)
		if o := r.orgs.find("acme"); o == nil || o == before {
			t.Error("it was not looked up again")
		}
	}
	for _, held := range r.opened(nil) {
		if held.org != r.orgs.find("acme") {
			t.Error("a data key of an org that was let go is kept")
		}
	}
	e.must(e.kms.Disable(e.arns["acme"]))
	e.check(r)
	e.unreadable(r, "acme", sealed, pgerr.KeyUnavailable)
}
