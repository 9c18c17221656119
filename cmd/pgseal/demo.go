package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/internal/demo"
)

const demoHelp = `Show the main job on this machine, with nothing prepared: a private Postgres, a
KMS on loopback with the keys of two organisations, pgseal, and an application
whose traces and request logs go through it.

A Postgres that is installed is used; otherwise one is fetched and kept in the
user's cache folder. All else is removed at the end. With --check the demo does
not stay up: it exits with 0 when every step holds, with 1 when one does not.`

func newDemo(a *app) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Show it all on this machine, with nothing prepared",
		Long:    demoHelp,
		Example: "  pgseal demo\n  pgseal demo --check",
		Args:    cobra.NoArgs,
		RunE: runs(func(ctx context.Context, _ []string) error {
			return demo.Run(ctx, demo.Options{Command: inProcess, Out: a.stdout, Check: check})
		}),
	}
	cmd.Flags().BoolVar(&check, "check", false, "end when all steps are done, and tell by the exit code whether they hold")
	return cmd
}

// inProcess runs a command as the command line would.
func inProcess(ctx context.Context, out io.Writer, args ...string) error {
	var complaint strings.Builder
	if code := run(ctx, args, strings.NewReader(""), out, io.MultiWriter(&complaint, out)); code != exitOK {
		return errors.New(strings.TrimSpace(complaint.String()))
	}
	return nil
}
