// Package telemetry is what pgseal tells of itself: log lines by log/slog,
// traces and metrics by OpenTelemetry, and whether it is alive and ready by HTTP.
//
// It carries names, positions and numbers, never a value: no method takes one.
// Names follow OpenTelemetry's semantic conventions where they have one
// (https://opentelemetry.io/docs/specs/semconv/database/); the rest begin with
// "pgseal.".
//
// Files: telemetry.go starts and stops it all, log.go makes the logger, metrics.go
// the instruments, health.go the HTTP handlers.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/pgseal/pgseal/internal/config"
)

// scope is the instrumentation scope of all that pgseal makes.
const scope = "github.com/pgseal/pgseal"

// Telemetry is a running telemetry.
type Telemetry struct {
	Log     *slog.Logger
	Tracer  trace.Tracer // makes nothing unless traces are configured
	Meter   metric.Meter // for instruments that Metrics does not have
	Metrics *Metrics
	// MetricsHandler serves /metrics in Prometheus's format; nil when
	// telemetry.metrics.prometheus is false.
	MetricsHandler http.Handler

	stops []func(context.Context) error
}

// Start sets up what c asks for. Log lines go to w. An exporter whose collector
// is not there does not fail the start: what it has to say is logged.
func Start(ctx context.Context, c config.Telemetry, version string, w io.Writer) (*Telemetry, error) {
	t := &Telemetry{Log: newLogger(c.Log, w)}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		t.Log.Warn("telemetry could not be delivered", "error", err)
	}))
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	res := resource.NewWithAttributes(semconv.SchemaURL,
		semconv.ServiceName(c.ServiceName),
		semconv.ServiceVersion(version),
		semconv.ServiceInstanceID(fmt.Sprintf("%s-%d", host, os.Getpid())),
	)
	if err := t.startTraces(ctx, c.Traces, res); err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	if err := t.startMetrics(ctx, c.Metrics, res); err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	return t, nil
}

func (t *Telemetry) startTraces(ctx context.Context, c config.Traces, res *resource.Resource) error {
	if c.OTLPEndpoint == "" {
		t.Tracer = noop.NewTracerProvider().Tracer(scope)
		return nil
	}
	target, err := url.JoinPath(c.OTLPEndpoint, "v1/traces")
	if err != nil {
		return fmt.Errorf("telemetry.traces.otlp_endpoint: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(target))
	if err != nil {
		return fmt.Errorf("telemetry.traces.otlp_endpoint: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(res),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.SampleRatio))),
	)
	t.stops = append(t.stops, provider.Shutdown)
	t.Tracer = provider.Tracer(scope, trace.WithInstrumentationVersion(version(res)))
	return nil
}

func (t *Telemetry) startMetrics(ctx context.Context, c config.Metrics, res *resource.Resource) error {
	options := []sdkmetric.Option{sdkmetric.WithResource(res)}
	if c.Prometheus {
		registry := prometheus.NewRegistry()
		registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		exporter, err := promexporter.New(promexporter.WithRegisterer(registry))
		if err != nil {
			return fmt.Errorf("telemetry.metrics.prometheus: %w", err)
		}
		options = append(options, sdkmetric.WithReader(exporter))
		t.MetricsHandler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	}
	if c.OTLPEndpoint != "" {
		target, err := url.JoinPath(c.OTLPEndpoint, "v1/metrics")
		if err != nil {
			return fmt.Errorf("telemetry.metrics.otlp_endpoint: %w", err)
		}
		exporter, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(target))
		if err != nil {
			return fmt.Errorf("telemetry.metrics.otlp_endpoint: %w", err)
		}
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithInterval(c.Interval))))
	}
	provider := sdkmetric.NewMeterProvider(options...)
	t.stops = append(t.stops, provider.Shutdown)
	t.Meter = provider.Meter(scope, metric.WithInstrumentationVersion(version(res)))
	var err error
	t.Metrics, err = NewMetrics(t.Meter)
	return err
}

// version is the service's version in res.
func version(res *resource.Resource) string {
	v, _ := res.Set().Value(semconv.ServiceVersionKey)
	return v.AsString()
}

// Shutdown delivers what is still to be delivered, for as long as ctx lets it.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	for _, stop := range t.stops {
		errs = append(errs, stop(ctx))
	}
	t.stops = nil
	return errors.Join(errs...)
}
