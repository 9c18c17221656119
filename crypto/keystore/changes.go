package keystore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/crypto/kms"
)

// nextEpoch grows an epoch. It goes by the clock too, so that an org that is
// removed and added again does not come back with an epoch that a process has
// seen before.
const nextEpoch = "greatest(epoch + 1, (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint)"

// AddOrgKey stores the key of an org, enabled, and writes the audit log. Only Org,
// Name, Key, Description and Region are taken from k. It does not try the key:
// kms.Prove does.
//
// An org that was on the default key changes to its own, as by ReplaceOrgKey. One
// whose data keys were destroyed starts afresh: what was sealed before stays
// gone. ErrExists when the org has a key of its own.
func (s *Store) AddOrgKey(ctx context.Context, k OrgKey, by Actor) error {
	err := s.change(ctx, func(tx pgx.Tx) error {
		old, err := lockOrgKey(ctx, tx, k.Org)
		switch {
		case errors.Is(err, ErrNotFound):
			err = insertOrgKey(ctx, tx, k, Own)
		case err != nil:
		case old.State == Destroyed:
			_, err = tx.Exec(ctx, `UPDATE pgseal.org_keys SET name = $2, arn = $3, replicas = $4, role_arn = $5, external_id = $6, description = $7,
				region = $8, origin = 'own', state = 'enabled', epoch = `+nextEpoch+`, created_at = pg_catalog.now(), updated_at = pg_catalog.now() WHERE org = $1`,
				k.Org, k.Name, k.ARN, list(k.Replicas), k.RoleARN, k.ExternalID, k.Description, k.Region)
		case old.Origin == Default:
			return replace(ctx, tx, old, Replacement{Key: k.Key, Region: k.Region, Name: &k.Name, Description: &k.Description}, by, "add key")
		default:
			return ErrExists
		}
		if err != nil {
			return err
		}
		return audit(ctx, tx, Event{Actor: by, Action: "add key", Org: k.Org, Detail: keyDetail(k.Name, k.Key)})
	})
	if err != nil {
		return fmt.Errorf("keystore: add key of org %q: %w", k.Org, err)
	}
	return nil
}

// insertOrgKey makes an org's row. Epochs go by the clock from the first on.
func insertOrgKey(ctx context.Context, tx pgx.Tx, k OrgKey, origin Origin) error {
	_, err := tx.Exec(ctx, `INSERT INTO pgseal.org_keys (org, name, arn, replicas, role_arn, external_id, description, region, origin, epoch)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, `+nextEpoch+` FROM (SELECT 0 AS epoch) AS none`,
		k.Org, k.Name, k.ARN, list(k.Replicas), k.RoleARN, k.ExternalID, k.Description, k.Region, string(origin))
	if isUnique(err) {
		return ErrExists
	}
	return err
}

// keyDetail is what the audit log keeps of a key.
func keyDetail(name string, k kms.Key) map[string]string {
	detail := map[string]string{"name": name, "arn": k.ARN}
	if len(k.Replicas) > 0 {
		detail["replicas"] = strings.Join(k.Replicas, " ")
	}
	if k.RoleARN != "" {
		detail["role"] = k.RoleARN
	}
	return detail
}

// Update says what UpdateOrgKey changes; a nil field is left as it is.
type Update struct {
	Name, Description   *string
	Replicas            *[]string
	RoleARN, ExternalID *string
}

// UpdateOrgKey changes what is known of an org's key, and the way to it; the key
// stays the same. It writes the audit log. ErrNotFound, ErrDestroyed.
func (s *Store) UpdateOrgKey(ctx context.Context, org string, u Update, by Actor) error {
	err := s.change(ctx, func(tx pgx.Tx) error {
		k, err := lockLiveOrgKey(ctx, tx, org)
		if err != nil {
			return err
		}
		detail := map[string]string{}
		set := func(name string, field, to *string) {
			if to != nil && *field != *to {
				detail[name], *field = *to, *to
			}
		}
		set("name", &k.Name, u.Name)
		set("description", &k.Description, u.Description)
		set("role", &k.RoleARN, u.RoleARN)
		set("external id", &k.ExternalID, u.ExternalID)
		if u.Replicas != nil {
			joined := strings.Join(k.Replicas, " ")
			to := strings.Join(*u.Replicas, " ")
			set("replicas", &joined, &to)
			k.Replicas = *u.Replicas
		}
		if len(detail) == 0 {
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE pgseal.org_keys SET name = $2, description = $3, replicas = $4, role_arn = $5, external_id = $6,
			updated_at = pg_catalog.now() WHERE org = $1`, org, k.Name, k.Description, list(k.Replicas), k.RoleARN, k.ExternalID); err != nil {
			return err
		}
		return audit(ctx, tx, Event{Actor: by, Action: "change key", Org: org, Detail: detail})
	})
	if err != nil {
		return fmt.Errorf("keystore: change key of org %q: %w", org, err)
	}
	return nil
}

// SetOrgKeyState enables or disables an org's key, and writes the audit log. A
// key that has the state already is left alone. ErrNotFound when the org has no
// key, ErrDestroyed when there is nothing to enable.
func (s *Store) SetOrgKeyState(ctx context.Context, org string, state State, by Actor) error {
	err := s.change(ctx, func(tx pgx.Tx) error {
		k, err := lockLiveOrgKey(ctx, tx, org)
		if err != nil || k.State == state {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE pgseal.org_keys SET state = $2, epoch = "+nextEpoch+", updated_at = pg_catalog.now() WHERE org = $1",
			org, string(state)); err != nil {
			return err
		}
		return audit(ctx, tx, Event{Actor: by, Action: "set key " + string(state), Org: org})
	})
	if err != nil {
		return fmt.Errorf("keystore: set key of org %q %s: %w", org, state, err)
	}
	return nil
}

// lockOrgKey reads an org's row and keeps it from being changed, and data keys of
// the org from being made, until the transaction ends. ErrNotFound.
func lockOrgKey(ctx context.Context, tx pgx.Tx, org string) (OrgKey, error) {
	rows, err := tx.Query(ctx, "SELECT "+orgKeyColumns+" FROM pgseal.org_keys WHERE org = $1 FOR UPDATE", org)
	if err != nil {
		return OrgKey{}, err
	}
	k, err := pgx.CollectExactlyOneRow(rows, scanOrgKey)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	return k, err
}

// lockLiveOrgKey is lockOrgKey, with ErrDestroyed for an org without data keys for
// good.
func lockLiveOrgKey(ctx context.Context, tx pgx.Tx, org string) (OrgKey, error) {
	k, err := lockOrgKey(ctx, tx, org)
	if err == nil && k.State == Destroyed {
		err = ErrDestroyed
	}
	return k, err
}

// list is a text[] that is never NULL.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// record is the previous key as the table keeps it.
func record(k kms.Key) (string, error) {
	text, err := json.Marshal(keyRecord(k))
	return string(text), err
}

// change runs f in a transaction.
func (s *Store) change(ctx context.Context, f func(pgx.Tx) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	return pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, f) // who waits for a lock sees what was committed meanwhile
}

// isUnique tells whether err is a unique_violation.
func isUnique(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "23505"
}
