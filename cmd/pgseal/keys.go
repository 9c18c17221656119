package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/internal/config"
)

const keysHelp = `Each organisation brings a key of its own in a KMS. Data keys, which seal the
values, are stored only wrapped by it: without it they are of no use.

Every change reaches all pgseal processes within a second. An organisation takes
its key away in its own KMS, and needs nobody for that: pgseal keys disable is
for the platform's own use.`

func newKeys(a *app) *cobra.Command {
	keys := &cobra.Command{
		Use:   "keys",
		Short: "Add, list, show, change and remove the organisations' keys",
		Long:  keysHelp,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	keys.AddCommand(
		newKeysAdd(a),
		newKeysList(a),
		newKeysShow(a),
		newKeysSet(a),
		newKeysReplace(a),
		newKeysRewrap(a),
		newKeysState(a, keystore.Disabled),
		newKeysState(a, keystore.Enabled),
		newKeysRemove(a),
		newKeysDestroy(a),
	)
	return keys
}

// prose is the app for what people read: beside the JSON, where that is asked for.
func (a *app) prose(asJSON bool) *app {
	if !asJSON {
		return a
	}
	beside := *a
	beside.stdout = a.stderr
	return &beside
}

// say prints words; what counts is the error of the command.
func (a *app) say(format string, args ...any) { _, _ = fmt.Fprintf(a.stdout, format, args...) }

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

// orgAdvice says what to do about an org whose state a command does not fit.
func orgAdvice(err error, org string) error {
	switch {
	case errors.Is(err, keystore.ErrNotFound):
		return fmt.Errorf("org %q has no key: pgseal keys list shows those that have, pgseal keys add --org %s adds one", org, org)
	case errors.Is(err, keystore.ErrDestroyed):
		return fmt.Errorf("the data keys of org %q were destroyed, and nothing brings them back: pgseal keys show --org %s tells when, pgseal keys add --org %s --arn … lets it start afresh", org, org, org)
	}
	return err
}

// requireOrg gives a command the flag --org, which must be there.
func requireOrg(cmd *cobra.Command, org *string) {
	cmd.Flags().StringVar(org, "org", "", "the `organisation`")
	if err := cmd.MarkFlagRequired("org"); err != nil {
		panic("keys: internal error: " + err.Error())
	}
}

// dash stands where there is no value.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
