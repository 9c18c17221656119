// Package demo is `pgseal demo`: it starts a Postgres, a KMS, pgseal and an
// application of its own, and shows what pgseal does to the application's data.
//
// Everything is real: the commands are pgseal's own, run as a user would run
// them, the KMS is reached with the AWS SDK over HTTP, and the data are the spans
// and request logs of an HTTP service under traffic. Each step checks what it
// shows; a step that does not hold ends the demo with an error.
//
// Files: demo.go runs the steps, environment.go starts and stops what they need,
// steps.go and steps_keys.go have the steps, screen.go prints in 80 columns, latency.go measures,
// and the folder gateway has the application.
package demo

import (
	"context"
	"fmt"
	"io"
)

// Options say how the demo is run.
type Options struct {
	// Command runs a command of pgseal's, such as "init", until it ends or ctx
	// does.
	Command func(ctx context.Context, out io.Writer, args ...string) error
	Out     io.Writer
	// Check: end when all steps are done, instead of waiting for ctx.
	Check bool
}

// step is one thing that the demo shows.
type step struct {
	title string
	run   func(ctx context.Context, e *environment, s *screen) error
}

var steps = []step{
	{"Two organisations, each with a KMS key of its own", showKeys},
	{"The trace store's application runs, its DSN pointing at pgseal", showTraffic},
	{"The same rows, through pgseal and in Postgres", showRows},
	{"A search on a sealed column is refused", showRefusal},
	{"acme disables its key in KMS", showRevocation},
	{"acme enables its key again", showReturn},
	{"acme changes to another key, and deletes the old one", showReplacement},
	{"What it costs", showLatency},
}

// Run runs the demo. It leaves nothing behind.
func Run(ctx context.Context, o Options) (err error) {
	s := &screen{out: o.Out}
	e, err := start(ctx, o.Command, s)
	defer func() {
		if stopped := e.stop(); err == nil {
			err = stopped
		}
	}()
	if err != nil {
		return err
	}
	for i, step := range steps {
		s.title(i+1, step.title)
		if err := step.run(ctx, e, s); err != nil {
			return fmt.Errorf("step %d (%s): %w", i+1, step.title, err)
		}
	}
	if s.err != nil {
		return fmt.Errorf("print: %w", s.err)
	}
	if o.Check {
		s.line("")
		s.line("All %d steps hold.", len(steps))
		return s.err
	}
	showPrompt(e, s)
	select {
	case <-ctx.Done():
		s.line("")
		s.line("Stopping; nothing is left behind.")
		return s.err
	case err := <-e.served:
		return fmt.Errorf("pgseal ended: %w", err)
	}
}
