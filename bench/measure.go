package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// effort is how much is measured.
type effort struct {
	rounds int
	round  time.Duration
	idle   int           // sessions that do nothing
	settle time.Duration // how long they are left alone before memory is looked at
	traced int           // requests whose system calls are counted
}

// measure runs a case on all targets in turn, as often as there are rounds. Each
// round begins with another target.
func (b *bench) measure(ctx context.Context, c Case, e effort, tell func()) (*CaseResult, error) {
	result := &CaseResult{Name: c.Name(), Case: c, Results: map[string]*Result{}}
	crowds := make([]*crowd, len(b.targets))
	defer func() {
		for _, g := range crowds {
			if g != nil {
				g.part()
			}
		}
	}()
	for i, t := range b.targets {
		if t.computes() && (c.TLS || c.Bytes >= gib) {
			continue // as without; and it would take as long as all the rest
		}
		var err error
		if crowds[i], err = b.gather(ctx, c, t); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		result.Results[t.name] = &Result{}
	}
	if c.Rate > 0 {
		rate, err := b.rate(ctx, c, crowds, e)
		if err != nil {
			return nil, err
		}
		result.Rate = rate
	}
	for round := range e.rounds {
		for i := range crowds {
			g := crowds[(i+round)%len(crowds)]
			if g == nil {
				continue
			}
			measured, err := b.round(ctx, g, e.round, result.Rate)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", g.target.name, err)
			}
			r := result.Results[g.target.name]
			r.Rounds = append(r.Rounds, measured)
			tell()
		}
	}
	return result, nil
}

// rate is the share of PgBouncer's throughput, or Postgres's own where there is
// none, that a case of an open loop asks for.
func (b *bench) rate(ctx context.Context, c Case, crowds []*crowd, e effort) (float64, error) {
	at := 0
	for i, t := range b.targets {
		if t.proxy != nil && t.proxy == b.bouncer {
			at = i
		}
	}
	done, err := crowds[at].closed(ctx, e.round)
	if err != nil {
		return 0, err
	}
	return c.Rate * float64(done.ops) / done.took.Seconds(), nil
}

// round measures one target once.
func (b *bench) round(ctx context.Context, g *crowd, d time.Duration, rate float64) (Round, error) {
	if !ops[g.c.Op].reads || g.c.Op == "trace store" {
		if err := b.truncate(ctx, g); err != nil {
			return Round{}, err
		}
	}
	pids := b.pids(g)
	var mallocs float64
	if g.target.proxy != nil {
		resetPeak(g.target.proxy.cmd.Process.Pid)
		mallocs = b.mallocs(ctx, g.target)
	}
	before := map[string]usage{}
	for name, list := range pids {
		before[name] = cpuOf(list)
	}
	var done tally
	var err error
	if rate > 0 {
		done, err = g.open(ctx, d, rate)
	} else {
		done, err = g.closed(ctx, d)
	}
	if err != nil {
		return Round{}, err
	}
	r := roundOf(done, g.c)
	for name, list := range pids {
		if now := cpuOf(list); now.known {
			r.CPU[name] = micro(now.since(before[name])) / float64(done.ops)
		}
	}
	if g.target.proxy != nil {
		peak, _ := memory(g.target.proxy.cmd.Process.Pid)
		r.PeakMiB = float64(peak) / mib
		if mallocs > 0 {
			r.Allocs = (b.mallocs(ctx, g.target) - mallocs) / float64(done.ops)
		}
	}
	return r, nil
}

// roundOf puts a load's times in figures.
func roundOf(done tally, c Case) Round {
	rows := ops[c.Op].rows
	if ops[c.Op].copies {
		rows = int(c.copyRows())
	}
	at := func(p float64) float64 { return float64(done.histogram.ValueAtQuantile(p)) / 1000 }
	r := Round{
		Ops: done.ops, PerSecond: float64(done.ops) / done.took.Seconds(),
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(done.histogram.Max()) / 1000, Mean: done.histogram.Mean() / 1000,
		CPU: map[string]float64{},
	}
	r.Rows = r.PerSecond * float64(rows)
	return r
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// pids are the processes that a target keeps busy.
func (b *bench) pids(g *crowd) map[string][]int {
	pids := map[string][]int{"client": {ourPID}, "Postgres": family(b.postgres)}
	if g.target.proxy != nil {
		pids["proxy"] = []int{g.target.proxy.cmd.Process.Pid}
	}
	return pids
}

// truncate empties the table that is written.
func (b *bench) truncate(ctx context.Context, g *crowd) error {
	conn, err := pgx.Connect(ctx, b.server.DSN("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // the server ends later
	_, err = conn.Exec(ctx, "TRUNCATE "+g.target.empty(g.c))
	return err
}

// mallocs is how many allocations pgseal has made so far, zero for others.
func (b *bench) mallocs(ctx context.Context, t *target) float64 {
	if t.proxy != b.pgseal {
		return 0
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.metrics, nil)
	if err != nil {
		return 0
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer func() { _ = answer.Body.Close() }()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "go_memstats_mallocs_total "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}
