package rewrap

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Metrics are the instruments of runs. No org is in them: a service may have
// thousands. A nil Metrics counts nothing.
type Metrics struct{ dataKeys metric.Int64Counter }

// NewMetrics makes the instruments on meter.
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	counter, err := meter.Int64Counter("pgseal.rewrap.data_keys", metric.WithUnit("{data_key}"),
		metric.WithDescription("Data keys that were wrapped anew under their org's present key, or tried in vain, by result."))
	if err != nil {
		return nil, fmt.Errorf("instrument pgseal.rewrap.data_keys: %w", err)
	}
	return &Metrics{dataKeys: counter}, nil
}

// count counts a data key: wrapped, damaged or refused.
func (m *Metrics) count(result string) {
	if m != nil {
		m.dataKeys.Add(context.Background(), 1, metric.WithAttributes(attribute.String("pgseal.rewrap.result", result)))
	}
}
