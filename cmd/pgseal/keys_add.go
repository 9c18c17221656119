package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/internal/config"
)

const keysAddHelp = `Add an organisation's key. First the key is tried out: it must be symmetric, for
encryption, and enabled (DescribeKey), make a data key (GenerateDataKey) and
open it again (Decrypt), with the encryption context that pgseal uses; so must
each of its replicas. What is missing is named, with the key policy to paste in
AWS KMS. --print-policy prints that policy and does nothing else.

An organisation that was on the platform's default key changes to its own: new
values are sealed under it at once. One whose data keys were destroyed starts
afresh.

With kms.provider: local alone, --arn may be left out: a key named after the
organisation is made in the key file.`

const keysAddExample = `  pgseal keys add --org acme --name "Acme's key" \
      --arn arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
  pgseal keys add --org acme --print-policy
  pgseal keys add --org acme \
      --arn arn:aws:kms:eu-central-1:444455556666:key/mrk-1234abcd12ab34cd56ef1234567890ab \
      --replica arn:aws:kms:eu-west-1:444455556666:key/mrk-1234abcd12ab34cd56ef1234567890ab \
      --role-arn arn:aws:iam::444455556666:role/pgseal --external-id 7f3c9a`

func newKeysAdd(a *app) *cobra.Command {
	var key keystore.OrgKey
	var printPolicy, asJSON bool
	cmd := &cobra.Command{
		Use:     "add --org ORG --arn ARN [flags]",
		Short:   "Add an organisation's key, after trying it out",
		Long:    keysAddHelp,
		Example: keysAddExample,
		Args:    cobra.NoArgs,
		RunE: runs(func(ctx context.Context, _ []string) error {
			if err := checkOrg(key.Org); err != nil {
				return fmt.Errorf("keys add: %w", err)
			}
			if printPolicy {
				return a.printPolicies(key.Org, key.Key)
			}
			return a.withStore(ctx, func(c *config.Config, store *keystore.Store) error {
				if err := a.prose(asJSON).addKey(ctx, c, store, key); err != nil {
					return fmt.Errorf("keys add: %w", err)
				}
				return a.printChanged(ctx, store, key.Org, asJSON)
			})
		}),
	}
	keyFlags(cmd, &key)
	jsonFlag(cmd, &asJSON)
	cmd.Flags().BoolVar(&printPolicy, "print-policy", false, "print the policies that let pgseal use the key, and add nothing")
	return cmd
}

func (a *app) addKey(ctx context.Context, c *config.Config, store *keystore.Store, key keystore.OrgKey) error {
	// Asked first, so that no key is made in vain.
	old, err := store.OrgKey(ctx, key.Org)
	switch {
	case errors.Is(err, keystore.ErrNotFound):
	case err != nil:
		return err
	case old.Origin == keystore.Own && old.State != keystore.Destroyed:
		return fmt.Errorf("org %q has a key already, %s: pgseal keys replace --org %s --arn … exchanges it, pgseal keys set changes what is known of it", key.Org, old.ARN, key.Org)
	}
	if key.Name == "" {
		key.Name = key.Org
	}
	if err := settle(c.KMS, &key); err != nil {
		return err
	}
	state, err := a.proveKey(ctx, c.KMS, key.Key, key.Org)
	if err != nil {
		return fmt.Errorf("%w, and was not added: see above for what is missing", err)
	}
	if err := store.AddOrgKey(ctx, key, actor()); err != nil {
		return err
	}
	of := ""
	if state.ARN != "" && state.ARN != key.ARN {
		of = ", which stands for " + state.ARN
	}
	if _, err = fmt.Fprintf(a.stdout, "Org %s is sealed with %s%s. Running processes use it within a second.\n", key.Org, key.ARN, of); err != nil {
		return err
	}
	return a.afterAdding(ctx, store, old, state.Replicas, key)
}

// afterAdding tells what the org's former state means for what it has sealed, and
// of replicas that could answer too.
func (a *app) afterAdding(ctx context.Context, store *keystore.Store, old keystore.OrgKey, inKMS []string, key keystore.OrgKey) error {
	var err error
	if len(inKMS) > 0 && len(key.Replicas) == 0 {
		_, err = fmt.Fprintf(a.stdout, "The key is in other Regions too. Those that pgseal may ask when its own does not answer: pgseal keys set --org %s --replica %s\n", key.Org, inKMS[0])
	}
	switch {
	case err != nil || old.Org == "":
		return err
	case old.State == keystore.Destroyed:
		_, err = fmt.Fprintln(a.stdout, "What it had sealed before its data keys were destroyed stays unreadable.")
		return err
	}
	now, err := store.OrgKey(ctx, key.Org)
	if err != nil || now.Previous == nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "It was on the default key: what it sealed before stays readable, and its data keys are wrapped anew under its own key in the background.\n"+
		"pgseal keys show --org %[1]s tells how far that is; pgseal keys replace --org %[1]s --complete ends it.\n", key.Org)
	return err
}
