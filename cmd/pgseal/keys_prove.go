package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/config"
)

// proof is how the trial of one key went, or of one Region of it.
type proof struct {
	arn   string
	state kms.KeyState
	steps []kms.Step
	err   error
}

// prove tries a key and each of its replicas by itself: a Region that stands in for
// another would hide what is wrong there.
func prove(ctx context.Context, p kms.Provider, key kms.Key, org string) []proof {
	var proofs []proof
	for _, name := range append([]string{key.ARN}, key.Replicas...) {
		one := key
		one.ARN, one.Replicas = name, nil
		state, steps, err := kms.Prove(ctx, p, one, org)
		proofs = append(proofs, proof{name, state, steps, err})
	}
	return proofs
}

// proveKey tries a key and its replicas, and prints how it went; what is missing,
// with the policies that give it. The error is whole but for the consequence.
func (a *app) proveKey(ctx context.Context, c config.KMS, key kms.Key, org string) (kms.KeyState, error) {
	provider, err := newProvider(ctx, c)
	if err != nil {
		return kms.KeyState{}, err
	}
	proofs := prove(ctx, provider, key, org)
	failed, denied := "", false
	for _, p := range proofs {
		if len(proofs) > 1 {
			_, _ = fmt.Fprintf(a.stdout, "%s\n", p.arn) // the command's own error is what counts, here and below
		}
		a.explainSteps(p.steps)
		if p.err != nil && failed == "" {
			failed = p.arn
		}
		denied = denied || lacksPermission(p.steps)
	}
	if failed == "" {
		return proofs[0].state, nil
	}
	if denied && hasPolicies(key.ARN) {
		_, _ = fmt.Fprintf(a.stdout, "\nIf the key's owner has not let pgseal use it yet:\n\n")
		if err := a.printPolicies(org, key); err != nil {
			return kms.KeyState{}, err
		}
	}
	return kms.KeyState{}, fmt.Errorf("key %s cannot be used", failed)
}

// explainSteps prints what was tried and how it went.
func (a *app) explainSteps(steps []kms.Step) {
	t := table(a.stdout)
	for _, s := range steps {
		result := "ok"
		if s.Err != nil {
			result = "FAIL  " + advice(kms.AsError(s.Err))
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\n", s.Permission, result)
	}
	_ = t.Flush() // the error of the command is what counts
}

// lacksPermission tells whether KMS has refused a step for want of permission.
func lacksPermission(steps []kms.Step) bool {
	for _, s := range steps {
		if s.Err == nil {
			continue
		}
		if reason := kms.AsError(s.Err).Reason; strings.HasPrefix(reason, "AccessDenied") || reason == "PermissionDenied" {
			return true
		}
	}
	return false
}

// advice says in words what a KMS answer means and what to do.
func advice(e *kms.Error) string {
	switch reason := e.Reason; {
	case reason == kms.ReasonNotAllowed && e.Err != nil: // an alias fits, its key does not
		return "the configuration does not allow this key: " + causeOf(e)
	case reason == kms.ReasonNotAllowed:
		return "the configuration does not allow this key: none of the patterns in kms.allow fits its ARN"
	case strings.HasPrefix(reason, "AccessDenied") && e.Op == kms.OpAssumeRole:
		return "AWS does not let pgseal assume the role: there has to be one of that ARN, whose trust policy allows pgseal's AWS identity, with this external id, and pgseal's IAM policy must allow it too"
	case strings.HasPrefix(reason, "AccessDenied"):
		return "KMS does not let pgseal's AWS identity do this: the key policy (and pgseal's IAM policy) must allow it"
	case reason == "PermissionDenied":
		return "KMS does not let pgseal do this: its policy must allow it (" + causeOf(e) + ")"
	case reason == kms.ReasonNoProvider:
		return "no provider of kms.provider has such a key: " + causeOf(e)
	case reason == "NotFoundException" && strings.Contains(e.Key, ":alias/"):
		return "KMS has no such alias, or it stands for no key: check its name, its account and its region"
	case reason == "NotFoundException":
		return "KMS has no such key: check the ARN, its account and its region"
	case reason == "InvalidArnException":
		return "this is not the ARN of a KMS key: check it for typing errors"
	case reason == "DisabledException", reason == "Disabled":
		return "the key is disabled: enable it in KMS"
	case reason == "PendingDeletion", reason == "KMSInvalidStateException":
		return "the key is in a state that allows no use (" + reason + "): cancel its deletion, or wait until it is ready"
	case reason == "InvalidKeyUsageException":
		return "this kind of key wraps no data keys: pgseal needs a symmetric key for encryption"
	case e.Refused && e.Op == "Check":
		return "not a key that can be used: " + causeOf(e)
	case reason == kms.ReasonCredentials && !arn.IsARN(e.Key):
		return "KMS does not accept pgseal's own credentials, or there are none: " + causeOf(e)
	case reason == kms.ReasonCredentials:
		return "no AWS credentials were found: give pgseal a role, a profile (kms.aws.profile) or the environment variables of the AWS SDK"
	case reason == kms.ReasonTimeout && !arn.IsARN(e.Key):
		return "KMS did not answer in time (kms.timeout): check the network"
	case reason == kms.ReasonNetwork && !arn.IsARN(e.Key):
		return "KMS cannot be reached: " + causeOf(e)
	case reason == kms.ReasonTimeout:
		return "KMS did not answer in time (kms.timeout): check the network, the region and kms.aws.endpoint"
	case reason == kms.ReasonNetwork:
		return "KMS cannot be reached: check the network, the region and kms.aws.endpoint"
	case e.Damaged:
		return "KMS does not unwrap what it wrapped itself (" + reason + ")"
	case e.Refused:
		return "KMS refuses: " + reason
	}
	return "KMS answers " + e.Reason + ": try again"
}

func causeOf(e *kms.Error) string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return e.Reason
}
