package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/jackc/pgx/v5"
)

// Latencies are kept from a microsecond to five minutes, to a thousandth.
const (
	shortest = int64(time.Microsecond)
	longest  = int64(5 * time.Minute)
	digits   = 3
)

// crowd is a case's clients of one target.
type crowd struct {
	c       Case
	target  *target
	clients []*client
}

// gather connects a case's clients and has each do its work once, untimed, so that
// statements are prepared and keys are fetched.
func (b *bench) gather(ctx context.Context, c Case, t *target) (_ *crowd, err error) {
	g := &crowd{c: c, target: t}
	defer func() {
		if err != nil {
			g.part()
		}
	}()
	config, err := pgx.ParseConfig(t.dsn(c.TLS))
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = map[Protocol]pgx.QueryExecMode{
		Simple: pgx.QueryExecModeSimpleProtocol, Extended: pgx.QueryExecModeExec, Prepared: pgx.QueryExecModeCacheStatement,
	}[c.Protocol]
	for range c.Clients {
		conn, err := pgx.ConnectConfig(ctx, config.Copy())
		if err != nil {
			return nil, err
		}
		g.clients = append(g.clients, newClient(conn, t, c, &b.ids))
	}
	if err := g.verify(ctx); err != nil {
		return nil, err
	}
	if ops[c.Op].copies {
		return g, nil
	}
	for _, cl := range g.clients {
		for range 10 {
			if err := ops[c.Op].do(ctx, cl); err != nil {
				return nil, err
			}
		}
	}
	return g, nil
}

// verify looks whether what was written comes back, before anything is timed.
func (g *crowd) verify(ctx context.Context) error {
	if !ops[g.c.Op].reads {
		return nil
	}
	c := g.clients[0]
	sql := fmt.Sprintf("SELECT (%s)::text FROM %s WHERE id = $1", c.target.read("payload", g.c.Type), c.read)
	if g.c.Type == "bytea" {
		sql = fmt.Sprintf("SELECT %s FROM %s WHERE id = $1", c.target.read("payload", g.c.Type), c.read)
	}
	var got []byte
	if err := c.conn.QueryRow(ctx, sql, int64(7)).Scan(&got); err != nil {
		return fmt.Errorf("read a row: %w", err)
	}
	want := c.payload[7]
	if g.c.Type == "jsonb" && len(got) >= len(want) { // in jsonb's own order and spacing
		return nil
	}
	if string(got) != want {
		return fmt.Errorf("%d bytes come back that are not the %d that were written", len(got), len(want))
	}
	return nil
}

// part closes the connections.
func (g *crowd) part() {
	for _, c := range g.clients {
		_ = c.conn.Close(context.Background()) // the server ends later
	}
}

// tally is what came of a load.
type tally struct {
	histogram *hdrhistogram.Histogram // of nanoseconds
	ops       int64
	took      time.Duration
}

// closed has each client send its next request when it has the answer to the one
// before, for so long, once at least.
func (g *crowd) closed(ctx context.Context, d time.Duration) (tally, error) {
	until := time.Now().Add(d)
	return g.together(ctx, func(ctx context.Context, c *client, _ int, record func(time.Duration)) error {
		for {
			began := time.Now()
			if err := ops[g.c.Op].do(ctx, c); err != nil {
				return err
			}
			now := time.Now()
			record(now.Sub(began))
			if now.After(until) {
				return nil
			}
		}
	})
}

// open sends requests at a fixed rate a second, whether or not those before are
// answered, as far as there are clients free. A latency counts from when the
// request was due: one that has to wait for a slow one before it waits in the
// figure too, which a closed loop would leave out (coordinated omission).
func (g *crowd) open(ctx context.Context, d time.Duration, rate float64) (tally, error) {
	n := len(g.clients)
	start := time.Now()
	return g.together(ctx, func(ctx context.Context, c *client, i int, record func(time.Duration)) error {
		for k := i; ; k += n {
			due := start.Add(time.Duration(float64(k) / rate * float64(time.Second)))
			if due.Sub(start) > d {
				return nil
			}
			time.Sleep(time.Until(due))
			if err := ops[g.c.Op].do(ctx, c); err != nil {
				return err
			}
			record(time.Since(due))
		}
	})
}

// together runs do for each client at once, and adds up what they record.
func (g *crowd) together(ctx context.Context, do func(ctx context.Context, c *client, i int, record func(time.Duration)) error) (tally, error) {
	each := make([]*hdrhistogram.Histogram, len(g.clients))
	errs := make([]error, len(g.clients))
	var running sync.WaitGroup
	began := time.Now()
	for i, c := range g.clients {
		each[i] = hdrhistogram.New(shortest, longest, digits)
		running.Go(func() {
			errs[i] = do(ctx, c, i, func(d time.Duration) {
				_ = each[i].RecordValue(min(max(int64(d), shortest), longest)) // in its range
			})
		})
	}
	running.Wait()
	t := tally{histogram: each[0], took: time.Since(began)}
	for _, h := range each[1:] {
		t.histogram.Merge(h)
	}
	t.ops = t.histogram.TotalCount()
	return t, errors.Join(errs...)
}
