package keychaos

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/crypto/keyring"
	"github.com/pgseal/pgseal/internal/canary"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/sandbox"
	"github.com/pgseal/pgseal/policy"
)

var (
	chaosFor  = flag.Duration("chaos-for", 8*time.Second, "how long keys are in trouble")
	chaosSeed = flag.Uint64("chaos-seed", 1, "what happens, as far as one number decides it")
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	sessions = 64
	// The first orgs are left alone, the last one's data keys are destroyed.
	orgs, calm = 8, 2
)

func orgName(i int) string { return fmt.Sprintf("org-%d", i%orgs) }

const doomed = orgs - 1

func chaosPolicy() *policy.Policy {
	org := policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org_id"}
	return &policy.Policy{Tables: []*policy.Table{
		policy.NewTable("public", "spans", org, policy.Column{Name: "body", Type: policy.Type{Kind: policy.Text}}),
	}}
}

// options make things happen often: data keys are replaced after a few seals,
// expire after a moment, and serve on in an outage for little longer. Only the
// timeout is long, so that a slow machine is not taken for a silent KMS.
func options() keyring.Options {
	return keyring.Options{
		TTL: 1500 * time.Millisecond, MaxStale: 2500 * time.Millisecond, HealthInterval: 200 * time.Millisecond,
		Negative: 100 * time.Millisecond, Timeout: 30 * time.Second, MaxSeals: 200, Capacity: 200,
	}
}

// world is what the test is about.
type world struct {
	t         *testing.T
	server    *postgres.Server
	log       bytes.Buffer // of all pgseals
	processes []*sandbox.Sandbox
	sessions  []*session

	mu     sync.Mutex
	codes  map[string]int // errors that troubled orgs' sessions have met
	events map[string]int // what happened to keys
}

func TestChaos(t *testing.T) {
	w := &world{t: t, codes: map[string]int{}, events: map[string]int{}}
	w.server = pgtest.Private(t, postgres.Options{LogStatementAll: true, Settings: map[string]string{"max_connections": "300"}})
	dsn := pgtest.DatabaseOn(t, w.server)
	w.start(dsn, nil)
	w.start(dsn, w.processes[0])
	w.execute(w.processes[0].Through, "CREATE TABLE spans (id bigint PRIMARY KEY, org_id text NOT NULL, body text)")

	w.connect()
	w.coldStart()
	w.run()
	t.Logf("what happened: %v; errors: %v", w.events, w.codes)
	for _, what := range []string{"replaced", "replaced back", "completed", "disabled in KMS", "denied", "to be deleted", "disabled", "destroyed"} {
		if w.events[what] == 0 && *chaosFor >= time.Minute {
			t.Errorf("no key was %s", what)
		}
	}
	for _, code := range []string{pgerr.KeyUnavailable, pgerr.KMSUnreachable} {
		if w.codes[code] == 0 && !t.Failed() {
			t.Errorf("nobody has met %s", code)
		}
	}
	w.start(dsn, w.processes[0]) // a process that has nothing open
	w.verify(w.processes[2].Through)
	w.noPlaintext(dsn)
}

// start starts a pgseal beside another one.
func (w *world) start(dsn string, beside *sandbox.Sandbox) {
	w.t.Helper()
	var names []string
	for i := range orgs {
		names = append(names, orgName(i))
	}
	s, err := sandbox.Start(w.t.Context(), sandbox.Options{
		Database: dsn, Policy: chaosPolicy(), Keyring: options(), Orgs: names, Beside: beside,
		Log: slog.New(slog.NewTextHandler(&lockedWriter{w: &w.log, mu: &w.mu}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.processes = append(w.processes, s)
	w.t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			w.t.Errorf("stop pgseal: %v", err)
		}
	})
}

// lockedWriter is a writer for many.
type lockedWriter struct {
	w  *bytes.Buffer
	mu *sync.Mutex
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (w *world) execute(dsn, sql string) {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(w.t.Context(), sql); err != nil {
		w.t.Fatal(err)
	}
}

// connect opens the sessions, half of them to either process.
func (w *world) connect() {
	for i := range sessions {
		conn, err := pgx.Connect(w.t.Context(), w.processes[i/orgs%2].Through)
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { _ = conn.Close(context.Background()) })
		w.sessions = append(w.sessions, &session{
			w: w, number: i, org: orgName(i), calm: i%orgs < calm, conn: conn,
			rng: rand.New(rand.NewPCG(*chaosSeed, uint64(i))), rows: map[int64]string{}, refused: map[int64]bool{},
		})
	}
}

// coldStart has all sessions write at once, with no data key anywhere: each process
// asks KMS once for each org.
func (w *world) coldStart() {
	var wg sync.WaitGroup
	for _, s := range w.sessions {
		wg.Go(func() { s.insert(w.t.Context()) })
	}
	wg.Wait()
	first := w.processes[0]
	for org, arn := range first.Keys {
		if n := first.KMS.Calls("GenerateDataKey", arn); n != 2 {
			w.t.Errorf("%d calls of GenerateDataKey for %s by two processes", n, org)
		}
	}
}

// run lets the sessions work, and what befalls keys happen, for the time.
func (w *world) run() {
	ctx, cancel := context.WithTimeout(w.t.Context(), *chaosFor)
	defer cancel()
	var troubles, working sync.WaitGroup
	for i := calm; i < orgs; i++ {
		first := w.processes[0]
		t := &trouble{w: w, org: orgName(i), arn: first.Keys[orgName(i)], s: first, rng: rand.New(rand.NewPCG(*chaosSeed, uint64(1000+i)))}
		troubles.Go(func() {
			if i == doomed {
				t.destroyAfter(ctx, *chaosFor/2)
			} else {
				t.run(ctx)
			}
		})
	}
	for _, s := range w.sessions {
		working.Go(func() { s.run(ctx) })
	}
	troubles.Wait() // all is as it should be again
	working.Wait()
}

// verify reads all through a process that has seen none of it.
func (w *world) verify(dsn string) {
	ctx := w.t.Context()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(ctx, "SELECT id, body FROM spans WHERE org_id <> $1", orgName(doomed))
	if err != nil {
		w.t.Fatal(err)
	}
	found := map[int64]string{}
	var id int64
	var body string
	if _, err := pgx.ForEachRow(rows, []any{&id, &body}, func() error { found[id] = body; return nil }); err != nil {
		w.t.Fatalf("not everything opens in the end: %v", err)
	}
	want := map[int64]string{}
	for _, s := range w.sessions {
		if s.org != orgName(doomed) {
			maps.Copy(want, s.rows)
		}
	}
	w.t.Logf("%d rows, %d bytes of log", len(want), w.log.Len())
	for id, body := range want {
		if found[id] != body {
			w.t.Errorf("row %d is %q, was acknowledged as %q", id, found[id], body)
		}
	}
	for id := range found {
		if _, ok := want[id]; !ok {
			w.t.Errorf("row %d is there, and was refused", id)
		}
	}
	if len(want) < 2*sessions {
		w.t.Errorf("%d rows were written", len(want))
	}
	for _, s := range w.sessions {
		for id := range s.rows {
			if s.org != orgName(doomed) {
				break
			}
			err := conn.QueryRow(ctx, "SELECT body FROM spans WHERE id = $1", id).Scan(&body)
			if code, detail := codeOf(err); code != pgerr.KeyUnavailable || !strings.Contains(detail, "destroyed on") {
				w.t.Errorf("a row of destroyed data keys: %v", err)
			}
		}
	}
}

// noPlaintext looks for the values where they must not be.
func (w *world) noPlaintext(dsn string) {
	w.execute(dsn, "CHECKPOINT")
	found, files, err := canary.InFiles(w.server.DataDir(), w.server.LogFile())
	if err != nil || files < 100 {
		w.t.Errorf("%d files searched, %v", files, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, place := range append(found, canary.In(w.log.Bytes())...) {
		w.t.Errorf("plaintext in %s", place)
	}
}
