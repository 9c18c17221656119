package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/internal/config"
)

func newKeysState(a *app, state keystore.State) *cobra.Command {
	word, short, long := "disable", "Stop using an organisation's key",
		`Stop using an organisation's key in every pgseal process, within a second: its
values can neither be opened nor sealed until the key is enabled again. Nothing
is lost.`
	if state == keystore.Enabled {
		word, short, long = "enable", "Use an organisation's key again",
			`Use an organisation's key again after pgseal keys disable. A key that is
disabled in its KMS must be enabled there.`
	}
	var org string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     word + " --org ORG",
		Short:   short,
		Long:    long,
		Example: "  pgseal keys " + word + " --org acme",
		Args:    cobra.NoArgs,
		RunE: runs(func(ctx context.Context, _ []string) error {
			return a.withStore(ctx, func(_ *config.Config, store *keystore.Store) error {
				if err := store.SetOrgKeyState(ctx, org, state, actor()); err != nil {
					return orgAdvice(err, org)
				}
				a.prose(asJSON).say("The key of org %s is %s; running processes see it within a second.\n", org, state)
				return a.printChanged(ctx, store, org, asJSON)
			})
		}),
	}
	requireOrg(cmd, &org)
	jsonFlag(cmd, &asJSON)
	return cmd
}
