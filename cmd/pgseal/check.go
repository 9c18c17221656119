package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/internal/config"
)

const checkHelp = `Go over everything that pgseal needs, and say in plain words what is well and
what is not:

  config     the configuration file, and the certificates that it names
  database   is each server there, over TLS or not, and does it take writes;
             is the database of a version that fits, with the type pgseal.sealed
  auth       does auth.query run, where pgseal authenticates clients itself
  policy     does each table and column of the policy exist, of the right type
  keystore   is it there and up to date
  keys       does each organisation's key make and open data keys, in each
             Region that is named; is it allowed; is a replacement under way
  revoking   how long values stay readable at most after a key was turned off

A line begins with ok, warn (works, but look at it) or FAIL. The exit code is 1
when there is any FAIL. Nothing is changed.`

func newCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "check",
		Short:   "Tell whether config, database, policy and keys are well, and what to do if not",
		Long:    checkHelp,
		Example: "  pgseal check --config config.yaml",
		Args:    cobra.NoArgs,
		RunE:    runs(func(ctx context.Context, _ []string) error { return a.check(ctx) }),
	}
}

// findings prints what check finds, a line each.
type findings struct {
	w      io.Writer
	area   string
	failed bool
}

func (f *findings) print(mark, format string, args ...any) {
	_, _ = fmt.Fprintf(f.w, "%-4s  %-8s  %s\n", mark, f.area, oneLine(fmt.Sprintf(format, args...))) // there is nobody else to tell
}

func (f *findings) ok(format string, args ...any)   { f.print("ok", format, args...) }
func (f *findings) warn(format string, args ...any) { f.print("warn", format, args...) }
func (f *findings) fail(format string, args ...any) {
	f.failed = true
	f.print("FAIL", format, args...)
}

// in gives findings of another area that count as f's own.
func (f *findings) in(area string, do func()) {
	f.area = area
	do()
}

func (a *app) check(ctx context.Context) error {
	f := &findings{w: a.stdout, area: "config"}
	c, err := a.load()
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			f.fail("%s", p)
		}
		f.print("", "the rest is not looked at until the configuration is right")
		return errReported
	}
	if err != nil {
		return err
	}
	f.in("config", func() { checkConfig(f, a.configFile, c) })
	f.in("database", func() { checkDatabase(ctx, f, c) })
	f.in("auth", func() { checkPasswords(ctx, f, c.Auth) })
	f.in("keystore", func() { checkKeystore(ctx, f, c) })
	f.in("revoking", func() { tellRevocation(f, c) })
	if f.failed {
		return errReported
	}
	return nil
}
