package main

import (
	"context"
	"fmt"
	"time"
)

// measureIdle opens many sessions on each proxy, has each read a row once and do
// nothing more, and tells what they cost in memory, and others in latency.
func (b *bench) measureIdle(ctx context.Context, c Case, e effort) ([]*IdleResult, error) {
	var list []*IdleResult
	for _, t := range b.targets {
		if t.proxy == nil {
			continue
		}
		r, err := b.idleOn(ctx, c, t, e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		list = append(list, r)
	}
	return list, nil
}

func (b *bench) idleOn(ctx context.Context, c Case, t *target, e effort) (*IdleResult, error) {
	working := c
	working.Clients = 8
	busy, err := b.gather(ctx, working, t)
	if err != nil {
		return nil, err
	}
	defer busy.part()
	if _, err := busy.closed(ctx, e.round); err != nil { // what it needs for work is not the idle sessions'
		return nil, err
	}
	pid := t.proxy.cmd.Process.Pid
	e.rest(ctx)
	_, before := memory(pid)
	c.Clients = e.idle
	many, err := b.gather(ctx, c, t)
	if err != nil {
		return nil, err
	}
	defer many.part()
	e.rest(ctx)
	_, after := memory(pid)
	done, err := busy.closed(ctx, e.round)
	if err != nil {
		return nil, err
	}
	r := roundOf(done, working)
	return &IdleResult{Target: t.name, Sessions: e.idle, KiBEach: float64(after-before) / kib / float64(e.idle), P50: r.P50, P99: r.P99}, nil
}

// rest waits until a program has given back to the system what it does not need:
// Go's runtime takes some seconds for that.
func (e effort) rest(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(e.settle):
	}
}
