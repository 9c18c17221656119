package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// rounds is how often each statement is measured on each way. The ways take
// turns, so that what else the machine does hits both alike.
const rounds = 300

// plainCopy is spans as it would be without pgseal, for the comparison: the same
// columns, nothing sealed.
const plainCopy = `
CREATE SCHEMA without_pgseal;
CREATE TABLE without_pgseal.spans (
	trace_id text NOT NULL, span_id text NOT NULL, parent_id text, org_id text NOT NULL, name text NOT NULL, kind text NOT NULL,
	started_at timestamptz NOT NULL, ended_at timestamptz NOT NULL, status text NOT NULL, attributes jsonb, events jsonb,
	PRIMARY KEY (trace_id, span_id)
)`

// measured is a statement that is timed on both ways.
type measured struct {
	what string
	sql  string // %s is the table
	args func(i int) []any
}

// attributes are about a kilobyte, as a span's are.
var attributes = `{"http.request.method": "POST", "http.route": "/v1/orders", "note": "` + strings.Repeat("x", 900) + `"}`

var measurements = []measured{
	{
		"INSERT one span", `INSERT INTO %s (trace_id, span_id, org_id, name, kind, status, started_at, ended_at, attributes, events)
		VALUES ($1, $2, 'acme', 'measured', 'internal', 'ok', now(), now(), $3, '[]')`,
		func(i int) []any { return []any{"measured", fmt.Sprint(i), attributes} },
	},
	{
		"SELECT one span by key", `SELECT name, attributes FROM %s WHERE trace_id = $1 AND span_id = $2`,
		func(i int) []any { return []any{"measured", fmt.Sprint(i)} },
	},
}

// measure gives the medians of a statement, direct and through pgseal.
func (e *environment) measure(ctx context.Context, m measured) (direct, through time.Duration, err error) {
	ways := []struct {
		dsn, table string
		times      []time.Duration
	}{{dsn: e.direct, table: "without_pgseal.spans"}, {dsn: e.through, table: "spans"}}
	var conns []*pgx.Conn
	for _, way := range ways {
		conn, err := pgx.Connect(ctx, way.dsn)
		if err != nil {
			return 0, 0, err
		}
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		conns = append(conns, conn)
	}
	for i := range rounds {
		for w := range ways {
			began := time.Now()
			rows, err := conns[w].Query(ctx, fmt.Sprintf(m.sql, ways[w].table), m.args(i)...)
			if err != nil {
				return 0, 0, fmt.Errorf("%s: %w", m.what, err)
			}
			for rows.Next() {
				if _, err := rows.Values(); err != nil {
					return 0, 0, fmt.Errorf("%s: %w", m.what, err)
				}
			}
			if err := rows.Err(); err != nil {
				return 0, 0, fmt.Errorf("%s: %w", m.what, err)
			}
			ways[w].times = append(ways[w].times, time.Since(began))
		}
	}
	return median(ways[0].times), median(ways[1].times), nil
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// showLatency shows what a statement costs on each way.
func showLatency(ctx context.Context, e *environment, s *screen) error {
	conn, err := pgx.Connect(ctx, e.direct)
	if err != nil {
		return err
	}
	_, err = conn.PgConn().Exec(ctx, plainCopy).ReadAll()
	_ = conn.Close(context.WithoutCancel(ctx))
	if err != nil {
		return fmt.Errorf("make the table without pgseal: %w", err)
	}
	s.line("  median of %d, one client, 1 KB of attributes", rounds)
	s.line("  %-24s  %14s  %14s  %14s", "", "direct, plain", "through pgseal", "difference")
	for _, m := range measurements {
		direct, through, err := e.measure(ctx, m)
		if err != nil {
			return err
		}
		s.line("  %-24s  %14s  %14s  %14s", m.what, micro(direct), micro(through), micro(through-direct))
	}
	return nil
}

func micro(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }
