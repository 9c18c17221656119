package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/rewrap"
	"github.com/pgseal/pgseal/internal/config"
)

func newKeysList(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the organisations' keys",
		Long: `List the organisations' keys as the keystore has them, with how many data keys
each wraps. While a key is being replaced, REPLACED tells how many of them the
new key wraps already. What KMS says of a key is shown by pgseal keys show, and
tried out by pgseal check.`,
		Example: "  pgseal keys list\n  pgseal keys list --json | jq '.[].org'",
		Args:    cobra.NoArgs,
		RunE: runs(func(ctx context.Context, _ []string) error {
			return a.withStore(ctx, func(c *config.Config, store *keystore.Store) error {
				list, err := listKeys(ctx, c.KMS, store)
				if err != nil {
					return err
				}
				if asJSON {
					return a.printJSON(list)
				}
				return a.printKeys(list)
			})
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func listKeys(ctx context.Context, c config.KMS, store *keystore.Store) ([]keyJSON, error) {
	keys, err := store.OrgKeys(ctx)
	if err != nil {
		return nil, err
	}
	counts, err := store.AllCounts(ctx)
	if err != nil {
		return nil, err
	}
	list := []keyJSON{}
	for _, k := range keys {
		j := toJSON(k, counts[k.Org])
		if k.Previous != nil {
			if j.Replacement.Wrapped, err = wrapped(ctx, c, store, k); err != nil {
				return nil, err
			}
		}
		list = append(list, j)
	}
	return list, nil
}

// wrapped counts an org's data keys that its present key wraps; nil when KMS does
// not tell which key that is.
func wrapped(ctx context.Context, c config.KMS, store *keystore.Store, k keystore.OrgKey) (*int, error) {
	arns := wrapARNs(ctx, c, k.Key)
	if arns == nil {
		return nil, nil
	}
	n, err := store.Counts(ctx, k.Org, arns)
	if err != nil {
		return nil, err
	}
	return &n.Wrapped, nil
}

func (a *app) printKeys(keys []keyJSON) error {
	if len(keys) == 0 {
		_, err := fmt.Fprintln(a.stdout, "No organisation has a key yet: pgseal keys add --help")
		return err
	}
	t := table(a.stdout)
	row := writesRows(t) // Flush gives the error
	row("ORG", "NAME", "STATE", "ORIGIN", "DATA KEYS", "REPLACED", "REGION", "ARN")
	for _, k := range keys {
		row(k.Org, k.Name, k.State, k.Origin, strconv.Itoa(k.DataKeys.Live), k.Replacement.progress(k.DataKeys.Live), dash(k.Region), k.ARN)
	}
	return t.Flush()
}

// progress says how far a change of keys is.
func (r *replacementJSON) progress(live int) string {
	switch {
	case r == nil:
		return "-"
	case r.Wrapped == nil:
		return "unknown"
	}
	return fmt.Sprintf("%d of %d", *r.Wrapped, live)
}

// wrapARNs are the ARNs that the record of a data key may have for the key that
// wraps it: its own and, of a multi-Region key, those of its replicas. What an alias
// stands for is asked of KMS; nil when that does not tell.
func wrapARNs(ctx context.Context, c config.KMS, key kms.Key) []string {
	if !strings.Contains(key.ARN, ":alias/") {
		return append([]string{key.ARN}, key.Replicas...)
	}
	provider, err := newProvider(ctx, c)
	if err != nil {
		return nil
	}
	target, _ := rewrap.Resolve(ctx, provider, key) // no ARNs on an error
	return target.ARNs
}
