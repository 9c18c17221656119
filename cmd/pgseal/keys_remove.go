package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/internal/config"
)

func newKeysRemove(a *app) *cobra.Command {
	var org string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "remove --org ORG",
		Short: "Remove a key that nothing was sealed under",
		Long: `Remove the key of an organisation that has no data keys yet, as after a mistake
in pgseal keys add. Once something was sealed, the key is needed to read it:
pgseal keys disable takes it out of use, pgseal keys replace exchanges it, and
pgseal keys destroy makes all that was sealed unreadable for good.`,
		Example: "  pgseal keys remove --org acme",
		Args:    cobra.NoArgs,
		RunE: runs(func(ctx context.Context, _ []string) error {
			return a.withStore(ctx, func(_ *config.Config, store *keystore.Store) error {
				key, err := store.OrgKey(ctx, org)
				if err == nil {
					err = store.RemoveOrgKey(ctx, org, actor())
				}
				switch {
				case errors.Is(err, keystore.ErrInUse):
					return inUse(ctx, store, org)
				case errors.Is(err, keystore.ErrDestroyed):
					return fmt.Errorf("keys remove: org %q had data keys, which were destroyed: its entry stays, so that what was sealed with them is told from what is damaged", org)
				case err != nil:
					return orgAdvice(err, org)
				}
				a.prose(asJSON).say("Org %s has no key any more; running processes see it within a second.\n", org)
				if asJSON {
					return a.printJSON(toJSON(key, keystore.Counts{})) // as it was
				}
				return nil
			})
		}),
	}
	requireOrg(cmd, &org)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// inUse says why a key can't be removed, and what can be done instead.
func inUse(ctx context.Context, store *keystore.Store, org string) error {
	n, err := store.Counts(ctx, org, nil)
	if err != nil {
		return err
	}
	return fmt.Errorf("keys remove: org %[1]q has %[2]s, and without its key nothing that was sealed with them could be read: pgseal keys disable --org %[1]s takes the key out of use, pgseal keys replace --org %[1]s --arn … exchanges it, pgseal keys destroy --org %[1]s makes all unreadable for good",
		org, count(n.Live, "data key"))
}
