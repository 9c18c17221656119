package proxy_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/pgseal/pgseal/crypto"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/proxy"
)

// withdrawing is a keyring that takes keys away just after it has given them out.
type withdrawing struct {
	proxy.Keyring
	times atomic.Int32 // how often still
}

// closed gives a key like k in place of it, as it is when it was withdrawn.
func (w *withdrawing) closed(k *crypto.DataKey) *crypto.DataKey {
	if k == nil || w.times.Add(-1) < 0 {
		return k
	}
	taken, err := crypto.NewDataKey(k.ID(), k.Org(), make([]byte, crypto.KeySize))
	if err != nil {
		panic(err)
	}
	taken.Close()
	return taken
}

func (w *withdrawing) Ready(org string) *crypto.DataKey { return w.closed(w.Keyring.Ready(org)) }

func (w *withdrawing) ForSeal(ctx context.Context, org string) (*crypto.DataKey, error) {
	k, err := w.Keyring.ForSeal(ctx, org)
	return w.closed(k), err
}

func (w *withdrawing) ForOpen(ctx context.Context, id uint64) (*crypto.DataKey, error) {
	k, err := w.Keyring.ForOpen(ctx, id)
	return w.closed(k), err
}

// TestKeyWithdrawnUnderAValue: a key that is taken away between being given out and
// being used is asked for again; the value is neither lost nor called damaged.
func TestKeyWithdrawnUnderAValue(t *testing.T) {
	ring := &withdrawing{}
	f := startWithNotes(t, proxytest.Options{Change: func(c *proxy.Config) { ring.Keyring, c.Keyring = c.Keyring, ring }})
	for i, want := range []string{"", pgerr.KeyUnavailable} {
		times := int32(i + 1)
		conn := proxytest.Connect(t, f.Through)
		ring.times.Store(times)
		if _, err := conn.Exec(t.Context(), "UPDATE notes SET body = $1 WHERE id = 1 AND org_id = $2", "anew", "acme"); codeOf(err) != want {
			t.Errorf("a write, %d times: %v, want %q", times, err, want)
		}
		ring.times.Store(times)
		if _, err := selectBody(t, conn, 1); codeOf(err) != want {
			t.Errorf("a read, %d times: %v, want %q", times, err, want)
		}
		ring.times.Store(0)
		if body, err := selectBody(t, conn, 1); err != nil || *body != "anew" {
			t.Errorf("afterwards: %v, %v", body, err)
		}
	}
}
