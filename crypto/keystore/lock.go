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
// be told. The lock is a connection's own and ends with unlock, or with the process.
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
	var ok bool
	if err = conn.QueryRow(ctx, "SELECT pg_catalog.pg_try_advisory_lock("+rewrapLock+")", org).Scan(&ok); err == nil && ok {
		return func() { unlockRewrap(conn, org) }, "", nil
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
func unlockRewrap(conn *pgx.Conn, org string) {
	defer closeConn(conn)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = conn.Exec(ctx, "SELECT pg_catalog.pg_advisory_unlock("+rewrapLock+")", org) // a connection that is broken has lost it
}
