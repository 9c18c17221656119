package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// exporter writes finished spans to Postgres. It is an sdktrace.SpanExporter.
type exporter struct {
	pool     *pgxpool.Pool
	failures *failures
}

const insertSpan = `INSERT INTO spans
	(trace_id, span_id, parent_id, org_id, name, kind, started_at, ended_at, status, attributes, events)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
	ON CONFLICT (trace_id, span_id) DO NOTHING`

// ExportSpans sends one batch an org: a batch is one transaction, and trouble with
// one org's data must not cost the others theirs.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	batches := map[string]*pgx.Batch{}
	for _, span := range spans {
		org, attributes := splitOrg(span.Attributes())
		if org == "" {
			continue // a request without a valid API key: nobody's
		}
		row, err := spanRow(span, org, attributes)
		if err != nil {
			e.failures.add(org, err)
			continue
		}
		if batches[org] == nil {
			batches[org] = &pgx.Batch{}
		}
		batches[org].Queue(insertSpan, row...)
	}
	for _, org := range slices.Sorted(maps.Keys(batches)) {
		if err := e.pool.SendBatch(ctx, batches[org]).Close(); err != nil {
			e.failures.add(org, fmt.Errorf("storing %d spans of %s: %w", batches[org].Len(), org, err))
		}
	}
	return nil // what failed is told by Flush, not by the SDK's global handler
}

// Shutdown has nothing to do: the pool is the gateway's.
func (e *exporter) Shutdown(context.Context) error { return nil }

func spanRow(span sdktrace.ReadOnlySpan, org string, attributes map[string]any) ([]any, error) {
	attributesJSON, err := json.Marshal(attributes)
	if err != nil {
		return nil, fmt.Errorf("a span's attributes: %w", err)
	}
	events := []Event{}
	for _, e := range span.Events() {
		_, attributes := splitOrg(e.Attributes)
		events = append(events, Event{Name: e.Name, At: e.Time.UTC(), Attributes: attributes})
	}
	eventsJSON, err := json.Marshal(events)
	if err != nil {
		return nil, fmt.Errorf("a span's events: %w", err)
	}
	var parent *string
	if span.Parent().SpanID().IsValid() {
		id := span.Parent().SpanID().String()
		parent = &id
	}
	return []any{
		span.SpanContext().TraceID().String(), span.SpanContext().SpanID().String(), parent, org,
		span.Name(), span.SpanKind().String(), span.StartTime(), span.EndTime(),
		strings.ToLower(span.Status().Code.String()), attributesJSON, eventsJSON,
	}, nil
}

// Event is a point in a span's time.
type Event struct {
	Name       string         `json:"name"`
	At         time.Time      `json:"at"`
	Attributes map[string]any `json:"attributes,omitempty"`
}

func splitOrg(list []attribute.KeyValue) (org string, rest map[string]any) {
	rest = make(map[string]any, len(list))
	for _, kv := range list {
		if kv.Key == orgAttribute {
			org = kv.Value.AsString()
			continue
		}
		rest[string(kv.Key)] = kv.Value.AsInterface()
	}
	return org, rest
}
