// Command bench measures what pgseal costs:
//
//	go run ./bench                     # half an hour
//	go run ./bench -quick              # two minutes
//	go run ./bench compare OLD NEW     # what has changed between two runs
//
// It starts a Postgres, a PgBouncer and a pgseal of its own, each a process of its
// own, and runs each case on all targets in turn: direct to Postgres; through
// PgBouncer, which is what a proxy costs that does nothing; through pgseal with
// nothing sealed; through pgseal with the payload sealed; and with pgcrypto, which
// is how the same is done without pgseal. The targets take turns within each round,
// and what is compared are rounds that were measured one after the other, so that
// what else the machine does hits all alike. Client, proxy and Postgres share the
// machine: what one saves the others get.
//
// In closed loops each client sends its next request when it has its answer: that
// gives throughput and the time of a request. Open loops send at a fixed rate, and
// a latency counts from when a request was due.
//
// It does not measure networks, disks (Postgres does not wait for them), or many
// machines.
//
// Files: main.go has the command line, case.go the cases and ops.go what their
// requests are, payload.go what they carry; target.go has the targets, setup.go,
// program.go and certificate.go start them; load.go has the loops, measure.go the
// rounds, idle.go idle sessions, proc.go CPU and memory, strace.go system calls;
// result.go is what comes out, table.go, chart.go and page.go show it, compare.go
// compares two.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/schollz/progressbar/v3"
)

const usageText = `usage: go run ./bench [flags]
       go run ./bench compare OLD.json NEW.json

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// command runs what the arguments say.
func command(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "compare" {
		if len(args) != 3 {
			return errors.New("compare needs two files")
		}
		return compareFiles(os.Stdout, args[1], args[2])
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "some of the cases, shorter")
	only := flags.String("run", "", "only cases whose name matches the `regexp`")
	rounds := flags.Int("rounds", 0, "rounds of a case; 5, or 2 with -quick")
	round := flags.Duration("round", 0, "how long a target has in a round; 1s, or 400ms with -quick")
	out := flags.String("json", "", "write the report to a `file`")
	page := flags.String("page", "", "write benchmarks.md and its charts to a `folder`")
	list := flags.Bool("list", false, "list the cases, and run none")
	flags.Usage = func() {
		_, _ = fmt.Fprint(os.Stderr, usageText)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	e := effort{rounds: 5, round: time.Second, idle: 1000, settle: 3 * time.Second, traced: 3000}
	if *quick {
		e.rounds, e.round = 2, 400*time.Millisecond
	}
	if *rounds > 0 {
		e.rounds = *rounds
	}
	if *round > 0 {
		e.round = *round
	}
	chosen, err := choose(*only, *quick)
	if err != nil {
		return err
	}
	if *list {
		for _, c := range chosen {
			fmt.Println(c.Name())
		}
		return nil
	}
	report, err := run(ctx, chosen, e, strings.Join(append([]string{"go run ./bench"}, args...), " "))
	if err != nil {
		return err
	}
	if err := report.print(os.Stdout); err != nil {
		return err
	}
	if *out != "" {
		if err := report.save(*out); err != nil {
			return err
		}
	}
	if *page != "" {
		return report.writePage(*page)
	}
	return nil
}

// choose gives the cases to be run.
func choose(only string, quick bool) ([]Case, error) {
	matches, err := regexp.Compile(only)
	if err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	var list []Case
	for _, c := range cases() {
		if matches.MatchString(c.Name()) && (c.Quick || !quick) {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("no case matches: go run ./bench -list")
	}
	return list, nil
}

// base is the case that system calls are counted of, and idle sessions do once.
var base = Case{Op: "select 1", Type: "text", Size: kib, Protocol: Prepared, Clients: 1}

// run measures, and leaves nothing behind.
func run(ctx context.Context, list []Case, e effort, command string) (_ *Report, err error) {
	began := time.Now()
	bar := newBar(ctx, 0)
	needed := append([]Case{base}, list...)
	b, err := setUp(ctx, needed, func(step string) { bar.Describe("starting: " + step) })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.tearDown()) }()
	report := b.describe(ctx, command)
	_ = bar.Finish() // it only shows
	bar = newBar(ctx, len(list)*len(b.targets)*e.rounds)
	for _, c := range list {
		bar.Describe(c.Name())
		result, err := b.measure(ctx, c, e, func() { _ = bar.Add(1) }) // it only shows
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name(), err)
		}
		report.Cases = append(report.Cases, result)
	}
	bar.Describe("disk, system calls, idle sessions")
	if report.OnDisk, err = b.onDisk(ctx, needed); err != nil {
		return nil, err
	}
	if report.Calls, err = b.countCalls(ctx, base, e); err != nil {
		report.NotDone = append(report.NotDone, "system calls: "+err.Error())
	}
	if report.Idle, err = b.measureIdle(ctx, base, e); err != nil {
		return nil, err
	}
	_ = bar.Finish() // it only shows
	for _, op := range []string{"GenerateDataKey", "Decrypt", "DescribeKey"} {
		report.KMSCalls += b.kms.Calls(op, "")
	}
	report.Took = time.Since(began).Round(time.Second).String()
	return report, nil
}

// newBar is a bar on the terminal, if there is one.
func newBar(_ context.Context, n int) *progressbar.ProgressBar {
	var to io.Writer = os.Stderr
	if info, err := os.Stderr.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		to = io.Discard
	}
	if n == 0 {
		n = -1
	}
	return progressbar.NewOptions(n, progressbar.OptionSetWriter(to), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true))
}
