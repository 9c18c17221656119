package keyring

import (
	"context"

	"github.com/pgseal/pgseal/crypto/keystore"
)

// getForSeal is get for a writer: where there is a default key, an org that the
// keystore does not have gets a record that nobody else sees, until its first data
// key makes its row. So names that clients make up take no memory while KMS or the
// keystore does not answer.
func (r *Keyring) getForSeal(ctx context.Context, name string) (*org, error) {
	o, err := r.get(ctx, name)
	if r.standIn == nil || !isNoKey(err) || !possible(name) {
		return o, err
	}
	o = r.newOrg(keystore.OrgKey{Org: name, Name: name, Key: *r.options.DefaultKey, Origin: keystore.Default, State: keystore.Enabled})
	o.standIn, o.places = r.standIn, r.standIn.places
	return o, nil
}

// newStandIn is the record of the default key itself: whether KMS says no to it, or
// does not answer, for orgs that have no row yet.
func (r *Keyring) newStandIn() *org {
	return r.newOrg(keystore.OrgKey{Key: *r.options.DefaultKey, Origin: keystore.Default, State: keystore.Enabled})
}

// letIdleGo drops orgs of the default key that have opened and sealed nothing for so
// long that no data key of theirs may serve any more. The next use finds them again.
func (r *Keyring) letIdleGo() {
	now := r.now()
	r.orgs.mu.Lock()
	defer r.orgs.mu.Unlock()
	var list []*org
	for _, o := range r.orgs.all() {
		o.mu.Lock()
		idle := o.key.Origin == keystore.Default && now-o.used > r.options.MaxStale
		o.mu.Unlock()
		if e := o.current.Load(); idle && (e == nil || int64(now) >= e.until.Load()) {
			list = append(list, o)
		}
	}
	r.letGo(list...)
}
