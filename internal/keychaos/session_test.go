package keychaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/canary"
	"github.com/pgseal/pgseal/internal/pgerr"
)

// session is a client that works for one org and remembers what was acknowledged.
type session struct {
	w       *world
	number  int
	org     string
	calm    bool // nothing befalls the org's key
	conn    *pgx.Conn
	rng     *rand.Rand
	rows    map[int64]string // as they were acknowledged
	ids     []int64          // of rows
	refused map[int64]bool
	next    int64
}

// run works until ctx ends. What is under way then is finished.
func (s *session) run(ctx context.Context) {
	working := s.w.t.Context()
	for ctx.Err() == nil && !s.w.t.Failed() {
		switch s.rng.IntN(6) {
		case 0:
			s.insert(working)
		case 1:
			s.insertTwo(working)
		case 2:
			s.update(working)
		case 3:
			s.readMany(working)
		default:
			s.read(working)
		}
		// The machine has few cores: not all of them are to be at it all the time.
		time.Sleep(time.Duration(s.rng.IntN(20)) * time.Millisecond)
	}
}

// value is a body that tells whose it is.
func (s *session) value(id int64) string {
	return fmt.Sprintf("%s of %s in row %d, %d", canary.Text(s.number), s.org, id, s.rng.Uint32())
}

func (s *session) newID() int64 {
	s.next++
	return int64(s.number)*1_000_000 + s.next
}

func (s *session) wrote(id int64, body string) {
	if _, known := s.rows[id]; !known {
		s.ids = append(s.ids, id)
	}
	s.rows[id] = body
}

const insertSQL = "INSERT INTO spans (id, org_id, body) VALUES ($1, $2, $3)"

func (s *session) insert(ctx context.Context) {
	id := s.newID()
	body := s.value(id)
	if _, err := s.conn.Exec(ctx, insertSQL, id, s.org, body); s.allowed(err) {
		return
	}
	s.wrote(id, body)
}

// insertTwo is all or nothing.
func (s *session) insertTwo(ctx context.Context) {
	bodies := map[int64]string{}
	err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		for range 2 {
			id := s.newID()
			bodies[id] = s.value(id)
			if _, err := tx.Exec(ctx, insertSQL, id, s.org, bodies[id]); err != nil {
				return err
			}
		}
		return nil
	})
	if s.allowed(err) {
		return
	}
	for id, body := range bodies {
		s.wrote(id, body)
	}
}

func (s *session) one() (int64, bool) {
	if len(s.ids) == 0 {
		return 0, false
	}
	return s.ids[s.rng.IntN(len(s.ids))], true
}

func (s *session) update(ctx context.Context) {
	id, ok := s.one()
	if !ok {
		return
	}
	body := s.value(id)
	if _, err := s.conn.Exec(ctx, "UPDATE spans SET body = $1 WHERE id = $2 AND org_id = $3", body, id, s.org); s.allowed(err) {
		return
	}
	s.wrote(id, body)
}

func (s *session) read(ctx context.Context) {
	id, ok := s.one()
	if !ok {
		return
	}
	var body string
	if err := s.conn.QueryRow(ctx, "SELECT body FROM spans WHERE id = $1", id).Scan(&body); s.allowed(err) {
		return
	}
	if body != s.rows[id] {
		s.w.t.Errorf("row %d reads as %q, was written as %q", id, body, s.rows[id])
	}
}

// readMany reads what all sessions of the org have written.
func (s *session) readMany(ctx context.Context) {
	rows, err := s.conn.Query(ctx, "SELECT id, body FROM spans WHERE org_id = $1 ORDER BY random() LIMIT 30", s.org)
	if err == nil {
		var id int64
		var body string
		_, err = pgx.ForEachRow(rows, []any{&id, &body}, func() error {
			if !strings.Contains(body, fmt.Sprintf(" of %s in row %d, ", s.org, id)) {
				s.w.t.Errorf("row %d reads as %q", id, body)
			}
			return nil
		})
	}
	s.allowed(err)
}

// allowed tells whether there is an error, and fails the test on one that must not
// be.
func (s *session) allowed(err error) bool {
	if err == nil {
		return false
	}
	code, detail := codeOf(err)
	if s.calm || code != pgerr.KeyUnavailable && code != pgerr.KMSUnreachable {
		s.w.t.Errorf("session %d of %s (left alone: %v): %v: %s", s.number, s.org, s.calm, err, detail)
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.codes[code]++
	return true
}

// codeOf gives an error's SQLSTATE and detail.
func codeOf(err error) (code, detail string) {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code, e.Detail
	}
	return "", ""
}
