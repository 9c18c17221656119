package keystore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ErrNotInitialised: the database has no keystore.
var ErrNotInitialised = errors.New("the keystore is not initialised: run pgseal init")

// NewerError: the database was migrated by a newer pgseal. This one does not
// know what has changed, so it touches nothing.
type NewerError struct {
	Part         Part
	Found, Known int
}

// Error tells the versions and what to do.
func (e *NewerError) Error() string {
	return fmt.Sprintf("schema pgseal (%s) is at version %d, and this pgseal knows %d: use the newer pgseal that migrated it, or a later one",
		e.Part, e.Found, e.Known)
}

// querier is what a transaction and a pool have in common.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// versionOf reads the version of a part of the schema, zero when the part is
// not there, and whether the table of versions exists.
func versionOf(ctx context.Context, q querier, part Part) (version int, exists bool, err error) {
	err = q.QueryRow(ctx, "SELECT pg_catalog.to_regclass('pgseal.schema_version') IS NOT NULL").Scan(&exists)
	if err != nil || !exists {
		return 0, false, err
	}
	err = q.QueryRow(ctx, "SELECT coalesce(pg_catalog.max(version), 0) FROM pgseal.schema_version WHERE part = $1", string(part)).Scan(&version)
	return version, true, err
}

// checkVersion compares what the database has with what this pgseal knows. An
// older keystore is refused too: pgseal init brings it up to date.
func checkVersion(found int) error {
	list, err := migrationsOf(Tables)
	if err != nil {
		return err
	}
	switch known := len(list); {
	case found == 0:
		return ErrNotInitialised
	case found > known:
		return &NewerError{Part: Tables, Found: found, Known: known}
	case found < known:
		return fmt.Errorf("the keystore is at version %d, and this pgseal needs %d: run pgseal init", found, known)
	}
	return nil
}
