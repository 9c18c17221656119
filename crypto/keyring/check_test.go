package keyring

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgerr"
)

// sealFor seals a value for each of n orgs of the default key.
func (e *env) sealFor(r *Keyring, n int) map[string][]byte {
	e.t.Helper()
	values := map[string][]byte{}
	for i := range n {
		org := fmt.Sprintf("org-%d", i)
		values[org], _ = e.seal(r, org, org)
	}
	return values
}

// TestOneCheckAKMSKey: a KMS key is checked once a round by two calls, however many
// orgs hang on it; and what it says is every org's.
func TestOneCheckAKMSKey(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{DefaultKey: e.withDefault()})
	values := e.sealFor(r, 10)
	globex, _ := e.seal(r, "globex", "secret")
	e.check(r)
	arn := e.arns["default"]
	for what, test := range map[string]struct {
		do, undo func() error
		state    State
		code     string
	}{
		"disabled": {func() error { return e.kms.Disable(arn) }, func() error { return e.kms.Enable(arn) }, Refused, pgerr.KeyUnavailable},
		"to be deleted": {func() error { return e.kms.ScheduleDeletion(arn, 7) }, func() error {
			if err := e.kms.CancelDeletion(arn); err != nil {
				return err
			}
			return e.kms.Enable(arn)
		}, Refused, pgerr.KeyUnavailable},
	} {
		e.kms.ResetCalls()
		e.check(r)
		if checks, probes := e.kms.Calls("DescribeKey", arn), e.kms.Calls("Decrypt", arn); checks != 1 || probes != 1 {
			t.Errorf("%d calls of DescribeKey, %d of Decrypt for one KMS key in a round", checks, probes)
		}
		e.must(test.do())
		e.check(r)
		for org, sealed := range values {
			if h := e.health(r, org); h.State != test.state {
				t.Errorf("%s: %+v", what, h)
			}
			e.unreadable(r, org, sealed, test.code)
		}
		e.reads(r, globex, "secret")
		e.must(test.undo())
		e.check(r)
		for org, sealed := range values {
			if h := e.health(r, org); h.State != OK {
				t.Errorf("%s is over: %+v", what, h)
			}
			e.reads(r, sealed, org)
		}
	}
	fault := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable, Key: arn})
	e.check(r)
	fault.Remove()
	for org, sealed := range values {
		if h := e.health(r, org); h.State != Unreachable {
			t.Errorf("%+v", h)
		}
		e.reads(r, sealed, org)
	}
}

// TestDeniedForOneOrg: access to a shared key that is denied (as a key's policy may
// by the encryption context) is every org's that meets it, and nobody else's.
func TestDeniedForOneOrg(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{DefaultKey: e.withDefault()})
	values := e.sealFor(r, 4)
	e.check(r)
	// The first probe of the round is denied, the others are not.
	fault := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Refuse, Op: "Decrypt", Key: e.arns["default"], Times: 1})
	defer fault.Remove()
	e.check(r)
	refused := ""
	for org := range values {
		switch h := e.health(r, org); {
		case h.State == OK:
		case h.State == Refused && refused == "":
			refused = org
		default:
			t.Errorf("%+v", h)
		}
	}
	if refused == "" {
		t.Fatal("nobody was refused")
	}
	e.unreadable(r, refused, values[refused], pgerr.KeyUnavailable)
	for org, sealed := range values {
		if org != refused {
			e.reads(r, sealed, org)
		}
	}
	e.check(r) // it may again, and is asked for on its own
	for org, sealed := range values {
		if h := e.health(r, org); h.State != OK {
			t.Errorf("%+v", h)
		}
		e.reads(r, sealed, org)
	}
	e.must(e.kms.Deny(e.arns["default"]))
	e.check(r)
	for org, sealed := range values {
		e.unreadable(r, org, sealed, pgerr.KeyUnavailable)
	}
	e.must(e.kms.Allow(e.arns["default"]))
	e.check(r)
	for org, sealed := range values {
		e.reads(r, sealed, org)
	}
}

// TestIdleOrgsAreNotProbed: an org that has nothing open costs one call a round,
// which tells the key's state.
func TestIdleOrgsAreNotProbed(t *testing.T) {
	e := newEnv(t)
	e.seal(e.ring(Options{}), "acme", "secret")
	r := e.ring(Options{})
	e.check(r) // the first time says whether Decrypt is allowed
	e.kms.ResetCalls()
	e.check(r)
	if n := e.kms.Calls("", e.arns["acme"]); n != 1 || e.kms.Calls("DescribeKey", e.arns["acme"]) != 1 {
		t.Errorf("%d calls", n)
	}
	e.must(e.kms.Disable(e.arns["acme"]))
	e.check(r)
	if h := e.health(r, "acme"); h.State != Refused {
		t.Errorf("%+v", h)
	}
	e.must(e.kms.Enable(e.arns["acme"]))
	e.check(r)
	if h := e.health(r, "acme"); h.State != OK {
		t.Errorf("%+v", h)
	}
}

// TestChecksDoNotWait: neither a keystore that is down nor another org's KMS key that
// does keeps an org's key from being checked; nor do the org's own calls.
func TestChecksDoNotWait(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	acme, k := e.seal(r, "acme", "secret")
	e.seal(r, "globex", "secret")
	var ids []uint64
	for range orgCalls {
		_, k := e.seal(e.ring(Options{}), "acme", "secret")
		ids = append(ids, k.ID())
	}
	down := e.open()
	down.Close()
	hang := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Key: e.arns["globex"]})
	own := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Op: "Decrypt", Key: e.arns["acme"], Times: orgCalls})
	ended := make(chan struct{}, orgCalls)
	for _, id := range ids {
		go func() { _, _ = r.ForOpen(t.Context(), id); ended <- struct{}{} }()
	}
	until(t, "acme's calls do not hang", func() bool { return own.Waiting() == orgCalls })
	e.must(e.kms.Disable(e.arns["acme"]))
	r.store = down
	r.startChecks(t.Context(), false)
	until(t, "acme's key is not checked", func() bool { return !r.Usable(k) })
	own.Remove()
	hang.Remove()
	for range ids {
		<-ended
	}
	r.work.Wait()
	r.store = e.open()
	_, err := opens(t.Context(), r, acme)
	e.code(err, pgerr.KeyUnavailable)
}

// TestSpread: the checks of many KMS keys do not begin in one instant.
func TestSpread(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{HealthInterval: time.Hour})
	for i := range spreadFrom {
		e.link(fmt.Sprintf("org-%d", i))
	}
	seen := make(chan time.Duration, 2*spreadFrom)
	r.pause = func(_ context.Context, d time.Duration) { seen <- d }
	e.check(r)
	close(seen)
	different := map[time.Duration]bool{}
	for d := range seen {
		if d < 0 || d > 6*time.Minute {
			t.Errorf("a check waits for %v", d)
		}
		different[d] = true
	}
	if len(different) < spreadFrom/2 {
		t.Errorf("%d checks begin at %d times", spreadFrom+2, len(different))
	}
	if n := e.kms.Calls("DescribeKey", ""); n != spreadFrom+2 {
		t.Errorf("%d calls of DescribeKey", n)
	}
}
