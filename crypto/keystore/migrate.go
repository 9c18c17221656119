package keystore

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Part is one of the two parts of schema pgseal. They may be in one database or
// in two, each with its own version.
type Part string

const (
	Domain Part = "domain" // the type pgseal.sealed: in the upstream database
	Tables Part = "tables" // org keys, data keys, audit log: in the keystore's
)

//go:embed migrations
var migrationFiles embed.FS

// migration is one file: migrations/PART/NNNN_name.sql, numbered from 1 without
// a gap. Each runs once, in a transaction of its own, and is never edited after
// a release: what it did is changed by the next one.
type migration struct {
	part    Part
	version int
	name    string // PART/NNNN_name
	sql     string
}

// migrationsOf reads a part's migrations in order.
func migrationsOf(part Part) ([]migration, error) {
	dir := path.Join("migrations", string(part))
	entries, err := fs.ReadDir(migrationFiles, dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("keystore: no part %q: %w", part, err)
	}
	var list []migration
	for i, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".sql")
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("keystore: internal error: migration %s/%s is not number %d", part, e.Name(), i+1)
		}
		sql, err := fs.ReadFile(migrationFiles, path.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("keystore: %w", err)
		}
		list = append(list, migration{part: part, version: version, name: string(part) + "/" + name, sql: string(sql)})
	}
	return list, nil
}

// lockKey is the advisory lock that migrations of several processes queue at:
// "pgseal" in ASCII.
const lockKey = 0x70677365616C

// settingsSQL holds off what a role or database may have set: operators and
// functions in the migrations are Postgres's own.
const settingsSQL = `SET LOCAL search_path = pg_catalog; SET LOCAL standard_conforming_strings = on`

const bootstrapSQL = `
CREATE SCHEMA IF NOT EXISTS pgseal;
CREATE TABLE IF NOT EXISTS pgseal.schema_version (
    part       text NOT NULL,
    version    integer NOT NULL,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (part, version)
);
REVOKE ALL ON pgseal.schema_version FROM PUBLIC`

// Migrate brings the given parts of schema pgseal in the database at dsn, both
// when none are given, to the version that this pgseal knows, and tells which
// migrations it applied: none when all is as it should be. Another process that
// does the same at the same time is waited for. A database that is newer than
// this pgseal is a *NewerError, and nothing is changed.
func Migrate(ctx context.Context, dsn string, parts ...Part) (applied []string, err error) {
	if len(parts) == 0 {
		parts = []Part{Domain, Tables}
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("keystore: dsn: %w", err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // all that matters is committed
	for _, part := range parts {
		list, err := migrationsOf(part)
		if err != nil {
			return applied, err
		}
		for _, m := range list {
			done, err := apply(ctx, conn, m, len(list))
			if err != nil {
				return applied, err
			}
			if done {
				applied = append(applied, m.name)
			}
		}
	}
	return applied, nil
}

// apply runs one migration unless it was run before.
func apply(ctx context.Context, conn *pgx.Conn, m migration, newest int) (done bool, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, settingsSQL); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT pg_catalog.pg_advisory_xact_lock($1)", int64(lockKey)); err != nil {
			return err
		}
		version, exists, err := versionOf(ctx, tx, m.part)
		if err != nil {
			return err
		}
		if version > newest {
			return &NewerError{Part: m.part, Found: version, Known: newest}
		}
		if version >= m.version {
			return nil
		}
		if !exists { // even IF NOT EXISTS wants the right to create
			if _, err := tx.Exec(ctx, bootstrapSQL); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, m.sql); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO pgseal.schema_version (part, version, name) VALUES ($1, $2, $3)", string(m.part), m.version, m.name)
		done = err == nil
		return err
	})
	if err != nil {
		return false, fmt.Errorf("keystore: migration %s: %w", m.name, err)
	}
	return done, nil
}
