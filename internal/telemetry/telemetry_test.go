package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/pgseal/pgseal/internal/config"
)

// start starts a telemetry that ends with the test.
func start(t *testing.T, c config.Telemetry, w io.Writer) *Telemetry {
	t.Helper()
	tel, err := Start(t.Context(), c, "1.2.3", w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return tel
}

// get fetches a page of h.
func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	r := httptest.NewRecorder()
	h.ServeHTTP(r, httptest.NewRequest("GET", path, nil))
	return r.Code, r.Body.String()
}

// use counts something on every instrument.
func use(m *Metrics) {
	m.SessionStarted()
	m.SessionStarted()
	m.SessionEnded()
	m.Statement(Relayed)
	m.Statement(Rewritten)
	m.Statement(Rewritten)
	m.Statement(Refused)
	m.AddedLatency(Rewritten, 30*time.Microsecond)
	m.Sealed(100)
	m.Sealed(1)
	m.Opened(50)
	m.RawHandedOut(3)
	m.NotOpened("PS001")
	m.Refused("0A000", "where")
	m.Refused("0A000", "where")
	m.Refused("42501", "")
}

func TestPrometheus(t *testing.T) {
	tel := start(t, config.Default().Telemetry, io.Discard)
	use(tel.Metrics)
	status, text := get(t, Handler(Health{}, tel.MetricsHandler), "/metrics")
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	// The lines are compared without the labels that name the scope.
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		name, rest, labelled := strings.Cut(line, "{")
		if !labelled || !strings.HasPrefix(line, "pgseal_") {
			continue
		}
		labels, value, _ := strings.Cut(rest, "}")
		kept := slices.DeleteFunc(strings.Split(labels, ","), func(l string) bool { return strings.HasPrefix(l, "otel_scope") })
		lines = append(lines, name+"{"+strings.Join(kept, ",")+"}"+value)
	}
	for _, want := range []string{
		`pgseal_sessions{} 1`,
		`pgseal_sessions_started_total{} 2`,
		`pgseal_statements_total{db_system_name="postgresql",pgseal_outcome="relayed"} 1`,
		`pgseal_statements_total{db_system_name="postgresql",pgseal_outcome="rewritten"} 2`,
		`pgseal_statements_total{db_system_name="postgresql",pgseal_outcome="refused"} 1`,
		`pgseal_added_latency_seconds_bucket{db_system_name="postgresql",pgseal_outcome="rewritten",le="2.5e-05"} 0`,
		`pgseal_added_latency_seconds_bucket{db_system_name="postgresql",pgseal_outcome="rewritten",le="5e-05"} 1`,
		`pgseal_seals_total{} 2`,
		`pgseal_sealed_bytes_total{} 101`,
		`pgseal_opens_total{} 1`,
		`pgseal_opened_bytes_total{} 50`,
		`pgseal_raw_values_total{} 3`,
		`pgseal_values_not_opened_total{db_response_status_code="PS001"} 1`,
		`pgseal_refusals_total{db_response_status_code="0A000",pgseal_reason="where"} 2`,
		`pgseal_refusals_total{db_response_status_code="42501"} 1`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%s is not there", want)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(lines, "\n"))
	}
	for _, want := range []string{"go_goroutines ", "process_open_fds ", `service_name="pgseal"`, `service_version="1.2.3"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in /metrics", want)
		}
	}
}

// collector is an OTLP/HTTP collector that keeps what it gets.
type collector struct {
	mu      sync.Mutex
	spans   []string
	metrics []string
	service string
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		in = unzipped
	}
	body, err := io.ReadAll(in)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.URL.Path {
	case "/v1/traces":
		var request collectortrace.ExportTraceServiceRequest
		err = errors.Join(err, proto.Unmarshal(body, &request))
		for _, rs := range request.ResourceSpans {
			for _, a := range rs.Resource.Attributes {
				if a.Key == "service.name" {
					c.service = a.Value.GetStringValue()
				}
			}
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					c.spans = append(c.spans, s.Name)
				}
			}
		}
	case "/v1/metrics":
		var request collectormetrics.ExportMetricsServiceRequest
		err = errors.Join(err, proto.Unmarshal(body, &request))
		for _, rm := range request.ResourceMetrics {
			for _, sm := range rm.ScopeMetrics {
				for _, m := range sm.Metrics {
					c.metrics = append(c.metrics, m.Name)
				}
			}
		}
	default:
		err = errors.New("no such path")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func TestOTLP(t *testing.T) {
	c := &collector{}
	server := httptest.NewServer(c)
	defer server.Close()
	settings := config.Default().Telemetry
	settings.ServiceName = "under-test"
	settings.Metrics.OTLPEndpoint, settings.Metrics.Prometheus = server.URL, false
	settings.Traces.OTLPEndpoint, settings.Traces.SampleRatio = server.URL+"/", 1
	var log bytes.Buffer
	tel, err := Start(t.Context(), settings, "1.2.3", &log)
	if err != nil {
		t.Fatal(err)
	}
	if tel.MetricsHandler != nil {
		t.Error("/metrics is there though prometheus is false")
	}
	_, span := tel.Tracer.Start(t.Context(), "SELECT spans")
	span.End()
	use(tel.Metrics)
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.spans, []string{"SELECT spans"}) || c.service != "under-test" {
		t.Errorf("spans %q of service %q", c.spans, c.service)
	}
	for _, want := range []string{"pgseal.sessions", "pgseal.statements", "pgseal.seals", "pgseal.refusals", "pgseal.added_latency"} {
		if !slices.Contains(c.metrics, want) {
			t.Errorf("%s did not arrive: %q", want, c.metrics)
		}
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", log.String())
	}
}

func TestNoTracesByDefault(t *testing.T) {
	tel := start(t, config.Default().Telemetry, io.Discard)
	_, span := tel.Tracer.Start(t.Context(), "x")
	if span.IsRecording() || span.SpanContext().IsValid() {
		t.Error("a span is made though no collector is configured")
	}
}

func TestLogFormats(t *testing.T) {
	var b bytes.Buffer
	log := newLogger(config.Log{Level: "warn", Format: "json"}, &b)
	log.Info("not this")
	log.Warn("this", "n", 1)
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line["msg"] != "this" || line["level"] != "WARN" {
		t.Errorf("%s: %v", b.String(), err)
	}
	b.Reset()
	newLogger(config.Log{Level: "debug", Format: "text"}, &b).Debug("this")
	if !strings.Contains(b.String(), "level=DEBUG msg=this") {
		t.Error(b.String())
	}
}

// TestCountingDoesNotAllocate holds the methods that are called for each
// statement and value.
func TestCountingDoesNotAllocate(t *testing.T) {
	tel := start(t, config.Default().Telemetry, io.Discard)
	for name, m := range map[string]*Metrics{"running": tel.Metrics, "nil": nil} {
		if n := testing.AllocsPerRun(1000, func() {
			m.SessionStarted()
			m.Statement(Rewritten)
			m.AddedLatency(Rewritten, time.Microsecond)
			m.Sealed(10)
			m.Opened(10)
			m.RawHandedOut(1)
			m.SessionEnded()
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	var none *Metrics
	use(none) // and nothing panics
}

func TestCountingFromManySessions(t *testing.T) {
	tel := start(t, config.Default().Telemetry, io.Discard)
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 100 {
				use(tel.Metrics)
			}
		}()
	}
	wg.Wait()
	_, text := get(t, tel.MetricsHandler, "/metrics")
	for name, want := range map[string]string{"pgseal_opens_total": " 800", "pgseal_sessions": " 800", "pgseal_refusals_total": " 1600"} {
		ok := false
		for _, line := range strings.Split(text, "\n") {
			ok = ok || strings.HasPrefix(line, name+"{") && strings.HasSuffix(line, want)
		}
		if !ok {
			t.Errorf("%s is not%s", name, want)
		}
	}
}

func TestNewMetricsOnANoopMeter(t *testing.T) {
	m, err := NewMetrics(noop.NewMeterProvider().Meter("x"))
	if err != nil {
		t.Fatal(err)
	}
	use(m)
}

func BenchmarkOpened(b *testing.B) {
	m, err := NewMetrics(noop.NewMeterProvider().Meter("x"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Opened(100)
	}
}

func BenchmarkAddedLatency(b *testing.B) {
	tel, err := Start(b.Context(), config.Default().Telemetry, "", io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		tel.Metrics.AddedLatency(Relayed, 20*time.Microsecond)
	}
}

// compact takes the blanks out of JSON.
func compact(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(s)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
