package keyring

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
)

// State is how an org's key is doing.
type State string

const (
	OK          State = "ok"
	Unchecked   State = "unchecked"   // no health check has ended yet
	Disabled    State = "disabled"    // in the keystore, by pgseal keys disable
	Refused     State = "refused"     // KMS says no
	Unreachable State = "unreachable" // KMS does not answer
)

// OrgHealth is how an org's key is doing.
type OrgHealth struct {
	Org, ARN string
	State    State
	Reason   string    // KMS's own word, when not OK
	Checked  time.Time // when the last health check ended
}

// Health tells how the keys are doing of the orgs that the process knows, in
// the order of their names.
func (r *Keyring) Health() []OrgHealth {
	orgs := *r.orgs.Load()
	list := make([]OrgHealth, 0, len(orgs))
	for _, o := range orgs {
		list = append(list, o.health())
	}
	slices.SortFunc(list, func(a, b OrgHealth) int { return strings.Compare(a.Org, b.Org) })
	return list
}

func (o *org) health() OrgHealth {
	o.mu.Lock()
	defer o.mu.Unlock()
	h := OrgHealth{Org: o.name, ARN: o.key.ARN, Checked: o.checked, State: OK}
	switch {
	case o.key.State != keystore.Enabled:
		h.State, h.Reason = Disabled, "disabled in the keystore"
	case o.refusal != nil:
		h.State, h.Reason = Refused, o.refusal.Reason
	case o.silence != nil:
		h.State, h.Reason = Unreachable, o.silence.Reason
	case o.checked.IsZero():
		h.State = Unchecked
	}
	return h
}

// Run checks the orgs' keys every HealthInterval until ctx ends, and gives
// ctx's error then. Each round reads the orgs' keys from the keystore; each org
// is checked on its own, so that one that hangs holds up no other.
func (r *Keyring) Run(ctx context.Context) error {
	ticker := time.NewTicker(r.options.HealthInterval)
	defer ticker.Stop()
	down := false
	for {
		err := r.round(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if (err != nil) != down {
			down = err != nil
			if down {
				r.log.Warn("the keystore cannot be read", "error", err)
			} else {
				r.log.Info("the keystore can be read again")
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// round reads the orgs' keys and starts a check of each org that has none under
// way. With a keystore that does not answer, the orgs that are known are checked.
func (r *Keyring) round(ctx context.Context) error {
	read, cancel := context.WithTimeout(ctx, r.options.Timeout)
	keys, err := r.store.OrgKeys(read)
	cancel()
	if err == nil {
		orgs := r.observe(keys)
		listed := make(map[*org]bool, len(orgs))
		for _, o := range orgs {
			listed[o] = true
		}
		for _, o := range *r.orgs.Load() {
			if !listed[o] {
				r.forgetUnlessNew(ctx, o)
			}
		}
	}
	for _, o := range *r.orgs.Load() {
		if !o.checking.CompareAndSwap(false, true) {
			continue
		}
		if !r.begin() {
			return err
		}
		go func() {
			defer r.work.Done()
			defer o.checking.Store(false)
			r.spread(ctx)
			r.check(ctx, o)
		}()
	}
	return err
}

// spread waits for a moment, a tenth of the interval at most, so that thousands
// of orgs' checks do not reach KMS in one instant.
func (r *Keyring) spread(ctx context.Context) {
	if n := len(*r.orgs.Load()); n > 100 {
		timer := time.NewTimer(rand.N(r.options.HealthInterval / 10))
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
}

// forgetUnlessNew drops an org that the list lacks, unless it has come into the
// keystore after the list was read.
func (r *Keyring) forgetUnlessNew(ctx context.Context, o *org) {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	if _, err := r.store.OrgKey(ctx, o.name); errors.Is(err, keystore.ErrNotFound) {
		r.forget(o)
	}
}

// check asks KMS about an org's key: DescribeKey tells its state, and a true
// Decrypt of a data key, where there is one, tells whether pgseal may use it.
func (r *Keyring) check(ctx context.Context, o *org) {
	o.mu.Lock()
	enabled, key, epoch := o.key.State == keystore.Enabled, o.key.Key, o.epoch.Load()
	o.mu.Unlock()
	defer func() {
		o.mu.Lock()
		o.checked = time.Now()
		o.mu.Unlock()
	}()
	if !enabled {
		return
	}
	probed := make(chan *kms.Error, 1)
	row, hasRow := r.probe(ctx, o)
	if hasRow {
		go func() {
			probed <- r.call(ctx, o, "Decrypt", func(ctx context.Context) error {
				plaintext, err := r.provider.Decrypt(ctx, key.With(row.KeyARN), row.Wrapped, kms.EncryptionContext(row.Org, row.ID))
				plaintext.Zero()
				return err
			})
		}()
	} else {
		probed <- nil
	}
	var state kms.KeyState
	described := r.call(ctx, o, "Check", func(ctx context.Context) (err error) {
		state, err = r.provider.Check(ctx, key)
		return err
	})
	decrypted := <-probed
	if ctx.Err() != nil || key.ARN != o.target().ARN {
		return // the answers are to no question any more
	}
	if described == nil {
		o.resolve(state.ARN)
	}
	switch failed := judge(described, state.State != "", decrypted, hasRow); {
	case failed == nil:
		r.answers(o, epoch)
	case failed.Refused:
		r.refuses(o, failed)
	default:
		r.silent(o, failed)
	}
}

// probe finds a data key of the org that is wrapped under its present key.
func (r *Keyring) probe(ctx context.Context, o *org) (keystore.DataKey, bool) {
	if e := o.current.Load(); e != nil {
		return e.row, o.isKey(e.row.KeyARN)
	}
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	row, err := r.store.NewestDataKey(ctx, o.name)
	// Without one, or with a keystore that does not answer, the key's state is
	// all there is to go by.
	return row, err == nil && o.isKey(row.KeyARN)
}

// judge decides what two answers about one key mean: nil when it works. A key
// whose state KMS tells, and which can't be used in it, is refused whatever
// Decrypt gave: KMS takes up to some minutes until a change is seen everywhere
// (https://docs.aws.amazon.com/kms/latest/developerguide/accessing-kms.html, "eventual
// consistency"), so the first no counts. A key that may not be described, but
// decrypts, works. A wrapped key that is damaged says nothing about the org's key.
func judge(described *kms.Error, hasState bool, decrypted *kms.Error, probed bool) *kms.Error {
	if decrypted != nil && decrypted.Damaged {
		decrypted = nil
		probed = false
	}
	switch {
	case decrypted != nil && decrypted.Refused:
		return decrypted
	case described == nil:
		return decrypted
	case described.Refused && hasState:
		return described
	case probed && decrypted == nil:
		return nil
	case described.Refused:
		return described
	case decrypted != nil:
		return decrypted
	}
	return described
}
