package keyring

import (
	"context"
	"errors"
	"hash/maphash"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/crypto/keystore"
)

// shards is how many parts the orgs are in: each is copied when it changes.
const shards = 64

// orgs are the orgs that the process knows, by name. They are found without a lock.
// Only orgs that the keystore has are in it, and of those that use the default key,
// which anybody who may write can make, only the ones in use.
type orgs struct {
	seed   maphash.Seed
	shards [shards]atomic.Pointer[map[string]*org]
	mu     sync.Mutex // for those who change it
}

func newOrgs() *orgs {
	s := &orgs{seed: maphash.MakeSeed()}
	for i := range s.shards {
		s.shards[i].Store(&map[string]*org{})
	}
	return s
}

func (s *orgs) shard(name string) *atomic.Pointer[map[string]*org] {
	return &s.shards[maphash.String(s.seed, name)%shards]
}

// find gives the org if the process knows it.
func (s *orgs) find(name string) *org { return (*s.shard(name).Load())[name] }

// all lists the orgs in no order.
func (s *orgs) all() []*org {
	var list []*org
	for i := range s.shards {
		for _, o := range *s.shards[i].Load() {
			list = append(list, o)
		}
	}
	return list
}

// put is called with s.mu held.
func (s *orgs) put(o *org) {
	shard := s.shard(o.name)
	grown := maps.Clone(*shard.Load())
	grown[o.name] = o
	shard.Store(&grown)
}

// delete is called with s.mu held.
func (s *orgs) delete(o *org) {
	shard := s.shard(o.name)
	if known := *shard.Load(); known[o.name] == o {
		rest := maps.Clone(known)
		delete(rest, o.name)
		shard.Store(&rest)
	}
}

// get gives the org, reading its key from the keystore when it was not read in
// the last seconds. When the keystore does not answer, what was known serves.
func (r *Keyring) get(ctx context.Context, name string) (*org, error) {
	o := r.orgs.find(name)
	if o != nil {
		o.use(r.now())
		o.mu.Lock()
		fresh := r.now() < o.read+r.options.Negative
		o.mu.Unlock()
		if fresh {
			return o, nil
		}
	} else if !possible(name) {
		return nil, errNoKey(name)
	} else if err := r.missing.get(name); err != nil {
		return nil, err
	}
	known := o
	o, err := r.reread(ctx, name)
	switch {
	case err == nil:
		return o, nil
	case errors.Is(err, keystore.ErrNotFound):
		return nil, r.missing.put(name, errNoKey(name))
	case known != nil && !isSchema(err):
		known.mu.Lock()
		known.read = r.now() // a keystore that hangs is not waited for each time
		known.mu.Unlock()
		return known, nil
	}
	return nil, errKeystore(err)
}

// possible tells whether an org of the name can be in the keystore.
func possible(name string) bool {
	return name != "" && len(name) <= crypto.MaxOrg && utf8.ValidString(name) && !strings.ContainsRune(name, 0)
}

// reread reads an org's key from the keystore. The error is the keystore's.
func (r *Keyring) reread(ctx context.Context, name string) (*org, error) {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	asked := r.now()
	k, err := r.store.OrgKey(ctx, name)
	if err == nil {
		o := r.observe(k, asked)
		o.use(asked)
		return o, nil
	}
	if errors.Is(err, keystore.ErrNotFound) {
		r.absent(name, asked)
	}
	return nil, err
}

// observe takes in what the keystore said of an org when it was asked at the given
// time. One whose epoch or state has changed loses its open keys; one that has
// another key keeps them, and gets the next data key under the new one.
func (r *Keyring) observe(k keystore.OrgKey, asked time.Duration) *org {
	r.orgs.mu.Lock()
	defer r.orgs.mu.Unlock()
	o := r.orgs.find(k.Org)
	if o == nil {
		o = r.newOrg(k)
		o.asked, o.read = asked, r.now()
		r.orgs.put(o)
		r.missing.drop(k.Org)
		return o
	}
	void, replaced := o.update(k, asked, r.now())
	switch {
	case void:
		r.revoke(o)
		r.log.Info("org's key was changed in the keystore", "org", o.name, "state", string(k.State), "epoch", k.Epoch)
	case replaced:
		r.log.Info("org has another key: new data keys are made under it", "org", o.name, "arn", k.ARN)
		o.retry.Store(0)
		r.unwritable.drop(o.name)
		if e := o.current.Load(); e != nil && r.usable(e) {
			r.mintAhead(o)
		}
	}
	return o
}

// absent drops an org that the keystore did not have when it was asked at the given
// time, unless it has been seen since.
func (r *Keyring) absent(name string, asked time.Duration) {
	r.orgs.mu.Lock()
	defer r.orgs.mu.Unlock()
	o := r.orgs.find(name)
	if o == nil {
		return
	}
	o.mu.Lock()
	newer := o.asked > asked
	o.mu.Unlock()
	if !newer {
		r.letGo(o)
	}
}

// letGo drops orgs. It is called with r.orgs.mu held.
func (r *Keyring) letGo(list ...*org) {
	if len(list) == 0 {
		return
	}
	for _, o := range list {
		r.orgs.delete(o)
		o.epoch.Or(gone)
		r.dropCurrent(o)
	}
	for _, e := range r.opened(nil) {
		if e.revoked() {
			r.cache.Del(e.key.ID())
			e.close()
		}
	}
}

// revoke makes all keys of the org that were handed out so far unusable, and
// drops them.
func (r *Keyring) revoke(o *org) {
	o.epoch.Add(1)
	r.drop(o)
}

// drop takes the keys of the org's earlier epochs out of memory.
func (r *Keyring) drop(o *org) {
	for _, e := range r.opened(o) {
		if e.revoked() {
			r.cache.Del(e.key.ID())
			e.close()
		}
	}
	r.dropCurrent(o)
}

// dropCurrent takes the key that the org is sealed with away if its epoch is over.
func (r *Keyring) dropCurrent(o *org) {
	if e := o.current.Load(); e != nil && e.revoked() {
		o.current.CompareAndSwap(e, nil)
		e.close()
	}
}
