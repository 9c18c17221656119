package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/internal/config"
)

const keysDestroyHelp = `Make all that was sealed for an organisation unreadable for good
(crypto-shredding): its wrapped data keys are deleted from the keystore. Nothing
that is done with the key in KMS later brings them back. Reads and writes then
say so (PS001). After pgseal keys add the organisation starts afresh.

The organisation's name has to be typed, or given by --confirm in scripts.

A backup of the keystore (schema pgseal) that was made before still has the
wrapped data keys: with it, and with the organisation's key in KMS, the values
open. They are gone for good when either is.`

func newKeysDestroy(a *app) *cobra.Command {
	var org, confirm string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "destroy --org ORG",
		Short:   "Make all that was sealed for an organisation unreadable for good",
		Long:    keysDestroyHelp,
		Example: "  pgseal keys destroy --org acme\n  pgseal keys destroy --org acme --confirm acme",
		Args:    cobra.NoArgs,
		RunE: runs(func(ctx context.Context, _ []string) error {
			return a.withStore(ctx, func(_ *config.Config, store *keystore.Store) error {
				if err := a.prose(asJSON).destroyKey(ctx, store, org, confirm); err != nil {
					return fmt.Errorf("keys destroy: %w", err)
				}
				return a.printChanged(ctx, store, org, asJSON)
			})
		}),
	}
	requireOrg(cmd, &org)
	cmd.Flags().StringVar(&confirm, "confirm", "", "the `organisation` once more, in place of typing it")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) destroyKey(ctx context.Context, store *keystore.Store, org, confirm string) error {
	key, err := store.OrgKey(ctx, org)
	if err == nil && key.State == keystore.Destroyed {
		err = keystore.ErrDestroyed
	}
	if err != nil {
		return orgAdvice(err, org)
	}
	n, err := store.Counts(ctx, org, nil)
	if err != nil {
		return err
	}
	if err := a.confirmed(ctx, key, n.Live, confirm); err != nil {
		return err
	}
	destroyed, err := store.DestroyOrgKey(ctx, org, actor())
	if err != nil {
		return orgAdvice(err, org)
	}
	if _, err := fmt.Fprintf(a.stdout, "The %s of org %s %s destroyed. Running processes forget what they have opened within a second.\n"+
		"Backups of the keystore from before still have them wrapped: delete those, or the key in KMS.\n", count(destroyed, "data key"), org, were(destroyed)); err != nil {
		return err
	}
	if err := store.Vacuum(ctx); err != nil {
		return fmt.Errorf("the data keys are destroyed, but Postgres's files may have copies of their rows yet: run VACUUM FULL pgseal.data_keys in the keystore: %w", err)
	}
	return nil
}

// confirmed makes sure that it is this org whose data keys are to be destroyed.
func (a *app) confirmed(ctx context.Context, key keystore.OrgKey, dataKeys int, confirm string) error {
	if confirm != "" {
		if confirm != key.Org {
			return fmt.Errorf("--confirm %q is not the org of --org, %q: nothing was destroyed", confirm, key.Org)
		}
		return nil
	}
	if f, ok := a.stdin.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return fmt.Errorf("there is no terminal to ask on: give --confirm %s if all that was sealed for it is to be unreadable for good; nothing was destroyed", key.Org)
	}
	_, _ = fmt.Fprintf(a.stderr, "Org %s (%s) has %s. When %s destroyed, all that was sealed for it is unreadable for good,\n"+
		"whatever is done with its key %s later.\n"+
		"Backups of the keystore from before are not reached: they open with that key.\n"+
		"Type the org's name to go on: ", key.Org, key.Name, count(dataKeys, "data key"), theyAre(dataKeys), key.ARN)
	typed, err := a.readLine(ctx)
	if err != nil {
		return fmt.Errorf("%w: nothing was destroyed", err)
	}
	if typed != key.Org {
		return errors.New("that is not its name: nothing was destroyed")
	}
	return nil
}

// theyAre stands for so many, with the verb.
func theyAre(n int) string {
	if n == 1 {
		return "it is"
	}
	return "they are"
}

// readLine reads a line that a person types, until ctx ends.
func (a *app) readLine(ctx context.Context) (string, error) {
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() { // ends with the process, if nobody types anything
		line, err := bufio.NewReader(a.stdin).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = errors.New("nothing was typed")
		}
		answers <- answer{strings.TrimRight(line, "\r\n"), err}
	}()
	select {
	case typed := <-answers:
		return typed.line, typed.err
	case <-ctx.Done():
		return "", errors.New("interrupted")
	}
}

// were is the verb for so many.
func were(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
