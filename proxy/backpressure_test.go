package proxy_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/wirescript"
)

// stuckHeap waits until a client that does not read can't write any more, and gives
// the memory in use. Should it only seem so, the test proves less.
func stuckHeap(t *testing.T, w *writing) int {
	t.Helper()
	last, same := int64(-1), 0
	eventually(t, "the client can't write any more", func() bool {
		if n := w.written.Load(); n != last {
			last, same = n, 0
		}
		same++
		return same == 100
	})
	return inUse()
}

// TestFact45SlowReader: what a client does not read costs a bounded buffer, and
// comes whole when it does.
func TestFact45SlowReader(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	proxytest.Exec(t, f.Through, "INSERT INTO notes (id, org_id, body) VALUES (10, 'acme', '"+strings.Repeat("b", 1<<20)+"')")
	for name, test := range map[string]struct {
		query []byte // sent again and again
		times int
		most  int // bytes
	}{
		// A large row that is opened is held three times: as it came, opened, and as it goes out.
		"large sealed rows": {encoded(t, "Q SELECT body FROM notes WHERE id = 10"), 200, 16 << 20},
		"large plain rows":  {encoded(t, "Q SELECT repeat('x', 1000000)"), 200, 4 << 20},
		"many rows":         {encoded(t, "Q SELECT body FROM notes, generate_series(1, 10000) WHERE id = 1"), 200, 4 << 20},
		"extended":          {encoded(t, "P | SELECT body FROM notes WHERE id = 10\nB\nD P\nE\nS"), 200, 16 << 20},
		"tiny messages":     {bytes.Repeat(encoded(t, "S"), 10_000), 100, 8 << 20},
		// What a message names is kept until it is answered.
		"tiny segments": {bytes.Repeat(encoded(t, "P | SELECT 1\nB\nE\nS"), 1_000), 100, 16 << 20},
		"tiny queries":  {bytes.Repeat(encoded(t, "Q ;"), 10_000), 70, 8 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialLean(t, f.Through)
			before := inUse()
			w := writeAll(c, test.query, test.times)
			held := stuckHeap(t, w) - before
			if held > test.most {
				t.Errorf("%d bytes are held, want %d at most", held, test.most)
			}
			t.Logf("%d bytes are held when %d are sent", held, w.written.Load())
			c.readLast('Z', test.times*(bytes.Count(test.query, []byte("Q\x00"))+bytes.Count(test.query, []byte("S\x00\x00\x00\x04"))))
			if err := <-w.done; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFact45PipelineReadAtTheEnd: a client that sends all of a pipeline before it
// reads anything works as with Postgres, as long as the answers fit the sockets'
// buffers, whatever pgseal waits for in between.
func TestFact45PipelineReadAtTheEnd(t *testing.T) {
	plain, f := plainAndThrough(t, proxytest.Options{})
	value := strings.Repeat("v", 10_000)
	for name, part := range map[string]string{
		"large writes":      "P | INSERT INTO notes (id, org_id, body) VALUES (%[1]d, 'acme', $1)\nB | '" + value + "'\nE\nS",
		"reads":             "P | SELECT body FROM notes WHERE id < 10 ORDER BY id\nB\nD P\nE\nS",
		"reads and writes":  "P | SELECT body FROM notes WHERE id < 10 ORDER BY id\nB\nE\nS\nP | UPDATE notes SET body = $1 WHERE id = 2 AND org_id = 'globex'\nB | '" + value[:1000] + "'\nE\nS",
		"one segment":       "P | SELECT body FROM notes WHERE id < 10 ORDER BY id\nB\nE\nP | UPDATE notes SET body = $1 WHERE id = 2 AND org_id = 'globex'\nB | '" + value[:1000] + "'\nE",
		"simple":            "Q SELECT body FROM notes WHERE id = 1\nQ UPDATE notes SET body = '" + value[:1000] + "' WHERE id = 1 AND org_id = 'acme'",
		"settings":          "Q SET search_path = public\nQ SELECT body FROM notes WHERE id = 2\nQ SET DateStyle = 'ISO'\nP | SELECT body FROM notes WHERE id = 1\nB\nE\nS",
		"schema changes":    "Q CREATE TABLE t%[1]d (a int)\nQ SELECT body FROM notes WHERE id = 1\nQ DROP TABLE t%[1]d",
		"errors":            "Q SELECT 1/0\nP | SELECT body FROM notes WHERE id = 1\nB\nE\nP | SELECT nothing\nB\nE\nS",
		"names":             "P s | SELECT body FROM notes WHERE id = $1\nS\nB _ s | '1'\nE\nC S s\nS",
		"transactions":      "Q BEGIN\nP | SELECT body FROM notes WHERE id = 1\nB\nE\nS\nQ COMMIT",
		"COPY in a segment": "Q COPY plain FROM STDIN\nd %[1]d\\tx\\n\nc\nQ SELECT body FROM notes WHERE id = 1",
	} {
		t.Run(name, func(t *testing.T) {
			var script strings.Builder
			for i := range 200 {
				if strings.Contains(part, "%[1]d") {
					fmt.Fprintf(&script, part+"\n", 1000+i)
				} else {
					script.WriteString(part + "\n")
				}
			}
			play := func(dsn string) []string {
				c := dialLean(t, dsn)
				c.send(script.String() + "S\nX")
				var lines []string
				frontend := pgproto3.NewFrontend(c.conn, nil)
				for {
					m, err := frontend.Receive()
					if err != nil {
						return append(lines, wirescript.ConnectionClosed)
					}
					lines = append(lines, wirescript.Describe(m))
				}
			}
			if diff := cmp.Diff(play(plain), play(f.Through)); diff != "" {
				t.Errorf("-Postgres +pgseal:\n%.5000s", diff)
			}
		})
	}
}

// TestFact45Together: a client that writes and reads at once, much of both, gets
// all of it.
func TestFact45Together(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	value := strings.Repeat("v", 100_000)
	c := dialLean(t, f.Through)
	part := encoded(t, "P | UPDATE notes SET body = $1 WHERE id = 1 AND org_id = 'acme'\nB | '"+value+"'\nE\nP | SELECT body FROM notes\nB\nE\nS")
	const times = 200
	w := writeAll(c, part, times)
	var read int64
	for range times {
		read += c.read('Z')
	}
	if err := <-w.done; err != nil {
		t.Error(err)
	}
	if want := int64(times * len(value)); read < want {
		t.Errorf("%d bytes were read, want %d at least", read, want)
	}
}
