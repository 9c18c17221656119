package keystore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

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
