package keyring

import (
	"slices"
	"strings"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
)

// State is how an org's key is doing.
type State string

const (
	OK          State = "ok"
	Unchecked   State = "unchecked"   // no health check has ended yet
	Disabled    State = "disabled"    // in the keystore, by pgseal keys disable
	Refused     State = "refused"     // KMS says no
	Unreachable State = "unreachable" // KMS does not answer
	Destroyed   State = "destroyed"   // its data keys were, by pgseal keys destroy
	Replacing   State = "replacing"   // as OK, while some data keys may hang on the org's former key
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
	orgs := r.orgs.all()
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
	case o.key.State == keystore.Destroyed:
		h.State, h.Reason = Destroyed, "its data keys were destroyed"
	case o.key.State != keystore.Enabled:
		h.State, h.Reason = Disabled, "disabled in the keystore"
	case o.refusal != nil:
		h.State, h.Reason = Refused, o.refusal.Reason
	case o.silence != nil:
		h.State, h.Reason = Unreachable, o.silence.Reason
	case o.checked.IsZero():
		h.State = Unchecked
	case o.key.Previous != nil:
		h.State = Replacing
	}
	return h
}
