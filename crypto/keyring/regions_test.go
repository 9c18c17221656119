package keyring

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/aws"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgerr"
)

// ringOver starts a keyring over a provider.
func (e *env) ringOver(p kms.Provider) *Keyring {
	e.t.Helper()
	r, err := New(e.store, p, Options{Timeout: time.Minute, Clock: e.clock.now, ProcessName: e.t.Name()}, slog.New(slog.DiscardHandler), nil)
	e.must(err)
	e.t.Cleanup(r.Close)
	return r
}

// TestRegionsStandIn: with its first Region silent, an org with a multi-Region key
// reads what was sealed before, and writes; with it back, another process reads all.
// A no of the first Region is a no.
func TestRegionsStandIn(t *testing.T) {
	e := newEnv(t)
	frankfurt, err := e.kms.CreateKey(kmsserver.KeyOptions{MultiRegion: true, Region: "eu-central-1"})
	e.must(err)
	dublin, err := e.kms.Replicate(frankfurt, "eu-west-1")
	e.must(err)
	e.must(e.store.AddOrgKey(t.Context(), keystore.OrgKey{Org: "hooli", Name: "hooli", Key: kms.Key{ARN: frankfurt, Replicas: []string{dublin}}}, tester))
	process := func() *Keyring {
		return e.ringOver(kms.Failover(e.provider(aws.Options{Timeout: time.Minute, Attempts: 1})))
	}

	before, key := e.seal(process(), "hooli", "before")
	outage := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable, Region: "eu-central-1"})
	r := process()
	e.reads(r, before, "before")
	during, other := e.seal(r, "hooli", "during")
	if key.ID() == other.ID() {
		t.Error("two processes seal with one data key")
	}
	e.check(r)
	if h := e.health(r, "hooli"); h.State != OK {
		t.Errorf("%+v", h)
	}
	// A key of that Region alone is silent.
	_, err = r.ForSeal(t.Context(), "acme")
	e.code(err, pgerr.KMSUnreachable)
	outage.Remove()

	e.kms.ResetCalls()
	r = process()
	e.reads(r, before, "before")
	e.reads(r, during, "during")
	if n := e.kms.Calls("", dublin); n != 0 {
		t.Errorf("%d calls to the second Region with the first there", n)
	}
	e.must(e.kms.Disable(frankfurt))
	e.check(r)
	e.unreadable(r, "hooli", during, pgerr.KeyUnavailable)
	e.must(e.kms.Enable(frankfurt))
	e.clock.beyond(r.options)
	e.reads(r, during, "during")
}

// TestRole: an org whose role no longer trusts pgseal has withdrawn its key, and
// STS that does not answer has not.
func TestRole(t *testing.T) {
	e := newEnv(t)
	role := e.kms.CreateRole(kmsserver.RoleOptions{Name: "pgseal", Account: "444455556666", ExternalID: "ext-hooli"})
	arn, err := e.kms.CreateKey(kmsserver.KeyOptions{Account: "444455556666"})
	e.must(err)
	e.must(e.store.AddOrgKey(t.Context(), keystore.OrgKey{Org: "hooli", Name: "hooli",
		Key: kms.Key{ARN: arn, RoleARN: role, ExternalID: "ext-hooli"}}, tester))
	r := e.ringOver(e.provider(aws.Options{Timeout: time.Minute, Attempts: 1, RoleRenewal: time.Nanosecond}))
	sealed, _ := e.seal(r, "hooli", "secret")
	silence := e.kms.Inject(kmsserver.Fault{Kind: kmsserver.Unavailable, Op: "AssumeRole"})
	e.check(r)
	e.reads(r, sealed, "secret")
	silence.Remove()

	e.must(e.kms.Trust(role))
	e.check(r)
	refused := e.unreadable(r, "hooli", sealed, pgerr.KeyUnavailable)
	if !strings.Contains(refused.Detail, "the role") {
		t.Errorf("%s", refused.Detail)
	}
	e.must(e.kms.Trust(role, "111122223333"))
	e.clock.beyond(r.options)
	e.reads(r, sealed, "secret")
}

// TestNotAllowed: the configuration outranks the keystore, at once and for what was
// sealed before.
func TestNotAllowed(t *testing.T) {
	e := newEnv(t)
	sealed, _ := e.seal(e.ring(Options{}), "acme", "secret")
	p, err := kms.Allow(e.provider(aws.Options{Timeout: time.Minute, Attempts: 1}), []string{e.arns["globex"]})
	e.must(err)
	r := e.ringOver(p)
	e.seal(r, "globex", "theirs")
	refused := e.unreadable(r, "acme", sealed, pgerr.KeyUnavailable)
	if !strings.Contains(refused.Hint, "kms.allow") {
		t.Errorf("%+v", refused)
	}
	if n := e.kms.Calls("Decrypt", e.arns["acme"]); n != 0 {
		t.Errorf("%d calls", n)
	}
}
