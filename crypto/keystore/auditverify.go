package keystore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Verification is what VerifyAudit found.
type Verification struct {
	Entries int64 // that were read: up to the break, or all
	LastID  int64 // of the last that is as it was written; zero: none
	Head    Hash  // its hash: keep it elsewhere
	TakenIn int64 // entries to this id were there before they were chained
	Break   *Break
}

// Break is where the audit log is not as pgseal wrote it.
type Break struct {
	ID   int64 // of the entry; of one that is missing, the first of them
	Kind BreakKind
	Text string // in words
}

// BreakKind tells how.
type BreakKind string

const (
	Altered   BreakKind = "altered"   // an entry says something else, or was not written by pgseal
	Missing   BreakKind = "missing"   // entries were deleted
	Reordered BreakKind = "reordered" // an entry stands in the place of another
	Inserted  BreakKind = "inserted"  // an entry was put in
	Truncated BreakKind = "truncated" // the last entries were deleted, or all was written anew
)

// verifyPage is how many entries are read at once.
const verifyPage = 1000

// VerifyAudit goes over the audit log from its first entry on, and gives the first
// place where it is not as pgseal wrote it. Of all the entries' hashes, kept must
// be some: each is one that was seen earlier and kept elsewhere. Without any, it
// can't be told that the end was cut off and the head set back to it, nor that
// somebody who can write to the tables computed the chain anew.
func (s *Store) VerifyAudit(ctx context.Context, kept ...Hash) (Verification, error) {
	var v Verification
	err := s.ready(ctx)
	if err == nil {
		options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly} // the head and the entries as of one moment
		err = pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) (err error) {
			v, err = verify(ctx, tx, kept)
			return err
		})
	}
	if err != nil {
		return v, fmt.Errorf("keystore: verify audit log: %w", err)
	}
	return v, nil
}

func verify(ctx context.Context, tx pgx.Tx, kept []Hash) (Verification, error) {
	var c chainCheck
	var hash []byte
	err := tx.QueryRow(ctx, "SELECT id, hash, taken_in FROM pgseal.audit_head").Scan(&c.headID, &hash, &c.TakenIn)
	if errors.Is(err, pgx.ErrNoRows) {
		c.Break = &Break{Kind: Truncated, Text: "the table pgseal.audit_head, which has the last entry's hash, is empty"}
		return c.Verification, nil
	}
	if err != nil {
		return c.Verification, err
	}
	copy(c.headHash[:], hash)
	c.missing = make(map[Hash]bool)
	for _, h := range kept {
		c.missing[h] = h != Hash{} // of a log without entries
	}
	// Ids may be anything where somebody has changed them.
	const minID = -1 << 63
	for after, first := int64(minID), true; c.Break == nil; first = false {
		rows, err := tx.Query(ctx, "SELECT "+eventColumnNames+" FROM pgseal.audit_log WHERE id > $1 OR $2 ORDER BY id LIMIT $3", after, first, verifyPage)
		if err != nil {
			return c.Verification, err
		}
		page, err := pgx.CollectRows(rows, scanEvent)
		if err != nil {
			return c.Verification, err
		}
		if len(page) == 0 {
			c.end()
			break
		}
		for i := range page {
			if c.next(&page[i]); c.Break != nil {
				break
			}
		}
		after = page[len(page)-1].ID
	}
	return c.Verification, nil
}

// chainCheck follows the chain. It is told of each entry in the order of ids.
type chainCheck struct {
	Verification
	headID   int64
	headHash Hash
	missing  map[Hash]bool // kept hashes that no entry had yet
}

// next checks the entry behind those that it was told of.
func (c *chainCheck) next(e *Event) {
	c.Entries++
	linked, whole := e.Prev == c.Head, e.hash() == e.Hash
	gap := c.LastID+1 < e.ID
	switch {
	case !whole:
		c.Break = alteredOrMoved(e)
	case !linked && gap:
		c.Break = &Break{ID: c.LastID + 1, Kind: Missing, Text: fmt.Sprintf("%s missing: entry %d is not chained to %s", rangeOf(c.LastID+1, e.ID-1), e.ID, entryOf(c.LastID))}
	case !linked:
		c.Break = &Break{ID: e.ID, Kind: Inserted, Text: fmt.Sprintf("entry %d is not chained to %s: an entry before it was put in, or put in the place of another", e.ID, entryOf(c.LastID))}
	case gap && e.ID > c.TakenIn:
		c.Break = &Break{ID: c.LastID + 1, Kind: Missing, Text: fmt.Sprintf("%s missing, and entry %d was chained anew", rangeOf(c.LastID+1, e.ID-1), e.ID)}
	case e.ID > c.headID:
		c.Break = &Break{ID: e.ID, Kind: Inserted, Text: fmt.Sprintf("entry %d is behind the log's head, which is %s", e.ID, entryOf(c.headID))}
	default:
		c.LastID, c.Head = e.ID, e.Hash
		delete(c.missing, e.Hash)
	}
}

// end is told that there are no more entries.
func (c *chainCheck) end() {
	switch {
	case c.LastID < c.headID:
		c.Break = &Break{ID: c.LastID + 1, Kind: Truncated, Text: rangeOf(c.LastID+1, c.headID) + " missing at the end"}
	case c.Head != c.headHash:
		c.Break = &Break{ID: c.LastID, Kind: Altered, Text: fmt.Sprintf("%s is not the one that the log's head tells of", entryOf(c.LastID))}
	}
	for h, missing := range c.missing {
		if missing && c.Break == nil {
			c.Break = &Break{ID: c.LastID + 1, Kind: Truncated, Text: fmt.Sprintf("no entry has the hash %s: the end was cut off, or entries were written anew", h)}
		}
	}
}

// searched is how far from its place a moved entry is looked for.
const searched = 10_000

// alteredOrMoved tells what is wrong with an entry whose hash is not its own: it may
// be another entry's whole content.
func alteredOrMoved(e *Event) *Break {
	moved := *e
	for d := int64(1); d <= searched; d++ {
		for _, id := range []int64{e.ID - d, e.ID + d} {
			if moved.ID = id; moved.hash() == e.Hash {
				return &Break{ID: e.ID, Kind: Reordered, Text: fmt.Sprintf("entry %d was written as entry %d", e.ID, id)}
			}
		}
	}
	return &Break{ID: e.ID, Kind: Altered, Text: fmt.Sprintf("entry %d was altered, or was not written by pgseal", e.ID)}
}

func entryOf(id int64) string {
	if id == 0 {
		return "the log's beginning"
	}
	return fmt.Sprintf("entry %d", id)
}

func rangeOf(from, to int64) string {
	if from == to {
		return fmt.Sprintf("entry %d is", from)
	}
	return fmt.Sprintf("entries %d to %d are", from, to)
}
