package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/rewrap"
	"github.com/pgseal/pgseal/internal/config"
)

const keysReplaceHelp = `Have another key take the place of an organisation's key, without a row being
written anew and without a statement that fails.

The new key is tried out first, as by pgseal keys add, and one data key is
wrapped under it for trial. Then new data keys are made under the new key at
once, and those that there are get a second wrap, under the new key, beside the
one that they have. Both keys are needed until --complete, which makes the new
wraps the only ones: then the old key can be deleted, and all that was ever
sealed opens.

Wrapping anew can be interrupted: pgseal keys rewrap goes on, and so does every
pgseal serve in the background. --undo goes back to the old key, at any time
before --complete.

A copy of the keystore from before opens with the old key only: keep the key
for as long as a backup of that age may be restored.`

const keysReplaceExample = `  pgseal keys replace --org acme \
      --arn arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
  pgseal keys replace --org acme --complete
  pgseal keys replace --org acme --undo`

// replacing is what the command line says.
type replacing struct {
	key                                   keystore.OrgKey
	name, description                     *string
	complete, undo, noWait, force, asJSON bool
}

func newKeysReplace(a *app) *cobra.Command {
	var o replacing
	cmd := &cobra.Command{
		Use:     "replace --org ORG {--arn ARN [flags] | --complete | --undo}",
		Short:   "Have another key take the place of an organisation's key",
		Long:    keysReplaceHelp,
		Example: keysReplaceExample,
		Args:    cobra.NoArgs,
	}
	keyFlags(cmd, &o.key)
	f := cmd.Flags()
	f.BoolVar(&o.complete, "complete", false, "end the change: the old key is needed no more")
	f.BoolVar(&o.undo, "undo", false, "go back to the old key")
	f.BoolVar(&o.noWait, "no-wait", false, "leave it to running processes to wrap the data keys anew")
	f.BoolVar(&o.force, "force", false, "even if the old key can't be used now: what it alone wraps stays unreadable until it can")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	cmd.MarkFlagsOneRequired("arn", "complete", "undo")
	cmd.MarkFlagsMutuallyExclusive("arn", "complete", "undo")
	cmd.RunE = runs(func(ctx context.Context, _ []string) error {
		if f.Changed("name") {
			o.name = &o.key.Name
		}
		if f.Changed("description") {
			o.description = &o.key.Description
		}
		return a.withStore(ctx, func(c *config.Config, store *keystore.Store) error {
			if err := a.replaceKey(ctx, c.KMS, store, o); err != nil {
				return fmt.Errorf("keys replace: %w", err)
			}
			return nil
		})
	})
	return cmd
}

func (a *app) replaceKey(ctx context.Context, c config.KMS, store *keystore.Store, o replacing) error {
	old, err := store.OrgKey(ctx, o.key.Org)
	if err == nil && old.State == keystore.Destroyed {
		err = keystore.ErrDestroyed
	}
	if err != nil {
		return orgAdvice(err, o.key.Org)
	}
	if old.State == keystore.Disabled {
		return fmt.Errorf("the key of org %q is disabled in the keystore: pgseal keys enable --org %s first", old.Org, old.Org)
	}
	provider, err := newProvider(ctx, c)
	if err != nil {
		return err
	}
	r := &rewrapping{app: a.prose(o.asJSON), out: a, store: store, provider: provider, org: old.Org, asJSON: o.asJSON}
	if o.complete {
		return r.complete(ctx, c, old)
	}
	to := keystore.Replacement{Key: o.key.Key, Region: o.key.Region, Name: o.name, Description: o.description}
	if o.undo {
		to, err = undone(c, old)
	} else if err = fits(old, o.key.ARN); err == nil {
		err = settle(c, &o.key)
		to.Key, to.Region = o.key.Key, o.key.Region
	}
	if err != nil {
		return err
	}
	if err := r.try(ctx, c, old, to.Key, o.force); err != nil {
		return err
	}
	if err := store.ReplaceOrgKey(ctx, old.Org, to, actor()); err != nil {
		return orgAdvice(err, old.Org)
	}
	r.app.say("Org %s is sealed with %s from now on, in place of %s. Running processes use it within a second.\n", old.Org, to.ARN, old.ARN)
	now, err := store.OrgKey(ctx, old.Org)
	if err != nil {
		return err
	}
	if now.Previous == nil {
		r.app.say("There were no data keys to be wrapped anew: %s is needed no more.\n", old.ARN)
		return r.print(now, rewrap.Progress{}, nil)
	}
	if o.noWait {
		r.app.say("Its data keys are wrapped anew in the background: pgseal keys show --org %[1]s tells how far that is, pgseal keys replace --org %[1]s --complete ends it.\n", old.Org)
		return r.print(now, r.count(ctx, now), nil)
	}
	return r.run(ctx, now)
}

// fits tells what is wrong with a change to a key of that ARN.
func fits(old keystore.OrgKey, arn string) error {
	switch {
	case arn == old.ARN && old.Previous != nil:
		return fmt.Errorf("this change is under way: pgseal keys rewrap --org %[1]s goes on with it, pgseal keys replace --org %[1]s --complete ends it", old.Org)
	case arn == old.ARN:
		return fmt.Errorf("org %[1]q has this key already: pgseal keys set changes what is known of it; where it is an alias that stands for another key now, pgseal keys rewrap --org %[1]s", old.Org)
	case old.Previous != nil && arn != old.Previous.ARN:
		return fmt.Errorf("another change is under way, from %s to %s: pgseal keys replace --org %[3]s --complete ends it, or --undo", old.Previous.ARN, old.ARN, old.Org)
	}
	return nil
}

// undone is the way back.
func undone(c config.KMS, old keystore.OrgKey) (keystore.Replacement, error) {
	if old.Previous == nil {
		return keystore.Replacement{}, fmt.Errorf("no change of the key of org %q is under way that could be undone", old.Org)
	}
	to := keystore.Replacement{Key: *old.Previous}
	if parsed, err := arn.Parse(to.ARN); err == nil {
		to.Region = parsed.Region
	}
	if to.ARN == c.DefaultKey.ARN {
		to.Origin = keystore.Default
	}
	return to, nil
}

// try tries all that the change needs of both keys.
func (r *rewrapping) try(ctx context.Context, c config.KMS, old keystore.OrgKey, to kms.Key, force bool) error {
	if _, err := r.app.proveKey(ctx, c, to, old.Org); err != nil {
		return fmt.Errorf("%w, and nothing was changed: see above for what is missing", err)
	}
	err := rewrap.Try(ctx, r.store, r.provider, old, to)
	var target *rewrap.TargetError
	var former *rewrap.FormerError
	step := kms.Step{Permission: "from the old key", Err: err}
	at, err := to, fmt.Errorf("key %s can't take over, and nothing was changed: see above for what is missing", to.ARN)
	switch {
	case step.Err == nil:
		r.app.explainSteps([]kms.Step{step})
		return nil
	case errors.As(step.Err, &target):
		step.Permission = "kms:Encrypt"
	case errors.As(step.Err, &former) && force:
		r.app.explainSteps([]kms.Step{step})
		return nil
	case errors.As(step.Err, &former):
		at, err = old.Key, fmt.Errorf("the old key %s does not open what it has wrapped, and nothing was changed: let pgseal use it until the change is complete; --force changes the key nevertheless, and what the old one alone wraps stays unreadable until then", former.ARN)
	default:
		return step.Err
	}
	r.app.explainSteps([]kms.Step{step})
	if lacksPermission([]kms.Step{step}) && hasPolicies(at.ARN) {
		r.app.say("\nIf its owner has not let pgseal do this yet:\n\n")
		if err := r.app.printPolicies(old.Org, at); err != nil {
			return err
		}
	}
	return err
}

// complete ends a change.
func (r *rewrapping) complete(ctx context.Context, c config.KMS, key keystore.OrgKey) error {
	// The new wraps will be all that there is: now is the last time to see that
	// they are of use.
	if _, err := r.app.proveKey(ctx, c, key.Key, key.Org); err != nil {
		return fmt.Errorf("%w now, and the change was not completed: both keys are needed still", err)
	}
	target, err := rewrap.Resolve(ctx, r.provider, key.Key)
	if err != nil {
		return err
	}
	_, err = r.store.CompleteReplacement(ctx, key.Org, target.ARNs, actor())
	var incomplete *keystore.IncompleteError
	switch {
	case errors.As(err, &incomplete):
		return fmt.Errorf("%s not wrapped under %s yet, and the change was not completed: pgseal keys rewrap --org %s", isAre(incomplete.Remaining, "data key"), key.ARN, key.Org)
	case errors.Is(err, keystore.ErrNotReplacing):
		return fmt.Errorf("no change of the key of org %q is under way", key.Org)
	case err != nil:
		return orgAdvice(err, key.Org)
	}
	now, err := r.store.OrgKey(ctx, key.Org)
	if err != nil {
		return err
	}
	p := r.count(ctx, now)
	r.app.say("The change is complete. %s wrapped under %s alone.\n", allOf(p.Wrapped, key.Org), key.ARN)
	if key.Previous != nil {
		others, err := r.others(ctx, c, *key.Previous)
		switch {
		case err != nil:
			return err
		case others != "":
			r.app.say("It needs %s no more, which %s.\n", key.Previous.ARN, others)
		default:
			r.app.say("%s can be deleted now. A backup of the keystore from before opens with it only.\n", key.Previous.ARN)
		}
	}
	return r.print(now, p, nil)
}

// others tells who else needs a key, in words behind its ARN; "" when nobody does.
func (r *rewrapping) others(ctx context.Context, c config.KMS, key kms.Key) (string, error) {
	if key.ARN == c.DefaultKey.ARN {
		return "is the default key", nil
	}
	keys, err := r.store.OrgKeys(ctx)
	if err != nil {
		return "", err
	}
	for _, k := range keys {
		if k.State != keystore.Destroyed && (k.ARN == key.ARN || k.Previous != nil && k.Previous.ARN == key.ARN) {
			return fmt.Sprintf("org %s needs still", k.Org), nil
		}
	}
	return "", nil
}

// isAre is a number of things, with its verb.
func isAre(n int, word string) string {
	if n == 1 {
		return "1 " + word + " is"
	}
	return count(n, word) + " are"
}
