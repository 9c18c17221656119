package rewrap

import (
	"context"
	"slices"
	"strings"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
)

// Target is the key that data keys are to be wrapped under.
type Target struct {
	// ARNs are what wraps under it are known by: the key's own, which is not the
	// alias's, and those of its configured replicas.
	ARNs []string
}

// Has tells whether a wrap is under the key.
func (t Target) Has(arn string) bool { return slices.Contains(t.ARNs, arn) }

// Resolve asks KMS which key an org's key is. A *TargetError when KMS says no to it.
func Resolve(ctx context.Context, provider kms.Provider, key kms.Key) (Target, error) {
	state, err := provider.Check(ctx, key)
	if err != nil {
		if isSilence(err) {
			return Target{}, err
		}
		// One that may not be described, but used, is good enough, if it is
		// clear which it is.
		if state.State != "" || isAlias(key.ARN) {
			return Target{}, &TargetError{key.ARN, err}
		}
	}
	return targetOf(key, state), nil
}

// targetOf is Resolve for one who knows the key's state; it may be zero but for an
// alias. The other Regions of a multi-Region key that are not configured are left out. Their wraps open in this one too, but are known by an ARN that may be
// gone once the organisation has moved from Region to Region.
func targetOf(key kms.Key, state kms.KeyState) Target {
	var arns []string
	add := func(arn string) {
		if arn != "" && !slices.Contains(arns, arn) {
			arns = append(arns, arn)
		}
	}
	if !isAlias(key.ARN) {
		add(key.ARN)
	}
	add(state.ARN)
	for _, replica := range key.Replicas {
		if kms.SameKey(key.ARN, replica) {
			add(replica)
		}
	}
	return Target{ARNs: arns}
}

// isAlias tells whether an ARN stands for whatever key its owner lets it.
func isAlias(arn string) bool { return strings.Contains(arn, ":alias/") }

// via is how pgseal gets at the key that a data key is wrapped under: as at the
// previous one, unless it is in the present one's account and not in the previous
// one's, as after an alias has moved. The key itself is named by the wrap's ARN.
func via(key keystore.OrgKey, arn string) kms.Key {
	if key.Previous != nil && (home(arn) == home(key.Previous.ARN) || home(arn) != home(key.ARN)) {
		return former(*key.Previous, arn)
	}
	return former(key.Key, arn)
}

// former is a key that a wrap names. Its other Regions are asked too, where they are
// of the same key.
func former(key kms.Key, arn string) kms.Key {
	var replicas []string
	for _, other := range append([]string{key.ARN}, key.Replicas...) {
		if other != arn && kms.SameKey(other, arn) {
			replicas = append(replicas, other)
		}
	}
	key.ARN, key.Replicas = arn, replicas
	return key
}

// home is an ARN up to what it names: the provider, Region and account.
func home(arn string) string {
	i := strings.LastIndex(arn, ":")
	return arn[:i+1]
}
