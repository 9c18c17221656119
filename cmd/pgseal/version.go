package main

import (
	"context"
	"crypto/fips140"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Tell this program's version",
		Args:  cobra.NoArgs,
		RunE: runs(func(context.Context, []string) error {
			mode := "off"
			if fips140.Enabled() {
				mode = "on"
			}
			_, err := fmt.Fprintf(a.stdout, "pgseal %s\n%s %s/%s, FIPS 140-3 mode %s\n",
				buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, mode)
			return err
		}),
	}
}

// buildVersion is the module's version, or the commit that it was built from.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version, revision, modified := info.Main.Version, "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = ", modified"
		}
	}
	if version == "" || version == "(devel)" {
		version = "devel"
	}
	if len(revision) >= 12 {
		version += " (" + revision[:12] + modified + ")"
	}
	return version
}
