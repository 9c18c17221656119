package keystore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/crypto/kms"
)

// Replacement is the key that takes over. A nil Name or Description is left as it
// is; Origin is Own unless given.
type Replacement struct {
	kms.Key
	Region            string
	Origin            Origin
	Name, Description *string
}

// ReplaceOrgKey has another key take an org's key's place: new data keys are made
// under it at once, those that there are stay readable by the previous key until
// each is wrapped by the new one too (DataKeysLacking, AddWrap) and the change is
// completed. An org without data keys has changed at once. It writes the audit
// log, and does not try the key: kms.Prove does.
//
// ErrNotFound, ErrDestroyed; ErrExists when it is the org's key already;
// ErrReplacing when another change is under way. Going back to the previous key
// is possible at any time until then.
func (s *Store) ReplaceOrgKey(ctx context.Context, org string, to Replacement, by Actor) error {
	err := s.change(ctx, func(tx pgx.Tx) error {
		old, err := lockLiveOrgKey(ctx, tx, org)
		if err != nil {
			return err
		}
		return replace(ctx, tx, old, to, by, "replace key")
	})
	if err != nil {
		return fmt.Errorf("keystore: replace key of org %q: %w", org, err)
	}
	return nil
}

// replace changes old, whose row is locked.
func replace(ctx context.Context, tx pgx.Tx, old OrgKey, to Replacement, by Actor, action string) error {
	switch {
	case to.ARN == old.ARN:
		return ErrExists
	case old.Previous != nil && to.ARN != old.Previous.ARN:
		return ErrReplacing
	}
	if to.Name != nil {
		old.Name = *to.Name
	}
	if to.Description != nil {
		old.Description = *to.Description
	}
	if to.Origin == "" {
		to.Origin = Own
	}
	// Without data keys there is nothing that the previous key is needed for.
	live, err := hasLiveDataKeys(ctx, tx, old.Org)
	if err != nil {
		return err
	}
	var previous *string
	if live {
		text, err := record(old.Key)
		if err != nil {
			return err
		}
		previous = &text
	}
	if _, err := tx.Exec(ctx, `UPDATE pgseal.org_keys SET name = $2, description = $3, arn = $4, replicas = $5, role_arn = $6, external_id = $7,
		region = $8, origin = $9, previous = $10::text::jsonb, replacing = CASE WHEN $10::text IS NOT NULL THEN pg_catalog.now() END,
		updated_at = pg_catalog.now() WHERE org = $1`,
		old.Org, old.Name, old.Description, to.ARN, list(to.Replicas), to.RoleARN, to.ExternalID, to.Region, string(to.Origin), previous); err != nil {
		return err
	}
	detail := keyDetail(old.Name, to.Key)
	detail["previous arn"] = old.ARN
	return audit(ctx, tx, Event{Actor: by, Action: action, Org: old.Org, Detail: detail})
}

// hasLiveDataKeys tells whether an org has data keys that are not destroyed.
func hasLiveDataKeys(ctx context.Context, tx pgx.Tx, org string) (has bool, err error) {
	err = tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pgseal.data_keys WHERE org = $1 AND destroyed_at IS NULL)", org).Scan(&has)
	return has, err
}

// lacking is what data keys have in common that are live and without a wrap under
// one of the keys $2.
const lacking = `destroyed_at IS NULL AND key_arn <> ALL ($2::text[]) AND (next_key_arn IS NULL OR next_key_arn <> ALL ($2::text[]))`

// DataKeysLacking reads an org's data keys that are not wrapped under any of the
// given key ARNs, in the order of their ids, those behind the id after, limit at
// most. arns are those of one key: its own, not an alias, and for a multi-Region
// key those of its other Regions.
func (s *Store) DataKeysLacking(ctx context.Context, org string, arns []string, after uint64, limit int) ([]DataKey, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, "SELECT "+dataKeyColumns+" FROM pgseal.data_keys WHERE org = $1 AND "+lacking+" AND id > $3 ORDER BY id LIMIT $4",
		org, list(arns), int64(after), limit)
	if err == nil {
		var keys []DataKey
		if keys, err = pgx.CollectRows(rows, scanDataKey); err == nil {
			return keys, nil
		}
	}
	return nil, fmt.Errorf("keystore: data keys of org %q to be wrapped anew: %w", org, err)
}

// AddWrap stores a second wrap of a data key beside the first, in place of a second
// one that there may be. It has to be proven before: a change of keys that is
// completed keeps nothing else. ErrChanged when the data key's wraps are not those
// of old any more, or it was destroyed.
func (s *Store) AddWrap(ctx context.Context, old DataKey, w kms.Wrapped) error {
	err := s.ready(ctx)
	if err == nil {
		var done pgconn.CommandTag
		done, err = s.pool.Exec(ctx, `UPDATE pgseal.data_keys SET next_wrapped = $4, next_key_arn = $5
			WHERE id = $1 AND wrapped = $2 AND next_wrapped IS NOT DISTINCT FROM $3::bytea AND destroyed_at IS NULL`,
			int64(old.ID), old.Wrapped, old.NextWrapped, w.Blob, w.KeyARN)
		if err == nil && done.RowsAffected() == 0 {
			err = ErrChanged
		}
	}
	if err != nil {
		return fmt.Errorf("keystore: second wrap of data key %d: %w", old.ID, err)
	}
	return nil
}

// CompleteReplacement ends a change of keys: the wraps under one of arns, which are
// as for DataKeysLacking, become the only ones, and the previous key is needed no
// more. It tells of how many data keys, and writes the audit log.
//
// So it does where data keys have been wrapped anew because the alias that the org's
// key is named by has moved.
//
// The previous key may be deleted after that. A process that keeps a data key's
// record from before has to read it again before it takes a refusal of the
// previous key for an answer.
//
// ErrNotFound, ErrDestroyed, ErrNotReplacing; *IncompleteError while data keys lack
// the wrap, and nothing is changed then.
func (s *Store) CompleteReplacement(ctx context.Context, org string, arns []string, by Actor) (dataKeys int, err error) {
	err = s.change(ctx, func(tx pgx.Tx) error {
		k, err := lockLiveOrgKey(ctx, tx, org)
		if err != nil {
			return err
		}
		var twice bool // also where an alias has moved, and nobody has told pgseal
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pgseal.data_keys WHERE org = $1 AND next_wrapped IS NOT NULL)", org).Scan(&twice); err != nil {
			return err
		}
		if k.Previous == nil && !twice {
			return ErrNotReplacing
		}
		var remaining int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM pgseal.data_keys WHERE org = $1 AND "+lacking, org, list(arns)).Scan(&remaining); err != nil {
			return err
		}
		if remaining > 0 {
			return &IncompleteError{Remaining: remaining}
		}
		done, err := tx.Exec(ctx, `UPDATE pgseal.data_keys SET
			wrapped = CASE WHEN key_arn = ANY ($2::text[]) THEN wrapped ELSE next_wrapped END,
			key_arn = CASE WHEN key_arn = ANY ($2::text[]) THEN key_arn ELSE next_key_arn END,
			next_wrapped = NULL, next_key_arn = NULL
			WHERE org = $1 AND destroyed_at IS NULL AND next_wrapped IS NOT NULL`, org, list(arns))
		if err != nil {
			return err
		}
		dataKeys = int(done.RowsAffected())
		if _, err := tx.Exec(ctx, "UPDATE pgseal.org_keys SET previous = NULL, replacing = NULL, updated_at = pg_catalog.now() WHERE org = $1", org); err != nil {
			return err
		}
		detail := map[string]string{"arn": k.ARN, "data keys": strconv.Itoa(dataKeys)}
		if k.Previous != nil {
			detail["previous arn"] = k.Previous.ARN
		}
		return audit(ctx, tx, Event{Actor: by, Action: "complete replacement of key", Org: org,
			Detail: detail})
	})
	if err != nil {
		return 0, fmt.Errorf("keystore: complete the replacement of org %q's key: %w", org, err)
	}
	return dataKeys, nil
}
