package keyring

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/pgseal/pgseal/crypto/kms"
)

// metrics are the keyring's instruments: calls of KMS, revocations, and keys that were not
// at hand. No org
// is in them: a service may have thousands.
type metrics struct {
	calls       metric.Float64Histogram
	revocations metric.Int64Counter
	misses      metric.Int64Counter
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	if meter == nil {
		meter = noop.Meter{}
	}
	m := &metrics{}
	var err error
	m.calls, err = meter.Float64Histogram("pgseal.kms.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of calls of KMS, by operation and result."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10))
	if err != nil {
		return nil, fmt.Errorf("instrument pgseal.kms.duration: %w", err)
	}
	m.revocations, err = meter.Int64Counter("pgseal.kms.revocations", metric.WithUnit("{revocation}"),
		metric.WithDescription("Times that KMS withdrew an org's key."))
	if err != nil {
		return nil, fmt.Errorf("instrument pgseal.kms.revocations: %w", err)
	}
	m.misses, err = meter.Int64Counter("pgseal.keyring.misses", metric.WithUnit("{key}"),
		metric.WithDescription("Times that a data key for opening was not at hand, or had to be proved again."))
	if err != nil {
		return nil, fmt.Errorf("instrument pgseal.keyring.misses: %w", err)
	}
	return m, nil
}

func (m *metrics) called(op string, err error, took time.Duration) {
	result := "ok"
	if err != nil {
		switch e := kms.AsError(err); {
		case e.Refused:
			result = "refused"
		case e.Damaged:
			result = "damaged"
		default:
			result = "silent"
		}
	}
	m.calls.Record(context.Background(), took.Seconds(),
		metric.WithAttributes(attribute.String("pgseal.kms.operation", op), attribute.String("pgseal.kms.result", result)))
}

func (m *metrics) missed() { m.misses.Add(context.Background(), 1) }

func (m *metrics) revoked() { m.revocations.Add(context.Background(), 1) }
