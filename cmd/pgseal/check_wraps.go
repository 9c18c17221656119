package main

import (
	"context"
	"strings"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/config"
)

// replacingLong is how long a change of keys may be under way without a warning.
const replacingLong = 24 * time.Hour

// checkWraps tells how far a change of keys is, or that an alias has moved. What a
// former key wraps alone, it has to open.
func checkWraps(ctx context.Context, f *findings, c config.KMS, provider kms.Provider, store *keystore.Store, k keystore.OrgKey) {
	if k.Previous == nil && !strings.Contains(k.ARN, ":alias/") {
		return
	}
	arns := wrapARNs(ctx, c, k.Key)
	if arns == nil {
		return // checkKey has told why KMS does not tell which key it is
	}
	counts, err := store.Counts(ctx, k.Org, arns)
	if err != nil {
		f.fail("org %s: %v", k.Org, err)
		return
	}
	left := counts.Live - counts.Wrapped
	if k.Previous != nil {
		checkReplacement(ctx, f, provider, k, counts.Live, left)
	} else if left > 0 {
		f.warn("org %s: %s of %d %s wrapped by another key than %s stands for now, which is needed until pgseal keys rewrap --org %s has wrapped them anew",
			k.Org, count(left, "data key"), counts.Live, are(left), k.ARN, k.Org)
	}
}

// checkReplacement is about a change of keys that is under way, with so many data keys
// left of all.
func checkReplacement(ctx context.Context, f *findings, provider kms.Provider, k keystore.OrgKey, all, left int) {
	since := k.Replacing.UTC().Format(time.DateOnly)
	if left == 0 {
		f.warn("org %s: its key replaces %s since %s, and all its data keys are wrapped anew: pgseal keys replace --org %s --complete ends it", k.Org, k.Previous.ARN, since, k.Org)
		return
	}
	if _, err := provider.Check(ctx, *k.Previous); err != nil {
		f.fail("org %s: %s, which is being replaced, has %s left that it wraps alone: %s", k.Org, k.Previous.ARN, count(left, "data key"), advice(kms.AsError(err)))
		return
	}
	tell := f.ok
	if time.Since(k.Replacing) > replacingLong {
		tell = f.warn
	}
	tell("org %s: its key replaces %s since %s: %d of %s are wrapped anew; pgseal serve goes on with that, pgseal keys rewrap --org %s does it at once",
		k.Org, k.Previous.ARN, since, all-left, count(all, "data key"), k.Org)
}
