package rewrap

import (
	"slices"
	"testing"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
)

const (
	eu      = "arn:aws:kms:eu-central-1:111122223333:key/mrk-1"
	us      = "arn:aws:kms:us-east-1:111122223333:key/mrk-1"
	plain   = "arn:aws:kms:eu-central-1:111122223333:key/2"
	another = "arn:aws:kms:eu-central-1:111122223333:key/3"
	alias   = "arn:aws:kms:eu-central-1:111122223333:alias/acme"
	theirs  = "arn:aws:kms:eu-central-1:444455556666:key/4"
)

func TestTargetOf(t *testing.T) {
	for name, c := range map[string]struct {
		key   kms.Key
		state kms.KeyState
		want  []string
	}{
		"a key":                        {kms.Key{ARN: plain}, kms.KeyState{ARN: plain}, []string{plain}},
		"one that is not described":    {kms.Key{ARN: plain}, kms.KeyState{}, []string{plain}},
		"an alias":                     {kms.Key{ARN: alias}, kms.KeyState{ARN: plain}, []string{plain}},
		"an alias, of several Regions": {kms.Key{ARN: alias}, kms.KeyState{ARN: eu, MultiRegion: true, Replicas: []string{us}}, []string{eu}},
		"Regions that are not named":   {kms.Key{ARN: eu}, kms.KeyState{ARN: eu, MultiRegion: true, Replicas: []string{us}}, []string{eu}},
		"Regions that are":             {kms.Key{ARN: eu, Replicas: []string{us}}, kms.KeyState{ARN: eu}, []string{eu, us}},
		"another Region has answered":  {kms.Key{ARN: eu, Replicas: []string{us}}, kms.KeyState{ARN: us}, []string{eu, us}},
		"no replica of the key":        {kms.Key{ARN: eu, Replicas: []string{plain}}, kms.KeyState{ARN: eu}, []string{eu}},
	} {
		if got := targetOf(c.key, c.state).ARNs; !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestVia(t *testing.T) {
	with := func(key kms.Key, previous *kms.Key) keystore.OrgKey {
		return keystore.OrgKey{Key: key, Previous: previous}
	}
	for name, c := range map[string]struct {
		key  keystore.OrgKey
		arn  string
		want kms.Key
	}{
		"the previous key":           {with(kms.Key{ARN: theirs, RoleARN: "new"}, &kms.Key{ARN: plain, RoleARN: "old"}), plain, kms.Key{ARN: plain, RoleARN: "old"}},
		"another of its account":     {with(kms.Key{ARN: theirs, RoleARN: "new"}, &kms.Key{ARN: alias, RoleARN: "old"}), another, kms.Key{ARN: another, RoleARN: "old"}},
		"of the present one's alone": {with(kms.Key{ARN: plain, RoleARN: "new"}, &kms.Key{ARN: theirs, RoleARN: "old"}), another, kms.Key{ARN: another, RoleARN: "new"}},
		"of neither's":               {with(kms.Key{ARN: plain, RoleARN: "new"}, &kms.Key{ARN: theirs, RoleARN: "old"}), us, kms.Key{ARN: us, RoleARN: "old"}},
		"an alias has moved":         {with(kms.Key{ARN: alias, RoleARN: "role"}, nil), plain, kms.Key{ARN: plain, RoleARN: "role"}},
		"its other Regions":          {with(kms.Key{ARN: plain}, &kms.Key{ARN: eu, Replicas: []string{us}}), us, kms.Key{ARN: us, Replicas: []string{eu}}},
		"not those of another key":   {with(kms.Key{ARN: plain}, &kms.Key{ARN: eu, Replicas: []string{us}}), another, kms.Key{ARN: another}},
		"a key file's":               {with(kms.Key{ARN: plain, RoleARN: "new"}, &kms.Key{ARN: "local:acme"}), "local:acme", kms.Key{ARN: "local:acme"}},
	} {
		got := via(c.key, c.arn)
		if got.ARN != c.want.ARN || got.RoleARN != c.want.RoleARN || !slices.Equal(got.Replicas, c.want.Replicas) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}
