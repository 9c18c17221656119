package keyring

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/pgerr"
)

// gone is the bit of an org's epoch that tells that the org was let go: what is
// opened for it from then on is usable by nobody.
const gone = 1 << 63

// org is what the process knows of an organisation's key.
type org struct {
	name    string
	epoch   atomic.Uint64         // keys obtained under an earlier one are unusable
	turn    atomic.Uint64         // a key for sealing of an earlier one is replaced: the org's key was
	current atomic.Pointer[entry] // the data key for sealing
	minting atomic.Bool           // the next one is being fetched ahead
	retry   atomic.Int64          // when fetching ahead that failed may be tried again
	places  places

	// standIn has the state of the KMS key for an org that has no row in the
	// keystore yet; nil for the others.
	standIn *org

	mu        sync.Mutex
	key       keystore.OrgKey
	asked     time.Duration // when the keystore was asked for key
	read      time.Duration // when it answered
	used      time.Duration // when somebody wanted something that is not at hand
	resolved  string        // the key's own ARN, where key.ARN is an alias
	wrappings map[string]*wrapping
	refusal   *kms.Error    // KMS's last word was no
	silence   *kms.Error    // KMS did not answer the last time
	again     time.Duration // when KMS may be asked again, after either
	checked   time.Time     // the last health check's end; for people only
}

func (r *Keyring) newOrg(k keystore.OrgKey) *org {
	return &org{name: k.Org, key: k, places: newPlaces(r.shared), wrappings: map[string]*wrapping{}}
}

// update takes over what the keystore said when it was asked at the given time.
// void tells that open keys are, replaced that the org has another key than before.
//
// An answer to an older question than the known one says nothing new. One with an
// older epoch may have been on its way when the known one arrived: it counts only
// if it was asked for after that, as from a keystore that was restored.
func (o *org) update(k keystore.OrgKey, asked, now time.Duration) (void, replaced bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if asked < o.asked || k.Epoch < o.key.Epoch && asked < o.read {
		return false, false
	}
	o.asked, o.read = asked, now
	void = k.Epoch != o.key.Epoch || k.State != o.key.State
	replaced = k.ARN != o.key.ARN
	if void || identity(k.Key) != identity(o.key.Key) {
		o.refusal, o.silence, o.again = nil, nil, 0
	}
	if replaced {
		o.resolved = ""
		o.turn.Add(1)
	}
	o.key = k
	return void, replaced
}

// known is what a minter knows of the org when it asks KMS.
type known struct {
	key   keystore.OrgKey
	epoch uint64
	turn  uint64
}

func (o *org) known() known {
	o.mu.Lock()
	defer o.mu.Unlock()
	return known{key: o.key, epoch: o.epoch.Load(), turn: o.turn.Load()}
}

// use notes that somebody wants something.
func (o *org) use(now time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.used = now
}

// face has the state of the KMS key that the org uses.
func (o *org) face() *org {
	if o.standIn != nil {
		return o.standIn
	}
	return o
}

// blocked tells why KMS need not be asked now: the key is disabled in the
// keystore, or KMS said no a moment ago (refused), or did not answer (silent,
// when open keys may still serve).
func (o *org) blocked(now time.Duration) (refused, silent *pgerr.Error) {
	f := o.face()
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.key.State == keystore.Destroyed:
		return errDestroyed(o.name, f.key.Updated), nil
	case f.key.State != keystore.Enabled:
		return errDisabled(o.name), nil
	case now >= f.again:
		return nil, nil
	case f.refusal != nil:
		return errRefused(o.name, f.refusal), nil
	case f.silence != nil:
		return nil, errSilent(o.name, f.silence)
	}
	return nil, nil
}

// answers notes that KMS served a call with the org's key, which began in the
// given epoch: a no that came after that stands.
func (r *Keyring) answers(o *org, epoch uint64) {
	o.mu.Lock()
	if o.epoch.Load() != epoch {
		o.mu.Unlock()
		return
	}
	refused, silent := o.refusal != nil, o.silence != nil
	o.refusal, o.silence = nil, nil
	o.mu.Unlock()
	if refused || silent {
		r.log.Info("org's key works again", "org", o.name)
	}
}

// refuses notes that KMS said no to the org's key, and takes its keys away.
func (r *Keyring) refuses(o *org, e *kms.Error) {
	o.mu.Lock()
	first := o.refusal == nil
	o.refusal, o.silence = e, nil
	o.again = r.now() + r.options.Negative
	o.epoch.Add(1) // with the refusal, for those who note an answer
	o.mu.Unlock()
	r.drop(o)
	if first {
		r.metrics.revoked()
		r.log.Warn("KMS refuses an org's key: its values are unreadable now", "org", o.name, "reason", e.Reason, "error", e)
	}
}

// silent notes that KMS did not answer. It does not undo a no.
func (r *Keyring) silent(o *org, e *kms.Error) {
	o.mu.Lock()
	first := o.silence == nil
	o.silence = e
	o.again = r.now() + r.options.Negative
	o.mu.Unlock()
	if first {
		r.log.Warn("KMS does not answer for an org's key: open data keys serve on for a while", "org", o.name, "reason", e.Reason, "error", e)
	}
}
