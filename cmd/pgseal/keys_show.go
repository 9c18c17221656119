package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/crypto/audit"
	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/config"
)

// eventsShown is how many changes keys show prints, out of the audit log.
const eventsShown = 10

func newKeysShow(a *app) *cobra.Command {
	var org string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show --org ORG",
		Short: "Show an organisation's key, what KMS says about it, and its history",
		Long: `Show an organisation's key as the keystore has it, its data keys, what its KMS
says now about it and each of its replicas (DescribeKey; of its own rotation as
far as KMS tells), how far a replacement is, and the latest changes. Who has
opened its data is in the audit log too: pgseal audit list --org ORG.`,
		Example: "  pgseal keys show --org acme",
		Args:    cobra.NoArgs,
		RunE: runs(func(ctx context.Context, _ []string) error {
			return a.withStore(ctx, func(c *config.Config, store *keystore.Store) error {
				shown, err := showKey(ctx, c.KMS, store, org)
				if err != nil {
					return err
				}
				if asJSON {
					return a.printJSON(shown)
				}
				return a.printKey(shown)
			})
		}),
	}
	requireOrg(cmd, &org)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// showKey gathers all that is known of an org's key.
func showKey(ctx context.Context, c config.KMS, store *keystore.Store, org string) (keyJSON, error) {
	key, err := store.OrgKey(ctx, org)
	if err != nil {
		return keyJSON{}, orgAdvice(err, org)
	}
	counts, err := store.Counts(ctx, org, nil)
	if err != nil {
		return keyJSON{}, err
	}
	j := toJSON(key, counts)
	j.KMS = lookUp(ctx, c, key.Key, key.ARN)
	for i := range j.Replicas {
		j.Replicas[i].KMS = lookUp(ctx, c, key.Key, j.Replicas[i].ARN)
	}
	if key.Previous != nil {
		j.Replacement.KMS = lookUp(ctx, c, *key.Previous, key.Previous.ARN)
		if j.Replacement.Wrapped, err = wrapped(ctx, c, store, key); err != nil {
			return keyJSON{}, err
		}
	}
	events, err := store.FindEvents(ctx, keystore.EventFilter{Org: org, Except: audit.UseActions, Limit: eventsShown})
	if err != nil {
		return keyJSON{}, err
	}
	for _, e := range events {
		j.Changes = append(j.Changes, changeJSON{e.At, e.Action, e.Actor.Name, e.Actor.Process})
	}
	return j, nil
}

func (a *app) printKey(k keyJSON) error {
	t := table(a.stdout)
	row := writesRows(t) // Flush gives the error
	row("org", k.Org)
	row("name", k.Name)
	row("origin", k.Origin)
	row("state", k.State)
	row("ARN", k.ARN)
	if k.KMS.ARN != "" {
		row("stands for", k.KMS.ARN)
	}
	row("region", dash(k.Region))
	if k.RoleARN != "" {
		row("role", k.RoleARN)
		row("external id", dash(k.ExternalID))
	}
	row("description", dash(k.Description))
	row("in KMS", k.KMS.says())
	if m := k.KMS.Material; m != nil {
		row("material", m.String())
	}
	for _, r := range k.Replicas {
		row("replica", r.ARN+": "+r.KMS.says())
	}
	dataKeys := strconv.Itoa(k.DataKeys.Live)
	if n := k.DataKeys.Destroyed; n > 0 {
		dataKeys += fmt.Sprintf(", and %d destroyed", n)
	}
	row("data keys", dataKeys)
	if r := k.Replacement; r != nil {
		row("replaces", r.PreviousARN+", since "+stamp(r.Since)+": "+r.KMS.says())
		row("replaced", r.progress(k.DataKeys.Live)+" data keys")
	}
	row("added", stamp(k.Created))
	row("changed", stamp(k.Updated))
	if err := t.Flush(); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(a.stdout, "\nLatest changes:")
	for _, c := range k.Changes {
		row("  "+stamp(c.At), c.Action, c.Actor, c.Process)
	}
	return t.Flush()
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (k *kmsJSON) says() string {
	if k.Error != "" {
		return k.State + ": " + k.Error
	}
	return k.State
}

// String puts a key's material in a line.
func (m *materialJSON) String() string {
	text := m.ID
	if text == "" {
		text = "of an id that KMS does not tell"
	}
	if m.LastRotation != nil {
		text += ", rotated " + m.LastRotation.UTC().Format(time.DateOnly)
	}
	switch {
	case m.NextRotation != nil:
		text += ", next " + m.NextRotation.UTC().Format(time.DateOnly)
	case m.Automatic:
		text += ", rotated automatically"
	}
	return text
}

// lookUp asks KMS about a key, or one Region of it. That KMS says no, or nothing,
// is an answer too.
func lookUp(ctx context.Context, c config.KMS, key kms.Key, arn string) *kmsJSON {
	provider, err := newProvider(ctx, c)
	if err != nil {
		return &kmsJSON{State: "unknown", Error: err.Error()}
	}
	key.ARN, key.Replicas = arn, nil
	state, err := kms.Describe(ctx, provider, key)
	said := &kmsJSON{State: state.State}
	if err != nil {
		e := kms.AsError(err)
		said.Error, said.State = advice(e), "unknown"
		if e.Refused {
			said.State = e.Reason
		}
	}
	if state.ARN != arn {
		said.ARN = state.ARN
	}
	if r := state.Rotation; r != (kms.Rotation{}) {
		said.Material = &materialJSON{r.MaterialID, r.Automatic, known(r.Last), known(r.Next)}
	}
	return said
}
