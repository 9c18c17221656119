package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/internal/config"
)

const keysHelp = `Each organisation brings a key of its own in a KMS. Data keys, which seal the
values, are stored only wrapped by it: without it they are of no use.

pgseal keys disable is for the platform's own use. An organisation takes its key
away in its own KMS, and needs nobody for that.`

func newKeys(a *app) *cobra.Command {
	keys := &cobra.Command{
		Use:   "keys",
		Short: "Add, list, show, disable and enable the organisations' keys",
		Long:  keysHelp,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	keys.AddCommand(
		newKeysAdd(a),
		newKeysList(a),
		newKeysShow(a),
		newKeysState(a, keystore.Disabled),
		newKeysState(a, keystore.Enabled),
	)
	return keys
}

// keyJSON is an org key as --json prints it.
type keyJSON struct {
	Org         string    `json:"org"`
	Name        string    `json:"name"`
	ARN         string    `json:"arn"`
	Region      string    `json:"region"`
	Description string    `json:"description"`
	State       string    `json:"state"`
	Created     time.Time `json:"created_at"`
	Updated     time.Time `json:"updated_at"`
	KMS         *kmsJSON  `json:"kms,omitempty"` // keys show: what KMS says now
}

type kmsJSON struct {
	State string `json:"state"`
	Error string `json:"error,omitempty"`
}

func toJSON(k keystore.OrgKey) keyJSON {
	return keyJSON{k.Org, k.Name, k.ARN, k.Region, k.Description, string(k.State), k.Created, k.Updated, nil}
}

func (a *app) printJSON(v any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// withStore runs do with the configuration and its keystore.
func (a *app) withStore(ctx context.Context, do func(*config.Config, *keystore.Store) error) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	store, err := keystore.Open(ctx, c.Keystore.DSN.Reveal())
	if err != nil {
		return err
	}
	defer store.Close()
	if err := do(c, store); err != nil {
		if connectFailed(err) {
			err = fmt.Errorf("%w: see that the database runs and that keystore.dsn is right", err)
		}
		return err
	}
	return nil
}

// actor is who runs the command, for the audit log.
func actor() keystore.Actor {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return keystore.Actor{Name: name, Process: "pgseal keys at " + host}
}

// noKey says what to do when an org has no key.
func noKey(err error, org string) error {
	if errors.Is(err, keystore.ErrNotFound) {
		return fmt.Errorf("org %q has no key: pgseal keys list shows those that have, pgseal keys add --org %s adds one", org, org)
	}
	return err
}

func newKeysList(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the organisations' keys",
		Example: "  pgseal keys list\n  pgseal keys list --json | jq '.[].org'",
		Args:    cobra.NoArgs,
		RunE: runs(func(ctx context.Context, _ []string) error {
			return a.withStore(ctx, func(_ *config.Config, store *keystore.Store) error {
				keys, err := store.OrgKeys(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					list := []keyJSON{}
					for _, k := range keys {
						list = append(list, toJSON(k))
					}
					return a.printJSON(list)
				}
				return a.printKeys(keys)
			})
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) printKeys(keys []keystore.OrgKey) error {
	if len(keys) == 0 {
		_, err := fmt.Fprintln(a.stdout, "No organisation has a key yet: pgseal keys add --help")
		return err
	}
	t := table(a.stdout)
	_, _ = fmt.Fprintln(t, "ORG\tNAME\tSTATE\tREGION\tARN") // Flush gives the error
	for _, k := range keys {
		_, _ = fmt.Fprintln(t, strings.Join([]string{k.Org, k.Name, string(k.State), dash(k.Region), k.ARN}, "\t"))
	}
	return t.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func newKeysState(a *app, state keystore.State) *cobra.Command {
	word, short, long := "disable", "Stop using an organisation's key",
		`Stop using an organisation's key in every pgseal process: its values can neither
be opened nor sealed until the key is enabled again. Nothing is lost. Running
processes see it with their next health check (kms.health_interval).`
	if state == keystore.Enabled {
		word, short, long = "enable", "Use an organisation's key again",
			`Use an organisation's key again after pgseal keys disable. A key that is
disabled in its KMS must be enabled there.`
	}
	var org string
	cmd := &cobra.Command{
		Use:     word + " --org ORG",
		Short:   short,
		Long:    long,
		Example: "  pgseal keys " + word + " --org acme",
		Args:    cobra.NoArgs,
		RunE: runs(func(ctx context.Context, _ []string) error {
			return a.withStore(ctx, func(c *config.Config, store *keystore.Store) error {
				if err := store.SetOrgKeyState(ctx, org, state, actor()); err != nil {
					return noKey(err, org)
				}
				_, err := fmt.Fprintf(a.stdout, "The key of org %s is %s; running processes see it within %s.\n", org, state, c.KMS.HealthInterval)
				return err
			})
		}),
	}
	requireOrg(cmd, &org)
	return cmd
}

// requireOrg gives a command the flag --org, which must be there.
func requireOrg(cmd *cobra.Command, org *string) {
	cmd.Flags().StringVar(org, "org", "", "the `organisation`")
	if err := cmd.MarkFlagRequired("org"); err != nil {
		panic("keys: internal error: " + err.Error())
	}
}
