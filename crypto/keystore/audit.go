package keystore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Actor is who did something: a person or role, and in which process.
type Actor struct {
	Name    string
	Process string
}

// Event is an entry of the audit log. It holds names, never values.
type Event struct {
	ID     int64     // given by the database
	At     time.Time // likewise
	Actor  Actor
	Action string // "add key", "set key disabled" …
	Org    string // empty when it concerns none
	Detail map[string]string
}

// Audit appends an event to the audit log. Changes that the store makes itself
// are logged in the same transaction.
func (s *Store) Audit(ctx context.Context, e Event) error {
	if err := s.change(ctx, func(tx pgx.Tx) error { return audit(ctx, tx, e) }); err != nil {
		return fmt.Errorf("keystore: audit log: %w", err)
	}
	return nil
}

func audit(ctx context.Context, tx pgx.Tx, e Event) error {
	if e.Detail == nil {
		e.Detail = map[string]string{}
	}
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO pgseal.audit_log (actor, process, action, org, detail) VALUES ($1, $2, $3, nullif($4, ''), $5::jsonb)",
		e.Actor.Name, e.Actor.Process, e.Action, e.Org, string(detail))
	return err
}

// Events reads the newest entries of the audit log, n at most, newest first; of
// one org unless org is empty.
func (s *Store) Events(ctx context.Context, org string, n int) ([]Event, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, `SELECT id, at, actor, process, action, coalesce(org, ''), detail::text
		FROM pgseal.audit_log WHERE $1 = '' OR org = $1 ORDER BY id DESC LIMIT $2`, org, n)
	if err == nil {
		var events []Event
		if events, err = pgx.CollectRows(rows, scanEvent); err == nil {
			return events, nil
		}
	}
	return nil, fmt.Errorf("keystore: read audit log: %w", err)
}

func scanEvent(row pgx.CollectableRow) (Event, error) {
	var e Event
	var detail string
	if err := row.Scan(&e.ID, &e.At, &e.Actor.Name, &e.Actor.Process, &e.Action, &e.Org, &detail); err != nil {
		return e, err
	}
	return e, json.Unmarshal([]byte(detail), &e.Detail)
}
