package keyring

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgerr"
)

// TestNoDuringAnOutage: a no that arrives while KMS answers only now and then takes
// the keys away, and silence after it does not bring them back.
func TestNoDuringAnOutage(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	sealed, k := e.seal(r, "acme", "secret")
	fault := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable})
	e.clock.expire(r)
	e.reads(r, sealed, "secret") // stale, but readable
	e.must(e.kms.Disable(e.arns["acme"]))
	e.check(r)
	e.reads(r, sealed, "secret") // nobody can tell
	fault.Remove()
	e.check(r)
	if r.Usable(k) {
		t.Error("usable after the no")
	}
	again := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Reset})
	e.check(r)
	e.clock.beyond(r.options)
	if _, err := opens(t.Context(), r, sealed); err == nil {
		t.Error("opens")
	} else {
		e.code(err, pgerr.KMSUnreachable)
	}
	if h := e.health(r, "acme"); h.State != Refused {
		t.Errorf("%+v", h)
	}
	again.Remove()
	e.must(e.kms.Enable(e.arns["acme"]))
	e.check(r)
	e.reads(r, sealed, "secret")
}

// TestKeystoreOfANewerVersion: a process that starts on it opens and seals nothing
// and says why; one that runs goes on; nothing is lost.
func TestKeystoreOfANewerVersion(t *testing.T) {
	e := newEnv(t)
	running := e.ring(Options{})
	sealed, _ := e.seal(running, "acme", "secret")
	e.sql("INSERT INTO pgseal.schema_version (part, version, name) VALUES ('tables', 999, 'from the future')")
	e.store = e.open()
	r := e.ring(Options{})
	pe := e.unreadable(r, "acme", sealed, pgerr.KMSUnreachable)
	var newer *keystore.NewerError
	if pe.Message != "pgseal's keystore is not ready" || !errors.As(pe, &newer) || newer.Found != 999 {
		t.Errorf("%v", pe)
	}
	if err := r.round(t.Context()); !errors.As(err, &newer) {
		t.Errorf("a round of health checks: %v", err)
	}
	e.reads(running, sealed, "secret")
	e.sql("DELETE FROM pgseal.schema_version WHERE version = 999")
	e.reads(r, sealed, "secret")
	e.seal(r, "acme", "more")
}

// TestTimesOfTheKeystore: what the database's clock says, which may jump, decides
// nothing about for how long a key serves or is used for sealing.
func TestTimesOfTheKeystore(t *testing.T) {
	e := newEnv(t)
	r := e.ring(Options{})
	sealed, k := e.seal(r, "acme", "secret")
	for _, jump := range []string{"-10 years", "10 years"} {
		e.sql("UPDATE pgseal.data_keys SET created_at = now() + $1::interval", jump)
		e.sql("UPDATE pgseal.org_keys SET created_at = now() + $1::interval, updated_at = now() + $1::interval", jump)
		e.check(r)
		if again, err := r.ForSeal(t.Context(), "acme"); err != nil || again != k {
			t.Error("another data key", err)
		}
		fresh := e.ring(Options{})
		e.check(fresh)
		e.reads(fresh, sealed, "secret")
		e.clock.expire(r)
		e.reads(r, sealed, "secret")
	}
}

// TestOnlyTheMonotonicClock: the package asks for the time in two places: where the
// monotonic clock begins, and for what people read of the last health check. So the
// wall clock may jump.
func TestOnlyTheMonotonicClock(t *testing.T) {
	files, err := filepath.Glob("*.go")
	e := env{t: t}
	e.must(err)
	found := map[string]int{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		e.must(err)
		if n := strings.Count(string(text), "time.Now"); n > 0 && !strings.HasSuffix(name, "_test.go") {
			found[name] = n
		}
	}
	if len(found) != 2 || found["options.go"] != 1 || found["check.go"] != 1 {
		t.Errorf("time.Now is called in %v", found)
	}
	clock := Options{}.withDefaults().Clock
	if first := clock(); first < 0 || first > time.Hour || clock() < first {
		t.Error("the clock does not count from the keyring's start")
	}
}
