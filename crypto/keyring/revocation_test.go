package keyring

import (
	"context"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/secret"
)

func TestWorstCase(t *testing.T) {
	const second = time.Second
	tests := []struct {
		name string
		o    Options
		want Revocation
	}{
		{"defaults", Options{}, Revocation{Refused: 21500 * time.Millisecond, Silent: time.Hour, Withdrawn: 20 * second}},
		{"often", Options{HealthInterval: 5 * second, Timeout: 2 * second, MaxStale: 10 * time.Minute, TTL: time.Minute},
			Revocation{Refused: 7500 * time.Millisecond, Silent: 10 * time.Minute, Withdrawn: 7 * second}},
		// A check that hangs takes 10.5 s, and is as long as three intervals of 4.5 s.
		{"a timeout as long as the interval", Options{HealthInterval: 5 * second, Timeout: 5 * second},
			Revocation{Refused: (15+5)*second + second/2, Silent: time.Hour, Withdrawn: (10 + 5) * second}},
		{"stale for no shorter than the TTL", Options{TTL: 2 * time.Hour, MaxStale: time.Hour},
			Revocation{Refused: 21500 * time.Millisecond, Silent: 2 * time.Hour, Withdrawn: 20 * second}},
	}
	for _, test := range tests {
		if got := WorstCase(test.o); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

// slow is a KMS each of whose answers takes its time, by the test's clock. The
// answer is that of the question's time.
type slow struct {
	kms.Provider
	clock *clock
	took  time.Duration
}

func (s slow) Decrypt(ctx context.Context, key kms.Key, wrapped []byte, ec map[string]string) (secret.Bytes, error) {
	plaintext, err := s.Provider.Decrypt(ctx, key, wrapped, ec)
	s.clock.advance(s.took)
	return plaintext, err
}

// TestRevocationTime measures the time from when KMS begins to say no until nothing
// can be read, at several moments between two health checks, by a clock that moves
// only where the keyring waits: for the next round, and for an answer of KMS.
func TestRevocationTime(t *testing.T) {
	e := newEnv(t)
	o := Options{HealthInterval: 15 * time.Second, Timeout: 5 * time.Second}
	r := e.ring(o)
	r.provider = slow{r.provider, e.clock, o.Timeout}
	pauses, resume := make(chan time.Duration), make(chan struct{})
	r.pause = func(ctx context.Context, d time.Duration) {
		select {
		case pauses <- d:
			<-resume
		case <-ctx.Done():
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = r.Run(ctx) }()
	idle := func() {
		until(t, "the checks do not end", func() bool {
			r.checkingMu.Lock()
			defer r.checkingMu.Unlock()
			return len(r.checking) == 0 && !r.reading.Load()
		})
	}
	worst, formula := time.Duration(0), WorstCase(o).Refused
	for _, part := range []time.Duration{0, 3, 7, 9} { // tenths of the interval
		<-pauses
		idle()
		sealed, k := e.seal(r, "acme", "secret")
		resume <- struct{}{}
		d := <-pauses // a round with a key open
		idle()
		e.clock.advance(d * part / 10)
		e.must(e.kms.Disable(e.arns["acme"]))
		no := e.clock.now()
		e.clock.advance(d - d*part/10)
		e.reads(r, sealed, "secret") // nobody has told
		resume <- struct{}{}
		d = <-pauses
		idle()
		took := e.clock.now() - no
		if r.Usable(k) {
			t.Fatalf("readable %v after the no", took)
		}
		e.unreadable(r, "acme", sealed, pgerr.KeyUnavailable)
		if took > formula {
			t.Errorf("unreadable after %v, the formula says %v", took, formula)
		}
		worst = max(worst, took)
		e.must(e.kms.Enable(e.arns["acme"]))
		e.clock.advance(d)
		resume <- struct{}{}
		d = <-pauses
		idle()
		e.reads(r, sealed, "secret")
		e.clock.advance(d)
		resume <- struct{}{}
	}
	cancel()
	<-ended
	t.Logf("at worst %v, the formula says %v", worst, formula)
	if least := o.HealthInterval - o.HealthInterval/10; worst < least {
		t.Errorf("at worst %v: shorter than between two checks, so the test has missed the worst", worst)
	}
}
