package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
)

// newWatcher makes a Watcher that waits for upstream as long as a test may.
func newWatcher(dsn string) *catalog.Watcher {
	return catalog.NewWatcher(catalog.WatcherConfig{DSN: dsn, Policy: testPolicy(), Interval: 10 * time.Millisecond, Timeout: time.Minute, Log: slog.New(slog.DiscardHandler)})
}

func refresh(t *testing.T, w *catalog.Watcher) *catalog.Snapshot {
	t.Helper()
	s, err := w.Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if w.Current() != s {
		t.Fatal("what Refresh gives is not what is current")
	}
	if err := w.Ready(); err != nil {
		t.Fatalf("not ready: %v", err)
	}
	return s
}

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !so() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// watchers are the connections of Watchers to the session's database.
const watchers = "FROM pg_catalog.pg_stat_activity WHERE application_name = 'pgseal' AND datname = pg_catalog.current_database()"

func TestWatcherRefreshSeesDDL(t *testing.T) {
	dsn := database(t)
	client, w := connect(t, dsn, "public"), newWatcher(dsn)
	if err := w.Ready(); w.Current() != nil || !errors.Is(err, catalog.ErrNotLoaded) {
		t.Errorf("before the first load: %v", err)
	}
	first := refresh(t, w)
	if first.Version != 1 || first.Relation("public", "spans") != nil {
		t.Errorf("version %d", first.Version)
	}
	if refresh(t, w) != first {
		t.Error("nothing has changed, and the snapshot is another")
	}
	client.exec("CREATE TABLE spans (attributes pgseal.sealed); CREATE VIEW v AS SELECT attributes FROM spans")
	second := refresh(t, w)
	if got := describe(second.Relation("public", "spans")); second.Version != 2 || got != "r as public.spans: attributes 1!*" {
		t.Errorf("version %d: %s", second.Version, got)
	}
	if got := second.Relation("public", "v").Definition; !strings.Contains(got, "public.spans") {
		t.Errorf("definition %q", got)
	}
	if first.Relation("public", "spans") != nil {
		t.Error("the first snapshot was changed")
	}
	if got := client.exec("SELECT count(*) " + watchers); got[0][0] != "1" {
		t.Errorf("%s connections", got[0][0])
	}
}

func TestWatcherConnectsAgain(t *testing.T) {
	dsn := database(t)
	client, w := connect(t, dsn, "public"), newWatcher(dsn)
	first := refresh(t, w)
	if got := client.exec("SELECT pg_catalog.pg_terminate_backend(pid, 60000) " + watchers); len(got) != 1 || got[0][0] != "t" {
		t.Fatalf("ended connections: %v", got)
	}
	if refresh(t, w) != first {
		t.Error("nothing has changed, and the snapshot is another")
	}
	if got := client.exec("SELECT count(*) " + watchers); got[0][0] != "1" {
		t.Errorf("%s connections", got[0][0])
	}
}

// A load that fails on a connection that is still up takes a new one, and leaves
// no old one behind.
func TestWatcherClosesWhatFailed(t *testing.T) {
	dsn := database(t)
	client, w := connect(t, dsn, "public"), newWatcher(dsn)
	first := refresh(t, w)
	old := client.exec("SELECT pid " + watchers)[0][0]
	blocker := connect(t, dsn, "")
	blocker.exec("BEGIN; LOCK TABLE pg_catalog.pg_inherits IN ACCESS EXCLUSIVE MODE")
	done := make(chan error, 1)
	go func() {
		_, err := w.Refresh(context.Background())
		done <- err
	}()
	await(t, "a load that hangs", func() bool {
		return len(client.exec("SELECT 1 "+watchers+" AND wait_event_type = 'Lock'")) == 1
	})
	client.exec("SELECT pg_catalog.pg_cancel_backend(" + old + ")")
	await(t, "another connection alone", func() bool {
		pids := client.exec("SELECT pid " + watchers)
		return len(pids) == 1 && pids[0][0] != old
	})
	blocker.exec("ROLLBACK")
	if err := <-done; err != nil || w.Current() != first {
		t.Errorf("%v", err)
	}
}

// A load that hangs keeps neither Ready nor Current waiting.
func TestWatcherReadyDoesNotWait(t *testing.T) {
	dsn := database(t)
	client, w := connect(t, dsn, "public"), newWatcher(dsn)
	first := refresh(t, w)
	blocker := connect(t, dsn, "")
	blocker.exec("BEGIN; LOCK TABLE pg_catalog.pg_inherits IN ACCESS EXCLUSIVE MODE")
	done := make(chan error, 1)
	go func() {
		_, err := w.Refresh(context.Background())
		done <- err
	}()
	await(t, "a load that hangs", func() bool {
		return client.exec("SELECT count(*) " + watchers + " AND wait_event_type = 'Lock'")[0][0] == "1"
	})
	if err := w.Ready(); err != nil || w.Current() != first {
		t.Errorf("while a load hangs: %v", err)
	}
	select {
	case err := <-done:
		t.Fatalf("the load was over before it was let go: %v", err)
	default:
	}
	blocker.exec("ROLLBACK")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Calls share loads, but none gets one that began before it.
func TestWatcherSharesLoads(t *testing.T) {
	dsn := database(t)
	w := newWatcher(dsn)
	var calls sync.WaitGroup
	for i := range 8 {
		client := connect(t, dsn, "public")
		calls.Go(func() {
			for j := range 5 {
				table := fmt.Sprintf("t_%d_%d", i, j)
				if _, err := client.Query(t.Context(), "CREATE TABLE "+table+" (id int)"); err != nil {
					t.Error(err)
					return
				}
				if s, err := w.Refresh(t.Context()); err != nil || s.Relation("public", table) == nil {
					t.Errorf("%s is not there: %v", table, err)
				}
			}
		})
	}
	calls.Wait()
}

// A load that takes too long has failed, and says so until one succeeds.
func TestWatcherTimesOut(t *testing.T) {
	dsn := database(t)
	w := catalog.NewWatcher(catalog.WatcherConfig{DSN: dsn, Policy: testPolicy(), Timeout: 2 * time.Second})
	first := refresh(t, w)
	blocker := connect(t, dsn, "")
	blocker.exec("BEGIN; LOCK TABLE pg_catalog.pg_inherits IN ACCESS EXCLUSIVE MODE")
	if _, err := w.Refresh(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if err := w.Ready(); !errors.Is(err, context.DeadlineExceeded) || w.Current() != first {
		t.Errorf("after a load that timed out: %v", err)
	}
	blocker.exec("ROLLBACK")
	refresh(t, w)
}

// A caller that goes away says nothing of the upstream database.
func TestWatcherCallerGoesAway(t *testing.T) {
	dsn := database(t)
	client, w := connect(t, dsn, "public"), newWatcher(dsn)
	first := refresh(t, w)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	before := client.exec("SELECT pid " + watchers)
	if _, err := w.Refresh(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if after := client.exec("SELECT pid " + watchers); len(before) != 1 || len(after) != 1 || before[0][0] != after[0][0] {
		t.Errorf("connections %v, then %v", before, after)
	}

	blocker := connect(t, dsn, "")
	blocker.exec("BEGIN; LOCK TABLE pg_catalog.pg_inherits IN ACCESS EXCLUSIVE MODE")
	leaving, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := w.Refresh(leaving)
		done <- err
	}()
	await(t, "a load that hangs", func() bool {
		return client.exec("SELECT count(*) " + watchers + " AND wait_event_type = 'Lock'")[0][0] == "1"
	})
	leave()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := w.Ready(); err != nil || w.Current() != first {
		t.Errorf("after a caller went away: %v", err)
	}
	blocker.exec("ROLLBACK")
	if refresh(t, w) != first {
		t.Error("nothing has changed, and the snapshot is another")
	}
}

// lockedBuffer is read while somebody logs to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestWatcherRun(t *testing.T) {
	server := pgtest.Private(t, postgres.Options{})
	dsn := pgtest.DatabaseOn(t, server)
	migrate(t, dsn)
	var log lockedBuffer
	w := catalog.NewWatcher(catalog.WatcherConfig{DSN: dsn, Policy: testPolicy(), Interval: 10 * time.Millisecond, Timeout: time.Minute, Log: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()

	await(t, "the first load", func() bool { return w.Current() != nil })
	connect(t, dsn, "public").exec("CREATE TABLE spans (attributes pgseal.sealed)")
	await(t, "DDL that nobody told of", func() bool { return w.Current().Relation("public", "spans") != nil })
	if err := server.Halt(); err != nil {
		t.Fatal(err)
	}
	await(t, "a failure", func() bool { return w.Ready() != nil })
	if errors.Is(w.Ready(), catalog.ErrNotLoaded) || w.Current().Relation("public", "spans") == nil {
		t.Errorf("while upstream is down: %v", w.Ready())
	}
	if _, err := w.Refresh(t.Context()); err == nil {
		t.Error("a snapshot is given out as fresh while upstream is down")
	}
	if err := server.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "recovery", func() bool { return w.Ready() == nil && strings.Contains(log.String(), "level=INFO") })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	client := connect(t, dsn, "")
	await(t, "the connection's end", func() bool { return client.exec("SELECT count(*) " + watchers)[0][0] == "0" })
	if warnings, infos := strings.Count(log.String(), "level=WARN"), strings.Count(log.String(), "level=INFO"); warnings != 1 || infos != 1 {
		t.Errorf("%d warnings, %d infos, want one each:\n%s", warnings, infos, log.String())
	}
}

func TestWatcherBadDSN(t *testing.T) {
	w := newWatcher("postgres://pgseal:hunter2@localhost:notaport/db")
	_, err := w.Refresh(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "upstream.dsn: ") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
	if w.Ready() == nil {
		t.Error("ready")
	}
}
