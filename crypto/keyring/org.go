package keyring

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/pgerr"
)

// org is what the process knows of an organisation's key.
type org struct {
	name     string
	epoch    atomic.Uint64         // keys obtained under an earlier one are unusable
	current  atomic.Pointer[entry] // the data key for sealing
	minting  atomic.Bool           // the next one is being fetched ahead
	retry    atomic.Int64          // when fetching ahead that failed may be tried again
	checking atomic.Bool           // a health check is under way
	calls    chan struct{}         // a place a running KMS call

	mu       sync.Mutex
	key      keystore.OrgKey
	read     time.Duration // when key was read
	resolved string        // the key's own ARN, where key.ARN is an alias
	refusal  *kms.Error    // KMS's last word was no
	silence  *kms.Error    // KMS did not answer the last time
	again    time.Duration // when KMS may be asked again, after either
	checked  time.Time     // the last health check's end
}

// find gives the org if the process knows it.
func (r *Keyring) find(name string) *org { return (*r.orgs.Load())[name] }

// get gives the org, reading its key from the keystore when it was not read in
// the last seconds. When the keystore does not answer, what was known serves.
func (r *Keyring) get(ctx context.Context, name string) (*org, error) {
	o := r.find(name)
	if o != nil {
		o.mu.Lock()
		fresh := r.now() < o.read+r.options.Negative
		o.mu.Unlock()
		if fresh {
			return o, nil
		}
	} else if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return nil, errNoKey(name) // Postgres could not hold the name
	} else if err := r.missing.get(name); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	k, err := r.store.OrgKey(ctx, name)
	switch {
	case err == nil:
		return r.observe([]keystore.OrgKey{k})[0], nil
	case errors.Is(err, keystore.ErrNotFound):
		if o != nil {
			r.forget(o)
		}
		return nil, r.missing.put(name, errNoKey(name))
	case o != nil && !isSchema(err):
		o.mu.Lock()
		o.read = r.now() // a keystore that hangs is not waited for each time
		o.mu.Unlock()
		return o, nil
	}
	return nil, errKeystore(err)
}

// observe takes in what the keystore says of orgs. One whose epoch, state or
// ARN has changed loses its open keys.
func (r *Keyring) observe(keys []keystore.OrgKey) []*org {
	r.orgsMu.Lock()
	defer r.orgsMu.Unlock()
	known := *r.orgs.Load()
	var grown map[string]*org
	orgs := make([]*org, len(keys))
	for i, k := range keys {
		o := known[k.Org]
		if o == nil {
			if grown == nil {
				grown = maps.Clone(known)
			}
			o = &org{name: k.Org, key: k, calls: make(chan struct{}, calls)}
			grown[k.Org] = o
			r.missing.drop(k.Org)
		}
		orgs[i] = o
		if o.update(k, r.now()) {
			r.revoke(o)
			r.log.Info("org's key was changed in the keystore", "org", o.name, "state", string(k.State), "epoch", k.Epoch)
		}
	}
	if grown != nil {
		r.orgs.Store(&grown)
	}
	return orgs
}

// update takes over what the keystore says, unless it was read before what is
// known, and tells whether open keys are void.
func (o *org) update(k keystore.OrgKey, now time.Duration) (changed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.read = now
	if k.Epoch < o.key.Epoch {
		return false
	}
	changed = k.Epoch != o.key.Epoch || k.State != o.key.State || k.ARN != o.key.ARN
	if changed {
		o.refusal, o.silence, o.resolved = nil, nil, ""
	}
	o.key = k
	return changed
}

// forget drops an org that has left the keystore.
func (r *Keyring) forget(o *org) {
	r.orgsMu.Lock()
	defer r.orgsMu.Unlock()
	if known := *r.orgs.Load(); known[o.name] == o {
		rest := maps.Clone(known)
		delete(rest, o.name)
		r.orgs.Store(&rest)
	}
	r.revoke(o)
}

// blocked tells why KMS need not be asked now: the key is disabled in the
// keystore, or KMS said no a moment ago (refused), or did not answer (silent,
// when open keys may still serve).
func (o *org) blocked(now time.Duration) (refused, silent *pgerr.Error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.key.State != keystore.Enabled:
		return errDisabled(o.name), nil
	case now >= o.again:
		return nil, nil
	case o.refusal != nil:
		return errRefused(o.name, o.refusal), nil
	case o.silence != nil:
		return nil, errSilent(o.name, o.silence)
	}
	return nil, nil
}

// isKey tells whether arn is the org's present key.
func (o *org) isKey(arn string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return arn == o.key.ARN || arn == o.resolved
}

// target is the key that new data keys are made under.
func (o *org) target() kms.Key {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.key.Key
}

// fence is what a data key that is minted now has to find in the keystore.
func (o *org) fence() keystore.Fence {
	o.mu.Lock()
	defer o.mu.Unlock()
	return keystore.Fence{Epoch: o.key.Epoch, ARN: o.key.ARN}
}

// reread reads an org's key again, however fresh what is known of it.
func (r *Keyring) reread(ctx context.Context, o *org) error {
	o.mu.Lock()
	o.read = r.now() - r.options.Negative
	o.mu.Unlock()
	_, err := r.get(ctx, o.name)
	return err
}

// resolve notes the key's own ARN.
func (o *org) resolve(arn string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.resolved = arn
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

// enter takes a place for a KMS call with the org's key; leave gives it back.
func (o *org) enter(ctx context.Context) error {
	select {
	case o.calls <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (o *org) leave() { <-o.calls }
