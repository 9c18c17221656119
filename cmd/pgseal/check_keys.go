package main

import (
	"context"
	"strings"
	"time"

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
	f.in("keys", func() { checkKeys(ctx, f, c, store, keys) })
}

// reach asks the keystore whether it is there, for as long as a connection may
// take.
func reach(ctx context.Context, c *config.Config, store *keystore.Store) error {
	ctx, cancel := context.WithTimeout(ctx, c.Upstream.ConnectTimeout)
	defer cancel()
	return store.Check(ctx)
}

func checkKeys(ctx context.Context, f *findings, c *config.Config, store *keystore.Store, keys []keystore.OrgKey) {
	hasDefault := c.Policy.OrgsWithoutKey == policy.UseDefaultKey
	if !hasDefault {
		checkFixedOrgs(f, c.Policy, keys)
		if len(keys) == 0 {
			f.warn("no organisation has a key yet, so nothing can be sealed: pgseal keys add --help")
			return
		}
	}
	provider, err := newProvider(ctx, c.KMS)
	if err != nil {
		f.fail("%v", err)
		return
	}
	if hasDefault {
		checkKey(ctx, f, provider, "the default key", c.KMS.DefaultKey.Key(), "pgseal")
	}
	var onDefault []string
	for _, k := range keys {
		who := "org " + k.Org
		switch k.State {
		case keystore.Disabled:
			f.warn("%s: disabled by pgseal keys disable; its values cannot be read", who)
			continue
		case keystore.Destroyed:
			f.ok("%s: its data keys were destroyed on %s; pgseal keys add lets it start afresh", who, k.Updated.UTC().Format(time.DateOnly))
			continue
		}
		if k.Origin == keystore.Default {
			onDefault = append(onDefault, k.Org)
			switch {
			case !hasDefault:
				f.warn("%s: on the default key, which policy.orgs_without_key does not allow any more: it can read what it has sealed, and write no more", who)
			case k.ARN != c.KMS.DefaultKey.ARN:
				f.warn("%s: on a default key, %s, that kms.default_key does not name any more: pgseal keys replace --org %s --arn … exchanges it", who, k.ARN, k.Org)
			}
		}
		checkKey(ctx, f, provider, who, k.Key, k.Org)
		checkWraps(ctx, f, c.KMS, provider, store, k)
	}
	if len(onDefault) > 0 {
		f.warn("%s %s on the default key, which they can't turn off: %s. pgseal keys add --org … gives an org its own",
			count(len(onDefault), "org"), are(len(onDefault)), strings.Join(onDefault, ", "))
	}
}

// are is the verb for so many.
func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// checkFixedOrgs finds the orgs that the policy names itself, and that have no key.
func checkFixedOrgs(f *findings, p *policy.Policy, keys []keystore.OrgKey) {
	known := map[string]bool{}
	for _, k := range keys {
		known[k.Org] = true
	}
	for _, t := range p.Tables {
		if t.Org.Kind == policy.OrgFixed && !known[t.Org.Value] {
			f.fail("org %s, to which the policy gives table %s, has no key: pgseal keys add --org %s", t.Org.Value, t.QualifiedName(), t.Org.Value)
		}
	}
}

// checkKey tries a key and its replicas. org is for the encryption context.
func checkKey(ctx context.Context, f *findings, provider kms.Provider, who string, key kms.Key, org string) {
	for _, p := range prove(ctx, provider, key, org) {
		if p.err == nil {
			f.ok("%s: %s makes and opens data keys", who, p.arn)
			continue
		}
		said := map[string]bool{}
		for _, s := range p.steps {
			if s.Err == nil {
				continue
			}
			words := advice(kms.AsError(s.Err))
			if !said[words] {
				f.fail("%s: %s: %s: %s", who, p.arn, s.Permission, words)
			}
			said[words] = true
		}
	}
}
