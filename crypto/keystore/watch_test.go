package keystore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pgseal/pgseal/internal/pgtest"
)

// told is what a watcher was told.
type told struct {
	org   string
	all   bool
	state *WatchState
}

// watch has a store watched until the test ends.
func watch(t *testing.T, s *Store) chan told {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	events, ended := make(chan told, 1000), make(chan error, 1)
	go func() {
		ended <- s.Watch(ctx, Watcher{
			Changed: func(orgs []string, all bool) {
				if all {
					events <- told{all: true}
				}
				for _, org := range orgs {
					events <- told{org: org}
				}
			},
			State: func(state WatchState) { events <- told{state: &state} },
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error("watching ended with", err)
		}
	})
	return events
}

// await waits until the watcher is told what is asked for.
func await(t *testing.T, events chan told, what string, is func(told) bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case e := <-events:
			if is(e) {
				return
			}
		case <-deadline:
			t.Fatal("never told: " + what)
		}
	}
}

func listening(e told) bool  { return e.state != nil && e.state.Listening && e.state.Err == nil }
func everything(e told) bool { return e.all }

// TestWatch: every change is told of, also one made by hand; and after a
// connection that is lost, that any org may have changed.
func TestWatch(t *testing.T) {
	s, dsn := migrated(t)
	events := watch(t, s)
	await(t, events, "listening", listening)
	await(t, events, "all", everything)
	conn := connect(t, dsn)
	for _, change := range []struct {
		what string
		do   func()
	}{
		{"add", func() { link(t, s, "acme", "a") }},
		{"disable", func() { mustBe(t, s.SetOrgKeyState(t.Context(), "acme", Disabled, tester), nil) }},
		{"by hand", func() { mustExec(t, conn, "UPDATE pgseal.org_keys SET arn = 'b'") }},
		{"remove", func() { mustBe(t, s.RemoveOrgKey(t.Context(), "acme", tester), nil) }},
	} {
		change.do()
		await(t, events, change.what, func(e told) bool { return e.org == "acme" })
	}
	mustExec(t, conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_notify%' AND pid <> pg_backend_pid()")
	await(t, events, "the loss", func(e told) bool { return e.state != nil && e.state.Err != nil })
	await(t, events, "listening again", listening)
	await(t, events, "all again", everything)
}

// TestPoll: where no notices come, the table is looked at.
func TestPoll(t *testing.T) {
	s, dsn := migrated(t)
	ctx, cancel := context.WithCancel(t.Context())
	events, ended := make(chan told, 1000), make(chan error, 1)
	go func() {
		ended <- poll(ctx, connect(t, dsn), func(_ []string, all bool) { events <- told{all: all} }, time.Now().Add(time.Hour))
	}()
	await(t, events, "the first look", everything)
	link(t, s, "acme", "a")
	await(t, events, "the new key", everything)
	mustBe(t, s.SetOrgKeyState(t.Context(), "acme", Disabled, tester), nil)
	await(t, events, "the disabled key", everything)
	mustBe(t, s.RemoveOrgKey(t.Context(), "acme", tester), nil)
	await(t, events, "the removed key", everything)
	cancel()
	if err := <-ended; err == nil {
		t.Error("polling goes on")
	}
}

// TestWatchDown: a keystore that is not there is tried again.
func TestWatchDown(t *testing.T) {
	dsn := pgtest.Database(t)
	events := watch(t, open(t, dsn))
	await(t, events, "not initialised", func(e told) bool { return e.state != nil && errors.Is(e.state.Err, ErrNotInitialised) })
	if _, err := Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	await(t, events, "listening", listening)
}
