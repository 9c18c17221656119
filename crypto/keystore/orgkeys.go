package keystore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/crypto/kms"
)

// State tells whether pgseal uses an org's key.
type State string

const (
	Enabled   State = "enabled"
	Disabled  State = "disabled"  // by pgseal keys disable: nothing is opened or sealed
	Destroyed State = "destroyed" // by pgseal keys destroy: its data keys are gone
)

// Origin tells whose key it is.
type Origin string

const (
	Own     Origin = "own"     // the organisation's
	Default Origin = "default" // the platform's default key, until the organisation brings its own
)

// OrgKey is an org's own key in its KMS.
type OrgKey struct {
	Org  string // 1 to 255 bytes
	Name string
	kms.Key
	Description string
	Region      string
	Origin      Origin
	State       State
	// Previous is the key that Key is replacing, since Replacing: data keys may
	// be wrapped by it alone. Nil when no change of keys is under way.
	Previous  *kms.Key
	Replacing time.Time
	// Epoch grows with every change that makes data keys in the memory of
	// pgseal processes unusable; a change of keys is none.
	Epoch            int64
	Created, Updated time.Time
}

const orgKeyColumns = `org, name, arn, replicas, role_arn, external_id, description, region, origin, state,
	previous, replacing, epoch, created_at, updated_at`

func scanOrgKey(row pgx.CollectableRow) (OrgKey, error) {
	var k OrgKey
	var previous []byte
	var replacing *time.Time
	err := row.Scan(&k.Org, &k.Name, &k.ARN, &k.Replicas, &k.RoleARN, &k.ExternalID, &k.Description, &k.Region, &k.Origin, &k.State,
		&previous, &replacing, &k.Epoch, &k.Created, &k.Updated)
	if err != nil || previous == nil {
		return k, err
	}
	if replacing != nil {
		k.Replacing = *replacing
	}
	var old keyRecord
	if err := json.Unmarshal(previous, &old); err != nil {
		return k, fmt.Errorf("previous key of org %q: %w", k.Org, err)
	}
	key := kms.Key(old)
	k.Previous = &key
	return k, nil
}

// keyRecord is a kms.Key as the table keeps the previous one.
type keyRecord struct {
	ARN        string   `json:"arn"`
	Replicas   []string `json:"replicas,omitempty"`
	RoleARN    string   `json:"role_arn,omitempty"`
	ExternalID string   `json:"external_id,omitempty"`
}

// OrgKey reads the key of an org; ErrNotFound when it has none.
func (s *Store) OrgKey(ctx context.Context, org string) (OrgKey, error) {
	if err := s.ready(ctx); err != nil {
		return OrgKey{}, err
	}
	rows, err := s.pool.Query(ctx, "SELECT "+orgKeyColumns+" FROM pgseal.org_keys WHERE org = $1", org)
	if err == nil {
		var k OrgKey
		if k, err = pgx.CollectExactlyOneRow(rows, scanOrgKey); err == nil {
			return k, nil
		}
	}
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	return OrgKey{}, fmt.Errorf("keystore: key of org %q: %w", org, err)
}

// OrgKeys reads the keys of all orgs, in the order of the orgs' names.
func (s *Store) OrgKeys(ctx context.Context) ([]OrgKey, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, "SELECT "+orgKeyColumns+" FROM pgseal.org_keys ORDER BY org")
	if err == nil {
		var keys []OrgKey
		if keys, err = pgx.CollectRows(rows, scanOrgKey); err == nil {
			return keys, nil
		}
	}
	return nil, fmt.Errorf("keystore: orgs' keys: %w", err)
}

// AddOrgKey stores the key of an org that has none, enabled, and writes the
// audit log. Only Org, Name, Key, Description and Region are taken from k. It
// does not try the key: kms.Prove does. ErrExists when the org has a key.
func (s *Store) AddOrgKey(ctx context.Context, k OrgKey, by Actor) error {
	err := s.change(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO pgseal.org_keys (org, name, arn, replicas, role_arn, external_id, description, region)
			VALUES ($1, $2, $3, coalesce($4::text[], '{}'), $5, $6, $7, $8)`,
			k.Org, k.Name, k.ARN, k.Replicas, k.RoleARN, k.ExternalID, k.Description, k.Region)
		if isUnique(err) {
			return ErrExists
		}
		if err != nil {
			return err
		}
		return audit(ctx, tx, Event{Actor: by, Action: "add key", Org: k.Org, Detail: map[string]string{"name": k.Name, "arn": k.ARN}})
	})
	if err != nil {
		return fmt.Errorf("keystore: add key of org %q: %w", k.Org, err)
	}
	return nil
}

// SetOrgKeyState enables or disables an org's key, and writes the audit log. A
// key that has the state already is left alone. Running processes see it with
// their next health check. ErrNotFound when the org has no key.
func (s *Store) SetOrgKeyState(ctx context.Context, org string, state State, by Actor) error {
	err := s.change(ctx, func(tx pgx.Tx) error {
		var old State
		err := tx.QueryRow(ctx, "SELECT state FROM pgseal.org_keys WHERE org = $1 FOR UPDATE", org).Scan(&old)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil || old == state {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE pgseal.org_keys SET state = $2, epoch = epoch + 1, updated_at = pg_catalog.now() WHERE org = $1`,
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

// change runs f in a transaction.
func (s *Store) change(ctx context.Context, f func(pgx.Tx) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, s.pool, f)
}

// isUnique tells whether err is a unique_violation.
func isUnique(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "23505"
}
