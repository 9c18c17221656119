package keystore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
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

// NewestDataKey reads the data key of an org that was minted last; ErrNotFound
// when it has none.
func (s *Store) NewestDataKey(ctx context.Context, org string) (DataKey, error) {
	k, err := s.oneDataKey(ctx, "WHERE org = $1 ORDER BY created_at DESC, id LIMIT 1", org)
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

// InsertDataKey stores a new data key; Created is not taken from k. ErrExists
// when the id is taken: the caller mints another.
func (s *Store) InsertDataKey(ctx context.Context, k DataKey) error {
	err := s.ready(ctx)
	if err == nil {
		_, err = s.pool.Exec(ctx, "INSERT INTO pgseal.data_keys (id, org, wrapped, key_arn, commitment, minted_by) VALUES ($1, $2, $3, $4, $5, $6)",
			int64(k.ID), k.Org, k.Wrapped, k.KeyARN, k.Commitment[:], k.MintedBy)
	}
	if isUnique(err) {
		err = ErrExists
	}
	if err != nil {
		return fmt.Errorf("keystore: store data key %d: %w", k.ID, err)
	}
	return nil
}
