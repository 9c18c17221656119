package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/policy"
)

const policyHelp = `Show what the configuration file's policy seals: a line a column, with the type
that applications see, where a row's org comes from, and what readers get while
the org's key is off. Sealed columns can't be searched: the database has only
sealed bytes. Below it, which database users may open which orgs, and which may
have sealed values as they are stored.

Nothing is contacted; pgseal check tells whether the database agrees.`

func newPolicy(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "policy",
		Short:   "Show which columns are sealed",
		Long:    policyHelp,
		Example: "  pgseal policy --config config.yaml",
		Args:    cobra.NoArgs,
		RunE: runs(func(context.Context, []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			return printPolicy(a.stdout, c.Policy)
		}),
	}
}

// table makes a writer of columns that line up.
func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// writesRows gives a function that writes a row to a table; Flush gives its error.
func writesRows(t io.Writer) func(cells ...string) {
	return func(cells ...string) { _, _ = fmt.Fprintln(t, strings.Join(cells, "\t")) }
}

func printPolicy(w io.Writer, p *policy.Policy) error {
	t := table(w)
	row := writesRows(t)
	row("COLUMN", "TYPE", "ORG FROM", "SEARCHABLE", "ON UNREADABLE")
	for _, table := range p.Tables {
		for _, c := range table.Columns {
			unreadable := c.OnUnreadable.String()
			if c.OnUnreadable == policy.OnUnreadableMask {
				unreadable += " " + c.Mask
			}
			row(c.QualifiedName(), c.Type.String(), table.Org.String(), "no", unreadable)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := printAccess(w, p); err != nil {
		return err
	}
	if p.OrgsWithoutKey == policy.UseDefaultKey {
		if _, err := fmt.Fprintln(w, "\nOrgs that have no key of their own are sealed under the default key (kms.default_key)."); err != nil {
			return err
		}
	}
	if len(p.RawUsers) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "\nMay read and write sealed values as they are stored (pgseal.raw): %s.\n", strings.Join(p.RawUsers, ", "))
	return err
}

func printAccess(w io.Writer, p *policy.Policy) error {
	if len(p.Access) == 0 {
		_, err := fmt.Fprintln(w, "\nEvery database user may open every org.")
		return err
	}
	_, _ = fmt.Fprintln(w) // Flush gives the error, here too
	t := table(w)
	row := writesRows(t)
	row("DATABASE USER", "MAY OPEN")
	for _, access := range p.Access {
		row(everyone(access.User, "every user"), everyone(strings.Join(access.Orgs, ", "), "every org"))
	}
	return t.Flush()
}

// everyone puts words in the place of the policy's asterisk.
func everyone(s, words string) string {
	if s == "*" {
		return words
	}
	return s
}
