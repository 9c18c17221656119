package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/config"
)

// eventsShown is how many entries of the audit log keys show prints.
const eventsShown = 10

func newKeysShow(a *app) *cobra.Command {
	var org string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show --org ORG",
		Short: "Show an organisation's key, what KMS says about it, and its history",
		Long: `Show an organisation's key as the keystore has it, what its KMS says about it
now (DescribeKey), and the latest entries of the audit log.`,
		Example: "  pgseal keys show --org acme",
		Args:    cobra.NoArgs,
		RunE: runs(func(ctx context.Context, _ []string) error {
			return a.withStore(ctx, func(c *config.Config, store *keystore.Store) error {
				return a.showKey(ctx, c, store, org, asJSON)
			})
		}),
	}
	requireOrg(cmd, &org)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) showKey(ctx context.Context, c *config.Config, store *keystore.Store, org string, asJSON bool) error {
	key, err := store.OrgKey(ctx, org)
	if err != nil {
		return noKey(err, org)
	}
	inKMS := lookUp(ctx, c.KMS, key.Key)
	if asJSON {
		shown := toJSON(key)
		shown.KMS = &inKMS
		return a.printJSON(shown)
	}
	events, err := store.Events(ctx, org, eventsShown)
	if err != nil {
		return err
	}
	t := table(a.stdout)
	row := func(name, value string) { _, _ = fmt.Fprintf(t, "%s\t%s\n", name, value) } // Flush gives the error
	row("org", key.Org)
	row("name", key.Name)
	row("ARN", key.ARN)
	row("region", dash(key.Region))
	row("description", dash(key.Description))
	row("state", string(key.State))
	kmsSays := inKMS.State
	if inKMS.Error != "" {
		kmsSays += ": " + inKMS.Error
	}
	row("in KMS", kmsSays)
	row("added", key.Created.UTC().Format(time.RFC3339))
	row("changed", key.Updated.UTC().Format(time.RFC3339))
	if err := t.Flush(); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(a.stdout, "\nLatest changes:")
	for _, e := range events {
		_, _ = fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", e.At.UTC().Format(time.RFC3339), e.Action, e.Actor.Name, e.Actor.Process)
	}
	return t.Flush()
}

// lookUp asks KMS about a key. That KMS says no, or nothing, is an answer too.
func lookUp(ctx context.Context, c config.KMS, key kms.Key) kmsJSON {
	provider, err := newProvider(ctx, c)
	if err != nil {
		return kmsJSON{State: "unknown", Error: err.Error()}
	}
	state, err := provider.Check(ctx, key)
	if err == nil {
		return kmsJSON{State: state.State}
	}
	e := kms.AsError(err)
	if e.Refused {
		return kmsJSON{State: e.Reason, Error: advice(e)}
	}
	return kmsJSON{State: "unknown", Error: advice(e)}
}
