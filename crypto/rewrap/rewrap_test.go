package rewrap

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/kmsserver"
)

// TestTenThousand is a change of keys of an org with as many data keys: cut off in the
// middle, gone on with, completed, and the old key deleted.
func TestTenThousand(t *testing.T) {
	const n = 10_000
	e := newEnv(t)
	e.mint(1, n, e.old)
	e.replace(kms.Key{ARN: e.next})

	ctx, cut := context.WithCancel(t.Context())
	defer cut()
	p, err := e.run(ctx, Options{Progress: func(p Progress) {
		if p.Wrapped == 1000 {
			cut()
		}
	}})
	if !errors.Is(err, context.Canceled) || p.DataKeys != n || p.Wrapped < 1000 {
		t.Fatalf("%+v, %v", p, err)
	}
	had := e.wrapped()
	if had < 1000 || had > 1000+defaultParallel {
		t.Fatalf("%d are wrapped", had)
	}
	var incomplete *keystore.IncompleteError
	if _, err := e.store.CompleteReplacement(t.Context(), "acme", e.arns(), tester); !errors.As(err, &incomplete) || incomplete.Remaining != n-had {
		t.Errorf("%v with %d wrapped", err, had)
	}

	last := 0
	start := time.Now()
	e.kms.ResetCalls()
	p, err = e.run(t.Context(), Options{Progress: func(p Progress) {
		if p.DataKeys != n || p.Wrapped < last || p.Failed != 0 {
			t.Errorf("progress goes from %d to %+v", last, p)
		}
		last = p.Wrapped
	}})
	if err != nil || p != (Progress{DataKeys: n, Wrapped: n}) || last != n {
		t.Fatalf("%+v, %v", p, err)
	}
	t.Logf("%d data keys in %v, with %d KMS calls", n-had, time.Since(start), e.kms.Calls("", ""))
	for _, id := range []uint64{1, 500, 501, 5000, n} {
		row := e.row(id)
		e.opens(id, row.Wrapped, e.old) // both wraps open until the change is completed
		e.opens(id, row.NextWrapped, e.next)
	}

	e.complete()
	e.must(e.kms.Delete(e.old))
	for _, id := range []uint64{1, 500, 501, 5000, n} {
		row := e.row(id)
		if row.KeyARN != e.next || row.NextWrapped != nil {
			t.Fatalf("data key %d is under %q and %q", id, row.KeyARN, row.NextKeyARN)
		}
		e.opens(id, row.Wrapped, e.next)
	}
	e.done(n)
}

// TestAgain: what is done is not done again, and a second run while the first works
// says who does.
func TestAgain(t *testing.T) {
	e := newEnv(t)
	e.mint(1, 20, e.old)
	e.done(20) // nothing to do
	e.replace(kms.Key{ARN: e.next})

	hang := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Key: e.old})
	first := make(chan error)
	go func() {
		_, err := e.run(t.Context(), Options{})
		first <- err
	}()
	for hang.Waiting() == 0 {
		time.Sleep(time.Millisecond)
	}
	_, err := Run(t.Context(), e.store, e.provider, "acme", Options{By: "another"})
	var busy *BusyError
	if !errors.As(err, &busy) || busy.Holder != t.Name() || !strings.Contains(err.Error(), t.Name()+" wraps its data keys anew already") {
		t.Errorf("a second run: %v", err)
	}
	hang.Remove()
	e.must(<-first)

	e.kms.ResetCalls()
	e.done(20)
	if n := e.kms.Calls("Decrypt", "") + e.kms.Calls("Encrypt", "") + e.kms.Calls("ReEncrypt", ""); n != 0 {
		t.Errorf("%d calls for nothing", n)
	}
}

// TestUndo: a change is taken back in the middle. What was minted meanwhile comes
// back too.
func TestUndo(t *testing.T) {
	e := newEnv(t)
	e.mint(1, 20, e.old)
	e.replace(kms.Key{ARN: e.next})
	e.mint(21, 5, e.next)
	e.done(25)
	e.replace(kms.Key{ARN: e.old})
	e.mint(26, 1, e.next) // by a process that has not heard of it yet
	e.done(26)
	e.complete()
	e.must(e.kms.Delete(e.next))
	for id := range e.keys {
		e.opens(id, e.row(id).Wrapped, e.old)
	}
}

// TestAliasMoved: the org's key is an alias, which is moved to another key.
func TestAliasMoved(t *testing.T) {
	e := newEnv(t)
	e.sql("DELETE FROM pgseal.org_keys")
	first := e.create(kmsserver.KeyOptions{Alias: "alias/acme"})
	alias := first[:strings.LastIndex(first, ":")+1] + "alias/acme"
	e.add(alias)
	e.mint(1, 10, first)
	e.done(10)
	if got := e.arns(); len(got) != 1 || got[0] != first {
		t.Fatalf("the alias stands for %q", got)
	}
	e.must(e.kms.MoveAlias("alias/acme", e.next))
	if n := e.wrapped(); n != 0 {
		t.Fatalf("%d are under the key that the alias stands for now", n)
	}
	e.done(10)
	e.must(e.kms.Delete(first))

	// Again, from the second wraps this time: the first are of no use any more.
	third := e.create(kmsserver.KeyOptions{})
	e.must(e.kms.MoveAlias("alias/acme", third))
	e.done(10)
	e.must(e.kms.Delete(e.next))
	for id := range e.keys {
		e.opens(id, e.row(id).NextWrapped, third)
	}
}

// TestDamaged: data keys that don't unwrap, or to another one than was minted, are
// named and stop no other.
func TestDamaged(t *testing.T) {
	e := newEnv(t)
	e.mint(1, 40, e.old)
	e.replace(kms.Key{ARN: e.next})
	e.sql("UPDATE pgseal.data_keys SET wrapped = pg_catalog.set_byte(wrapped, 120, pg_catalog.get_byte(wrapped, 120) # 1) WHERE id = 7")
	e.sql("UPDATE pgseal.data_keys SET commitment = (SELECT commitment FROM pgseal.data_keys WHERE id = 1) WHERE id = 9")
	e.sql("UPDATE pgseal.data_keys SET wrapped = (SELECT wrapped FROM pgseal.data_keys WHERE id = 1) WHERE id = 11") // for another data key
	p, left := e.left()
	if p != (Progress{DataKeys: 40, Wrapped: 37, Failed: 3}) || len(left.Refused) != 0 {
		t.Errorf("%+v, %+v", p, left)
	}
	if want := "3 data keys do not unwrap to what was minted (7, 9, 11): restore the rows of pgseal.data_keys from a backup"; left.Error() != want {
		t.Errorf("got  %s\nwant %s", left, want)
	}
	for _, id := range []uint64{7, 9, 11} {
		if row := e.row(id); row.NextWrapped != nil {
			t.Errorf("data key %d was given a second wrap", id)
		}
	}
	var incomplete *keystore.IncompleteError
	if _, err := e.store.CompleteReplacement(t.Context(), "acme", e.arns(), tester); !errors.As(err, &incomplete) || incomplete.Remaining != 3 {
		t.Errorf("completed: %v", err)
	}
}

// TestRefused: KMS refuses the old key; what is wrapped by it alone is counted, and
// KMS is not asked for each.
func TestRefused(t *testing.T) {
	e := newEnv(t)
	e.mint(1, 200, e.old)
	e.replace(kms.Key{ARN: e.next})
	e.mint(201, 3, e.next)
	e.must(e.kms.Disable(e.old))
	p, left := e.left()
	if p != (Progress{DataKeys: 203, Wrapped: 3, Failed: 200}) || len(left.Damaged) != 0 {
		t.Errorf("%+v, %+v", p, left)
	}
	if want := "200 data keys stay under " + e.old + " alone, which KMS refuses (DisabledException): its owner has to let pgseal use it until they are wrapped anew"; left.Error() != want {
		t.Errorf("got  %s\nwant %s", left, want)
	}
	if n := e.kms.Calls("", e.old); n > 2*defaultParallel {
		t.Errorf("the key was asked %d times", n)
	}
	e.must(e.kms.Enable(e.old))

	asked := e.provider
	var err error
	e.provider, err = kms.Allow(asked, []string{e.next})
	e.must(err)
	_, left = e.left()
	if want := "200 data keys stay under " + e.old + " alone, which kms.allow leaves out: it has to be there until they are wrapped anew"; left.Error() != want {
		t.Errorf("got  %s\nwant %s", left, want)
	}
	e.provider = asked
	e.done(203)
}

// TestNewKeyRefused: the run ends, and says which key is at fault.
func TestNewKeyRefused(t *testing.T) {
	for name, refuse := range map[string]func(*env) error{
		"disabled":  func(e *env) error { return e.kms.Disable(e.next) },
		"no wraps":  func(e *env) error { return e.kms.Deny(e.next, "kms:Encrypt", "kms:ReEncryptTo") },
		"no proofs": func(e *env) error { return e.kms.Deny(e.next, "kms:Decrypt") },
		"deleted":   func(e *env) error { return e.kms.Delete(e.next) },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.mint(1, 50, e.old)
			e.replace(kms.Key{ARN: e.next})
			e.must(refuse(e))
			_, err := e.run(t.Context(), Options{})
			var target *TargetError
			if !errors.As(err, &target) || target.ARN != e.next || !strings.Contains(err.Error(), "the key "+e.next+" can't take over: ") {
				t.Errorf("%v", err)
			}
			for id := range e.keys {
				if e.row(id).NextWrapped != nil {
					t.Fatal("a wrap was stored that is not proven")
				}
			}
		})
	}
}

// TestDescribeDenied: a key that may be used, but not looked at, takes over.
func TestDescribeDenied(t *testing.T) {
	e := newEnv(t)
	e.mint(1, 5, e.old)
	e.replace(kms.Key{ARN: e.next})
	e.must(e.kms.Deny(e.next, "kms:DescribeKey"))
	e.done(5)
}

// TestSilence: KMS asks to slow down, breaks and loses answers, and all is wrapped;
// when it answers no more, the run ends and tells so.
func TestSilence(t *testing.T) {
	e := newEnv(t)
	e.mint(1, 60, e.old)
	e.replace(kms.Key{ARN: e.next})
	for _, kind := range []kmsserver.Kind{kmsserver.Throttle, kmsserver.Internal, kmsserver.Unavailable, kmsserver.LostReply, kmsserver.Reset} {
		e.kms.Inject(kmsserver.Fault{Kind: kind, After: 5 + int(kind), Times: 4})
	}
	e.done(60)

	e.replace(kms.Key{ARN: e.old})
	e.mint(61, 10, e.next)
	down := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable, After: 10})
	_, err := e.run(t.Context(), Options{Patience: time.Millisecond})
	if ke := kms.AsError(err); ke.Refused || ke.Damaged || ke.Reason != "ServiceUnavailable" {
		t.Errorf("%v", err)
	}
	down.Remove()
	e.done(70)
}

// TestKeyChangedMeanwhile: another change of the org's key ends a run.
func TestKeyChangedMeanwhile(t *testing.T) {
	e := newEnv(t)
	e.mint(1, 3*page, e.old)
	e.replace(kms.Key{ARN: e.next})
	undone := false
	p, err := e.run(t.Context(), Options{Progress: func(p Progress) {
		if p.Wrapped == 10 && !undone {
			undone = true
			e.replace(kms.Key{ARN: e.old})
		}
	}})
	if !errors.Is(err, keystore.ErrChanged) || p.Wrapped > page {
		t.Errorf("%+v, %v", p, err)
	}
	e.done(3 * page)

	e.must(e.store.SetOrgKeyState(t.Context(), "acme", keystore.Disabled, tester))
	if _, err := e.run(t.Context(), Options{}); !errors.Is(err, ErrDisabled) {
		t.Errorf("disabled: %v", err)
	}
	if _, err := e.store.DestroyOrgKey(t.Context(), "acme", tester); err != nil {
		t.Fatal(err)
	}
	if _, err := e.run(t.Context(), Options{}); !errors.Is(err, keystore.ErrDestroyed) {
		t.Errorf("destroyed: %v", err)
	}
	if _, err := Run(t.Context(), e.store, e.provider, "hooli", Options{}); !errors.Is(err, keystore.ErrNotFound) {
		t.Errorf("no such org: %v", err)
	}
}

// TestTry: the trial before a change tells which key lacks what.
func TestTry(t *testing.T) {
	e := newEnv(t)
	try := func() error {
		k, err := e.store.OrgKey(t.Context(), "acme")
		e.must(err)
		return Try(t.Context(), e.store, e.provider, k, kms.Key{ARN: e.next})
	}
	e.must(try()) // no data key
	e.mint(1, 2, e.old)
	e.must(try())
	if n := e.wrapped(); n != 2 || e.row(1).NextWrapped != nil {
		t.Error("a trial has left something behind")
	}
	var target *TargetError
	e.must(e.kms.Deny(e.next, "kms:Encrypt", "kms:ReEncryptTo"))
	if err := try(); !errors.As(err, &target) {
		t.Errorf("%v", err)
	}
	e.must(e.kms.Allow(e.next))
	var former *FormerError
	e.must(e.kms.Disable(e.old))
	if err := try(); !errors.As(err, &former) || former.ARN != e.old {
		t.Errorf("%v", err)
	}
}
