package keyring

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/secret"
)

// wrapping is a KMS key that opened data keys of an org hang on: the org's present
// key, or a former one that a data key is still wrapped by.
type wrapping struct {
	arn string
	// refused: KMS has said no to a former key. The data keys that hang on it are
	// unusable then, and no others; a no to the present key is the org's epoch's.
	refused atomic.Bool
	// again is when a former key that did not answer may be asked again, and
	// silence what it was.
	again   atomic.Int64
	silence atomic.Pointer[kms.Error]
}

// wrap is one of a data key's wraps, and how to unwrap it.
type wrap struct {
	blob     []byte
	key      kms.Key
	present  bool // under the org's present key
	wrapping *wrapping
}

// wraps gives a data key's wraps in the order in which they are tried: the one under
// the org's present key first.
func (o *org) wraps(row keystore.DataKey) []wrap {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := []wrap{o.wrap(row.KeyARN, row.Wrapped)}
	if row.NextWrapped != nil {
		list = append(list, o.wrap(row.NextKeyARN, row.NextWrapped))
		if list[1].present && !list[0].present {
			slices.Reverse(list)
		}
	}
	return list
}

// hang gives the KMS key of an ARN as something to hang on.
func (o *org) hang(arn string) *wrapping {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.wrap(arn, nil).wrapping
}

// wrap is called with o.mu held.
func (o *org) wrap(arn string, blob []byte) wrap {
	w := o.wrappings[arn]
	if w == nil {
		w = &wrapping{arn: arn}
		o.wrappings[arn] = w
	}
	key, present := o.keyOf(arn)
	return wrap{blob: blob, key: key, present: present, wrapping: w}
}

// keyOf tells how to get at the key that a data key is wrapped under, and whether
// it is the org's present one. It is called with o.mu held.
func (o *org) keyOf(arn string) (key kms.Key, present bool) {
	switch {
	case kms.SameKey(arn, o.key.ARN):
		return o.key.With(arn), true
	case o.resolved != "" && kms.SameKey(arn, o.resolved):
		return o.key.With(o.resolved), true
	case o.key.Previous != nil:
		return o.key.Previous.With(arn), false
	}
	return o.key.With(arn), false
}

// hasPresent tells whether a data key is wrapped under the org's present key.
func (o *org) hasPresent(row *keystore.DataKey) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, present := o.keyOf(row.KeyARN)
	if !present && row.NextWrapped != nil {
		_, present = o.keyOf(row.NextKeyARN)
	}
	return present
}

// resolve notes the key's own ARN, unless the org has another key by now.
func (o *org) resolve(key kms.Key, arn string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.key.ARN == key.ARN {
		o.resolved = arn
	}
}

// notCommitted is the Reason for a wrap that holds another key than the one that was
// minted.
const notCommitted = "commitment"

// decrypt unwraps a data key by the first of its wraps that gives it. A no from
// the org's present key is final. When it does not answer (skip: it is known not
// to), or the wrap under it is damaged, the other wrap is tried. Of several
// failures the one is given that is worth most: a KMS that may answer later, else
// a no, else damage. The key is the one that was minted.
func (r *Keyring) decrypt(ctx context.Context, o *org, row keystore.DataKey, skip bool) (secret.Bytes, wrap, *kms.Error) {
	var worst *kms.Error
	var of wrap
	fail := func(w wrap, e *kms.Error) {
		rank := func(e *kms.Error) int {
			switch {
			case e.Damaged:
				return 0
			case e.Refused:
				return 1
			}
			return 2
		}
		if worst == nil || rank(e) > rank(worst) {
			worst, of = e, w
		}
	}
	for _, w := range o.wraps(row) {
		if w.present && skip {
			continue
		}
		if !w.present && int64(r.now()) < w.wrapping.again.Load() {
			fail(w, w.wrapping.silence.Load())
			continue
		}
		var plaintext secret.Bytes
		failed := r.call(ctx, o, "Decrypt", func(ctx context.Context) (err error) {
			plaintext, err = r.provider.Decrypt(ctx, w.key, w.blob, kms.EncryptionContext(row.Org, row.ID))
			return err
		})
		if failed == nil && !committed(plaintext, row) {
			plaintext.Zero()
			failed = &kms.Error{Op: "Decrypt", Key: w.wrapping.arn, Damaged: true, Reason: notCommitted}
		}
		switch {
		case failed == nil:
			return plaintext, w, nil
		case failed.Refused && w.present:
			return nil, w, failed
		case failed.Refused:
			r.formerRefuses(o, w.wrapping, failed)
		case failed.Damaged:
		case w.present:
			r.silent(o, failed)
		default:
			w.wrapping.silence.Store(failed)
			w.wrapping.again.Store(int64(r.now() + r.options.Negative))
		}
		fail(w, failed)
	}
	return nil, of, worst
}

// formerRefuses notes that KMS said no to a former key of the org's. What hangs on
// it is looked for again when it is wanted: it may have a wrap under the present
// key by now. Sessions that are in the middle of a value end it: the keys are
// dropped, not closed.
func (r *Keyring) formerRefuses(o *org, w *wrapping, e *kms.Error) {
	o.mu.Lock()
	if o.wrappings[w.arn] == w {
		delete(o.wrappings, w.arn) // what is opened from now on hangs on a new one
	}
	o.mu.Unlock()
	if w.refused.Swap(true) {
		return
	}
	dropped := 0
	for _, held := range r.opened(o) {
		if held.wrapping.Load() == w {
			r.cache.Del(held.key.ID())
			dropped++
		}
	}
	if dropped > 0 {
		r.log.Warn("KMS refuses a former key of an org: what is wrapped by it alone is unreadable now",
			"org", o.name, "key", w.arn, "data keys", dropped, "reason", e.Reason, "error", e)
	}
}

// opened lists the opened data keys of an org, or with nil of all.
func (r *Keyring) opened(o *org) []*entry {
	var list []*entry
	r.cache.IterValues(func(e *entry) bool {
		if o == nil || e.org == o {
			list = append(list, e)
		}
		return false
	})
	return list
}

// identity tells KMS keys apart, and ways to them.
func identity(k kms.Key) string {
	return strings.Join(append([]string{k.ARN, k.RoleARN, k.ExternalID}, k.Replicas...), "\x00")
}
