package telemetry

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Outcome is what became of a statement.
type Outcome int

const (
	Relayed   Outcome = iota // it touches nothing sealed
	Rewritten                // values were sealed or opened
	Refused                  // pgseal did not forward it
	outcomes
)

// String is the value of the attribute pgseal.outcome.
func (o Outcome) String() string {
	return [...]string{"relayed", "rewritten", "refused"}[o]
}

// counter is an atomic number on a cache line of its own: sessions on other
// cores count too. Counting costs some nanoseconds so, and an instrument's Add
// a hundred; the instruments read the numbers when they are collected.
type counter struct {
	atomic.Int64
	_ [56]byte
}

// Metrics are the proxy's instruments; those about KMS are package keyring's own,
// on Telemetry.Meter. All methods may be called on a nil Metrics, which counts
// nothing. None but Refused and NotOpened, which are called when something goes
// wrong, may allocate.
type Metrics struct {
	sessions, sessionsTotal counter
	statements              [outcomes]counter
	seals, sealedBytes      counter
	opens, openedBytes      counter
	rawValues               counter
	refusals, notOpened     labelled
	addedLatency            metric.Float64Histogram
	addedLatencyBy          [outcomes][]metric.RecordOption
}

// latencyBounds are the histogram's, in seconds: pgseal's own share of a
// statement is microseconds, unless KMS must be asked.
var latencyBounds = []float64{
	10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 500e-3, 1, 5,
}

// attributeOutcome tells what became of a statement.
const attributeOutcome = attribute.Key("pgseal.outcome")

// attributeReason is the section of docs/errors.md that explains a refusal.
const attributeReason = attribute.Key("pgseal.reason")

// NewMetrics makes the instruments on meter.
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	m := &Metrics{}
	var err error
	m.addedLatency, err = meter.Float64Histogram("pgseal.added_latency",
		metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(latencyBounds...),
		metric.WithDescription("Time a statement spends in pgseal itself: planning, sealing and opening, and waiting for keys."))
	if err != nil {
		return nil, fmt.Errorf("instrument pgseal.added_latency: %w", err)
	}
	byOutcome := make([]metric.ObserveOption, outcomes)
	for o := range outcomes {
		set := attribute.NewSet(semconv.DBSystemNamePostgreSQL, attributeOutcome.String(o.String()))
		m.addedLatencyBy[o] = []metric.RecordOption{metric.WithAttributeSet(set)}
		byOutcome[o] = metric.WithAttributeSet(set)
	}

	var instruments []metric.Observable
	count := func(name, unit, text string) metric.Int64ObservableCounter {
		c, e := meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(text))
		if e != nil && err == nil {
			err = fmt.Errorf("instrument %s: %w", name, e)
		}
		instruments = append(instruments, c)
		return c
	}
	sessions, e := meter.Int64ObservableUpDownCounter("pgseal.sessions",
		metric.WithUnit("{session}"), metric.WithDescription("Clients' sessions that are open."))
	if e != nil {
		return nil, fmt.Errorf("instrument pgseal.sessions: %w", e)
	}
	instruments = append(instruments, sessions)
	sessionsTotal := count("pgseal.sessions.started", "{session}", "Clients' sessions that were opened.")
	statements := count("pgseal.statements", "{statement}", "Statements, by what became of them.")
	seals := count("pgseal.seals", "{value}", "Values sealed.")
	sealedBytes := count("pgseal.sealed", "By", "Bytes of plaintext sealed.")
	opens := count("pgseal.opens", "{value}", "Values opened.")
	openedBytes := count("pgseal.opened", "By", "Bytes of plaintext opened.")
	raw := count("pgseal.raw_values", "{value}", "Sealed values handed out as they are stored.")
	refusals := count("pgseal.refusals", "{statement}", "Errors of pgseal's own, by SQLSTATE and section of docs/errors.md.")
	notOpened := count("pgseal.values_not_opened", "{value}", "Values that were asked for and did not open, by SQLSTATE.")
	if err != nil {
		return nil, err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(sessions, m.sessions.Load())
		o.ObserveInt64(sessionsTotal, m.sessionsTotal.Load())
		for i := range m.statements {
			o.ObserveInt64(statements, m.statements[i].Load(), byOutcome[i])
		}
		o.ObserveInt64(seals, m.seals.Load())
		o.ObserveInt64(sealedBytes, m.sealedBytes.Load())
		o.ObserveInt64(opens, m.opens.Load())
		o.ObserveInt64(openedBytes, m.openedBytes.Load())
		o.ObserveInt64(raw, m.rawValues.Load())
		m.refusals.observe(o, refusals)
		m.notOpened.observe(o, notOpened)
		return nil
	}, instruments...)
	if err != nil {
		return nil, fmt.Errorf("register the metrics' callback: %w", err)
	}
	return m, nil
}

// SessionStarted counts a client's session.
func (m *Metrics) SessionStarted() {
	if m != nil {
		m.sessions.Add(1)
		m.sessionsTotal.Add(1)
	}
}

// SessionEnded takes back what SessionStarted counted.
func (m *Metrics) SessionEnded() {
	if m != nil {
		m.sessions.Add(-1)
	}
}

// Statement counts a statement by what became of it.
func (m *Metrics) Statement(o Outcome) {
	if m != nil {
		m.statements[o].Add(1)
	}
}

// AddedLatency records how long a statement spent in pgseal itself.
func (m *Metrics) AddedLatency(o Outcome, d time.Duration) {
	if m != nil {
		m.addedLatency.Record(context.Background(), d.Seconds(), m.addedLatencyBy[o]...)
	}
}

// Sealed counts a value sealed, of so many bytes of plaintext.
func (m *Metrics) Sealed(bytes int) {
	if m != nil {
		m.seals.Add(1)
		m.sealedBytes.Add(int64(bytes))
	}
}

// Opened counts a value opened, of so many bytes of plaintext.
func (m *Metrics) Opened(bytes int) {
	if m != nil {
		m.opens.Add(1)
		m.openedBytes.Add(int64(bytes))
	}
}

// RawHandedOut counts sealed values that went to a client as they are stored.
func (m *Metrics) RawHandedOut(values int) {
	if m != nil {
		m.rawValues.Add(int64(values))
	}
}

// NotOpened counts a value that was asked for and did not open, by SQLSTATE.
func (m *Metrics) NotOpened(code string) {
	if m != nil {
		m.notOpened.add(label{code: code})
	}
}

// Refused counts an error of pgseal's own, by SQLSTATE and by its anchor in
// docs/errors.md.
func (m *Metrics) Refused(code, anchor string) {
	if m != nil {
		m.refusals.add(label{code, anchor})
	}
}

// label tells errors apart. Both words come from pgseal's own code, so there
// are few of them.
type label struct{ code, reason string }

// labelled is a counter a label. The zero value is ready.
type labelled struct {
	mu     sync.Mutex
	counts map[label]*labelCount
}

type labelCount struct {
	n   int64
	set []metric.ObserveOption
}

func (l *labelled) add(by label) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts[by]
	if c == nil {
		attributes := []attribute.KeyValue{semconv.DBResponseStatusCode(by.code)}
		if by.reason != "" {
			attributes = append(attributes, attributeReason.String(by.reason))
		}
		c = &labelCount{set: []metric.ObserveOption{metric.WithAttributeSet(attribute.NewSet(attributes...))}}
		if l.counts == nil {
			l.counts = map[label]*labelCount{}
		}
		l.counts[by] = c
	}
	c.n++
}

func (l *labelled) observe(o metric.Observer, to metric.Int64Observable) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.counts {
		o.ObserveInt64(to, c.n, c.set...)
	}
}
