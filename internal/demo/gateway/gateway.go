// Package gateway is the application of the demo: an API gateway in miniature, in
// front of a payment service and a language model, with a trace store in Postgres.
// It is an HTTP service instrumented with the OpenTelemetry SDK; its spans and its
// request log, payloads included, go to Postgres with pgx.
//
// It knows nothing of pgseal: it has a DSN and plain tables. Point the DSN at
// Postgres, and the payloads lie there in the clear.
//
// Files: gateway.go its life, schema.go the tables, identity.go whose request it
// is, handlers.go the endpoints, upstream.go the services behind it, exporter.go
// the spans' way to Postgres, requestlog.go that of the request log, failures.go
// what was not written, traffic.go requests to itself, read.go what a trace viewer
// asks for.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options says where the gateway stores and whom it serves.
type Options struct {
	DSN  string
	Orgs []string // default acme and globex
}

// Gateway is a running gateway. Its methods are safe for concurrent use.
type Gateway struct {
	orgs     []string
	pool     *pgxpool.Pool
	failures failures
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	upstream *http.Client // instrumented
	client   *http.Client // the customers', who have no tracing

	front, back       *http.Server
	frontURL, backURL string
	sequence          atomic.Int64 // of Traffic, so that each call goes on where the last ended
}

// exportDelay is how long finished spans are gathered before they are written.
const exportDelay = 200 * time.Millisecond

// New starts a gateway on loopback. The tables must be there: Migrate.
func New(ctx context.Context, o Options) (_ *Gateway, err error) {
	g := &Gateway{orgs: o.Orgs}
	if len(g.orgs) == 0 {
		g.orgs = []string{"acme", "globex"}
	}
	if g.pool, err = pgxpool.New(ctx, o.DSN); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Close(ctx))
		}
	}()
	if err := g.pool.Ping(ctx); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	g.provider = sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(orgOnEverySpan{}),
		sdktrace.WithBatcher(&exporter{pool: g.pool, failures: &g.failures}, sdktrace.WithBatchTimeout(exportDelay)),
	)
	g.tracer = g.provider.Tracer("github.com/pgseal/pgseal/internal/demo/gateway")
	g.upstream = &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport.(*http.Transport).Clone(), g.telemetry()...)}
	g.client = &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone(), Timeout: time.Minute}
	if g.back, g.backURL, err = serve(otelhttp.NewHandler(upstreamHandler(), "upstream", g.telemetry()...)); err != nil {
		return nil, err
	}
	if g.front, g.frontURL, err = serve(otelhttp.NewHandler(g.handler(), "gateway", g.telemetry()...)); err != nil {
		return nil, err
	}
	return g, nil
}

// telemetry keeps everything away from the global providers: the demo's own
// process has some too.
func (g *Gateway) telemetry() []otelhttp.Option {
	return []otelhttp.Option{
		otelhttp.WithTracerProvider(g.provider),
		otelhttp.WithMeterProvider(noopmetric.NewMeterProvider()),
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})),
	}
}

func serve(h http.Handler) (*http.Server, string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", fmt.Errorf("gateway: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }() // ends by Close
	return server, "http://" + l.Addr().String(), nil
}

// URL is where the gateway takes requests.
func (g *Gateway) URL() string { return g.frontURL }

// Orgs are the customers.
func (g *Gateway) Orgs() []string { return g.orgs }

// Flush writes the spans that are still gathered, and gives what could not be
// written, spans or log entries, since the last Flush.
func (g *Gateway) Flush(ctx context.Context) error {
	if err := g.provider.ForceFlush(ctx); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	return g.failures.take()
}

// Close stops the gateway after the requests that are under way, and writes what
// is left.
func (g *Gateway) Close(ctx context.Context) error {
	var err error
	for _, server := range []*http.Server{g.front, g.back} {
		if server != nil {
			err = errors.Join(err, server.Shutdown(ctx))
		}
	}
	for _, client := range []*http.Client{g.client, g.upstream} {
		if client != nil {
			client.CloseIdleConnections()
		}
	}
	if g.provider != nil {
		err = errors.Join(err, g.provider.Shutdown(ctx))
	}
	if g.pool != nil {
		g.pool.Close()
	}
	if err = errors.Join(err, g.failures.take()); err != nil {
		return fmt.Errorf("gateway: closing: %w", err)
	}
	return nil
}
