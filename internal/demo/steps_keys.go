package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/demo/gateway"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgerr"
)

// patience is how long a change in KMS may take to bite; the health check's
// interval is a second.
const patience = 8 * time.Second

// showRevocation disables acme's key, and waits until acme's traces cannot be
// read any more while globex's can.
func showRevocation(ctx context.Context, e *environment, s *screen) error {
	began := time.Now()
	if err := e.kms.Disable(e.keys["acme"]); err != nil {
		return err
	}
	var refusal *pgconn.PgError
	err := e.until(ctx, func() (bool, error) {
		_, err := e.app.Recent(ctx, "acme", 3)
		if err == nil {
			return false, nil
		}
		if !errors.As(err, &refusal) || refusal.Code != pgerr.KeyUnavailable {
			return false, fmt.Errorf("acme's requests are answered with another error than %s: %w", pgerr.KeyUnavailable, err)
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("acme's requests after its key was disabled: %w", err)
	}
	took := time.Since(began)
	others, err := e.app.Recent(ctx, "globex", requests)
	if err != nil {
		return fmt.Errorf("globex's requests are not read on: %w", err)
	}
	s.line("  acme's requests, %.1f s later:", took.Seconds())
	showError(s, refusal)
	s.line("  globex's requests, at the same time:")
	return showRequest(s, others)
}

// showReturn enables acme's key, and waits until its traces are back.
func showReturn(ctx context.Context, e *environment, s *screen) error {
	began := time.Now()
	if err := e.kms.Enable(e.keys["acme"]); err != nil {
		return err
	}
	var back []gateway.Request
	err := e.until(ctx, func() (bool, error) {
		var err error
		back, err = e.app.Recent(ctx, "acme", requests)
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("acme's requests after its key was enabled: %w", err)
	}
	s.line("  acme's requests, %.1f s later, nothing restarted:", time.Since(began).Seconds())
	return showRequest(s, back)
}

// showReplacement gives acme another key and deletes the old one in KMS: all that was
// sealed before opens.
func showReplacement(ctx context.Context, e *environment, s *screen) error {
	old := e.keys["acme"]
	next, err := e.kms.CreateKey(kmsserver.KeyOptions{Description: "traces of acme, from now on"})
	if err != nil {
		return err
	}
	for _, args := range [][]string{{"--arn", next}, {"--complete"}} {
		if err := e.run(ctx, append([]string{"keys", "replace", "--org", "acme"}, args...)...); err != nil {
			return err
		}
	}
	e.keys["acme"] = next
	if err := e.kms.Delete(old); err != nil {
		return err
	}
	var dataKeys, left int
	if err := e.query(ctx, e.direct, `SELECT count(*), count(*) FILTER (WHERE key_arn <> $1 OR next_key_arn IS NOT NULL) FROM pgseal.data_keys WHERE org = 'acme'`,
		[]any{&dataKeys, &left}, next); err != nil {
		return err
	}
	if dataKeys == 0 || left > 0 {
		return fmt.Errorf("of acme's %d data keys, %d are not wrapped by the new key alone", dataKeys, left)
	}
	back, err := e.app.Recent(ctx, "acme", requests)
	if err != nil {
		return fmt.Errorf("acme's requests after its old key was deleted: %w", err)
	}
	s.line("  pgseal keys replace --org acme --arn …, then --complete: its data keys are")
	s.line("  wrapped anew, no row was touched. The old key is gone; acme's requests:")
	return showRequest(s, back)
}

// until waits for something to become true.
func (e *environment) until(ctx context.Context, done func() (bool, error)) error {
	deadline := time.Now().Add(patience)
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("nothing changed within %s", patience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
