package kms

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
)

// Step is one step of Prove: a permission that pgseal needs on the key, or to get
// at it.
type Step struct {
	Permission string // kms:DescribeKey, kms:GenerateDataKey, kms:Decrypt; sts:AssumeRole where that fails
	Err        error  // nil: proven
}

// proofID is the data key id in the encryption context of a proof: no data key
// can have it, so that a proof's wrapped key is none.
const proofID = 0

// OpAssumeRole is the Op of an Error about the role that a key is used with: the KMS
// was not asked.
const OpAssumeRole = "AssumeRole"

// Prove tries all that pgseal does with an org's key, in the Region of its ARN, and
// throws the data key that it makes away. It returns a step for each permission as far as it got;
// the error joins those of the steps.
func Prove(ctx context.Context, p Provider, key Key, org string) (KeyState, []Step, error) {
	state, err := p.Check(ctx, key)
	if err != nil && AsError(err).Op == OpAssumeRole {
		return state, []Step{{Permission: "sts:AssumeRole", Err: err}}, err
	}
	steps := []Step{{Permission: "kms:DescribeKey", Err: err}}

	ec := EncryptionContext(org, proofID)
	made, err := p.GenerateDataKey(ctx, key, ec)
	defer made.Plaintext.Zero()
	steps = append(steps, Step{Permission: "kms:GenerateDataKey", Err: err})
	if err == nil {
		opened, err := p.Decrypt(ctx, key.With(made.KeyARN), made.Wrapped, ec)
		if err == nil && subtle.ConstantTimeCompare(opened, made.Plaintext) != 1 {
			err = fmt.Errorf("kms: key %s unwraps a data key to another one", key.ARN)
		}
		opened.Zero()
		steps = append(steps, Step{Permission: "kms:Decrypt", Err: err})
	}
	var all []error
	for _, s := range steps {
		all = append(all, s.Err)
	}
	return state, steps, errors.Join(all...)
}
