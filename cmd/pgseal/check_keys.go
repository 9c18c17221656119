package main

import (
	"context"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/config"
	"github.com/pgseal/pgseal/policy"
)

// checkKeystore looks at the keystore and tries each org's key.
func checkKeystore(ctx context.Context, f *findings, c *config.Config) {
	store, err := keystore.Open(ctx, c.Keystore.DSN.Reveal())
	if err != nil {
		f.fail("%v", err)
		return
	}
	defer store.Close()
	if err := reach(ctx, c, store); err != nil {
		if connectFailed(err) {
			f.fail("%v: see that the database runs and that keystore.dsn is right", err)
		} else {
			f.fail("%v", err)
		}
		return
	}
	keys, err := store.OrgKeys(ctx)
	if err != nil {
		f.fail("%v", err)
		return
	}
	f.ok("up to date, with the keys of %s", count(len(keys), "org"))
	f.in("keys", func() { checkKeys(ctx, f, c, keys) })
}

// reach asks the keystore whether it is there, for as long as a connection may
// take.
func reach(ctx context.Context, c *config.Config, store *keystore.Store) error {
	ctx, cancel := context.WithTimeout(ctx, c.Upstream.ConnectTimeout)
	defer cancel()
	return store.Check(ctx)
}

func checkKeys(ctx context.Context, f *findings, c *config.Config, keys []keystore.OrgKey) {
	known := map[string]bool{}
	for _, k := range keys {
		known[k.Org] = true
	}
	for _, t := range c.Policy.Tables {
		if t.Org.Kind == policy.OrgFixed && !known[t.Org.Value] {
			f.fail("org %s, to which the policy gives table %s, has no key: pgseal keys add --org %s", t.Org.Value, t.QualifiedName(), t.Org.Value)
		}
	}
	if len(keys) == 0 {
		f.warn("no organisation has a key yet, so nothing can be sealed: pgseal keys add --help")
		return
	}
	provider, err := newProvider(ctx, c.KMS)
	if err != nil {
		f.fail("%v", err)
		return
	}
	for _, k := range keys {
		if k.State == keystore.Disabled {
			f.warn("org %s: disabled by pgseal keys disable; its values cannot be read", k.Org)
			continue
		}
		_, steps, err := kms.Prove(ctx, provider, k.Key, k.Org)
		if err == nil {
			f.ok("org %s: %s makes and opens data keys", k.Org, k.ARN)
			continue
		}
		said := map[string]bool{}
		for _, s := range steps {
			if s.Err == nil {
				continue
			}
			words := advice(kms.AsError(s.Err))
			if !said[words] {
				f.fail("org %s: %s: %s: %s", k.Org, k.ARN, s.Permission, words)
			}
			said[words] = true
		}
	}
}
