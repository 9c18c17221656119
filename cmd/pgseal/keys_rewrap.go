package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/rewrap"
	"github.com/pgseal/pgseal/internal/config"
)

const keysRewrapHelp = `Wrap an organisation's data keys under its present key, as far as they are not:
after pgseal keys replace that was interrupted, or when the alias that the key
is named by stands for another key than before. What they are wrapped under now
stays beside it, until pgseal keys replace --complete.

Run it again at any time: what is done is not done twice, and a process that
works on it already is waited for.`

func newKeysRewrap(a *app) *cobra.Command {
	var org string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "rewrap --org ORG",
		Short:   "Wrap an organisation's data keys under its present key",
		Long:    keysRewrapHelp,
		Example: "  pgseal keys rewrap --org acme",
		Args:    cobra.NoArgs,
		RunE: runs(func(ctx context.Context, _ []string) error {
			return a.withStore(ctx, func(c *config.Config, store *keystore.Store) error {
				if err := a.rewrapKeys(ctx, c.KMS, store, org, asJSON); err != nil {
					return fmt.Errorf("keys rewrap: %w", err)
				}
				return nil
			})
		}),
	}
	requireOrg(cmd, &org)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) rewrapKeys(ctx context.Context, c config.KMS, store *keystore.Store, org string, asJSON bool) error {
	key, err := store.OrgKey(ctx, org)
	if err != nil {
		return orgAdvice(err, org)
	}
	provider, err := newProvider(ctx, c)
	if err != nil {
		return err
	}
	r := &rewrapping{app: a.prose(asJSON), out: a, store: store, provider: provider, org: org, asJSON: asJSON}
	return r.run(ctx, key)
}

// rewrapping is a command that wraps an org's data keys anew.
type rewrapping struct {
	app      *app // for prose
	out      *app // for JSON
	asJSON   bool
	store    *keystore.Store
	provider kms.Provider
	org      string
}

// run wraps all data keys anew and tells how it went.
func (r *rewrapping) run(ctx context.Context, key keystore.OrgKey) error {
	bar := r.app.newProgressLine()
	p, err := r.wrap(ctx, bar)
	bar.end()
	var left *rewrap.LeftError
	goesOn := fmt.Sprintf("%d of %d data keys are wrapped under %s; pgseal keys rewrap --org %s goes on, and so does every running pgseal serve", p.Wrapped, p.DataKeys, key.ARN, r.org)
	switch {
	case err == nil && key.Previous == nil:
		r.app.say("%s wrapped under %s.\n", allOf(p.DataKeys, r.org), key.ARN)
	case err == nil:
		r.app.say("%s wrapped under %s, and under %s still.\npgseal keys replace --org %s --complete ends the change: the old key is needed until then.\n",
			allOf(p.DataKeys, r.org), key.ARN, key.Previous.ARN, r.org)
	case ctx.Err() != nil:
		err = fmt.Errorf("interrupted: %s", goesOn)
	case errors.As(err, &left):
		err = fmt.Errorf("%w: %s", err, goesOn)
	case p.DataKeys > 0:
		err = fmt.Errorf("%w: %s", err, goesOn)
	default:
		err = orgAdvice(err, r.org)
	}
	return errors.Join(err, r.print(key, p, left))
}

// allOf is an org's data keys, with the verb.
func allOf(n int, org string) string {
	switch n {
	case 0:
		return "There are no data keys of org " + org + " that are not"
	case 1:
		return "The only data key of org " + org + " is"
	}
	return fmt.Sprintf("All %d data keys of org %s are", n, org)
}

// waiting is between two looks at another process that works on the org.
const waiting = 500 * time.Millisecond

// wrap wraps all data keys anew, or waits for a process that does.
func (r *rewrapping) wrap(ctx context.Context, bar *progressLine) (rewrap.Progress, error) {
	told := false
	for {
		p, err := rewrap.Run(ctx, r.store, r.provider, r.org, rewrap.Options{By: processName(), Progress: bar.show})
		var busy *rewrap.BusyError
		if !errors.As(err, &busy) {
			return p, err
		}
		if !told {
			told = true
			r.app.say("%s does so already: waiting for it.\n", busy.Worker())
		}
		select {
		case <-time.After(waiting):
		case <-ctx.Done():
			return p, ctx.Err()
		}
		if key, err := r.store.OrgKey(ctx, r.org); err == nil {
			bar.show(r.count(ctx, key))
		}
	}
}

// count counts the org's data keys; all zero when that can't be done.
func (r *rewrapping) count(ctx context.Context, key keystore.OrgKey) rewrap.Progress {
	target, err := rewrap.Resolve(ctx, r.provider, key.Key)
	if err != nil {
		return rewrap.Progress{}
	}
	n, err := r.store.Counts(ctx, r.org, target.ARNs)
	if err != nil {
		return rewrap.Progress{}
	}
	return rewrap.Progress{DataKeys: n.Live, Wrapped: n.Wrapped}
}

// rewrapJSON is how a change of keys stands.
type rewrapJSON struct {
	Org         string        `json:"org"`
	ARN         string        `json:"arn"`
	PreviousARN string        `json:"previous_arn,omitempty"` // while it is needed
	DataKeys    int           `json:"data_keys"`
	Wrapped     int           `json:"wrapped"` // under arn
	Remaining   int           `json:"remaining"`
	Damaged     []uint64      `json:"damaged,omitempty"` // ids
	Refused     []refusalJSON `json:"refused,omitempty"` // by former keys
}

type refusalJSON struct {
	ARN      string `json:"arn"`
	Reason   string `json:"reason"`
	DataKeys int    `json:"data_keys"`
}

// print prints JSON, where that is asked for.
func (r *rewrapping) print(key keystore.OrgKey, p rewrap.Progress, left *rewrap.LeftError) error {
	if !r.asJSON {
		return nil
	}
	j := rewrapJSON{Org: key.Org, ARN: key.ARN, DataKeys: p.DataKeys, Wrapped: p.Wrapped, Remaining: p.Remaining()}
	if key.Previous != nil {
		j.PreviousARN = key.Previous.ARN
	}
	if left != nil {
		j.Damaged = left.Damaged
		for _, refusal := range left.Refused {
			j.Refused = append(j.Refused, refusalJSON(refusal))
		}
	}
	return r.out.printJSON(j)
}

// progressLine tells how far a run is: on a terminal in a line that is written over,
// else in a line now and then.
type progressLine struct {
	app      *app
	terminal bool
	every    time.Duration
	last     time.Time
	written  bool
}

func (a *app) newProgressLine() *progressLine {
	l := &progressLine{app: a, every: 10 * time.Second, last: time.Now()}
	if f, ok := a.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		l.terminal, l.every, l.last = true, 100*time.Millisecond, time.Time{}
	}
	return l
}

// show is rewrap.Options.Progress.
func (l *progressLine) show(p rewrap.Progress) {
	now := time.Now()
	if now.Sub(l.last) < l.every || p.DataKeys == 0 {
		return
	}
	l.last = now
	text := fmt.Sprintf("%d of %d data keys wrapped anew", p.Wrapped, p.DataKeys)
	if p.Failed > 0 {
		text += fmt.Sprintf(", %d in vain", p.Failed)
	}
	if l.terminal {
		l.written = true
		_, _ = fmt.Fprintf(l.app.stderr, "\r%s\x1b[K", text) // to the end of the line
		return
	}
	_, _ = fmt.Fprintln(l.app.stderr, text)
}

// end leaves the line, and takes away what it says: the result says more.
func (l *progressLine) end() {
	if l.written {
		_, _ = fmt.Fprint(l.app.stderr, "\r\x1b[K")
	}
}
