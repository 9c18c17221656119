package proxy

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/pgseal/pgseal/internal/telemetry"
)

// startSpan begins the span of a statement that is sent on, nil when nothing is
// traced. It has no text of the statement: that may hold what the client means
// to be sealed.
func (f *frontend) startSpan(name string) trace.Span {
	tracer := f.s.server.config.Tracer
	if tracer == nil {
		return nil
	}
	_, span := tracer.Start(f.s.ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		semconv.DBSystemNamePostgreSQL,
		semconv.DBNamespace(f.s.database),
		attribute.String("pgseal.outcome", f.outcome.String()),
	))
	return span
}

// endSpan ends the span of a reply; code is the SQLSTATE when the statement
// failed.
func (r *reply) endSpan(code string) {
	if r.span == nil {
		return
	}
	if code != "" {
		r.span.SetAttributes(semconv.DBResponseStatusCode(code))
		r.span.SetStatus(codes.Error, "")
	}
	r.span.End()
	r.span = nil
}

// measure times what pgseal itself spends on a message that it does not merely
// relay, keys that have to be fetched included.
func (f *frontend) measure(handle func(frame, body []byte) error, frame, body []byte) error {
	start := time.Now()
	f.outcome = telemetry.Relayed
	err := handle(frame, body)
	if f.outcome != telemetry.Relayed {
		f.s.server.metrics.AddedLatency(f.outcome, time.Since(start))
	}
	return err
}
