package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/internal/config"
)

const auditHelp = `The audit log in the keystore tells who changed which organisation's key, who
opened an organisation's values (once an hour for each database user), and what
policy.access has refused. Entries are chained: what is altered, deleted or put
in is found by pgseal audit verify. docs/audit.md tells more.`

func newAudit(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "List and verify the audit log",
		Long:  auditHelp,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuditList(a), newAuditVerify(a))
	return cmd
}

// entryJSON is an entry of the audit log as --json prints it: all that its hash is over.
type entryJSON struct {
	ID      int64             `json:"id"`
	At      time.Time         `json:"at"`
	Actor   string            `json:"actor"`
	Process string            `json:"process"`
	Action  string            `json:"action"`
	Org     string            `json:"org"`
	Detail  map[string]string `json:"detail"`
	Prev    string            `json:"prev_hash"`
	Hash    string            `json:"hash"`
}

func newAuditList(a *app) *cobra.Command {
	var filter keystore.EventFilter
	var since string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List entries of the audit log, the newest first",
		Long: `List entries of the audit log, the newest first. --since takes a stretch of time
that ends now (90m, 24h), a day (2026-03-01) or a moment (2026-03-01T09:30:00Z).`,
		Example: "  pgseal audit list --org acme --since 24h\n  pgseal audit list --user acme_reader --limit 0 --json",
		Args:    cobra.NoArgs,
		RunE: runs(func(ctx context.Context, _ []string) error {
			var err error
			if filter.Since, err = parseSince(since, time.Now()); err != nil {
				return fmt.Errorf("--since: %w", err)
			}
			return a.withStore(ctx, func(_ *config.Config, store *keystore.Store) error {
				events, err := store.FindEvents(ctx, filter)
				if err != nil {
					return err
				}
				if asJSON {
					return a.printEntriesJSON(events)
				}
				return a.printEntries(events)
			})
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&filter.Org, "org", "", "of this `organisation` only")
	flags.StringVar(&filter.Actor, "user", "", "by this database `user`, or person who ran a command")
	flags.StringVar(&since, "since", "", "not older than this `time`")
	flags.IntVar(&filter.Limit, "limit", 50, "the newest so many; 0 for all")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// parseSince reads what --since takes; the zero time for nothing.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither a stretch of time such as 24h, nor a day or a moment such as 2026-03-01 or 2026-03-01T09:30:00Z", s)
}

func (a *app) printEntriesJSON(events []keystore.Event) error {
	list := []entryJSON{}
	for i := range events {
		e := &events[i]
		list = append(list, entryJSON{e.ID, e.At.UTC(), e.Actor.Name, e.Actor.Process, e.Action, e.Org, e.Detail, e.Prev.String(), e.Hash.String()})
	}
	return a.printJSON(list)
}

func (a *app) printEntries(events []keystore.Event) error {
	if len(events) == 0 {
		_, err := fmt.Fprintln(a.stdout, "There are no such entries.")
		return err
	}
	t := table(a.stdout)
	row := writesRows(t)
	row("ID", "TIME", "ACTION", "ORG", "BY", "PROCESS", "DETAIL")
	for i := range events {
		e := &events[i]
		var detail []string
		for _, key := range slices.Sorted(maps.Keys(e.Detail)) {
			detail = append(detail, key+"="+e.Detail[key])
		}
		row(fmt.Sprint(e.ID), e.At.UTC().Format(time.RFC3339), shown(e.Action), shown(e.Org), shown(e.Actor.Name), shown(e.Actor.Process), shown(strings.Join(detail, ", ")))
	}
	return t.Flush()
}

// shown is a text as a terminal may have it. pgseal writes none else, but somebody may
// have altered the entry.
func shown(s string) string {
	return dash(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s))
}

// verificationJSON is what audit verify --json prints.
type verificationJSON struct {
	Whole   bool       `json:"whole"`
	Entries int64      `json:"entries"`
	LastID  int64      `json:"last_id"`
	Head    string     `json:"head"`
	TakenIn int64      `json:"taken_in,omitempty"`
	Break   *breakJSON `json:"break,omitempty"`
}

type breakJSON struct {
	ID   int64  `json:"id"`
	Kind string `json:"kind"`
	Text string `json:"text"`
}

func newAuditVerify(a *app) *cobra.Command {
	var heads []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify that the audit log is as pgseal wrote it",
		Long: `Verify the chain of the audit log from its first entry to its last, and tell the
first one that was altered, deleted, put in or moved. The exit code is 1 then.

It prints the last entry's hash, the head. Keep it where nobody who can write to
the database can write, and give it with --head later: only so is it found out
that the last entries were cut off, or that the whole chain was computed anew.
The log of pgseal serve has the hash of each entry too.`,
		Example: "  pgseal audit verify\n  pgseal audit verify --head 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
		Args:    cobra.NoArgs,
		RunE: runs(func(ctx context.Context, _ []string) error {
			var kept []keystore.Hash
			for _, head := range heads {
				h, err := keystore.ParseHash(head)
				if err != nil {
					return fmt.Errorf("--head: %w", err)
				}
				kept = append(kept, h)
			}
			return a.withStore(ctx, func(_ *config.Config, store *keystore.Store) error {
				v, err := store.VerifyAudit(ctx, kept...)
				if err != nil {
					return err
				}
				return a.printVerification(v, asJSON)
			})
		}),
	}
	cmd.Flags().StringArrayVar(&heads, "head", nil, "a `hash` that was kept elsewhere, and must be in the chain; may be given several times")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// printVerification tells what was found. A log that is broken is a failure that is
// reported by that.
func (a *app) printVerification(v keystore.Verification, asJSON bool) error {
	if asJSON {
		printed := verificationJSON{Whole: v.Break == nil, Entries: v.Entries, LastID: v.LastID, Head: v.Head.String(), TakenIn: v.TakenIn}
		if v.Break != nil {
			printed.Break = &breakJSON{v.Break.ID, string(v.Break.Kind), v.Break.Text}
		}
		if err := a.printJSON(printed); err != nil {
			return err
		}
		if v.Break != nil {
			return errReported
		}
		return nil
	}
	if v.TakenIn > 0 {
		_, _ = fmt.Fprintf(a.stdout, "Entries to %d were there before the log was a chain, and were taken into it as they were.\n", v.TakenIn)
	}
	if v.Break != nil {
		_, _ = fmt.Fprintf(a.stdout, "The audit log is broken: %s (%s).\nUp to entry %d it is as pgseal wrote it.\n", v.Break.Text, v.Break.Kind, v.LastID)
		return errReported
	}
	_, err := fmt.Fprintf(a.stdout, "The audit log is whole: %d entries.\nIts head is %s. Keep it elsewhere, and give it as --head later.\n", v.Entries, v.Head)
	return err
}
