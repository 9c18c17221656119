// Command pgseal seals configured columns of a Postgres database, between the
// application and the database.
//
// This package is the command line: flags, words and wiring. What the commands
// do is in the packages that they call. Exit codes: 0 when all went well, 1 when
// something failed, 2 for a wrong command line or configuration file.
//
// Files: main.go and root.go begin, command.go and tls.go have what the commands
// share, and the rest is one file a command, named after it; check_*.go are the
// parts of check, keys_*.go those of keys.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the command line without the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := newRoot(a)
	if args == nil {
		args = []string{} // nil would stand for os.Args
	}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return a.report(root.ExecuteContext(ctx))
}
