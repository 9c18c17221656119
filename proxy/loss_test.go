package proxy_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/telemetry"
	"github.com/pgseal/pgseal/internal/wirescript"
	"github.com/pgseal/pgseal/proxy"
)

// signal sends a signal to a server process.
func signal(t *testing.T, pid string, signal syscall.Signal) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err == nil {
		err = syscall.Kill(n, signal)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// sessionGoroutines counts the goroutines that serve clients.
func sessionGoroutines() (n int) {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, stack := range strings.Split(string(stacks), "\n\n") {
		if strings.Contains(stack, "/proxy.(*session).") || strings.Contains(stack, "/proxy.(*Server).serveConn") {
			n++
		}
	}
	return n
}

// TestFact44ServerCrashes: the process of one session is killed. Its client sees
// the connection end without a word, and the others what Postgres tells them, or
// does not.
func TestFact44ServerCrashes(t *testing.T) {
	server := pgtest.Private(t, postgres.Options{})
	f := proxytest.Start(t, proxytest.Options{Database: server.DSN("postgres")})
	proxytest.Exec(t, f.Through, proxytest.NotesTable)
	scripts := map[string]string{
		"idle":              "",
		"in a transaction":  "Q BEGIN\nwait Z",
		"busy":              "Q SELECT pg_sleep(600)",
		"behind some rows":  "P | SELECT 1\nB\nE\nH\nwait C",
		"waiting for COPY":  "Q COPY notes (id, org_id, body) FROM STDIN\nwait G",
		"in a failed state": "Q BEGIN\nQ SELECT 1/0\nwait Z\nwait Z",
	}
	type key struct {
		name string
		dsn  string
	}
	clients := map[key]*wireTest{}
	for name, script := range scripts {
		for _, dsn := range []string{server.DSN("postgres"), f.Through} {
			c := dialWire(t, dsn)
			c.run(script)
			clients[key{name, dsn}] = c
		}
	}
	victim := dialWire(t, f.Through)
	pid := victim.pid()
	signal(t, pid, syscall.SIGKILL)
	if got := victim.rest(); !cmp.Equal(got, []string{wirescript.ConnectionClosed}) {
		t.Errorf("the session whose process was killed: %q", got)
	}
	for name := range scripts {
		want, got := clients[key{name, server.DSN("postgres")}].rest(), clients[key{name, f.Through}].rest()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-Postgres +pgseal):\n%s", name, diff)
		}
	}
	eventually(t, "all sessions are over", func() bool { return f.Server.Clients() == 0 })
}

// TestFact44LossWhileWaiting: the server's process is killed while pgseal waits for
// it, for a key, or for the end of a session. Nothing hangs, and nothing stays.
func TestFact44LossWhileWaiting(t *testing.T) {
	server := pgtest.Private(t, postgres.Options{Settings: map[string]string{"restart_after_crash": "on"}})
	for name, test := range map[string]struct {
		before, script string
		limits         proxy.Limits
		meanwhile      func(*proxytest.Fixture)
	}{
		// The process is stopped, so that it answers nothing.
		"own question":          {"Q SET search_path = pg_temp, public\nwait Z", "Q SELECT id, body FROM notes", proxy.Limits{}, nil},
		"rows that are opened":  {"", "Q SELECT id, body FROM notes\nQ INSERT INTO plain VALUES (1, 'x')", proxy.Limits{}, nil},
		"a name's outcome":      {"", "P s | SELECT id, body FROM notes\nS\nB _ s\nE\nS", proxy.Limits{}, nil},
		"too many replies":      {"", strings.Repeat("S\n", 30_000), proxy.Limits{}, nil},
		"COPY's beginning":      {"", "Q COPY notes (id, org_id, body) FROM STDIN\nd 1\\tacme\\tx\\n\nc", proxy.Limits{}, nil},
		"the client's end":      {"", "Q SELECT id, body FROM notes\nX", proxy.Limits{}, nil},
		"a client that is gone": {"", "Q SELECT id, body FROM notes\nshut", proxy.Limits{}, nil},
		"a key": {
			"", "P | INSERT INTO notes (id, org_id, body) VALUES (9, 'acme', $1)\nB | 'x'\nE\nS", proxy.Limits{KeyTimeout: time.Minute},
			func(f *proxytest.Fixture) { f.KMS.Inject(kmsserver.Fault{Kind: kmsserver.Hang}) },
		},
		"draining": {
			"Q BEGIN\nwait Z", "Q SELECT id, body FROM notes", proxy.Limits{ShutdownGrace: time.Hour},
			func(f *proxytest.Fixture) { go f.Drain() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := pgtest.DatabaseOn(t, server)
			t.Cleanup(func() { // ahead of the database's end
				eventually(t, "the server is there again", func() bool {
					conn, err := pgx.Connect(context.Background(), dsn)
					return err == nil && conn.Close(context.Background()) == nil
				})
			})
			f := proxytest.Start(t, proxytest.Options{Database: dsn, Limits: test.limits})
			proxytest.Exec(t, f.Through, proxytest.NotesTable)
			eventually(t, "no session is left", func() bool { return f.Server.Clients() == 0 })
			witness := proxytest.Connect(t, dsn)
			c := dialWire(t, f.Through)
			pid := c.pid()
			c.run(test.before)
			signal(t, pid, syscall.SIGSTOP)
			if test.meanwhile != nil {
				test.meanwhile(f)
			}
			c.run(test.script)
			signal(t, pid, syscall.SIGKILL)
			got := c.rest()
			for _, line := range got {
				if strings.HasPrefix(line, "E ") {
					t.Errorf("%q: an error that the server has not told", got)
				}
			}
			c.player.Close()
			eventually(t, "the session is over", func() bool { return f.Server.Clients() == 0 })
			eventually(t, "its goroutines have ended", func() bool { return sessionGoroutines() == 0 })
			eventually(t, "the server starts anew", func() bool { return witness.Ping(t.Context()) != nil })
		})
	}
}

// TestSoak: many sessions at once work, and die in all ways. Nothing stays of them.
func TestSoak(t *testing.T) {
	reader := metric.NewManualReader()
	metrics, err := telemetry.NewMetrics(metric.NewMeterProvider(metric.WithReader(reader)).Meter("soak"))
	if err != nil {
		t.Fatal(err)
	}
	f := startWithNotes(t, proxytest.Options{
		Limits: proxy.Limits{ShutdownGrace: 200 * time.Millisecond, IdleTimeout: time.Second},
		Change: func(c *proxy.Config) { c.Metrics = metrics },
	})
	eventually(t, "no session is left", func() bool { return f.Server.Clients() == 0 })
	began := sessionsStarted(t, reader)
	super := proxytest.Connect(t, f.Direct)
	var admin sync.Mutex
	const workers, rounds = 20, 15
	var opened sync.WaitGroup
	for w := range workers {
		opened.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			for round := range rounds {
				if err := liveAndDie(t.Context(), f.Through, random, 1000*w+round+10, func(sql string) {
					admin.Lock()
					defer admin.Unlock()
					_, _ = super.Exec(t.Context(), sql) // the session may have ended already
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	opened.Wait()
	if got := sessionsStarted(t, reader) - began; got != workers*rounds {
		t.Errorf("%d sessions are counted, want %d", got, workers*rounds)
	}
	f.Drain()
	if n := f.Server.Clients(); n != 0 {
		t.Errorf("%d clients are counted when all have gone", n)
	}
	if n := metricSum(t, reader, "pgseal.sessions"); n != 0 {
		t.Errorf("the metric has %d sessions when all have gone", n)
	}
	eventually(t, "the server's processes have ended", func() bool {
		admin.Lock() // one that was to be killed may only now be
		defer admin.Unlock()
		var left int
		err := super.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'soak'").Scan(&left)
		return err == nil && left == 0
	})
	eventually(t, "the goroutines have ended", func() bool { return sessionGoroutines() == 0 })
}

// liveAndDie opens a session, works, and ends it in one of many ways. Of errors
// only those count that come before the end.
func liveAndDie(ctx context.Context, dsn string, random *rand.Rand, id int, super func(sql string)) error {
	conn, err := pgx.Connect(ctx, dsn+"&application_name=soak")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for range random.IntN(3) {
		if _, err := conn.Exec(ctx, "INSERT INTO notes (id, org_id, body) VALUES ($1, 'acme', $2) ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body", id, "body"); err != nil {
			return err
		}
		var body string
		if err := conn.QueryRow(ctx, "SELECT body FROM notes WHERE id = $1", id).Scan(&body); err != nil || body != "body" {
			return fmt.Errorf("read %q: %w", body, err)
		}
	}
	pid := conn.PgConn().PID()
	soon, cancel := context.WithTimeout(ctx, time.Duration(random.IntN(50))*time.Millisecond)
	defer cancel()
	net := conn.PgConn().Conn()
	switch random.IntN(9) {
	case 0: // says goodbye
	case 1: // vanishes
		_ = net.Close()
	case 2: // vanishes from a statement
		go func() { <-soon.Done(); _ = net.Close() }()
		_, _ = conn.Exec(ctx, "SELECT pg_sleep(0.1), body FROM notes LIMIT 3")
	case 3: // is cancelled, and closed by pgx
		_, _ = conn.Exec(soon, "SELECT pg_sleep(600), body FROM notes")
	case 4: // is killed while it is idle
		super(fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid))
	case 5: // is killed within a statement
		go func() { <-soon.Done(); super(fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid)) }()
		_, _ = conn.Exec(ctx, "SELECT pg_sleep(600), body FROM notes")
	case 6: // stops reading
		query, err := (&pgproto3.Query{String: "SELECT body, repeat('x', 1000) FROM notes, generate_series(1, 100000)"}).Encode(nil)
		if err != nil {
			return err
		}
		_, _ = net.Write(query)
		<-soon.Done()
		_ = net.Close()
	case 7: // fails within a COPY
		go func() { <-soon.Done(); _ = net.Close() }()
		_, _ = conn.PgConn().CopyFrom(ctx, endless{}, "COPY notes (id, org_id, body) FROM STDIN")
	case 8: // breaks the protocol
		_, _ = net.Write([]byte{'!', 0, 0, 0, 4})
		_ = conn.Ping(ctx)
	}
	return nil
}

// endless is COPY data without an end.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	return copy(b, "1\tacme\tx\n"), nil
}

func sessionsStarted(t *testing.T, reader metric.Reader) int64 {
	return metricSum(t, reader, "pgseal.sessions.started")
}

// metricSum is the value of a counter.
func metricSum(t *testing.T, reader metric.Reader, name string) int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == name {
				total := int64(0)
				for _, point := range sum.DataPoints {
					total += point.Value
				}
				return total
			}
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
