package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// operation is what one request of a client is.
type operation struct {
	rows   int  // that one request moves
	reads  bool // what is there already
	copies bool
	// do runs one request.
	do func(ctx context.Context, c *client) error
}

var ops = map[string]operation{
	"select 1":      {rows: 1, reads: true, do: selectOne},
	"select 100":    {rows: 100, reads: true, do: func(ctx context.Context, c *client) error { return selectMany(ctx, c, 100) }},
	"select 10,000": {rows: bulk, reads: true, do: func(ctx context.Context, c *client) error { return selectMany(ctx, c, bulk) }},
	"insert 1":      {rows: 1, do: func(ctx context.Context, c *client) error { return insert(ctx, c, 1) }},
	"insert 100":    {rows: 100, do: func(ctx context.Context, c *client) error { return insert(ctx, c, 100) }},
	"batch of 50":   {rows: 50, do: func(ctx context.Context, c *client) error { return insertBatch(ctx, c, 50) }},
	"copy in":       {copies: true, do: copyIn},
	"copy out":      {copies: true, reads: true, do: copyOut},
	"trace store":   {rows: 1, reads: true, do: traceStore},
}

// bulk is how many rows the tables have that are read.
const bulk = 10_000

// client is one session of a case's.
type client struct {
	conn    *pgx.Conn
	target  *target
	c       Case
	read    string        // the table that is read
	rows    int64         // in it
	written string        // the table that is written
	ids     *atomic.Int64 // of its rows, which all clients share
	n       int64         // requests so far
	payload []string
	sql     map[string]string // statements made so far, by what they do
}

// newClient makes a case's client. What it is to run with others shares ids.
func newClient(conn *pgx.Conn, t *target, c Case, ids *atomic.Int64) *client {
	made := &client{conn: conn, target: t, c: c, read: t.filled(c), rows: rowsOf(c), written: t.empty(c), ids: ids, sql: map[string]string{}}
	for i := range payloads {
		made.payload = append(made.payload, makePayload(uint64(i), c.Size))
	}
	return made
}

func (c *client) next() int64 { c.n++; return c.n }

// value is a payload as an argument.
func (c *client) value(i int64) any {
	text := c.payload[i%int64(len(c.payload))]
	if c.c.Type == "bytea" {
		return []byte(text)
	}
	return text
}

func (c *client) statement(name string, make func() string) string {
	if c.sql[name] == "" {
		c.sql[name] = make()
	}
	return c.sql[name]
}

func selectOne(ctx context.Context, c *client) error {
	sql := c.statement("one", func() string {
		return fmt.Sprintf("SELECT %s FROM %s WHERE id = $1", c.target.read("payload", c.c.Type), c.read)
	})
	return c.query(ctx, sql, 1, c.next()*7919%c.rows+1)
}

func selectMany(ctx context.Context, c *client, n int) error {
	sql := c.statement("many", func() string {
		return fmt.Sprintf("SELECT id, org, %s FROM %s WHERE id BETWEEN $1 AND $2", c.target.read("payload", c.c.Type), c.read)
	})
	first := c.next() * 7919 % (c.rows - int64(n) + 1)
	return c.query(ctx, sql, n, first+1, first+int64(n))
}

// query reads the rows and looks how long their payloads are.
func (c *client) query(ctx context.Context, sql string, want int, args ...any) error {
	rows, err := c.conn.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	n := 0
	for ; rows.Next(); n++ {
		values := rows.RawValues()
		if len(values[len(values)-1]) < c.c.Size {
			rows.Close()
			return fmt.Errorf("a payload of %d bytes comes back with %d", c.c.Size, len(values[len(values)-1]))
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if n != want {
		return fmt.Errorf("%d rows come back instead of %d", n, want)
	}
	return nil
}

func insert(ctx context.Context, c *client, n int) error {
	sql := c.statement("insert", func() string {
		var values []string
		for i := range n {
			values = append(values, fmt.Sprintf("($%d, 'acme', %s)", 2*i+1, c.target.write("$"+strconv.Itoa(2*i+2), c.c.Type)))
		}
		return fmt.Sprintf("INSERT INTO %s (id, org, payload) VALUES %s", c.written, strings.Join(values, ", "))
	})
	args := make([]any, 0, 2*n)
	for range n {
		id := c.ids.Add(1)
		args = append(args, id, c.value(id))
	}
	_, err := c.conn.Exec(ctx, sql, args...)
	return err
}

func insertBatch(ctx context.Context, c *client, n int) error {
	sql := c.statement("insert", func() string {
		return fmt.Sprintf("INSERT INTO %s (id, org, payload) VALUES ($1, 'acme', %s)", c.written, c.target.write("$2", c.c.Type))
	})
	var batch pgx.Batch
	for range n {
		id := c.ids.Add(1)
		batch.Queue(sql, id, c.value(id))
	}
	return c.conn.SendBatch(ctx, &batch).Close()
}

// traceStore is what a trace store does: nine spans are written, then a trace of
// ten is read.
func traceStore(ctx context.Context, c *client) error {
	if c.next()%10 != 0 {
		return insert(ctx, c, 1)
	}
	return selectMany(ctx, c, 10)
}

func copyIn(ctx context.Context, c *client) error {
	if c.target.computes() {
		return copyInAndSeal(ctx, c)
	}
	sql := fmt.Sprintf("COPY %s (id, org, payload) FROM STDIN", c.written)
	_, err := c.conn.PgConn().CopyFrom(ctx, c.lines(), sql)
	return err
}

// copyInAndSeal is how one loads a table by COPY whose values a function must
// encrypt: into a temporary table first.
func copyInAndSeal(ctx context.Context, c *client) error {
	steps := []string{
		fmt.Sprintf("CREATE TEMP TABLE IF NOT EXISTS loaded (id bigint, org text, payload %s)", c.c.Type),
		"TRUNCATE loaded",
	}
	for _, sql := range steps {
		if _, err := c.conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return err
		}
	}
	if _, err := c.conn.PgConn().CopyFrom(ctx, c.lines(), "COPY loaded (id, org, payload) FROM STDIN"); err != nil {
		return err
	}
	sql := fmt.Sprintf("INSERT INTO %s (id, org, payload) SELECT id, org, %s FROM loaded", c.written, c.target.write("payload", c.c.Type))
	_, err := c.conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

func copyOut(ctx context.Context, c *client) error {
	// The rows that there are, as often as it takes for so many bytes.
	times := c.c.copyRows() / c.rows
	sql := fmt.Sprintf("COPY (SELECT id, org, %s FROM %s, generate_series(1, %d)) TO STDOUT", c.target.read("payload", c.c.Type), c.read, times)
	out := &counter{}
	if _, err := c.conn.PgConn().CopyTo(ctx, out, sql); err != nil {
		return err
	}
	if want := times * c.rows * int64(c.c.Size); out.n < want {
		return fmt.Errorf("%d bytes come back instead of %d", out.n, want)
	}
	return nil
}

// copyRows is how many rows a COPY moves.
func (c Case) copyRows() int64 {
	if c.Op == "copy out" {
		return max(1, c.Bytes/int64(c.Size)/bulk) * bulk
	}
	return c.Bytes / int64(c.Size)
}

// counter counts what is written to it.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// lines are a COPY's rows, made as they are read.
func (c *client) lines() io.Reader {
	l := &lines{ids: c.ids, left: c.c.copyRows()}
	for _, text := range c.payload {
		// In JSON the backslash is the only one of COPY's special characters.
		l.payloads = append(l.payloads, "\tacme\t"+strings.ReplaceAll(text, `\`, `\\`)+"\n")
	}
	return l
}

type lines struct {
	ids      *atomic.Int64
	left     int64
	payloads []string
	buf      bytes.Buffer
}

func (l *lines) Read(p []byte) (int, error) {
	for l.buf.Len() < len(p) && l.left > 0 {
		id := l.ids.Add(1)
		l.buf.Write(strconv.AppendInt(l.buf.AvailableBuffer(), id, 10))
		l.buf.WriteString(l.payloads[id%int64(len(l.payloads))])
		l.left--
	}
	return l.buf.Read(p)
}
