package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/internal/config"
)

// app is what the commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	configFile     string
}

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// failure is an error of a command that was understood and began its work; all
// other errors, cobra's, are about the command line.
type failure struct{ err error }

func (f failure) Error() string { return f.err.Error() }
func (f failure) Unwrap() error { return f.err }

// errReported is the failure of a command that has said itself what is wrong.
var errReported = errors.New("failed")

// runs makes a command's RunE of a function that gets its arguments.
func runs(do func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := do(cmd.Context(), args); err != nil {
			return failure{err}
		}
		return nil
	}
}

// report prints an error, each of its lines with the program's name before it,
// and gives the exit code.
func (a *app) report(err error) int {
	if err == nil {
		return exitOK
	}
	code := exitUsage
	var failed failure
	if errors.As(err, &failed) {
		code = exitFailed
	}
	var problems config.Problems
	if errors.As(err, &problems) {
		code = exitUsage
	}
	if errors.Is(err, errReported) {
		return code
	}
	lines := []string{oneLine(err.Error())}
	switch {
	case problems != nil:
		lines = strings.Split(err.Error(), "\n")
	case code == exitUsage:
		lines = append(lines, "see pgseal --help, or --help behind a command")
	}
	for _, line := range lines {
		_, _ = fmt.Fprintf(a.stderr, "pgseal: %s\n", line) // there is nobody left to tell
	}
	return code
}

// oneLine makes one line of a text, each of whose lines counts once: pgx tells
// of each attempt to connect in one of its own, and tries twice. What was put
// behind the last of them stays.
func oneLine(text string) string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		same := func(earlier string) bool { return strings.HasPrefix(line, earlier) }
		if i := slices.IndexFunc(lines, same); i >= 0 {
			lines[i] = line
		} else {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " ")
}

// load reads the configuration file.
func (a *app) load() (*config.Config, error) { return config.Load(a.configFile) }
