// Package keystore is the tables of schema pgseal in Postgres: the orgs' keys,
// their data keys as KMS has wrapped them, and the audit log; and the migrations
// that make them and the domain pgseal.sealed.
//
// It sees no data key in the clear, calls no KMS and caches nothing. Every name
// in its SQL is qualified, so no search_path matters.
//
// Files: keystore.go has the store, errors.go its errors, orgkeys.go the orgs'
// keys and changes.go what is done to them, replace.go the change from one key to
// another, destroy.go their end, datakeys.go the data keys, watch.go the notice of
// changes, lock.go who wraps data keys anew, audit.go the audit log, auditchain.go
// its hash chain, auditverify.go what checks that, version.go the check of the
// schema's version, migrate.go the migrations, which are in migrations/.
package keystore

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Store is a keystore. Its methods are safe for use by many goroutines; they
// last no longer than their context. An error that is none of those in errors.go
// and version.go means that the database can't be reached or failed.
type Store struct {
	pool    *pgxpool.Pool
	checked atomic.Bool // the version was seen to be right
}

// maxConns is enough: a process asks once for each data key that it opens.
const maxConns = 4

// Open gives the store in the database at dsn. It connects when it is used, so
// that a keystore that is down fails what needs a key, not the start.
func Open(ctx context.Context, dsn string) (*Store, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("keystore: dsn: %w", err)
	}
	config.MaxConns = maxConns
	config.MinConns, config.MinIdleConns = 0, 0
	// One round trip and no named statements, so that a pooler in front of the
	// keystore may hand each query to another connection.
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.ConnConfig.StatementCacheCapacity, config.ConnConfig.DescriptionCacheCapacity = 0, 0
	if _, set := config.ConnConfig.RuntimeParams["application_name"]; !set {
		config.ConnConfig.RuntimeParams["application_name"] = "pgseal keystore"
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	return &Store{pool: pool}, nil
}

// Close closes the connections.
func (s *Store) Close() { s.pool.Close() }

// Check tells whether the keystore can be reached and has the version that this
// pgseal needs.
func (s *Store) Check(ctx context.Context) error {
	s.checked.Store(false)
	return s.ready(ctx)
}

// ready is Check, once: no migration changes the version under a running pgseal
// in a way that it must see.
func (s *Store) ready(ctx context.Context) error {
	if s.checked.Load() {
		return nil
	}
	version, _, err := versionOf(ctx, s.pool, Tables)
	if err != nil {
		return fmt.Errorf("keystore: %w", err)
	}
	if err := checkVersion(version); err != nil {
		return err
	}
	s.checked.Store(true)
	return nil
}
