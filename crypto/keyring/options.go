package keyring

import (
	"time"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/crypto/kms"
)

// Options of a keyring; a zero field has its default.
type Options struct {
	TTL          time.Duration // how long a key serves from when KMS unwrapped it; 5 min
	RefreshAhead time.Duration // how long before the end of TTL a key in use is proved again; a tenth of TTL
	MaxStale     time.Duration // how long a key serves from then on while KMS does not answer; 1 h, never less than TTL
	Capacity     int           // how many opened keys are kept; 10,000

	HealthInterval time.Duration // between two health checks of an org's key; 15 s
	Timeout        time.Duration // of one call of KMS or the keystore; 5 s
	Negative       time.Duration // how long an answer of no, or none, is not asked for again; 2 s

	// When the data key that this process seals with is replaced.
	MaxAge   time.Duration // 24 h
	MaxSeals uint64        // values; 2^32, which is also the most
	MaxBytes uint64        // of plaintext; 2^40

	// DefaultKey is the platform's key for orgs that have none of their own; nil:
	// their writes are refused.
	DefaultKey *kms.Key

	ProcessName string // is kept with the data keys that this process mints

	// Clock gives the time passed since any fixed moment, never going back;
	// the process's monotonic clock when nil.
	Clock func() time.Duration
}

func (o Options) withDefaults() Options {
	fill(&o.TTL, 5*time.Minute)
	fill(&o.RefreshAhead, o.TTL/10)
	o.RefreshAhead = min(o.RefreshAhead, o.TTL/2)
	fill(&o.MaxStale, time.Hour)
	o.MaxStale = max(o.MaxStale, o.TTL)
	fill(&o.Capacity, 10_000)
	fill(&o.HealthInterval, 15*time.Second)
	fill(&o.Timeout, 5*time.Second)
	fill(&o.Negative, 2*time.Second)
	fill(&o.MaxAge, 24*time.Hour)
	fill(&o.MaxSeals, crypto.MaxSeals)
	o.MaxSeals = min(o.MaxSeals, crypto.MaxSeals)
	fill(&o.MaxBytes, 1<<40)
	if o.Clock == nil {
		start := time.Now()
		o.Clock = func() time.Duration { return time.Since(start) }
	}
	return o
}

// fill sets a value that is zero or less to its default.
func fill[T time.Duration | int | uint64](value *T, otherwise T) {
	if *value <= 0 {
		*value = otherwise
	}
}
