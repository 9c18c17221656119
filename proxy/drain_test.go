package proxy_test

import (
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/secret"
	"github.com/pgseal/pgseal/internal/wirescript"
	"github.com/pgseal/pgseal/proxy"
)

const adminShutdown = `E FATAL 57P01 terminating connection due to administrator command detail="" position=0`

// drained is a pgseal in front of a server of its own, whose log a test can read.
func drained(t *testing.T, o proxytest.Options) (*proxytest.Fixture, *postgres.Server) {
	t.Helper()
	server := pgtest.Private(t, postgres.Options{})
	o.Database = server.DSN("postgres")
	f := proxytest.Start(t, o)
	proxytest.Exec(t, f.Through, proxytest.NotesTable)
	proxytest.Exec(t, f.Through, "INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', 'first'), (2, 'globex', 'second')")
	return f, server
}

// complaints are the lines of a server's log about connections that ended as they
// should not.
func complaints(t *testing.T, server *postgres.Server) []string {
	t.Helper()
	log, err := os.ReadFile(server.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, line := range strings.Split(string(log), "\n") {
		for _, word := range []string{"unexpected EOF", "could not receive", "could not send", "reset by peer", "Broken pipe", "incomplete", "synchronization", "connection to client lost"} {
			if strings.Contains(line, word) {
				found = append(found, line)
			}
		}
	}
	return found
}

// underWay waits until n sessions run a statement.
func underWay(t *testing.T, dsn string, n int) {
	t.Helper()
	super := proxytest.Connect(t, dsn)
	eventually(t, "the statements are under way", func() bool {
		var active int
		err := super.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()").Scan(&active)
		return err == nil && active == n
	})
}

// TestFact47Draining: idle sessions are told and end at once; those that are busy
// or in a transaction go on, and end so when they are done.
func TestFact47Draining(t *testing.T) {
	f, server := drained(t, proxytest.Options{Limits: proxy.Limits{ShutdownGrace: time.Hour}})
	idle := map[string]string{ // what they did before
		"fresh":     "",
		"used":      "Q SELECT body FROM notes\nwait Z",
		"listening": "Q LISTEN news\nwait Z",
		"extended":  "P | SELECT body FROM notes\nB\nE\nS\nwait Z",
	}
	busy := map[string]struct{ before, after, want string }{
		"query": {"Q SELECT pg_sleep(0.5), body FROM notes WHERE id = 1", "", `T D C Z`},
		"pipeline": {
			"P | SELECT pg_sleep(0.5), body FROM notes WHERE id = 1\nB\nE\nS\nQ SELECT 1\nQ SELECT 2", "",
			"1 2 D C Z T D C Z T D C Z",
		},
		"transaction": {"Q BEGIN\nwait Z", "Q INSERT INTO notes (id, org_id, body) VALUES (3, 'acme', 'kept')\nwait Z\nQ COMMIT", "C Z C Z C Z"},
		"aborted":     {"Q BEGIN\nQ SELECT 1/0\nwait Z\nwait Z", "Q ROLLBACK", "C Z E Z C Z"},
		"COPY":        {"Q COPY notes (id, org_id, body) FROM STDIN\nwait G", "d 4\\tacme\\tkept\\n\nc", "G C Z"},
		"no Sync":     {"P | SELECT body FROM notes WHERE id = $1\nB | '1'\nH\nwait 2", "E\nS", "1 2 D C Z"},
	}
	type client struct {
		*wireTest
		after, want string
	}
	clients := map[string]client{}
	for name, before := range idle {
		c := dialWire(t, f.Through)
		c.run(before)
		clients[name] = client{wireTest: c}
	}
	for name, test := range busy {
		c := dialWire(t, f.Through)
		c.run(test.before)
		clients[name] = client{c, test.after, test.want}
	}
	underWay(t, f.Direct, 2)

	done := make(chan struct{})
	go func() { f.Drain(); close(done) }()
	for name := range idle {
		c := clients[name]
		if got := c.rest(); len(got) < 2 || got[len(got)-2] != adminShutdown {
			t.Errorf("%s: %q", name, got)
		}
	}
	if conn, err := pgx.Connect(t.Context(), f.Through); err == nil {
		t.Error("a new client is let in")
		_ = conn.Close(t.Context())
	}
	select {
	case <-done:
		t.Error("Shutdown has not waited for the busy sessions")
	default:
	}
	for name := range busy {
		c := clients[name]
		c.run(c.after)
		got := c.rest()
		var types []string
		for _, line := range got {
			types = append(types, line[:1])
		}
		if want := c.want + " E c"; strings.Join(types, " ") != want || got[len(got)-2] != adminShutdown {
			t.Errorf("%s: %q, want %s", name, got, want)
		}
	}
	<-done
	var kept int
	if err := proxytest.Connect(t, f.Direct).QueryRow(t.Context(), "SELECT count(*) FROM notes").Scan(&kept); err != nil || kept != 4 {
		t.Errorf("%d rows, want those of the transaction and of COPY too: %v", kept, err)
	}
	if lines := complaints(t, server); lines != nil {
		t.Errorf("the server complains:\n%s", strings.Join(lines, "\n"))
	}
}

// TestFact47GraceEnds: what is not done when the grace period is over is cancelled,
// and undone.
func TestFact47GraceEnds(t *testing.T) {
	f, server := drained(t, proxytest.Options{Limits: proxy.Limits{ShutdownGrace: time.Millisecond}})
	scripts := map[string]string{
		"query":         "Q INSERT INTO plain SELECT 1, pg_sleep(600)::text",
		"sealed query":  "P | SELECT body, pg_sleep(600) FROM notes\nB\nE\nS",
		"transaction":   "Q BEGIN\nQ INSERT INTO notes (id, org_id, body) VALUES (3, 'acme', 'lost')\nwait Z\nwait Z",
		"plain COPY":    "Q COPY plain FROM STDIN\nwait G\nd 3\\tlost\\n",
		"sealed COPY":   "Q COPY notes (id, org_id, body) FROM STDIN\nwait G\nd 4\\tacme\\tlost\\n",
		"extended COPY": "P | COPY notes (id, org_id, body) FROM STDIN\nB\nE\nS\nwait G\nd 4\\tacme\\tlost\\n",
		"no Sync":       "P | INSERT INTO plain VALUES (5, 'lost')\nB\nE\nH\nwait C",
		"skipping":      "P | SELECT 1/0\nB\nE\nwait E",
	}
	clients := map[string]*wireTest{}
	var pids []string
	for name, script := range scripts {
		clients[name] = dialWire(t, f.Through)
		pids = append(pids, clients[name].pid())
		clients[name].run(script)
	}
	underWay(t, f.Direct, 2)
	f.Drain()
	for name, c := range clients {
		if got := c.rest(); len(got) < 2 || got[len(got)-2] != adminShutdown {
			t.Errorf("%s: %q", name, got)
		}
	}
	super := proxytest.Connect(t, f.Direct)
	eventually(t, "the server's processes have ended", func() bool {
		var alive int
		err := super.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE pid IN ("+strings.Join(pids, ",")+")").Scan(&alive)
		return err == nil && alive == 0
	})
	var stored int
	err := super.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM plain) + (SELECT count(*) FROM notes)").Scan(&stored)
	if err != nil || stored != 2 {
		t.Errorf("%d rows are stored, want the two that were: %v", stored, err)
	}
	if lines := complaints(t, server); lines != nil {
		t.Errorf("the server complains:\n%s", strings.Join(lines, "\n"))
	}
}

// TestFact47StatementsInTheServersBuffer: what the server has been sent behind the
// statement at hand is not executed any more when the client has been told that
// its session is over.
func TestFact47StatementsInTheServersBuffer(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{Limits: proxy.Limits{ShutdownGrace: time.Millisecond}})
	c := dialWire(t, f.Through)
	pid := c.pid()
	c.run("Q SELECT pg_sleep(600)\nQ INSERT INTO plain VALUES (2, 'lost')")
	underWay(t, f.Direct, 1)
	f.Drain()
	if got := c.rest(); got[0] != adminShutdown {
		t.Errorf("%q", got)
	}
	super := proxytest.Connect(t, f.Direct)
	eventually(t, "the server's process has ended", func() bool {
		var alive int
		err := super.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE pid = "+pid).Scan(&alive)
		return err == nil && alive == 0
	})
	var stored int
	if err := super.QueryRow(t.Context(), "SELECT count(*) FROM plain").Scan(&stored); err != nil || stored != 0 {
		t.Errorf("%d rows are stored: %v", stored, err)
	}
}

// TestFact47SlowReader: a client that takes no answers does not hold the end up,
// and gets no message in the middle of another.
func TestFact47SlowReader(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{Limits: proxy.Limits{ShutdownGrace: time.Millisecond}})
	scripts := []string{
		"Q SELECT repeat('x', 1000) FROM generate_series(1, 100000)",
		"Q SELECT repeat('x', 100000000)",
		"Q SELECT body, repeat('x', 1000) FROM notes, generate_series(1, 100000)",
	}
	var clients []*wireTest
	for _, script := range scripts {
		c := dialWire(t, f.Through)
		c.run(script)
		clients = append(clients, c)
	}
	super := proxytest.Connect(t, f.Direct)
	eventually(t, "the server can send no more", func() bool {
		var stuck int
		err := super.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'ClientWrite'").Scan(&stuck)
		return err == nil && stuck == len(scripts)
	})
	f.Drain()
	for i, c := range clients {
		for _, line := range c.rest() {
			if strings.HasPrefix(line, "unreadable") || strings.HasPrefix(line, "?") {
				t.Errorf("%s: %.200s", scripts[i], line)
			}
		}
	}
}

// TestFact47StartingClients: clients that are not authenticated yet are not waited
// for.
func TestFact47StartingClients(t *testing.T) {
	server := pgtest.Private(t, postgres.Options{Auth: "scram-sha-256", Password: secret.Text("right")})
	f := proxytest.Start(t, proxytest.Options{Database: server.DSN("postgres"), Limits: proxy.Limits{ShutdownGrace: time.Hour}})
	u, err := url.Parse(f.Through)
	if err != nil {
		t.Fatal(err)
	}
	silent, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	p, err := wirescript.NewPlayer(f.Through)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	asked := &wireTest{t, p}
	asked.run("dial a\nstartup 3.0\nwait ?")
	f.Drain()
	got := asked.rest()
	if want := []string{`E FATAL 57P03 the database system is shutting down detail="" position=0`, wirescript.ConnectionClosed}; !cmp.Equal(want, got[1:]) {
		t.Errorf("%q, want the request for a password and %q", got, want)
	}
	if n, err := silent.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes to a client that has said nothing", n)
	}
	if lines := complaints(t, server); lines != nil {
		t.Errorf("the server complains:\n%s", strings.Join(lines, "\n"))
	}
}

// TestIdleTimeouts: pgseal's own timeouts end idle sessions as Postgres's do, and
// no others.
func TestIdleTimeouts(t *testing.T) {
	const short = 300 * time.Millisecond
	const (
		idle     = `E FATAL 57P05 terminating connection due to idle-session timeout detail="" position=0`
		idleInTx = `E FATAL 25P03 terminating connection due to idle-in-transaction timeout detail="" position=0`
	)
	both := proxy.Limits{IdleTimeout: short, IdleInTx: short}
	for name, test := range map[string]struct {
		limits       proxy.Limits
		script, want string
	}{
		"fresh":                    {both, "", idle},
		"used":                     {both, "Q SELECT pg_sleep(0.5), body FROM notes\nwait Z\nQ SELECT 1\nwait Z", idle},
		"busy for longer":          {both, "P | SELECT pg_sleep(0.7), body FROM notes\nB\nE\nS\nwait Z", idle},
		"in a transaction":         {both, "Q BEGIN\nwait Z", idleInTx},
		"in an aborted one":        {both, "Q BEGIN\nQ SELECT 1/0\nwait Z\nwait Z", idleInTx},
		"out of one":               {both, "Q BEGIN\nwait Z\nQ COMMIT\nwait Z", idle},
		"only outside of one":      {proxy.Limits{IdleTimeout: short}, "Q BEGIN\nwait Z\nQ SELECT pg_sleep(0.7)\nwait Z\nQ COMMIT\nwait Z", idle},
		"only within one":          {proxy.Limits{IdleInTx: short}, "Q SELECT pg_sleep(0.7)\nwait Z\nQ BEGIN\nwait Z", idleInTx},
		"the server's is shorter":  {proxy.Limits{IdleTimeout: time.Hour}, "Q SET idle_session_timeout = '10ms'", idle},
		"within COPY it is not":    {both, "Q COPY plain FROM STDIN\nwait G\nQ", `E ERROR 08P01 unexpected message type 0x51 during COPY from stdin detail="" position=0`},
		"a segment that is open":   {both, "P | SELECT 1\nB\nE\nH\nwait C\nS\nwait Z", idle},
		"half a message, and idle": {both, `raw "Q\x00\x00\x00\x20SELECT"`, idle},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := proxytest.Start(t, proxytest.Options{Limits: test.limits})
			proxytest.Exec(t, f.Through, proxytest.NotesTable)
			c := dialWire(t, f.Through)
			c.run(test.script)
			got := c.rest()
			var errors []string
			for _, line := range got {
				if strings.HasPrefix(line, "E") && !strings.Contains(line, "division by zero") {
					errors = append(errors, line)
				}
			}
			if len(errors) == 0 || errors[0] != test.want || strings.Contains(test.want, "FATAL") && len(errors) > 1 {
				t.Errorf("%q, want %s", got, test.want)
			}
		})
	}
}

// TestStartupTimeout: a client that does not finish its authentication in time is
// disconnected without a word, as by Postgres.
func TestStartupTimeout(t *testing.T) {
	server := pgtest.Private(t, postgres.Options{
		Auth: "scram-sha-256", Password: secret.Text("right"), Settings: map[string]string{"authentication_timeout": "1s"},
	})
	slow := pgtest.Private(t, postgres.Options{Auth: "scram-sha-256", Password: secret.Text("right")})
	f := proxytest.Start(t, proxytest.Options{Database: slow.DSN("postgres"), Limits: proxy.Limits{StartupTimeout: time.Second}})
	established := proxytest.Connect(t, f.Through)
	for name, script := range map[string]string{
		"nothing is sent":            "dial a",
		"half a packet is sent":      `dial a` + "\n" + `raw "\x00\x00\x00\x20\x00\x03"`,
		"the password is not sent":   "dial a\nstartup 3.0",
		"half of it is sent":         "dial a\nstartup 3.0\nwait ?\n" + `raw "p\x00\x00\x00\x40SCRAM"`,
		"something else was to come": "dial a\nssl",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play := func(dsn string) []string {
				p, err := wirescript.NewPlayer(dsn)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(p.Close)
				w := &wireTest{t, p}
				w.run(script)
				return w.rest()
			}
			if diff := cmp.Diff(play(server.DSN("postgres")), play(f.Through)); diff != "" {
				t.Errorf("-Postgres +pgseal:\n%s", diff)
			}
		})
	}
	var one int
	if err := established.QueryRow(t.Context(), "SELECT 1 FROM pg_sleep(1.5)").Scan(&one); err != nil {
		t.Errorf("a session that is authenticated: %v", err)
	}
}

// TestTooManyClientsStillCancel: who is one too many is told so as by Postgres, and
// requests to cancel are no clients.
func TestTooManyClientsStillCancel(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Limits: proxy.Limits{Clients: 1}})
	conn := proxytest.Connect(t, f.Through)
	failed := make(chan error)
	go func() {
		_, err := conn.Exec(t.Context(), "SELECT pg_sleep(600)")
		failed <- err
	}()
	underWay(t, f.Direct, 1)
	p, err := wirescript.NewPlayer(f.Through)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	w := &wireTest{t, p}
	want := []string{`E FATAL 53300 sorry, too many clients already detail="" position=0`, wirescript.ConnectionClosed}
	if got := w.run("dial a\nstartup 3.0\nwait closed"); !cmp.Equal(want, got) {
		t.Errorf("%q, want %q", got, want)
	}
	if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-failed; codeOf(err) != "57014" {
		t.Errorf("%v, want 57014", err)
	}
}
