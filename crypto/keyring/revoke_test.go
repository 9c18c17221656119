package keyring

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgerr"
)

// TestRevocation: whatever an organisation does to take its key away, the next
// health check makes all of it unreadable, in memory too, and the other org
// notices nothing. Undoing it brings it back.
func TestRevocation(t *testing.T) {
	e := newEnv(t)
	tests := []struct {
		name     string
		do, undo func(arn string) error
		reasons  []string
	}{
		{"disabled", e.kms.Disable, e.kms.Enable, []string{"DisabledException", "Disabled"}},
		{"to be deleted", func(arn string) error { return e.kms.ScheduleDeletion(arn, 7) },
			func(arn string) error { return errors.Join(e.kms.CancelDeletion(arn), e.kms.Enable(arn)) },
			[]string{"KMSInvalidStateException", "PendingDeletion"}},
		{"denied", func(arn string) error { return e.kms.Deny(arn) }, e.kms.Allow, []string{"AccessDeniedException"}},
		{"denied Decrypt", func(arn string) error { return e.kms.Deny(arn, "kms:Decrypt", "kms:GenerateDataKey") }, e.kms.Allow,
			[]string{"AccessDeniedException"}},
	}
	r := e.ring(Options{})
	for _, test := range tests {
		acme, held := e.seal(r, "acme", "secret")
		globex, globexKey := e.seal(r, "globex", "secret")
		e.must(test.do(e.arns["acme"]))
		e.reads(r, acme, "secret") // nobody has told yet
		e.check(r)
		if r.Usable(held) {
			t.Errorf("%s: a key that was handed out is usable", test.name)
		}
		_, err := held.Open(nil, acme, context1)
		e.code(err, pgerr.KeyUnavailable) // nor does it work if nobody asks
		pe := e.unreadable(r, "acme", acme, pgerr.KeyUnavailable)
		if h := e.health(r, "acme"); h.State != Refused || pe.Detail != "KMS refuses to use it: "+h.Reason+"." || !contains(test.reasons, h.Reason) {
			t.Errorf("%s: %+v, %s", test.name, h, pe.Detail)
		}
		asked := e.kms.Calls("", e.arns["acme"])
		e.unreadable(r, "acme", acme, pgerr.KeyUnavailable)
		if n := e.kms.Calls("", e.arns["acme"]); n != asked {
			t.Errorf("%s: KMS is asked again at once", test.name)
		}
		if !r.Usable(globexKey) {
			t.Errorf("%s: globex's key is not usable", test.name)
		}
		e.reads(r, globex, "secret")

		e.must(test.undo(e.arns["acme"]))
		e.check(r)
		e.reads(r, acme, "secret")
		e.seal(r, "acme", "more")
		if r.Usable(held) {
			t.Errorf("%s: a key from before is usable again", test.name)
		}
		if h := e.health(r, "acme"); h.State != OK {
			t.Errorf("%s: %+v", test.name, h)
		}
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// TestRevocationIsMetByUseToo: without a health check, a key's refresh meets the
// no; and without one, the key comes back when it is wanted.
func TestRevocationIsMetByUseToo(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	sealed, k := e.seal(r, "acme", "secret")
	e.must(e.kms.Disable(e.arns["acme"]))
	e.clock.intoRefreshAhead(r)
	r.Usable(k)
	r.work.Wait()
	if r.Usable(k) {
		t.Error("usable after KMS said no")
	}
	e.unreadable(r, "acme", sealed, pgerr.KeyUnavailable)
	e.must(e.kms.Enable(e.arns["acme"]))
	e.clock.beyond(r.options)
	e.reads(r, sealed, "secret")
}

// TestRevocationDuringALoad: a no that comes while KMS's yes is on its way wins.
func TestRevocationDuringALoad(t *testing.T) {
	e := newEnv(t)
	sealed, k := e.seal(e.ring(Options{}), "acme", "secret")
	r := e.ring(Options{})
	for _, ask := range []struct {
		op string
		do func() error
	}{
		{"Decrypt", func() error { _, err := r.ForOpen(t.Context(), k.ID()); return err }},
		{"GenerateDataKey", func() error { _, err := r.ForSeal(t.Context(), "acme"); return err }},
	} {
		e.clock.beyond(r.options)
		fault := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Op: ask.op})
		got := make(chan error)
		go func() { got <- ask.do() }()
		until(t, "KMS is not asked", func() bool { return fault.Waiting() == 1 })
		r.refuses(r.orgs.find("acme"), &kms.Error{Refused: true, Reason: "DisabledException"})
		fault.Remove()
		e.code(<-got, pgerr.KeyUnavailable)
	}
	e.clock.beyond(r.options)
	e.reads(r, sealed, "secret")
}

// TestOutage: KMS does not answer. Open keys serve up to MaxStale, none opens
// anew, and all is well when KMS answers again.
func TestOutage(t *testing.T) {
	for _, kind := range []kmsserver.Kind{kmsserver.Unavailable, kmsserver.Throttle, kmsserver.Reset} {
		e := newEnv(t)
		r := e.ring(Options{TTL: 5 * time.Minute, MaxStale: time.Hour})
		cold, _ := e.seal(e.ring(Options{}), "acme", "cold")
		sealed, k := e.seal(r, "acme", "secret")
		minted := e.clock.now()

		fault := e.kms.Inject(kmsserver.Fault{Kind: kind})
		e.check(r)
		if h := e.health(r, "acme"); h.State != Unreachable {
			t.Errorf("%+v", h)
		}
		_, err := opens(t.Context(), r, cold)
		e.code(err, pgerr.KMSUnreachable)
		for e.clock.now() < minted+time.Hour-time.Minute {
			e.clock.advance(50 * time.Second)
			e.reads(r, sealed, "secret")
			if again, err := r.ForSeal(t.Context(), "acme"); err != nil || again != k || !r.Usable(k) {
				t.Fatalf("after %v: %v", e.clock.now()-minted, err)
			}
			r.work.Wait()
		}
		e.clock.advance(minted + time.Hour - e.clock.now())
		if r.Usable(k) {
			t.Error("usable after MaxStale")
		}
		e.unreadable(r, "acme", sealed, pgerr.KMSUnreachable)

		fault.Remove()
		e.clock.beyond(r.options)
		e.reads(r, sealed, "secret")
		e.reads(r, cold, "cold")
		if again, err := r.ForSeal(t.Context(), "acme"); err != nil || again != k {
			t.Error("the data key from before the outage is not used any more", err)
		}
		e.check(r)
		if h := e.health(r, "acme"); h.State != OK {
			t.Errorf("%+v", h)
		}
	}
}

// TestNoOutlastsSilence: a key that was refused does not come back because KMS
// does not answer now.
func TestNoOutlastsSilence(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	sealed, k := e.seal(r, "acme", "secret")
	e.must(e.kms.Disable(e.arns["acme"]))
	e.check(r)
	fault := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable})
	defer fault.Remove()
	e.check(r)
	if h := e.health(r, "acme"); h.State != Refused {
		t.Errorf("%+v", h)
	}
	e.clock.beyond(r.options)
	if _, err := opens(t.Context(), r, sealed); err == nil || r.Usable(k) {
		t.Error("opens")
	}
}

// TestKeystoreDisable is pgseal keys disable in another process.
func TestKeystoreDisable(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	acme, k := e.seal(r, "acme", "secret")
	globex, _ := e.seal(r, "globex", "secret")
	other := e.open()
	e.must(other.SetOrgKeyState(t.Context(), "acme", keystore.Disabled, tester))
	e.check(r)
	if r.Usable(k) {
		t.Error("usable")
	}
	if pe := e.unreadable(r, "acme", acme, pgerr.KeyUnavailable); pe.Detail != "It was disabled in pgseal's keystore." {
		t.Error(pe.Detail)
	}
	if h := e.health(r, "acme"); h.State != Disabled {
		t.Errorf("%+v", h)
	}
	e.reads(r, globex, "secret")
	e.unreadable(e.ring(Options{}), "acme", acme, pgerr.KeyUnavailable) // a process that starts now

	e.must(other.SetOrgKeyState(t.Context(), "acme", keystore.Enabled, tester))
	e.check(r)
	e.reads(r, acme, "secret")

	// Off and on again between two checks voids what was open too.
	_, k = e.seal(r, "acme", "more")
	e.must(other.SetOrgKeyState(t.Context(), "acme", keystore.Disabled, tester))
	e.must(other.SetOrgKeyState(t.Context(), "acme", keystore.Enabled, tester))
	e.check(r)
	if r.Usable(k) {
		t.Error("a change that was undone went unseen")
	}
}

func TestNoKey(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	for _, org := range []string{"hooli", "", "with\x00nul", "\xff", string(make([]byte, 300))} {
		for range 2 {
			_, err := r.ForSeal(t.Context(), org)
			pe := e.code(err, pgerr.NoKey)
			if org == "hooli" && errors.As(err, &pe) && contains([]string{pe.Error()}, "hooli") {
				t.Error("the name, which may be any value, is in the error's text for logs")
			}
		}
	}
	e.link("hooli")
	e.clock.beyond(r.options)
	e.seal(r, "hooli", "secret")

	e.link("initech")
	_, _ = r.ForSeal(t.Context(), "initrode")
	e.link("initrode")
	e.check(r) // a check is soon enough too
	e.seal(r, "initrode", "secret")

	// An org that leaves the keystore again, before it has sealed anything.
	e.check(r)
	e.sql("DELETE FROM pgseal.org_keys WHERE org = 'initech'")
	e.check(r)
	_, err := r.ForSeal(t.Context(), "initech")
	e.code(err, pgerr.NoKey)
}

// TestWritesAloneDenied: what was sealed stays readable when only
// GenerateDataKey is denied.
func TestWritesAloneDenied(t *testing.T) {
	e := newEnv(t)
	sealed, _ := e.seal(e.ring(Options{}), "acme", "secret")
	r := e.ring(Options{})
	e.must(e.kms.Deny(e.arns["acme"], "kms:GenerateDataKey"))
	e.reads(r, sealed, "secret")
	for range 2 {
		_, err := r.ForSeal(t.Context(), "acme")
		e.code(err, pgerr.KeyUnavailable)
		e.reads(r, sealed, "secret")
	}
	if n := e.kms.Calls("GenerateDataKey", e.arns["acme"]); n != 2 { // one by the first process
		t.Errorf("KMS was asked %d times", n)
	}
	e.must(e.kms.Allow(e.arns["acme"]))
	e.clock.beyond(r.options)
	e.seal(r, "acme", "more")
}

// TestDescribeAloneDenied: a key that may not be described, but decrypts, works.
func TestDescribeAloneDenied(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	sealed, k := e.seal(r, "acme", "secret")
	e.must(e.kms.Deny(e.arns["acme"], "kms:DescribeKey"))
	e.check(r)
	if !r.Usable(k) {
		t.Error("not usable")
	}
	e.reads(r, sealed, "secret")
}

// TestRun is the loop itself, with its own clock: off, unreadable; on, readable.
func TestRun(t *testing.T) {
	e := newEnv(t)
	start := time.Now()
	r := e.ring(Options{HealthInterval: 5 * time.Millisecond, Negative: time.Millisecond, Clock: func() time.Duration { return time.Since(start) }})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	sealed, k := e.seal(r, "acme", "secret")
	for range 3 {
		e.must(e.kms.Disable(e.arns["acme"]))
		until(t, "the key stays usable", func() bool { return !r.Usable(k) })
		_, err := opens(t.Context(), r, sealed)
		e.code(err, pgerr.KeyUnavailable)
		e.must(e.kms.Enable(e.arns["acme"]))
		until(t, "the key does not come back", func() bool {
			_, err := opens(t.Context(), r, sealed)
			return err == nil
		})
		until(t, "no data key for sealing", func() bool {
			k, err = r.ForSeal(t.Context(), "acme")
			return err == nil
		})
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	e.kms.ResetCalls()
	go func() { ended <- r.Run(t.Context()) }()
	until(t, "it does not run again", func() bool { return e.kms.Calls("", "") > 0 })
	r.Close() // ends it too
	if err := <-ended; err == nil {
		t.Error("Run ends without an error")
	}
}

// TestKeystoreDown: open keys are proved again without it; what is not open is
// out of reach until it is back.
func TestKeystoreDown(t *testing.T) {
	e := newEnv(t)
	cold, _ := e.seal(e.ring(Options{}), "acme", "cold")
	r := e.ring(Options{})
	sealed, _ := e.seal(r, "acme", "secret")
	up := r.store
	down := e.open()
	down.Close()
	r.store = down
	e.clock.expire(r)
	e.reads(r, sealed, "secret")
	_, err := opens(t.Context(), r, cold)
	e.code(err, pgerr.KMSUnreachable)
	_, err = r.ForSeal(t.Context(), "globex")
	e.code(err, pgerr.KMSUnreachable)
	if err := r.round(t.Context()); err == nil {
		t.Error("nobody notices")
	}
	r.work.Wait()
	if h := e.health(r, "acme"); h.State != OK {
		t.Errorf("%+v", h)
	}
	r.store = up
	e.reads(r, cold, "cold")
}

func TestKeystoreNotInitialised(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	e.sql("DROP SCHEMA pgseal CASCADE")
	e.store = e.open()
	r.store = e.store
	_, err := r.ForSeal(t.Context(), "acme")
	if pe := e.code(err, pgerr.KMSUnreachable); pe.Message != "pgseal's keystore is not ready" || !errors.Is(err, keystore.ErrNotInitialised) {
		t.Error(pe.Message)
	}
}

// TestClose: nothing that was handed out works afterwards, and nothing hangs.
func TestClose(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	sealed, k := e.seal(r, "acme", "secret")
	fault := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Key: e.arns["globex"]})
	defer fault.Remove()
	var ended atomic.Bool
	waited := make(chan error)
	go func() {
		_, err := r.ForSeal(context.Background(), "globex")
		ended.Store(true)
		waited <- err
	}()
	until(t, "KMS is not asked", func() bool { return fault.Waiting() == 1 })
	r.Close()
	r.Close()
	e.code(<-waited, pgerr.KMSUnreachable)
	if r.Usable(k) {
		t.Error("usable")
	}
	_, err := k.Open(nil, sealed, context1)
	e.code(err, pgerr.KeyUnavailable)
	var pe *pgerr.Error
	if _, err := r.ForSeal(t.Context(), "acme"); !errors.As(err, &pe) || pe.Code != pgerr.AdminShutdown {
		t.Error(err)
	}
	if _, err := opens(t.Context(), r, sealed); !errors.As(err, &pe) || pe.Code != pgerr.AdminShutdown {
		t.Error(err)
	}
}

func TestJudge(t *testing.T) {
	no := &kms.Error{Refused: true, Reason: "no"}
	state := &kms.Error{Refused: true, Reason: "Disabled"}
	silence := &kms.Error{Reason: "silence"}
	damaged := &kms.Error{Damaged: true, Reason: "damaged"}
	tests := []struct {
		name      string
		described *kms.Error
		hasState  bool
		decrypted *kms.Error
		probed    bool
		want      *kms.Error
	}{
		{"both well", nil, true, nil, true, nil},
		{"well, nothing to decrypt", nil, true, nil, false, nil},
		{"decrypt refused", nil, true, no, true, no},
		{"decrypt refused, describe silent", silence, false, no, true, no},
		{"decrypt silent", nil, true, silence, true, silence},
		{"damaged row", nil, true, damaged, true, nil},
		{"damaged row, describe silent", silence, false, damaged, true, silence},
		{"damaged row, describe denied", no, false, damaged, true, no},
		{"state says no, decrypt works still", state, true, nil, true, state},
		{"state says no, decrypt silent", state, true, silence, true, state},
		{"describe denied, decrypt works", no, false, nil, true, nil},
		{"describe denied, nothing to decrypt", no, false, nil, false, no},
		{"describe denied, decrypt silent", no, false, silence, true, no},
		{"describe silent, decrypt works", silence, false, nil, true, nil},
		{"describe silent, nothing to decrypt", silence, false, nil, false, silence},
		{"both silent", silence, false, silence, true, silence},
	}
	for _, test := range tests {
		if got := judge(test.described, test.hasState, test.decrypted, test.probed); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}
