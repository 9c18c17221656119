// Command bench measures what pgseal costs:
//
//	go run ./bench            # some three minutes
//	go run ./bench -quick     # half a minute
//
// It starts a Postgres and a pgseal of its own and runs each case on three ways
// in turn: direct to Postgres, through pgseal with nothing sealed, and through
// pgseal with the payload sealed. The ways take turns within each round, so that
// what else the machine does hits all alike; read the ratios, not the times. One
// client, on the same machine as Postgres and pgseal, so a client's and the
// server's work are in each figure.
//
// It does not measure many clients, other payloads, CPU time or other tools.
//
// Files: main.go sets up and tears down, cases.go has the cases, report.go the
// figures and the table.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/sandbox"
	"github.com/pgseal/pgseal/policy"
)

func main() {
	quick := flag.Bool("quick", false, "fewer rounds")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *quick)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// schema has the same table three times; of the last one the policy seals the
// payload.
const schema = `
CREATE TABLE direct (id bigint PRIMARY KEY, org text NOT NULL, payload text);
CREATE TABLE relayed (id bigint PRIMARY KEY, org text NOT NULL, payload text);
CREATE TABLE sealed (id bigint PRIMARY KEY, org text NOT NULL, payload text)`

// run measures, and leaves nothing behind.
func run(ctx context.Context, quick bool) (err error) {
	server, err := postgres.Start(ctx, postgres.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	org := policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org"}
	payload := policy.Column{Name: "payload", Type: policy.Type{Kind: policy.Text}}
	box, err := sandbox.Start(ctx, sandbox.Options{
		Database: server.DSN("postgres"), Log: slog.New(slog.DiscardHandler),
		Policy: &policy.Policy{Tables: []*policy.Table{policy.NewTable("public", "sealed", org, payload)}},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Stop()) }()
	ways, err := openWays(ctx, box)
	if err != nil {
		return err
	}
	defer closeWays(ways)
	if err := describe(ctx, os.Stdout, ways[0].conn); err != nil {
		return err
	}
	for _, c := range cases {
		figures, err := measure(ctx, c, ways, quick)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if err := report(os.Stdout, c, ways, figures); err != nil {
			return err
		}
	}
	return nil
}
