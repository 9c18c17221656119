package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/sandbox"
)

// way is one of the ways to a table.
type way struct {
	name, table string
	conn        *pgx.Conn
	next        int64 // the id to insert next
}

// openWays connects the three ways and makes their tables, through pgseal.
func openWays(ctx context.Context, box *sandbox.Sandbox) ([]*way, error) {
	ways := []*way{
		{name: "direct", table: "direct"},
		{name: "pgseal, nothing sealed", table: "relayed"},
		{name: "pgseal, sealed", table: "sealed"},
	}
	for i, w := range ways {
		dsn := box.Through
		if i == 0 {
			dsn = box.Direct
		}
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			closeWays(ways)
			return nil, err
		}
		w.conn = conn
	}
	_, err := ways[2].conn.PgConn().Exec(ctx, schema).ReadAll()
	if err != nil {
		closeWays(ways)
	}
	return ways, err
}

func closeWays(ways []*way) {
	for _, w := range ways {
		if w.conn != nil {
			_ = w.conn.Close(context.Background()) // the server ends next
		}
	}
}

// payload is a kilobyte of what a request's body may look like.
var payload = `{"messages": [{"role": "user", "content": "` + strings.Repeat("What does our contract say? ", 34) + `"}]}`

// bulk is how many rows the cases of many rows have.
const bulk = 10000

// benchCase is something to measure: do is timed, once, on a way.
type benchCase struct {
	name    string
	rows    int // that one do handles
	perTurn int // times that a way does it before the next way has its turn
	turns   int // rounds
	do      func(ctx context.Context, w *way) error
}

var cases = []benchCase{
	{"INSERT of one row, prepared", 1, 50, 40, insertPrepared},
	{"INSERT of one row, simple protocol, literals", 1, 50, 40, insertLiterals},
	{"SELECT of one row by key, prepared", 1, 50, 40, selectOne},
	{"pgx batch of 50 INSERTs", 50, 5, 20, insertBatch},
	{"COPY IN of 10,000 rows", bulk, 1, 7, copyIn},
	{"SELECT of 10,000 rows", bulk, 1, 7, selectMany},
	{"COPY OUT of 10,000 rows", bulk, 1, 7, copyOut},
}

func (w *way) id() int64 { w.next++; return w.next }

func insertPrepared(ctx context.Context, w *way) error {
	_, err := w.conn.Exec(ctx, "INSERT INTO "+w.table+" (id, org, payload) VALUES ($1, $2, $3)", w.id(), "acme", payload)
	return err
}

func insertLiterals(ctx context.Context, w *way) error {
	sql := fmt.Sprintf("INSERT INTO %s (id, org, payload) VALUES (%d, 'acme', '%s')", w.table, w.id(), payload)
	_, err := w.conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

func selectOne(ctx context.Context, w *way) error {
	var got string
	err := w.conn.QueryRow(ctx, "SELECT payload FROM "+w.table+" WHERE id = $1", w.next%100+1).Scan(&got)
	if err == nil && got != payload {
		err = fmt.Errorf("%d bytes come back, not what was written", len(got))
	}
	w.next++
	return err
}

func insertBatch(ctx context.Context, w *way) error {
	var batch pgx.Batch
	for range 50 {
		batch.Queue("INSERT INTO "+w.table+" (id, org, payload) VALUES ($1, $2, $3)", w.id(), "acme", payload)
	}
	return w.conn.SendBatch(ctx, &batch).Close()
}

func copyIn(ctx context.Context, w *way) error {
	var data strings.Builder
	for range bulk {
		fmt.Fprintf(&data, "%d\tacme\t%s\n", w.id(), payload)
	}
	_, err := w.conn.PgConn().CopyFrom(ctx, strings.NewReader(data.String()), "COPY "+w.table+" (id, org, payload) FROM STDIN")
	return err
}

func selectMany(ctx context.Context, w *way) error {
	rows, err := w.conn.Query(ctx, "SELECT id, payload FROM "+w.table+" ORDER BY id DESC LIMIT $1", bulk)
	if err != nil {
		return err
	}
	n := 0
	for ; rows.Next(); n++ {
		if len(rows.RawValues()[1]) != len(payload) {
			return fmt.Errorf("row %d has %d bytes", n, len(rows.RawValues()[1]))
		}
	}
	if n != bulk && rows.Err() == nil {
		return fmt.Errorf("%d rows", n)
	}
	return rows.Err()
}

func copyOut(ctx context.Context, w *way) error {
	sql := "COPY " + w.table + " (id, payload) TO STDOUT"
	_, err := w.conn.PgConn().CopyTo(ctx, io.Discard, sql)
	return err
}

// measure times a case on all ways in turn, and gives the times of one do, by
// way. A first, untimed turn prepares statements and fetches keys.
func measure(ctx context.Context, c benchCase, ways []*way, quick bool) ([][]time.Duration, error) {
	if quick {
		c.turns = max(3, c.turns/5)
	}
	times := make([][]time.Duration, len(ways))
	for turn := range c.turns + 1 {
		for i := range ways {
			w := ways[(i+turn)%len(ways)]
			for range c.perTurn {
				began := time.Now()
				if err := c.do(ctx, w); err != nil {
					return nil, fmt.Errorf("%s: %w", w.name, err)
				}
				if turn > 0 {
					at := (i + turn) % len(ways)
					times[at] = append(times[at], time.Since(began))
				}
			}
		}
	}
	return times, nil
}
