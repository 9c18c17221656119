package proxy_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/secret"
	"github.com/pgseal/pgseal/internal/wirescript"
)

// plainAndThrough are two databases with the same tables and rows: a plain
// one, and one behind a pgseal that seals.
func plainAndThrough(t *testing.T, o proxytest.Options) (plain string, f *proxytest.Fixture) {
	t.Helper()
	plain = pgtest.Database(t)
	f = proxytest.Start(t, o)
	for _, dsn := range []string{plain, f.Through} {
		proxytest.Exec(t, dsn, proxytest.NotesTable)
		proxytest.Exec(t, dsn, "INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', 'first'), (2, 'globex', 'second')")
	}
	return plain, f
}

// rest gives the transcript when the server has closed the connection.
func (w *wireTest) rest() []string {
	w.t.Helper()
	return w.run("wait closed")
}

// pid gives the server process of a session that is idle.
func (w *wireTest) pid() string {
	w.t.Helper()
	before := len(w.player.Lines)
	lines := w.run("Q SELECT pg_backend_pid()\nwait Z")[before:]
	w.player.Lines = w.player.Lines[:before]
	for _, line := range lines {
		if rest, ok := strings.CutPrefix(line, "D "); ok {
			return strings.Trim(rest, `"`)
		}
	}
	w.t.Fatalf("no process id in %q", lines)
	return ""
}

// TestFact44HalfClosed: a client that shuts down its side of the connection still
// gets the answers to what it sent, as from Postgres.
func TestFact44HalfClosed(t *testing.T) {
	plain, f := plainAndThrough(t, proxytest.Options{})
	for name, script := range map[string]string{
		"nothing sent":    "",
		"simple queries":  "Q SELECT 1\nQ SELECT body FROM notes ORDER BY id\nQ SELECT pg_sleep(0.2)\nQ SELECT id, body FROM notes WHERE id = 2",
		"an error":        "Q SELECT 1/0\nQ SELECT body FROM notes WHERE id = 1",
		"extended":        "P | SELECT body FROM notes ORDER BY id\nB\nD P\nE\nS\nP | SELECT pg_sleep(0.2)\nB\nE\nS",
		"no Sync":         "P | SELECT body FROM notes ORDER BY id\nB\nE",
		"no Sync, error":  "P | SELECT body FROM notes ORDER BY id\nB\nE\nP | SELECT nothing FROM notes\nB\nE",
		"Flush":           "P | SELECT body FROM notes ORDER BY id\nB\nE\nH",
		"transaction":     "Q BEGIN\nQ INSERT INTO notes (id, org_id, body) VALUES (3, 'acme', 'lost')\nQ SELECT count(*) FROM notes",
		"Terminate":       "Q SELECT pg_sleep(0.2)\nQ SELECT body FROM notes WHERE id = 1\nX",
		"sealed COPY":     "Q COPY notes (id, org_id, body) FROM STDIN\nd 4\\tacme\\tlost\\n",
		"plain COPY":      "Q COPY plain FROM STDIN\nd 4\\tlost\\n",
		"extended COPY":   "P | COPY notes (id, org_id, body) FROM STDIN\nB\nE\nS\nd 4\\tacme\\tlost\\n",
		"COPY out":        "Q COPY notes (id, org_id, body) TO STDOUT\nQ SELECT 2",
		"a good write":    "Q INSERT INTO plain VALUES (1, 'kept') ON CONFLICT DO NOTHING",
		"sealed write":    "P | INSERT INTO notes (id, org_id, body) VALUES (9, 'acme', $1) ON CONFLICT (id) DO NOTHING\nB | 'kept'\nE\nS",
		"names settle":    "P s | SELECT body FROM notes WHERE id = 1\nS\nB _ s\nE\nS\nC S s\nS",
		"cursor's portal": "Q BEGIN\nP | SELECT body FROM notes ORDER BY id\nB p\nE p 1\nE p 1\nS",
	} {
		t.Run(name, func(t *testing.T) {
			play := func(dsn string) []string {
				c := dialWire(t, dsn)
				c.run(script + "\nshut")
				return c.rest()
			}
			if diff := cmp.Diff(play(plain), play(f.Through)); diff != "" {
				t.Errorf("-Postgres +pgseal:\n%s", diff)
			}
		})
	}
	const stored = "SELECT (SELECT string_agg(id::text, ' ' ORDER BY id) FROM notes) || ', ' || (SELECT string_agg(v, ' ') FROM plain)"
	for _, dsn := range []string{plain, f.Through} {
		var got string
		if err := proxytest.Connect(t, dsn).QueryRow(t.Context(), stored).Scan(&got); err != nil || got != "1 2 9, kept" {
			t.Errorf("stored: %s, %v", got, err)
		}
	}
}

// TestFact44HalfClosedInAMessage: what stands before a message that does not
// come whole is executed and answered.
func TestFact44HalfClosedInAMessage(t *testing.T) {
	plain, f := plainAndThrough(t, proxytest.Options{})
	var manyRows strings.Builder
	for id := range 10_000 {
		fmt.Fprintf(&manyRows, "%d\tacme\tlost\n", 100+id)
	}
	for name, test := range map[string]struct{ script, part string }{
		"header":         {"Q SELECT body FROM notes WHERE id = 1", "Q\x00\x00"},
		"small":          {"Q SELECT body FROM notes WHERE id = 1", "Q\x00\x00\x00\x20SELECT"},
		"large":          {"Q SELECT body FROM notes WHERE id = 1", "Q\x00\x10\x00\x00SELECT" + strings.Repeat(" ", 100_000)},
		"function call":  {"Q SELECT body FROM notes WHERE id = 1", "F\x00\x10\x00\x00" + strings.Repeat(" ", 100_000)},
		"COPY data":      {"Q COPY plain FROM STDIN\nd 7\\tlost\\n", "d\x00\x10\x00\x008\tlost\n"},
		"large and late": {"Q COPY plain FROM STDIN", "d\x00\x10\x00\x00" + strings.Repeat("8\tlost\n", 10_000)},
		"sealed COPY":    {"Q COPY notes (id, org_id, body) FROM STDIN", "d\x00\x10\x00\x00" + manyRows.String()},
		"CopyDone":       {"Q COPY notes (id, org_id, body) FROM STDIN\nd 8\\tacme\\tlost\\n", "c\x00"},
		"unknown type":   {"Q SELECT 1", "\xfe\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			play := func(dsn string) []string {
				c := dialWire(t, dsn)
				c.run(test.script + "\nraw " + strconv.Quote(test.part) + "\nshut")
				return c.rest()
			}
			if diff := cmp.Diff(play(plain), play(f.Through)); diff != "" {
				t.Errorf("-Postgres +pgseal:\n%s", diff)
			}
		})
	}
}

// TestFact44HalfClosedWithAValueThatDoesNotOpen: the error takes the place of the
// rows, and the transaction is told to be aborted, though nobody is left to abort
// it.
func TestFact44HalfClosedWithAValueThatDoesNotOpen(t *testing.T) {
	_, f := plainAndThrough(t, proxytest.Options{})
	proxytest.Exec(t, f.Direct, "UPDATE notes SET body = (SELECT body FROM notes WHERE id = 1) WHERE id = 2")
	const select2 = "SELECT body FROM notes WHERE id = 2 AND org_id = 'globex'"
	for name, script := range map[string]string{
		"simple":   "Q BEGIN\nQ " + select2,
		"extended": "Q BEGIN\nP | " + select2 + "\nB\nE\nS",
	} {
		c := dialWire(t, f.Through)
		c.run(script + "\nshut")
		got := strings.Join(c.rest(), "\n")
		if !strings.Contains(got, "E ERROR PS003") || !strings.HasSuffix(got, "Z E\nconnection closed") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

// TestFact44Violations: a message that breaks the protocol ends the session behind
// the answers to what came before, in Postgres's words.
func TestFact44Violations(t *testing.T) {
	plain, f := plainAndThrough(t, proxytest.Options{})
	message := func(typ byte, length uint32) string {
		return string(binary.BigEndian.AppendUint32([]byte{typ}, length))
	}
	for name, test := range map[string]struct{ script, bad string }{
		"unknown type":               {"Q SELECT pg_sleep(0.1)\nQ SELECT body FROM notes WHERE id = 1", message(0xfe, 4)},
		"unknown type, bad length":   {"Q SELECT 1", message('z', 1)},
		"unknown type, in a segment": {"P | SELECT body FROM notes\nB\nE", message('!', 4)},
		"in an aborted transaction":  {"Q BEGIN\nQ SELECT 1/0", message('!', 4)},
		"while skipping to Sync":     {"P | SELECT 1/0\nB\nE", message('!', 4)},
		"length 3":                   {"Q SELECT pg_sleep(0.1)\nQ SELECT body FROM notes WHERE id = 1", message('Q', 3)},
		"length -1":                  {"Q SELECT 1", message('Q', 0xffffffff)},
		"too long a Query":           {"Q SELECT 1", message('Q', 0x40000000)},
		"too long a Sync":            {"Q SELECT 1", message('S', 10001)},
		"in a plain COPY":            {"Q COPY plain FROM STDIN\nd 7\\tlost\\n", message('!', 4)},
		"in a sealed COPY":           {"Q COPY notes (id, org_id, body) FROM STDIN\nd 7\\tacme\\tlost\\n", message('!', 4)},
		"a Query in COPY":            {"Q COPY notes (id, org_id, body) FROM STDIN\nd 7\\tacme\\tlost\\n", "Q\x00\x00\x00\x0dSELECT 1\x00"},
		"bad length in COPY":         {"Q COPY notes (id, org_id, body) FROM STDIN\nd 7\\tacme\\tlost\\n", message('d', 3)},
	} {
		t.Run(name, func(t *testing.T) {
			play := func(dsn string) []string {
				c := dialWire(t, dsn)
				c.run(test.script + "\nraw " + strconv.Quote(test.bad))
				return c.rest()
			}
			if diff := cmp.Diff(play(plain), play(f.Through)); diff != "" {
				t.Errorf("-Postgres +pgseal:\n%s", diff)
			}
		})
	}
}

// TestViolationsOfAuthentication: so is what is no answer to the server's request
// for a password. What comes ahead of such an answer waits for it.
func TestViolationsOfAuthentication(t *testing.T) {
	server := pgtest.Private(t, postgres.Options{Auth: "password", Password: secret.Text("right")})
	f := proxytest.Start(t, proxytest.Options{Database: server.DSN("postgres")})
	password := `raw "p\x00\x00\x00\x0aright\x00"`
	for name, script := range map[string]string{
		"a Query":                "wait ?\nQ SELECT 1",
		"a Query at once":        "Q SELECT 1",
		"a large Query":          "wait ?\nQ SELECT " + strings.Repeat(" ", 100_000),
		"an unknown message":     "wait ?\n" + `raw "!\x00\x00\x00\x04"`,
		"Terminate":              "wait ?\nX",
		"a wrong password":       "wait ?\n" + `raw "p\x00\x00\x00\x0awrong\x00"`,
		"a password, then more":  "wait ?\n" + password + "\nQ SELECT 1\nX",
		"all of it in one piece": password + "\nQ SELECT 1\nX",
		"the client's end":       "wait ?\nshut",
	} {
		t.Run(name, func(t *testing.T) {
			play := func(dsn string) []string {
				p, err := wirescript.NewPlayer(dsn)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(p.Close)
				w := &wireTest{t, p}
				w.run("dial a\nstartup 3.0")
				w.run(script)
				var lines []string
				for _, line := range w.rest() {
					if !strings.HasPrefix(line, "? *pgproto3.BackendKeyData") && !strings.HasPrefix(line, "K") {
						lines = append(lines, line)
					}
				}
				return lines
			}
			if diff := cmp.Diff(play(server.DSN("postgres")), play(f.Through)); diff != "" {
				t.Errorf("-Postgres +pgseal:\n%s", diff)
			}
		})
	}
}

// TestFact44UpstreamEnds: what the server says when it ends a session reaches the
// client, and nothing else does; a server that ends without a word ends the
// client's connection without one.
func TestFact44UpstreamEnds(t *testing.T) {
	plain, f := plainAndThrough(t, proxytest.Options{})
	for name, test := range map[string]struct {
		setup, script string // sent before, and what is under way
		end           string // SQL of a superuser; %s: the process
		later         string // sent when it is over
	}{
		"idle":                    {"", "", "SELECT pg_terminate_backend(%s)", ""},
		"idle, a query comes":     {"", "", "SELECT pg_terminate_backend(%s)", "Q SELECT body FROM notes"},
		"idle in a transaction":   {"Q BEGIN", "", "SELECT pg_terminate_backend(%s)", ""},
		"busy":                    {"", "Q SELECT pg_sleep(60)", "SELECT pg_terminate_backend(%s)", ""},
		"busy, more is queued":    {"", "Q SELECT pg_sleep(60)\nQ SELECT body FROM notes\nQ SELECT 1", "SELECT pg_terminate_backend(%s)", ""},
		"busy with sealed rows":   {"", "P | SELECT body, pg_sleep(60) FROM notes\nB\nE\nS", "SELECT pg_terminate_backend(%s)", ""},
		"in a sealed COPY":        {"", "Q COPY notes (id, org_id, body) FROM STDIN\nd 7\\tacme\\tlost\\n", "SELECT pg_terminate_backend(%s)", ""},
		"cancelled":               {"", "Q SELECT pg_sleep(60)\nX", "SELECT pg_cancel_backend(%s)", ""},
		"its own":                 {"", "", "SELECT 1", "Q SELECT pg_terminate_backend(pg_backend_pid())"},
		"idle timeout":            {"Q SET idle_session_timeout = '100ms'", "", "SELECT pg_sleep(0.3)", ""},
		"idle in tx timeout":      {"Q SET idle_in_transaction_session_timeout = '100ms'\nQ BEGIN", "", "SELECT pg_sleep(0.3)", ""},
		"idle in a failed tx":     {"Q SET idle_in_transaction_session_timeout = '100ms'\nQ BEGIN\nQ SELECT 1/0", "", "SELECT pg_sleep(0.3)", ""},
		"a statement's timeout":   {"Q SET statement_timeout = '100ms'", "Q SELECT pg_sleep(60)\nX", "SELECT 1", ""},
		"the database is dropped": {"", "", "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = %s", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play := func(dsn, admin string) []string {
				c := dialWire(t, dsn)
				pid := c.pid()
				for _, line := range strings.Split(test.setup, "\n") {
					if line != "" {
						c.run(line + "\nwait Z")
					}
				}
				c.run(test.script)
				super := proxytest.Connect(t, admin)
				if test.script != "" {
					eventually(t, "the statement is under way", func() bool {
						var active bool
						err := super.QueryRow(t.Context(), "SELECT state = 'active' FROM pg_stat_activity WHERE pid = "+pid).Scan(&active)
						return err == nil && active || err != nil // an error: it has ended
					})
				}
				if _, err := super.Exec(t.Context(), strings.ReplaceAll(test.end, "%s", pid)); err != nil {
					t.Fatal(err)
				}
				if test.later != "" {
					c.run(test.later)
				}
				return c.rest()
			}
			want, got := play(plain, plain), play(f.Through, f.Direct)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-Postgres +pgseal:\n%s", diff)
			}
		})
	}
}

// TestFact44LastWordOfABusyConnection: the server's last word is delivered though
// the client goes on sending, and pgseal can't send that on any more. Now and then
// it is lost, as between Postgres and a client: the server closes a connection of
// which it has not read all, and the reset may overtake what it said.
func TestFact44LastWordOfABusyConnection(t *testing.T) {
	_, f := plainAndThrough(t, proxytest.Options{})
	super := proxytest.Connect(t, f.Direct)
	const rounds = 20
	delivered := 0
	for range rounds {
		c := dialWire(t, f.Through)
		pid := c.pid()
		go func() {
			chunk := bytes.Repeat([]byte("Q\x00\x00\x00\x0dSELECT 1\x00"), 1000)
			for {
				if _, err := c.conn().Write(chunk); err != nil {
					return
				}
			}
		}()
		if _, err := super.Exec(t.Context(), fmt.Sprintf("SELECT pg_terminate_backend(%s)", pid)); err != nil {
			t.Fatal(err)
		}
		if got := c.rest(); len(got) > 1 && strings.HasPrefix(got[len(got)-2], "E FATAL "+pgerr.AdminShutdown) {
			delivered++
		}
	}
	if delivered < rounds/2 {
		t.Errorf("delivered %d times of %d", delivered, rounds)
	}
}

// TestFact44ClientVanishes: the server finishes what it has begun, and then its
// connection ends; so does pgseal's session.
func TestFact44ClientVanishes(t *testing.T) {
	_, f := plainAndThrough(t, proxytest.Options{})
	super := proxytest.Connect(t, f.Direct)
	for name, vanish := range map[string]func(*net.TCPConn){
		"closed": func(c *net.TCPConn) { _ = c.Close() },
		"reset":  func(c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() },
	} {
		c := dialWire(t, f.Through)
		pid := c.pid()
		c.run("Q INSERT INTO plain SELECT 100 + count(*), pg_sleep(0.5)::text FROM plain")
		active := func(want bool) func() bool {
			return func() bool {
				var n int
				err := super.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid = "+pid).Scan(&n)
				return err == nil && n == 1 == want
			}
		}
		eventually(t, "the statement is under way", active(true))
		vanish(c.conn())
		eventually(t, "the server process has ended", func() bool {
			var n int
			err := super.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE pid = "+pid).Scan(&n)
			return err == nil && n == 0
		})
		var n int
		if err := super.QueryRow(t.Context(), "DELETE FROM plain WHERE id = 100 RETURNING 1").Scan(&n); err != nil {
			t.Errorf("%s: what was begun is not stored: %v", name, err)
		}
	}
	eventually(t, "all sessions are over", func() bool { return f.Server.Clients() == 0 })
}

// TestFact44ConnectionCheck: where the server checks for vanished clients, it
// notices them through pgseal too.
func TestFact44ConnectionCheck(t *testing.T) {
	_, f := plainAndThrough(t, proxytest.Options{})
	c := dialWire(t, f.Through)
	pid := c.pid()
	c.run("Q SET client_connection_check_interval = '50ms'\nwait Z")
	c.run("P | SELECT body, pg_sleep(600) FROM notes\nB\nE\nS")
	_ = c.conn().Close()
	super := proxytest.Connect(t, f.Direct)
	eventually(t, "the server process has ended", func() bool {
		var one int
		err := super.QueryRow(t.Context(), "SELECT 1 FROM pg_stat_activity WHERE pid = "+pid).Scan(&one)
		return err == pgx.ErrNoRows
	})
}
