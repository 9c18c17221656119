package gateway

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// schema is the trace store. The payload columns have no default, check or index:
// nothing is ever searched by them.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS spans (
		trace_id   text NOT NULL,
		span_id    text NOT NULL,
		parent_id  text,
		org_id     text NOT NULL,
		name       text NOT NULL,
		kind       text NOT NULL,
		started_at timestamptz NOT NULL,
		ended_at   timestamptz NOT NULL,
		status     text NOT NULL,
		attributes jsonb,
		events     jsonb,
		PRIMARY KEY (trace_id, span_id)
	)`,
	`CREATE INDEX IF NOT EXISTS spans_org_started ON spans (org_id, started_at)`,
	`CREATE TABLE IF NOT EXISTS request_logs (
		id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		trace_id        text NOT NULL,
		org_id          text NOT NULL,
		method          text NOT NULL,
		path            text NOT NULL,
		status          int NOT NULL,
		at              timestamptz NOT NULL,
		request_headers jsonb,
		request_body    text,
		response_body   bytea
	)`,
	`CREATE INDEX IF NOT EXISTS request_logs_org_id ON request_logs (org_id, id)`,
}

// Migrate creates the trace store's tables where they are not there yet.
func Migrate(ctx context.Context, dsn string) (err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, statement := range schema {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("gateway: creating the trace store: %w", err)
		}
	}
	return nil
}
