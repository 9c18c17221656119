package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Span is a span as the store has it. Attributes and Events are nil where the
// database gives NULL.
type Span struct {
	TraceID    string          `db:"trace_id"`
	SpanID     string          `db:"span_id"`
	ParentID   *string         `db:"parent_id"` // nil: the trace's first
	Org        string          `db:"org_id"`
	Name       string          `db:"name"`
	Kind       string          `db:"kind"`
	Started    time.Time       `db:"started_at"`
	Ended      time.Time       `db:"ended_at"`
	Status     string          `db:"status"`
	Attributes json.RawMessage `db:"attributes"`
	Events     json.RawMessage `db:"events"`
}

// Trace gives an org's trace, its spans in the order in which they began.
func (g *Gateway) Trace(ctx context.Context, org, traceID string) ([]Span, error) {
	rows, err := g.pool.Query(ctx, `SELECT trace_id, span_id, parent_id, org_id, name, kind, started_at, ended_at, status, attributes, events
		FROM spans WHERE org_id = $1 AND trace_id = $2 ORDER BY started_at, span_id`, org, traceID)
	if err != nil {
		return nil, fmt.Errorf("gateway: reading trace %s: %w", traceID, err)
	}
	spans, err := pgx.CollectRows(rows, pgx.RowToStructByName[Span])
	if err != nil {
		return nil, fmt.Errorf("gateway: reading trace %s: %w", traceID, err)
	}
	return spans, nil
}

// Request is an entry of the request log.
type Request struct {
	ID       int64           `db:"id"`
	TraceID  string          `db:"trace_id"`
	Org      string          `db:"org_id"`
	Method   string          `db:"method"`
	Path     string          `db:"path"`
	Status   int             `db:"status"`
	At       time.Time       `db:"at"`
	Headers  json.RawMessage `db:"request_headers"`
	Body     *string         `db:"request_body"`
	Response []byte          `db:"response_body"`
}

// Recent gives an org's last n requests, the latest first.
func (g *Gateway) Recent(ctx context.Context, org string, n int) ([]Request, error) {
	rows, err := g.pool.Query(ctx, `SELECT id, trace_id, org_id, method, path, status, at, request_headers, request_body, response_body
		FROM request_logs WHERE org_id = $1 ORDER BY id DESC LIMIT $2`, org, n)
	if err != nil {
		return nil, fmt.Errorf("gateway: reading the requests of %s: %w", org, err)
	}
	requests, err := pgx.CollectRows(rows, pgx.RowToStructByName[Request])
	if err != nil {
		return nil, fmt.Errorf("gateway: reading the requests of %s: %w", org, err)
	}
	return requests, nil
}
