package proxy_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/wirescript"
)

// inUse is what the process has in use, in bytes: heap and stacks.
func inUse() int {
	runtime.GC()
	runtime.GC() // the first one only marks what is in pools for the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// leanClient is a client that keeps nothing in memory but its connection.
type leanClient struct {
	t    *testing.T
	conn net.Conn
}

func dialLean(t *testing.T, dsn string) *leanClient {
	t.Helper()
	p, err := wirescript.NewPlayer(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Dial("a"); err != nil {
		t.Fatal(err)
	}
	c := &leanClient{t, p.Conn()}
	t.Cleanup(func() { _ = c.conn.Close() })
	if _, err := c.conn.Write(p.StartupPacket(pgproto3.ProtocolVersion30, "")); err != nil {
		t.Fatal(err)
	}
	c.read('Z')
	return c
}

// send sends a script, a message a line.
func (c *leanClient) send(script string) {
	c.t.Helper()
	if _, err := c.conn.Write(encoded(c.t, script)); err != nil {
		c.t.Fatal(err)
	}
}

// encoded are the messages of a script, one a line.
func encoded(t *testing.T, script string) (out []byte) {
	t.Helper()
	for _, line := range strings.Split(script, "\n") {
		m, err := wirescript.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		if out, err = m.Encode(out); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// writing is what a client sends without reading.
type writing struct {
	written atomic.Int64
	done    chan error
}

// writeAll sends the same again and again, beside what the test does.
func writeAll(c *leanClient, part []byte, times int) *writing {
	w := &writing{done: make(chan error, 1)}
	go func() {
		for range times {
			n, err := c.conn.Write(part)
			w.written.Add(int64(n))
			if err != nil {
				w.done <- err
				return
			}
		}
		w.done <- nil
	}()
	return w
}

// read reads up to a message of the type, and gives the number of bytes.
func (c *leanClient) read(typ byte) (total int64) {
	c.t.Helper()
	return c.readFrom(c.conn, typ)
}

// readLast reads up to the last of a number of messages of the type, behind which
// nothing comes.
func (c *leanClient) readLast(typ byte, times int) {
	c.t.Helper()
	r := bufio.NewReaderSize(c.conn, 64<<10)
	for range times {
		c.readFrom(r, typ)
	}
	if n := r.Buffered(); n > 0 {
		c.t.Errorf("%d bytes came behind the last %c", n, typ)
	}
}

func (c *leanClient) readFrom(r io.Reader, typ byte) (total int64) {
	c.t.Helper()
	for {
		var header [5]byte
		if _, err := io.ReadFull(r, header[:]); err != nil {
			c.t.Fatal(err)
		}
		n := int64(binary.BigEndian.Uint32(header[1:])) - 4
		if _, err := io.CopyN(io.Discard, r, n); err != nil {
			c.t.Fatal(err)
		}
		total += n + 5
		if header[0] == typ {
			return total
		}
		if header[0] == 'E' {
			c.t.Fatal("an error came")
		}
	}
}

// TestIdleSessionsAreSmall: a session that is idle holds no buffers, whatever it
// has done before.
func TestIdleSessionsAreSmall(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	const sessions = 50
	value := strings.Repeat("x", 100_000)
	clients := make([]*leanClient, sessions)
	before := inUse()
	for i := range clients {
		clients[i] = dialLean(t, f.Through)
	}
	fresh := inUse()
	for i, c := range clients {
		for _, script := range []string{
			fmt.Sprintf("Q INSERT INTO notes (id, org_id, body) VALUES (%d, 'acme', '%s')", 100+i, value),
			"Q SELECT body FROM notes WHERE id > 100 LIMIT 3",
			"P | SELECT body FROM notes WHERE id > 100 LIMIT 3\nB\nD P\nE\nS",
			fmt.Sprintf("P s | UPDATE notes SET body = $1 WHERE id = %d AND org_id = 'acme'\nB _ s | '%s'\nE\nS", 100+i, value),
			"Q SELECT repeat('y', 1000) FROM generate_series(1, 1000)",
		} {
			c.send(script)
			c.read('Z')
		}
	}
	worked := inUse()
	// Most of it is the stacks of two goroutines; the client's side is in it too.
	const most = 48 << 10
	t.Logf("bytes a session: %d fresh, %d after work", (fresh-before)/sessions, (worked-before)/sessions)
	if n := (worked - before) / sessions; n > most {
		t.Errorf("%d bytes a session, want %d at most", n, most)
	}
}
