package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/local"
	"github.com/pgseal/pgseal/internal/config"
	"github.com/pgseal/pgseal/policy"
)

const keysAddHelp = `Add an organisation's key. First the key is tried out: it must be symmetric, for
encryption, and enabled (DescribeKey), make a data key (GenerateDataKey) and
open it again (Decrypt), with the encryption context that pgseal uses. What is
missing is named, with the key policy to paste in AWS KMS. --print-policy prints
that policy and does nothing else.

With kms.provider: local alone, --arn may be left out: a key named after the
organisation is made in the key file.`

const keysAddExample = `  pgseal keys add --org acme --name "Acme's key" \
      --arn arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
  pgseal keys add --org acme --print-policy`

type keysAdd struct {
	key         keystore.OrgKey
	printPolicy bool
}

func newKeysAdd(a *app) *cobra.Command {
	var o keysAdd
	cmd := &cobra.Command{
		Use:     "add --org ORG --arn ARN [flags]",
		Short:   "Add an organisation's key, after trying it out",
		Long:    keysAddHelp,
		Example: keysAddExample,
		Args:    cobra.NoArgs,
		RunE: runs(func(ctx context.Context, _ []string) error {
			if err := policy.CheckOrg(o.key.Org); err != nil {
				return fmt.Errorf("keys add: --org: %w", err)
			}
			if o.printPolicy {
				return a.printKeyPolicy(o.key.Org)
			}
			return a.withStore(ctx, func(c *config.Config, store *keystore.Store) error {
				return a.addKey(ctx, c.KMS, store, o.key)
			})
		}),
	}
	requireOrg(cmd, &o.key.Org)
	f := cmd.Flags()
	f.StringVar(&o.key.Name, "name", "", "a `name` for people; the organisation's unless given")
	f.StringVar(&o.key.ARN, "arn", "", "the key's `ARN` in KMS, or its alias's")
	f.StringVar(&o.key.Region, "region", "", "the key's `region`; the ARN's unless given")
	f.StringVar(&o.key.Description, "description", "", "a `description` for people")
	f.BoolVar(&o.printPolicy, "print-policy", false, "print the key policy that pgseal needs, and add nothing")
	return cmd
}

func (a *app) addKey(ctx context.Context, c config.KMS, store *keystore.Store, key keystore.OrgKey) error {
	// Asked first, so that no key is made in vain.
	if old, err := store.OrgKey(ctx, key.Org); err == nil {
		return fmt.Errorf("keys add: org %q has a key already, %s: exchanging it is not supported yet", key.Org, old.ARN)
	} else if !errors.Is(err, keystore.ErrNotFound) {
		return err
	}
	if key.Name == "" {
		key.Name = key.Org
	}
	if err := a.settleARN(c, &key); err != nil {
		return fmt.Errorf("keys add: %w", err)
	}
	provider, err := newProvider(ctx, c)
	if err != nil {
		return fmt.Errorf("keys add: %w", err)
	}
	state, steps, err := kms.Prove(ctx, provider, key.Key, key.Org)
	if err != nil {
		a.explainSteps(steps)
		if arn.IsARN(key.ARN) && lacksPermission(steps) {
			_, _ = fmt.Fprintf(a.stdout, "\nIf the key's owner has not let pgseal use it yet, this goes into its key policy:\n\n")
			if err := a.printKeyPolicy(key.Org); err != nil {
				return err
			}
		}
		return fmt.Errorf("keys add: key %s cannot be used, and was not added: see above for what is missing", key.ARN)
	}
	a.explainSteps(steps)
	if err := store.AddOrgKey(ctx, key, actor()); err != nil {
		return fmt.Errorf("keys add: %w", err)
	}
	of := ""
	if state.ARN != "" && state.ARN != key.ARN {
		of = ", which stands for " + state.ARN
	}
	_, err = fmt.Fprintf(a.stdout, "Org %s is sealed with %s%s. Running processes use it within seconds.\n", key.Org, key.ARN, of)
	return err
}

// settleARN holds the ARN and region to the form of the key's provider. Where the
// only one is a key file, a key is made for want of an ARN.
func (a *app) settleARN(c config.KMS, key *keystore.OrgKey) error {
	if key.ARN == "" && c.Provider.String() == "local" {
		made, err := local.AddKey(c.Local.File, key.Org, key.Description)
		if err != nil {
			return fmt.Errorf("kms.local.file: %w", err)
		}
		key.ARN = made
		return nil
	}
	if err := checkKeyName(c, key.ARN); err != nil {
		return fmt.Errorf("--arn: %w", err)
	}
	parsed, err := arn.Parse(key.ARN)
	if err != nil {
		return nil // of another provider than AWS
	}
	if key.Region != "" && key.Region != parsed.Region {
		return fmt.Errorf("--region: %s is not the region of the ARN, %s: leave the flag out", key.Region, parsed.Region)
	}
	key.Region = parsed.Region
	return nil
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
		if s.Err != nil && strings.HasPrefix(kms.AsError(s.Err).Reason, "AccessDenied") {
			return true
		}
	}
	return false
}

// advice says in words what a KMS answer means and what to do.
func advice(e *kms.Error) string {
	switch reason := e.Reason; {
	case strings.HasPrefix(reason, "AccessDenied"):
		return "KMS does not let pgseal's AWS identity do this: the key policy (and pgseal's IAM policy) must allow it"
	case reason == kms.ReasonNoProvider:
		return "no provider of kms.provider has such a key: " + causeOf(e)
	case reason == "NotFoundException":
		return "KMS has no such key: check the ARN, its account and its region"
	case reason == "InvalidArnException":
		return "this is not the ARN of a KMS key: check it for typing errors"
	case reason == "DisabledException", reason == "Disabled":
		return "the key is disabled: enable it in KMS"
	case reason == "PendingDeletion", reason == "KMSInvalidStateException":
		return "the key is in a state that allows no use (" + reason + "): cancel its deletion, or wait until it is ready"
	case reason == "SYMMETRIC_DEFAULT", reason == "ENCRYPT_DECRYPT":
		return causeOf(e)
	case e.Refused && e.Op == "Check":
		return "not a key that can be used: " + causeOf(e)
	case reason == kms.ReasonCredentials:
		return "no AWS credentials were found: give pgseal a role, a profile (kms.aws.profile) or the environment variables of the AWS SDK"
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

// statement is a statement of a key policy
// (https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html).
type statement struct {
	Sid       string
	Effect    string
	Principal map[string]string
	Action    []string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

// keyPolicy allows what pgseal does with an org's key, for that org only:
// GenerateDataKey and Decrypt carry the org in their encryption context,
// DescribeKey has none.
func keyPolicy(org string) []statement {
	role := map[string]string{"AWS": "arn:aws:iam::111122223333:role/the-role-that-pgseal-runs-as"}
	return []statement{
		{Sid: "PgsealLooksAtTheKey", Effect: "Allow", Principal: role, Action: []string{"kms:DescribeKey"}, Resource: "*"},
		{Sid: "PgsealUsesTheKey", Effect: "Allow", Principal: role, Action: []string{"kms:GenerateDataKey", "kms:Decrypt"}, Resource: "*",
			Condition: map[string]map[string]string{"StringEquals": {"kms:EncryptionContext:pgseal:org": org}}},
	}
}

func (a *app) printKeyPolicy(org string) error {
	var lines []string
	for _, s := range keyPolicy(org) {
		text, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			return err
		}
		lines = append(lines, string(text))
	}
	_, err := fmt.Fprintln(a.stdout, strings.Join(lines, ",\n"))
	return err
}
