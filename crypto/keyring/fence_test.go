package keyring

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgerr"
)

// TestMintingIsFenced: what becomes of the org's key while KMS makes a data key is
// not overlooked, though this process does not know of it.
func TestMintingIsFenced(t *testing.T) {
	e := newEnv(t)
	var replaced string
	tests := []struct {
		name string
		do   func(s *keystore.Store, org string) error
		code string
	}{
		{"disabled", func(s *keystore.Store, org string) error {
			return s.SetOrgKeyState(t.Context(), org, keystore.Disabled, tester)
		}, pgerr.KeyUnavailable},
		{"destroyed", func(s *keystore.Store, org string) error {
			_, err := s.DestroyOrgKey(t.Context(), org, tester)
			return err
		}, pgerr.KeyUnavailable},
		{"removed", func(s *keystore.Store, org string) error {
			return s.RemoveOrgKey(t.Context(), org, tester)
		}, pgerr.NoKey},
		{"replaced", func(*keystore.Store, string) error { replaced = e.replace("replaced"); return nil }, ""},
		{"off and on", func(s *keystore.Store, org string) error {
			if err := s.SetOrgKeyState(t.Context(), org, keystore.Disabled, tester); err != nil {
				return err
			}
			return s.SetOrgKeyState(t.Context(), org, keystore.Enabled, tester)
		}, ""},
	}
	other := e.open()
	for _, test := range tests {
		e.link(test.name)
		r := e.ring(Options{})
		hang := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Op: "GenerateDataKey", Key: e.arns[test.name]})
		got := make(chan error)
		go func() { _, err := r.ForSeal(t.Context(), test.name); got <- err }()
		until(t, "KMS is not asked", func() bool { return hang.Waiting() == 1 })
		e.must(test.do(other, test.name))
		hang.Remove()
		err := <-got
		if test.code == "" {
			e.must(err)
			e.seal(r, test.name, "secret")
		} else {
			e.code(err, test.code)
		}
		row, err := e.store.NewestDataKey(t.Context(), test.name)
		switch {
		case test.code != "" && err == nil:
			t.Errorf("%s: a data key was stored", test.name)
		case test.name == "replaced" && row.KeyARN != replaced:
			t.Errorf("%s: minted under %s", test.name, row.KeyARN)
		}
	}
}

// TestIDsDoNotCollide: an id that is taken, by any org, is drawn again, and the data
// key that has it is left as it is.
func TestIDsDoNotCollide(t *testing.T) {
	e := newEnv(t)
	sealed, k := e.seal(e.ring(Options{}), "acme", "secret")
	r := e.ring(Options{})
	draws := 0
	r.newID = func() uint64 {
		if draws++; draws <= 2 {
			return k.ID()
		}
		return newID()
	}
	_, minted := e.seal(r, "globex", "more")
	if draws != 3 || minted.ID() == k.ID() {
		t.Errorf("%d draws", draws)
	}
	e.reads(r, sealed, "secret")
	r = e.ring(Options{})
	r.newID = k.ID
	_, err := r.ForSeal(t.Context(), "globex")
	e.code(err, pgerr.KMSUnreachable)
	if !errors.Is(err, keystore.ErrExists) {
		t.Error(err)
	}
	e.reads(r, sealed, "secret")
}

// TestDestroyed: what was sealed is gone for good, also from the memory of a process
// that had it open; the error says when. An org that starts afresh has new data keys.
func TestDestroyed(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	sealed, held := e.seal(r, "acme", "secret")
	other := e.open()
	_, err := other.DestroyOrgKey(t.Context(), "acme", tester)
	e.must(err)
	e.check(r)
	if r.Usable(held) {
		t.Error("usable")
	}
	if _, err := held.Open(nil, sealed, context1); err == nil {
		t.Error("opens")
	}
	day := time.Now().UTC().Format(time.DateOnly)
	for _, ring := range []*Keyring{r, e.ring(Options{})} {
		for range 2 {
			if pe := e.unreadable(ring, "acme", sealed, pgerr.KeyUnavailable); !strings.Contains(pe.Detail, "were destroyed on "+day[:8]) {
				t.Error(pe.Detail)
			}
		}
	}
	if h := e.health(r, "acme"); h.State != Destroyed {
		t.Errorf("%+v", h)
	}
	e.must(other.AddOrgKey(t.Context(), keystore.OrgKey{Org: "acme", Name: "afresh", Key: kms.Key{ARN: e.arns["acme"]}}, tester))
	e.check(r)
	e.clock.beyond(r.options)
	anew, _ := e.seal(r, "acme", "afresh")
	e.reads(r, anew, "afresh")
	_, err = opens(t.Context(), r, sealed)
	if pe := e.code(err, pgerr.KeyUnavailable); !strings.Contains(pe.Detail, "were destroyed on "+day[:8]) {
		t.Error(pe.Detail)
	}
	if h := e.health(r, "acme"); h.State != OK {
		t.Errorf("%+v", h)
	}
}
