package keystore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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
	ID     int64     // given when it is appended
	At     time.Time // to the microsecond; zero: when it is appended, by the database's clock
	Actor  Actor
	Action string // "add key", "set key disabled" …
	Org    string // empty when it concerns none
	Detail map[string]string

	Prev, Hash Hash // given when it is appended; see auditchain.go
}

// Audit appends entries to the audit log, in their order and in one transaction,
// and gives them as they were stored. Changes that the store makes itself are
// logged in the change's own transaction.
func (s *Store) Audit(ctx context.Context, events ...Event) ([]Event, error) {
	var stored []Event
	err := s.change(ctx, func(tx pgx.Tx) (err error) {
		stored, err = appendEvents(ctx, tx, events)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("keystore: audit log: %w", err)
	}
	return stored, nil
}

// audit appends an entry within a transaction. It locks the log's head until the
// transaction ends, so it comes last there: what others wait for is short, and
// rows are always locked before the head.
func audit(ctx context.Context, tx pgx.Tx, e Event) error {
	_, err := appendEvents(ctx, tx, []Event{e})
	return err
}

// errNotStored: the database took an entry and did not keep it.
var errNotStored = errors.New("the database did not store all entries: a rule or a trigger of pgseal.audit_log is not pgseal's")

// errNoHead: the row is made by the migration, and nothing of pgseal's deletes it.
var errNoHead = errors.New("pgseal.audit_head has no row: somebody has deleted it; pgseal audit verify tells more")

// appendEvents appends entries at the head of the chain.
func appendEvents(ctx context.Context, tx pgx.Tx, events []Event) ([]Event, error) {
	if len(events) == 0 {
		return nil, nil
	}
	var last Event
	var hash []byte
	var now time.Time
	err := tx.QueryRow(ctx, "SELECT id, hash, pg_catalog.clock_timestamp() FROM pgseal.audit_head FOR UPDATE").Scan(&last.ID, &hash, &now)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNoHead
	}
	if err != nil {
		return nil, err
	}
	copy(last.Hash[:], hash)

	stored := make([]Event, len(events))
	var columns eventColumns
	for i, e := range events {
		if e.At.IsZero() {
			e.At = now
		}
		e = chained(e, last)
		if err := columns.add(&e); err != nil {
			return nil, err
		}
		stored[i], last = e, e
	}
	tag, err := tx.Exec(ctx, `INSERT INTO pgseal.audit_log (id, at, actor, process, action, org, detail, prev_hash, hash)
		SELECT id, at, actor, process, action, nullif(org, ''), detail::jsonb, prev_hash, hash
		FROM ROWS FROM (pg_catalog.unnest($1::int8[]), pg_catalog.unnest($2::timestamptz[]), pg_catalog.unnest($3::text[]),
			pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::text[]), pg_catalog.unnest($7::text[]),
			pg_catalog.unnest($8::bytea[]), pg_catalog.unnest($9::bytea[])) AS e (id, at, actor, process, action, org, detail, prev_hash, hash)`,
		columns.id, columns.at, columns.actor, columns.process, columns.action, columns.org, columns.detail, columns.prev, columns.hash)
	if err != nil {
		return nil, err
	}
	if tag.RowsAffected() != int64(len(events)) {
		return nil, errNotStored
	}
	tag, err = tx.Exec(ctx, "UPDATE pgseal.audit_head SET id = $1, hash = $2", last.ID, last.Hash[:])
	if err == nil && tag.RowsAffected() != 1 {
		err = errNotStored
	}
	return stored, err
}

// eventColumns are entries as arrays, for one statement.
type eventColumns struct {
	id                                  []int64
	at                                  []time.Time
	actor, process, action, org, detail []string
	prev, hash                          [][]byte
}

func (c *eventColumns) add(e *Event) error {
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return err
	}
	c.id, c.at = append(c.id, e.ID), append(c.at, e.At)
	c.actor, c.process = append(c.actor, e.Actor.Name), append(c.process, e.Actor.Process)
	c.action, c.org, c.detail = append(c.action, e.Action), append(c.org, e.Org), append(c.detail, string(detail))
	c.prev, c.hash = append(c.prev, e.Prev[:]), append(c.hash, e.Hash[:])
	return nil
}

// EventFilter says which entries are asked for. Its zero value means all.
type EventFilter struct {
	Org    string    // of this org
	Actor  string    // by this person or role
	Since  time.Time // not older
	After  int64     // with a greater id
	Upto   int64     // with this id or a smaller one; zero: whatever it is
	Except []string  // but these actions
	Limit  int       // the newest so many; zero: all
}

// Events reads the newest entries of the audit log, n at most, newest first; of
// one org unless org is empty.
func (s *Store) Events(ctx context.Context, org string, n int) ([]Event, error) {
	return s.FindEvents(ctx, EventFilter{Org: org, Limit: n})
}

// FindEvents reads entries of the audit log, newest first.
func (s *Store) FindEvents(ctx context.Context, f EventFilter) ([]Event, error) {
	var where []string
	var args []any
	demand := func(sql string, arg any) {
		args = append(args, arg)
		where = append(where, fmt.Sprintf("%s $%d", sql, len(args)))
	}
	if f.Org != "" {
		demand("org =", f.Org)
	}
	if f.Actor != "" {
		demand("actor =", f.Actor)
	}
	if !f.Since.IsZero() {
		demand("at >=", f.Since)
	}
	if f.After > 0 {
		demand("id >", f.After)
	}
	if f.Upto > 0 {
		demand("id <=", f.Upto)
	}
	if len(f.Except) > 0 {
		args = append(args, f.Except)
		where = append(where, fmt.Sprintf("action <> ALL ($%d::text[])", len(args)))
	}
	sql := "SELECT " + eventColumnNames + " FROM pgseal.audit_log"
	if len(where) > 0 {
		sql += " WHERE " + strings.Join(where, " AND ")
	}
	sql += " ORDER BY id DESC"
	if f.Limit > 0 {
		args = append(args, f.Limit)
		sql += fmt.Sprintf(" LIMIT $%d", len(args))
	}
	err := s.ready(ctx)
	if err == nil {
		var rows pgx.Rows
		if rows, err = s.pool.Query(ctx, sql, args...); err == nil {
			var events []Event
			if events, err = pgx.CollectRows(rows, scanEvent); err == nil {
				return events, nil
			}
		}
	}
	return nil, fmt.Errorf("keystore: read audit log: %w", err)
}

// AuditHead gives the last entry's id and hash, and nothing else of it. Entries come to
// be seen in the order of their ids.
func (s *Store) AuditHead(ctx context.Context) (Event, error) {
	var e Event
	var hash []byte
	err := s.ready(ctx)
	if err == nil {
		err = s.pool.QueryRow(ctx, "SELECT id, hash FROM pgseal.audit_head").Scan(&e.ID, &hash)
	}
	if err != nil {
		return Event{}, fmt.Errorf("keystore: head of the audit log: %w", err)
	}
	copy(e.Hash[:], hash)
	return e, nil
}

// KnownOrgs tells which of some names are those of orgs in the keystore.
func (s *Store) KnownOrgs(ctx context.Context, names []string) (map[string]bool, error) {
	known := make(map[string]bool)
	if len(names) == 0 {
		return known, nil
	}
	err := s.ready(ctx)
	if err == nil {
		var rows pgx.Rows
		if rows, err = s.pool.Query(ctx, "SELECT org FROM pgseal.org_keys WHERE org = ANY ($1::text[])", names); err == nil {
			var found []string
			found, err = pgx.CollectRows(rows, pgx.RowTo[string])
			for _, org := range found {
				known[org] = true
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("keystore: orgs: %w", err)
	}
	return known, nil
}

const eventColumnNames = "id, at, actor, process, action, coalesce(org, ''), detail::text, prev_hash, hash"

func scanEvent(row pgx.CollectableRow) (Event, error) {
	var e Event
	var detail string
	var prev, hash []byte
	if err := row.Scan(&e.ID, &e.At, &e.Actor.Name, &e.Actor.Process, &e.Action, &e.Org, &detail, &prev, &hash); err != nil {
		return e, err
	}
	copy(e.Prev[:], prev)
	copy(e.Hash[:], hash)
	if err := json.Unmarshal([]byte(detail), &e.Detail); err != nil {
		// Not as pgseal writes it. Its hash will not fit, and VerifyAudit says so.
		e.Detail = map[string]string{"detail": detail}
	}
	return e, nil
}
