package keystore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// RemoveOrgKey deletes what the keystore knows of an org, and writes the audit log.
// ErrNotFound; ErrInUse while the org has data keys, ErrDestroyed when it had some:
// their stones stay.
func (s *Store) RemoveOrgKey(ctx context.Context, org string, by Actor) error {
	err := s.change(ctx, func(tx pgx.Tx) error {
		k, err := lockLiveOrgKey(ctx, tx, org)
		if err != nil {
			return err
		}
		var live, destroyed bool
		if err := tx.QueryRow(ctx, `SELECT coalesce(pg_catalog.bool_or(destroyed_at IS NULL), false), coalesce(pg_catalog.bool_or(destroyed_at IS NOT NULL), false)
			FROM pgseal.data_keys WHERE org = $1`, org).Scan(&live, &destroyed); err != nil {
			return err
		}
		switch {
		case live:
			return ErrInUse
		case destroyed:
			return ErrDestroyed
		}
		if _, err := tx.Exec(ctx, "DELETE FROM pgseal.org_keys WHERE org = $1", org); err != nil {
			return err
		}
		return audit(ctx, tx, Event{Actor: by, Action: "remove key", Org: org, Detail: keyDetail(k.Name, k.Key)})
	})
	if err != nil {
		return fmt.Errorf("keystore: remove key of org %q: %w", org, err)
	}
	return nil
}

// DestroyOrgKey deletes the wraps of all of an org's data keys: what was sealed with
// them opens nowhere any more, except with a copy of the keystore from before and the
// org's key. It tells how many there were, and writes the audit log. Stones stay in
// their place, which say so. ErrNotFound, ErrDestroyed.
//
// Copies that Postgres itself keeps of changed rows go with Vacuum.
func (s *Store) DestroyOrgKey(ctx context.Context, org string, by Actor) (dataKeys int, err error) {
	err = s.change(ctx, func(tx pgx.Tx) error {
		k, err := lockLiveOrgKey(ctx, tx, org)
		if err != nil {
			return err
		}
		done, err := tx.Exec(ctx, `UPDATE pgseal.data_keys SET wrapped = NULL, next_wrapped = NULL, next_key_arn = NULL, destroyed_at = pg_catalog.now()
			WHERE org = $1 AND destroyed_at IS NULL`, org)
		if err != nil {
			return err
		}
		dataKeys = int(done.RowsAffected())
		if _, err := tx.Exec(ctx, `UPDATE pgseal.org_keys SET state = 'destroyed', epoch = `+nextEpoch+`, previous = NULL, replacing = NULL,
			updated_at = pg_catalog.now() WHERE org = $1`, org); err != nil {
			return err
		}
		detail := keyDetail(k.Name, k.Key)
		detail["data keys"] = strconv.Itoa(dataKeys)
		return audit(ctx, tx, Event{Actor: by, Action: "destroy data keys", Org: org, Detail: detail})
	})
	if err != nil {
		return 0, fmt.Errorf("keystore: destroy data keys of org %q: %w", org, err)
	}
	return dataKeys, nil
}

// Vacuum writes the table of data keys anew, so that its files have no wraps any
// more that were destroyed or replaced. It waits for whoever reads the table, and
// they for it.
func (s *Store) Vacuum(ctx context.Context) error {
	err := s.ready(ctx)
	if err == nil {
		_, err = s.pool.Exec(ctx, "VACUUM (FULL) pgseal.data_keys")
	}
	if err != nil {
		return fmt.Errorf("keystore: vacuum: %w", err)
	}
	return nil
}
