package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// roleKept is how long a host's answer about its role is believed. A failover is
// noticed after that, or as soon as a session finds out.
const roleKept = 2 * time.Second

// ErrReadOnly: a host does not take writes.
var ErrReadOnly = errors.New("the server is read-only")

// role is what a host has said of itself. Its lock is held while it is asked, so
// that many sessions at once ask one question.
type role struct {
	mu    sync.Mutex
	until time.Time // zero: not asked, or no longer believed
	err   error     // nil: it takes writes
}

// TakesWrites gives nil when a host takes writes, ErrReadOnly when it does not.
func (d *Dialer) TakesWrites(ctx context.Context, h *Host) error {
	h.role.mu.Lock()
	defer h.role.mu.Unlock()
	if time.Now().Before(h.role.until) {
		return h.role.err
	}
	err := d.askRole(ctx, h)
	if ctx.Err() != nil {
		return err // says nothing of the host
	}
	h.role.err, h.role.until = err, time.Now().Add(roleKept)
	return err
}

// Distrust forgets what a host has said of its role: a session has found it to be
// otherwise.
func (h *Host) Distrust() {
	h.role.mu.Lock()
	defer h.role.mu.Unlock()
	h.role.until = time.Time{}
}

// roleQuery asks what libpq asks for target_session_attrs
// (https://www.postgresql.org/docs/current/libpq-connect.html).
const roleQuery = "SELECT pg_catalog.pg_is_in_recovery() OR pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool"

// askRole asks a host, by pgseal's own login. The connection is made as those of
// sessions are, so the DSN's TLS settings do not apply.
func (d *Dialer) askRole(ctx context.Context, h *Host) error {
	conn, err := d.DialHost(ctx, h)
	if err != nil {
		return err
	}
	login := d.login.Copy()
	login.TLSConfig, login.Fallbacks, login.ValidateConnect = nil, nil, nil
	login.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	// A *tls.Conn is known as such, and SCRAM bound to it.
	login.DialFunc = func(context.Context, string, string) (net.Conn, error) { return conn.Conn, nil }
	login.ConnectTimeout = d.options.ConnectTimeout
	session, err := pgconn.ConnectConfig(ctx, login)
	if err != nil {
		_ = conn.Close() // closed already, but for errors ahead of the dial
		return ofHost(h, fmt.Errorf("ask for its role: %w", err))
	}
	defer func() { _ = session.Close(context.WithoutCancel(ctx)) }() // it was only read from
	results, err := session.Exec(ctx, roleQuery).ReadAll()
	if err != nil {
		return ofHost(h, fmt.Errorf("ask for its role: %w", err))
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return ofHost(h, errors.New("ask for its role: the answer has another form"))
	}
	if string(results[0].Rows[0][0]) == "t" {
		return ofHost(h, ErrReadOnly)
	}
	return nil
}
