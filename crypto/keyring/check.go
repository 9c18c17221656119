package keyring

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
)

// hanger is an org that hangs on a KMS key: as its present key (former is nil), or
// by opened data keys that a former key gave.
type hanger struct {
	org    *org
	epoch  uint64 // of the org, from before the check
	former *wrapping
	open   *entry // a data key that is open and hangs on it; nil when none is
}

// check is a KMS key that is to be checked, and who hangs on it.
type check struct {
	key     kms.Key
	hangers []hanger
}

// checks lists the KMS keys to check: each once, however many orgs hang on it.
func (r *Keyring) checks() map[string]*check {
	list := map[string]*check{}
	add := func(key kms.Key, h hanger) {
		c := list[identity(key)]
		if c == nil {
			c = &check{key: key}
			list[identity(key)] = c
		}
		c.hangers = append(c.hangers, h)
	}
	open := r.holdings()
	for _, o := range r.orgs.all() {
		o.mu.Lock()
		enabled, key, epoch, held := o.key.State == keystore.Enabled, o.key.Key, o.epoch.Load(), open[o]
		o.mu.Unlock()
		if !enabled {
			continue
		}
		present := hanger{org: o, epoch: epoch}
		for w, e := range held {
			o.mu.Lock()
			of, isPresent := o.keyOf(w.arn)
			o.mu.Unlock()
			if isPresent {
				present.open = e
			} else {
				add(of, hanger{org: o, epoch: epoch, former: w, open: e})
			}
		}
		add(key, present)
	}
	if r.standIn != nil {
		add(r.standIn.key.Key, hanger{org: r.standIn, epoch: r.standIn.epoch.Load()})
	}
	return list
}

// holdings gives of each org one open data key for each KMS key that some hang on.
func (r *Keyring) holdings() map[*org]map[*wrapping]*entry {
	open := map[*org]map[*wrapping]*entry{}
	add := func(e *entry) {
		if !e.live() {
			return
		}
		if open[e.org] == nil {
			open[e.org] = map[*wrapping]*entry{}
		}
		open[e.org][e.wrapping.Load()] = e
	}
	for _, e := range r.opened(nil) {
		add(e)
	}
	for _, o := range r.orgs.all() {
		if e := o.current.Load(); e != nil {
			add(e)
		}
	}
	return open
}

// startChecks has the orgs' KMS keys checked, but for those that are being checked
// still; of orgs that were never checked only, when new is set.
func (r *Keyring) startChecks(ctx context.Context, onlyNew bool) {
	list := r.checks()
	for id, c := range list {
		if onlyNew && !c.isNew() || !r.begin() {
			continue
		}
		if !r.claim(id) {
			r.work.Done()
			continue
		}
		go func() {
			defer r.work.Done()
			defer r.release(id)
			if len(list) > spreadFrom {
				r.pause(ctx, r.options.spread())
			}
			r.check(ctx, c)
		}()
	}
}

// isNew tells whether one of those who hang on the key was never checked.
func (c *check) isNew() bool {
	for _, h := range c.hangers {
		h.org.mu.Lock()
		unchecked := h.former == nil && h.org.checked.IsZero()
		h.org.mu.Unlock()
		if unchecked {
			return true
		}
	}
	return false
}

// claim takes a KMS key for a check; false when one is under way.
func (r *Keyring) claim(id string) bool {
	r.checkingMu.Lock()
	defer r.checkingMu.Unlock()
	if r.checking[id] {
		return false
	}
	r.checking[id] = true
	return true
}

func (r *Keyring) release(id string) {
	r.checkingMu.Lock()
	defer r.checkingMu.Unlock()
	delete(r.checking, id)
}

// check asks KMS about a key: DescribeKey tells its state, and a true Decrypt of a
// data key, where one is at hand, tells whether pgseal may use it. What it tells
// holds for all who hang on the key; only where pgseal is denied access to it each
// is asked for on its own, since a key's policy may allow one org's data keys and
// not another's, by their encryption context.
func (r *Keyring) check(ctx context.Context, c *check) {
	first := 0
	for i, h := range c.hangers {
		if h.open != nil {
			first = i
			break
		}
	}
	probing := make(chan answer, 1)
	go func() { probing <- r.probe(ctx, c.hangers[first]) }()
	var state kms.KeyState
	described := r.timed(ctx, "Check", func(ctx context.Context) (err error) {
		state, err = r.provider.Check(ctx, c.key)
		return err
	})
	probed := <-probing
	if ctx.Err() != nil {
		return // an answer of nobody's
	}
	verdict := judge(described, state.State != "", probed.err, probed.given)
	denied := verdict != nil && verdict.Refused && verdict.Reason == accessDenied
	var probes errgroup.Group
	probes.SetLimit(orgCalls)
	for i, h := range c.hangers {
		switch {
		case i != first && denied && h.open == nil:
			// KMS has said nothing about it, and there is nothing to take away.
		case i != first && (denied || verdict == nil && h.org.isRefused()):
			probes.Go(func() error {
				p := r.probe(ctx, h)
				if ctx.Err() == nil {
					r.conclude(h, c.key, state, judge(described, state.State != "", p.err, p.given))
				}
				return nil
			})
		default:
			r.conclude(h, c.key, state, verdict)
		}
	}
	_ = probes.Wait() // they give no error
}

// conclude takes in what a check has told about a KMS key for one who hangs on it;
// nil: it works.
func (r *Keyring) conclude(h hanger, key kms.Key, state kms.KeyState, failed *kms.Error) {
	o := h.org
	if h.former != nil {
		if failed != nil && failed.Refused {
			r.formerRefuses(o, h.former, failed)
		}
		return
	}
	if key.ARN != o.known().key.ARN {
		return // the answer is to no question any more
	}
	if state.ARN != "" {
		o.resolve(key, state.ARN)
	}
	switch {
	case failed == nil:
		r.answers(o, h.epoch)
	case failed.Refused:
		r.refuses(o, failed)
	default:
		r.silent(o, failed)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.checked = time.Now()
}

// answer is what a probe gave. given is false when there was nothing to unwrap.
type answer struct {
	err   *kms.Error
	given bool
}

// probe unwraps a data key as a trial: one that is open, if the org has one, else
// one of the keystore's, for an org whose key's last word was no or that was never
// checked. An org that has nothing open has nothing that a no would take away.
func (r *Keyring) probe(ctx context.Context, h hanger) answer {
	o := h.org
	var row keystore.DataKey
	if h.open != nil {
		row = *h.open.row.Load()
	} else {
		o.mu.Lock()
		wanted := o.refusal != nil || o.checked.IsZero()
		o.mu.Unlock()
		if !wanted || o.name == "" {
			return answer{}
		}
		reading, cancel := context.WithTimeout(ctx, r.options.Timeout)
		defer cancel()
		var err error
		if row, err = r.store.NewestDataKey(reading, o.name); err != nil {
			// Without one, or with a keystore that does not answer, the key's
			// state is all there is to go by.
			return answer{}
		}
	}
	for _, w := range o.wraps(row) {
		if h.former == nil && !w.present || h.former != nil && w.wrapping != h.former {
			continue
		}
		return answer{given: true, err: r.timed(ctx, "Decrypt", func(ctx context.Context) error {
			plaintext, err := r.provider.Decrypt(ctx, w.key, w.blob, kms.EncryptionContext(row.Org, row.ID))
			plaintext.Zero()
			return err
		})}
	}
	return answer{}
}

// isRefused tells whether KMS's last word on the org's key was no.
func (o *org) isRefused() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refusal != nil
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
