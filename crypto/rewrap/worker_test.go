package rewrap

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
)

// lines counts the lines of a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) with(words string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), words)
}

// work starts a worker that ends with the test.
func (e *env) work(log *lines) {
	ctx, cancel := context.WithCancel(e.t.Context())
	w := NewWorker(e.store, e.provider, WorkerOptions{Interval: 2 * time.Millisecond, Pause: time.Millisecond}, slog.New(slog.NewTextHandler(log, nil)))
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	e.t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			e.t.Errorf("the worker ended: %v", err)
		}
	})
}

// until waits for something that another goroutine brings about.
func (e *env) until(ok func() bool) {
	e.t.Helper()
	for !ok() {
		if e.t.Context().Err() != nil {
			e.t.Fatal("it does not come about")
		}
		time.Sleep(time.Millisecond)
	}
}

// TestWorkers: two processes notice a change of keys, and each data key is worked on
// by one of them; then another change, back.
func TestWorkers(t *testing.T) {
	e := newEnv(t)
	e.mint(1, 100, e.old)
	var first, second lines
	e.work(&first)
	e.work(&second)
	ended := func() int {
		const all = "all data keys are wrapped under the org's new key"
		return first.with(all) + second.with(all)
	}
	e.replace(kms.Key{ARN: e.next})
	e.until(func() bool { return ended() == 2 })
	if n := e.wrapped(); n != 100 {
		t.Fatalf("%d are wrapped", n)
	}
	if n := e.kms.Calls("Decrypt", e.next); n != 100 {
		t.Errorf("%d wraps were proven", n)
	}
	e.mint(101, 3, e.next)
	e.replace(kms.Key{ARN: e.old})
	e.until(func() bool { return ended() == 4 })
	e.complete()
	e.must(e.kms.Delete(e.next))
	for id := range e.keys {
		e.opens(id, e.row(id).Wrapped, e.old)
	}
}

// TestWorkerInTrouble: what is wrong is tried again and again, and told once.
func TestWorkerInTrouble(t *testing.T) {
	e := newEnv(t)
	e.mint(1, 5, e.old)
	e.must(e.kms.Disable(e.old))
	e.replace(kms.Key{ARN: e.next})
	var log lines
	e.work(&log)
	e.until(func() bool { return e.kms.Calls("DescribeKey", e.next) >= 5 }) // one a try
	const trouble = "not all data keys could be wrapped under the org's new key"
	if n := log.with(trouble); n != 1 {
		t.Errorf("it was told %d times: %s", n, log.text.String())
	}
	if log.with("5 data keys stay under "+e.old+" alone") != 1 || log.with("DisabledException") != 1 {
		t.Errorf("%s", log.text.String())
	}
	e.must(e.store.SetOrgKeyState(t.Context(), "acme", keystore.Disabled, tester)) // then nobody uses it
	e.must(e.kms.Enable(e.old))
	e.must(e.store.SetOrgKeyState(t.Context(), "acme", keystore.Enabled, tester))
	e.until(func() bool { return e.wrapped() == 5 })
}
