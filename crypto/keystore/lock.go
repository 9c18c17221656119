package keystore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// rewrapLock is the number of an org's lock.
const rewrapLock = "pg_catalog.hashtextextended('pgseal rewrap ' || $1, 0)"

// lockHolder begins the application_name of a connection that holds a lock; the
// name of the process follows.
const lockHolder = "pgseal rewrap by "

// LockRewrap has one process at a time wrap an org's data keys anew. unlock is nil
// when another one does: holder is what that one gave as by, or empty when it can't
// be told. The lock ends with unlock, with the process, or with the connection, which
// is one of its own.
//
// It is a transaction's, not a session's: behind a pooler that gives each transaction
// another connection, a session's would stay with a connection that nobody has any
// more.
func (s *Store) LockRewrap(ctx context.Context, org, by string) (unlock func(), holder string, err error) {
	if err := s.ready(ctx); err != nil {
		return nil, "", err
	}
	config := s.pool.Config().ConnConfig.Copy()
	config.RuntimeParams["application_name"] = lockHolder + by // which Postgres cuts to 63 bytes
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, "", fmt.Errorf("keystore: %w", err)
	}
	ok, err := lockRewrap(ctx, conn, org)
	if ok {
		return func() { unlockRewrap(conn) }, "", nil
	}
	defer closeConn(conn)
	if err == nil {
		holder, err = rewrapHolder(ctx, conn, org)
	}
	if err != nil {
		return nil, "", fmt.Errorf("keystore: lock org %q: %w", org, err)
	}
	return nil, holder, nil
}

// lockRewrap tries to lock an org in a transaction that stays open. That reads and
// writes nothing more, so it keeps no row from being vacuumed; the timeouts are for
// those that do.
func lockRewrap(ctx context.Context, conn *pgx.Conn, org string) (ok bool, err error) {
	// In one message: between two, the shortest of timeouts could end it.
	if err := conn.PgConn().Exec(ctx, `BEGIN; SELECT pg_catalog.set_config(name, '0', true) FROM pg_catalog.pg_settings
		WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')`).Close(); err != nil {
		return false, err
	}
	err = conn.QueryRow(ctx, "SELECT pg_catalog.pg_try_advisory_xact_lock("+rewrapLock+")", org).Scan(&ok)
	return ok, err
}

// rewrapHolder tells who holds an org's lock. pg_locks has the number of an advisory
// lock in two halves (https://www.postgresql.org/docs/current/view-pg-locks.html).
func rewrapHolder(ctx context.Context, conn *pgx.Conn, org string) (string, error) {
	var name string
	err := conn.QueryRow(ctx, `SELECT coalesce(a.application_name, '') FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid)
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND a.datname = pg_catalog.current_database()
		AND (l.classid::bigint << 32 | l.objid::bigint) = `+rewrapLock+" LIMIT 1", org).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil // it has just ended
	}
	holder, ok := strings.CutPrefix(name, lockHolder)
	if !ok {
		return "", err
	}
	return holder, nil
}

// unlockRewrap gives the lock back at once; by the end of the connection it would
// be a moment later.
func unlockRewrap(conn *pgx.Conn) {
	defer closeConn(conn)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = conn.Exec(ctx, "ROLLBACK") // a connection that is broken has lost it
}
