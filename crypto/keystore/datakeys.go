package keystore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DataKey is a data key as KMS has wrapped it.
type DataKey struct {
	ID      uint64 // 1 to 2^63 - 1
	Org     string
	Wrapped []byte
	KeyARN  string // of the key that it is wrapped under
	// NextWrapped is the same data key under the key that takes over, while a
	// change of keys is under way: both open it. Nil when there is none.
	NextWrapped []byte
	NextKeyARN  string
	Commitment  [32]byte
	MintedBy    string // the name of the process
	Created     time.Time
	Destroyed   time.Time // when its wraps were deleted for good; zero otherwise
}

const dataKeyColumns = `id, org, wrapped, key_arn, next_wrapped, coalesce(next_key_arn, ''), commitment, minted_by, created_at,
	destroyed_at`

func scanDataKey(row pgx.CollectableRow) (DataKey, error) {
	var k DataKey
	var id int64
	var commitment []byte
	var destroyed *time.Time
	err := row.Scan(&id, &k.Org, &k.Wrapped, &k.KeyARN, &k.NextWrapped, &k.NextKeyARN, &commitment, &k.MintedBy, &k.Created, &destroyed)
	if err == nil && (id <= 0 || len(commitment) != len(k.Commitment)) {
		err = errors.New("the row is damaged")
	}
	if destroyed != nil {
		k.Destroyed = *destroyed
	}
	k.ID = uint64(id)
	copy(k.Commitment[:], commitment)
	return k, err
}

// DataKey reads a data key; ErrNotFound when there is none of that id.
func (s *Store) DataKey(ctx context.Context, id uint64) (DataKey, error) {
	k, err := s.oneDataKey(ctx, "WHERE id = $1", int64(id))
	if err != nil {
		return DataKey{}, fmt.Errorf("keystore: data key %d: %w", id, err)
	}
	return k, nil
}

// NewestDataKey reads the data key of an org that was minted last and is not
// destroyed; ErrNotFound when it has none.
func (s *Store) NewestDataKey(ctx context.Context, org string) (DataKey, error) {
	k, err := s.oneDataKey(ctx, "WHERE org = $1 AND destroyed_at IS NULL ORDER BY created_at DESC, id LIMIT 1", org)
	if err != nil {
		return DataKey{}, fmt.Errorf("keystore: newest data key of org %q: %w", org, err)
	}
	return k, nil
}

func (s *Store) oneDataKey(ctx context.Context, where string, arg any) (DataKey, error) {
	if err := s.ready(ctx); err != nil {
		return DataKey{}, err
	}
	rows, err := s.pool.Query(ctx, "SELECT "+dataKeyColumns+" FROM pgseal.data_keys "+where, arg)
	if err != nil {
		return DataKey{}, err
	}
	k, err := pgx.CollectExactlyOneRow(rows, scanDataKey)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	return k, err
}

// Fence is what the minter of a data key knew of the org's key when it asked KMS.
// Nothing is stored if that has changed: a key that was disabled or destroyed
// meanwhile gets no data key, one that was replaced none that would be missed when
// the replacement is completed.
type Fence struct {
	Epoch int64
	ARN   string // OrgKey.ARN, which may be an alias's
	// Default is the default key, for an org that has no row yet: it is made.
	Default *OrgKey
}

// InsertDataKey stores a new data key; only ID, Org, Wrapped, KeyARN, Commitment and
// MintedBy are taken from k. ErrExists when the id is taken: the caller mints
// another. ErrChanged when the org's key is not what the fence says, or not
// enabled.
func (s *Store) InsertDataKey(ctx context.Context, k DataKey, known Fence) error {
	var err error
	if known.Default == nil {
		if err = s.ready(ctx); err == nil {
			err = insertDataKey(ctx, s.pool, k, known)
		}
	} else {
		err = s.change(ctx, func(tx pgx.Tx) error {
			by := Actor{Name: "pgseal", Process: k.MintedBy}
			o := *known.Default
			o.Org = k.Org
			switch made, err := ensureDefault(ctx, tx, o, by); {
			case err != nil:
				return err
			case made != nil:
				known.Epoch, known.ARN = made.Epoch, made.ARN
			}
			return insertDataKey(ctx, tx, k, known)
		})
	}
	if err != nil {
		return fmt.Errorf("keystore: store data key %d: %w", k.ID, err)
	}
	return nil
}

// ensureDefault makes the row of an org that has none. It is nil when somebody else
// has made one: the caller knows it or it does not.
func ensureDefault(ctx context.Context, tx pgx.Tx, o OrgKey, by Actor) (*OrgKey, error) {
	done, err := tx.Exec(ctx, `INSERT INTO pgseal.org_keys (org, name, arn, replicas, role_arn, external_id, description, region, origin, epoch)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, 'default', `+nextEpoch+` FROM (SELECT 0 AS epoch) AS none ON CONFLICT (org) DO NOTHING`,
		o.Org, o.Name, o.ARN, list(o.Replicas), o.RoleARN, o.ExternalID, o.Description, o.Region)
	if err != nil || done.RowsAffected() == 0 {
		return nil, err
	}
	made, err := lockOrgKey(ctx, tx, o.Org)
	if err != nil {
		return nil, err
	}
	return &made, audit(ctx, tx, Event{Actor: by, Action: "use default key", Org: o.Org, Detail: keyDetail(o.Name, o.Key)})
}

// execer is what a transaction and a pool have in common.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// insertDataKey stores a data key if the org's row is as the fence says. The lock
// on it is held until the end of the transaction, so that one who changes the row
// sees the data key.
func insertDataKey(ctx context.Context, db execer, k DataKey, known Fence) error {
	done, err := db.Exec(ctx, `WITH org AS (
			SELECT FROM pgseal.org_keys WHERE org = $2 AND epoch = $7 AND arn = $8 AND state = 'enabled' FOR SHARE)
		INSERT INTO pgseal.data_keys (id, org, wrapped, key_arn, commitment, minted_by) SELECT $1, $2, $3, $4, $5, $6 FROM org`,
		int64(k.ID), k.Org, k.Wrapped, k.KeyARN, k.Commitment[:], k.MintedBy, known.Epoch, known.ARN)
	switch {
	case isUnique(err):
		return ErrExists
	case err == nil && done.RowsAffected() == 0:
		return ErrChanged
	}
	return err
}

// Counts says how many data keys an org has.
type Counts struct {
	Live      int // not destroyed
	Wrapped   int // of these, under the key that was asked for
	Destroyed int
}

// Counts counts an org's data keys; arns are as for DataKeysLacking.
func (s *Store) Counts(ctx context.Context, org string, arns []string) (c Counts, err error) {
	if err := s.ready(ctx); err != nil {
		return c, err
	}
	err = s.pool.QueryRow(ctx, `SELECT count(*) FILTER (WHERE destroyed_at IS NULL), count(destroyed_at),
		count(*) FILTER (WHERE destroyed_at IS NULL AND NOT (`+lacking+`)) FROM pgseal.data_keys WHERE org = $1`,
		org, list(arns)).Scan(&c.Live, &c.Destroyed, &c.Wrapped)
	if err != nil {
		return c, fmt.Errorf("keystore: count data keys of org %q: %w", org, err)
	}
	return c, nil
}

// AllCounts counts the data keys of every org that has some, without Wrapped.
func (s *Store) AllCounts(ctx context.Context) (map[string]Counts, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	counts := map[string]Counts{}
	rows, err := s.pool.Query(ctx, "SELECT org, count(*) FILTER (WHERE destroyed_at IS NULL), count(destroyed_at) FROM pgseal.data_keys GROUP BY org")
	if err == nil {
		var org string
		var c Counts
		_, err = pgx.ForEachRow(rows, []any{&org, &c.Live, &c.Destroyed}, func() error {
			counts[org] = c
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("keystore: count data keys: %w", err)
	}
	return counts, nil
}
