package proxy_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/crypto/keyring"
	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/rewrap"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// traffic writes and reads notes until it is stopped. Every statement has to do.
type traffic struct {
	t       *testing.T
	written atomic.Int32 // notes 1 to so many are there, for one writer
	reads   atomic.Int32
	stopped atomic.Bool
	parts   sync.WaitGroup
}

func noteOf(org string, id int32) string { return fmt.Sprintf("%s's note %d", org, id) }

// begin starts a writer and a reader for an org, whose ids come behind first.
func (w *traffic) begin(dsn, org string, first int32) {
	w.parts.Go(func() {
		w.steps(dsn, func(ctx context.Context, conn *pgx.Conn) error {
			id := w.written.Load() + 1
			_, err := conn.Exec(ctx, "INSERT INTO notes (id, org_id, body) VALUES ($1, $2, $3)", first+id, org, noteOf(org, id))
			if err == nil {
				w.written.Store(id)
			}
			return err
		})
	})
	w.parts.Go(func() {
		next := int32(0)
		w.steps(dsn, func(ctx context.Context, conn *pgx.Conn) error {
			written := w.written.Load()
			if written == 0 {
				return nil
			}
			next = next%written + 1
			defer w.reads.Add(1)
			return reads(ctx, conn, org, first, next)
		})
	})
}

// steps does a step after the other over a connection of its own.
func (w *traffic) steps(dsn string, step func(context.Context, *pgx.Conn) error) {
	ctx := w.t.Context()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		w.t.Error(err)
		return
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for !w.stopped.Load() {
		if err := step(ctx, conn); err != nil {
			w.t.Error(err)
			return
		}
	}
}

// reads holds a note to what was written.
func reads(ctx context.Context, conn *pgx.Conn, org string, first, id int32) error {
	var body string
	if err := conn.QueryRow(ctx, "SELECT body FROM notes WHERE id = $1", first+id).Scan(&body); err != nil {
		return fmt.Errorf("%s: %w", noteOf(org, id), err)
	}
	if want := noteOf(org, id); body != want {
		return fmt.Errorf("got %q, want %q", body, want)
	}
	return nil
}

// more waits until so much more was written and read.
func (w *traffic) more(n int32) {
	w.t.Helper()
	written, read := w.written.Load()+n, w.reads.Load()+n
	for w.written.Load() < written || w.reads.Load() < read {
		if w.t.Failed() || w.t.Context().Err() != nil {
			w.t.FailNow()
		}
		time.Sleep(time.Millisecond)
	}
}

func (w *traffic) stop() {
	w.stopped.Store(true)
	w.parts.Wait()
}

// TestReplaceKey: an org's key is replaced, its data keys are wrapped anew, the change
// is completed and the old key deleted, while values are written and read through
// pgseal. No statement fails and nothing that was ever written is lost.
func TestReplaceKey(t *testing.T) {
	// Data keys are minted every few values, and serve for a moment only, so that
	// each is unwrapped again and again.
	f := proxytest.Start(t, proxytest.Options{Keyring: keyring.Options{MaxSeals: 4, TTL: 50 * time.Millisecond}})
	proxytest.Exec(t, f.Through, proxytest.NotesTable)
	next, err := f.KMS.CreateKey(kmsserver.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	by := keystore.Actor{Name: "tester"}
	run := func() {
		t.Helper()
		p, err := rewrap.Run(t.Context(), f.Store, f.Provider, "acme", rewrap.Options{})
		if err != nil || p.Remaining() != 0 || p.DataKeys < 10 {
			t.Fatalf("%+v, %v", p, err)
		}
	}
	replace := func(to string) {
		t.Helper()
		if err := f.Store.ReplaceOrgKey(t.Context(), "acme", keystore.Replacement{Key: kms.Key{ARN: to}}, by); err != nil {
			t.Fatal(err)
		}
	}
	const globex = 1_000_000 // its ids come behind
	acme, other := &traffic{t: t}, &traffic{t: t}
	acme.begin(f.Through, "acme", 0)
	other.begin(f.Through, "globex", globex)
	defer acme.stop()
	defer other.stop()

	acme.more(40)
	replace(next)
	acme.more(8)
	run()
	acme.more(8)
	replace(f.Keys["acme"]) // back, in the middle
	acme.more(8)
	replace(next)
	run()
	acme.more(8)
	if _, err := f.Store.CompleteReplacement(t.Context(), "acme", []string{next}, by); err != nil {
		t.Fatal(err)
	}
	if err := f.KMS.Delete(f.Keys["acme"]); err != nil {
		t.Fatal(err)
	}
	acme.more(40)
	acme.stop()
	other.stop()

	if n, err := f.Store.Counts(t.Context(), "acme", []string{next}); err != nil || n.Wrapped != n.Live {
		t.Errorf("%+v, %v", n, err)
	}
	conn := proxytest.Connect(t, f.Through)
	for id := range acme.written.Load() {
		if err := reads(t.Context(), conn, "acme", 0, id+1); err != nil {
			t.Error(err)
		}
	}
	for id := range other.written.Load() {
		if err := reads(t.Context(), conn, "globex", globex, id+1); err != nil {
			t.Error(err)
		}
	}
}
