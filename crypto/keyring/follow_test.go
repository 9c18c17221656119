package keyring

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/internal/pgerr"
)

// run has a keyring follow the keystore, with no round of health checks but the
// first.
func (e *env) run(r *Keyring) {
	e.t.Helper()
	ctx, cancel := context.WithCancel(e.t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = r.Run(ctx) }()
	e.t.Cleanup(func() { cancel(); <-ended })
	until(e.t, "the first health check", func() bool {
		h := r.Health()
		return len(h) == 2 && h[0].State == OK && h[1].State == OK
	})
}

// TestChangesReachAll: processes on one keystore learn of each other's changes by
// the keystore's notices, and without them by looking; no health check has a part.
func TestChangesReachAll(t *testing.T) {
	e := newEnv(t)
	hours := func() Options {
		start := time.Now()
		return Options{HealthInterval: time.Hour, Clock: func() time.Duration { return time.Since(start) }}
	}
	told, looking := e.ring(hours()), e.ring(hours())
	deaf, err := keystore.Open(t.Context(), withoutNotices(t, e.dsn))
	e.must(err)
	t.Cleanup(deaf.Close)
	looking.store = deaf
	rings := []*Keyring{told, looking}
	for _, r := range rings {
		e.run(r)
	}
	everywhere := func(what string, ok func(r *Keyring) bool) {
		t.Helper()
		for _, r := range rings {
			until(t, what, func() bool { return ok(r) })
		}
	}
	sealed, _ := e.seal(told, "acme", "secret")
	e.reads(looking, sealed, "secret")
	state := func(org string, want State) func(r *Keyring) bool {
		return func(r *Keyring) bool { return e.health(r, org).State == want }
	}
	e.must(e.store.SetOrgKeyState(t.Context(), "acme", keystore.Disabled, tester))
	everywhere("disabled", state("acme", Disabled))
	for _, r := range rings {
		e.unreadable(r, "acme", sealed, pgerr.KeyUnavailable)
	}
	e.must(e.store.SetOrgKeyState(t.Context(), "acme", keystore.Enabled, tester))
	everywhere("enabled", func(r *Keyring) bool { return e.health(r, "acme").State != Disabled })
	for _, r := range rings {
		e.reads(r, sealed, "secret")
		e.seal(r, "acme", "more")
	}
	arn := e.replace("acme")
	everywhere("replaced", func(r *Keyring) bool {
		k := r.Ready("acme")
		if k == nil {
			return false
		}
		row, err := e.store.DataKey(t.Context(), k.ID())
		e.must(err)
		return row.KeyARN == arn
	})
	_, err = e.store.DestroyOrgKey(t.Context(), "acme", tester)
	e.must(err)
	everywhere("destroyed", state("acme", Destroyed))
	for _, r := range rings {
		e.unreadable(r, "acme", sealed, pgerr.KeyUnavailable)
		_, err := r.ForSeal(t.Context(), "initech")
		e.code(err, pgerr.NoKey)
		r.missing.span = time.Hour // so that nothing but a notice makes it forget
		_ = r.missing.put("initech", errNoKey("initech"))
	}
	e.link("initech")
	everywhere("added", func(r *Keyring) bool { _, err := r.ForSeal(t.Context(), "initech"); return err == nil })
}

// withoutNotices stands in front of Postgres as a pooler does that carries no
// notices, and gives the DSN to it.
func withoutNotices(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	target := u.Host
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() {
				_, _ = io.Copy(server, client)
				_ = server.Close()
			}()
			go func() {
				_ = copyWithoutNotices(client, server)
				_ = client.Close()
			}()
		}
	}()
	u.Host = listener.Addr().String()
	u.RawQuery = "sslmode=disable" // what is encrypted can't be looked into
	return u.String()
}

// copyWithoutNotices copies the server's messages but for NotificationResponse.
func copyWithoutNotices(client io.Writer, server io.Reader) error {
	from := bufio.NewReader(server)
	for {
		head, err := from.Peek(5)
		if err != nil {
			return err
		}
		to, length := client, int64(binary.BigEndian.Uint32(head[1:]))+1
		if head[0] == 'A' {
			to = io.Discard
		}
		if _, err := io.CopyN(to, from, length); err != nil {
			return err
		}
	}
}
