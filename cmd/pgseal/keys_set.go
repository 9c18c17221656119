package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/internal/config"
)

const keysSetHelp = `Change what is known of an organisation's key, and the way to it; the key stays
the same. What is not given stays as it is; an empty value takes it away, as in
--replica "". The replicas that are given are all that there are then. A new way
is tried out first, as by pgseal keys add.

Another key takes this one's place by pgseal keys replace.`

func newKeysSet(a *app) *cobra.Command {
	var to keystore.OrgKey
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "set --org ORG [flags]",
		Short: "Change a key's name, description, replicas or role",
		Long:  keysSetHelp,
		Example: `  pgseal keys set --org acme --name "Acme's key since May"
  pgseal keys set --org acme --replica arn:aws:kms:eu-west-1:444455556666:key/mrk-…`,
		Args: cobra.NoArgs,
	}
	requireOrg(cmd, &to.Org)
	accessFlags(cmd, &to)
	describeFlags(cmd, &to)
	jsonFlag(cmd, &asJSON)
	cmd.RunE = runs(func(ctx context.Context, _ []string) error {
		given := func(flag string) bool { return cmd.Flags().Changed(flag) }
		return a.withStore(ctx, func(c *config.Config, store *keystore.Store) error {
			if err := a.prose(asJSON).setKey(ctx, c.KMS, store, to, given); err != nil {
				return fmt.Errorf("keys set: %w", err)
			}
			return a.printChanged(ctx, store, to.Org, asJSON)
		})
	})
	return cmd
}

func (a *app) setKey(ctx context.Context, c config.KMS, store *keystore.Store, to keystore.OrgKey, given func(flag string) bool) error {
	key, err := store.OrgKey(ctx, to.Org)
	if err != nil {
		return orgAdvice(err, to.Org)
	}
	var u keystore.Update
	if given("name") {
		if to.Name == "" {
			to.Name = to.Org
		}
		u.Name = &to.Name
	}
	if given("description") {
		u.Description = &to.Description
	}
	if given("replica") {
		replicas := slices.DeleteFunc(to.Replicas, func(arn string) bool { return arn == "" })
		u.Replicas, key.Replicas = &replicas, replicas
	}
	if given("role-arn") {
		u.RoleARN, key.RoleARN = &to.RoleARN, to.RoleARN
		if to.RoleARN == "" && !given("external-id") { // it goes with the role
			u.ExternalID, key.ExternalID = &to.ExternalID, ""
		}
	}
	if given("external-id") {
		u.ExternalID, key.ExternalID = &to.ExternalID, to.ExternalID
	}
	if u == (keystore.Update{}) {
		return errors.New("nothing is to be changed: give --name, --description, --replica, --role-arn or --external-id")
	}
	if u.Replicas != nil || u.RoleARN != nil || u.ExternalID != nil {
		if err := checkWay(key.Key); err != nil {
			return err
		}
		if _, err := a.proveKey(ctx, c, key.Key, key.Org); err != nil {
			return fmt.Errorf("%w this way, and was not changed: see above for what is missing", err)
		}
	}
	if err := store.UpdateOrgKey(ctx, to.Org, u, actor()); err != nil {
		return orgAdvice(err, to.Org)
	}
	_, err = fmt.Fprintf(a.stdout, "The key of org %s is changed; running processes see it within a second.\n", to.Org)
	return err
}
