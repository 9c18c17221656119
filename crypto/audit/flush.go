package audit

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/pgseal/pgseal/crypto/keystore"
)

// batchSize is how many entries are written in one transaction.
const batchSize = 500

// write writes what is due, or all, and tells of changes that were made elsewhere.
func (l *Log) write(ctx context.Context, all bool) {
	for {
		l.mu.Lock()
		batch, lost := l.pending.take(batchSize, all, time.Now())
		l.mu.Unlock()
		if len(batch) == 0 && lost.count == 0 {
			break
		}
		if err := l.writeBatch(ctx, batch, lost); err != nil {
			l.logKept(batch)
			l.mu.Lock()
			l.pending.keep(batch)
			waiting := len(l.pending.list)
			l.mu.Unlock()
			switch {
			case all:
				l.log.Error("audit entries are in this log alone: the keystore did not take them before the end", "entries", waiting, "lost", lost.count, "error", err)
			case !l.silent:
				l.log.Error("audit entries wait for the keystore", "entries", waiting, "lost", lost.count, "error", err)
			}
			l.silent = true
			return
		}
		l.mu.Lock()
		l.pending.stored(batch, lost)
		l.mu.Unlock()
		if l.silent {
			l.silent = false
			l.log.Info("audit entries are written again")
		}
		if len(batch) < batchSize {
			break
		}
	}
	l.tellChanges(ctx)
}

// writeBatch writes a batch to the keystore, and tells the structured log of it.
func (l *Log) writeBatch(ctx context.Context, batch []*entry, lost gap) error {
	ctx, cancel := context.WithTimeout(ctx, l.o.Timeout)
	defer cancel()
	var claimed []string
	for _, e := range batch {
		if e.use.Claimed {
			claimed = append(claimed, e.use.Org)
		}
	}
	known, err := l.store.KnownOrgs(ctx, claimed)
	if err != nil {
		return err
	}
	var events []keystore.Event
	for _, e := range batch {
		events = append(events, e.event(l.o.Process, !e.use.Claimed || known[e.use.Org]))
	}
	if lost.count > 0 {
		events = append(events, lost.event(l.o.Process))
	}
	stored, err := l.store.Audit(ctx, events...)
	if err != nil {
		return err
	}
	for i := range stored {
		if i < len(batch) && batch[i].logged {
			l.log.Info("audit entry stored", "id", stored[i].ID, "hash", stored[i].Hash.String(), "action", stored[i].Action, "at", stored[i].At)
			continue
		}
		l.logEvent(&stored[i])
	}
	return nil
}

// logKept tells the structured log of entries that the keystore did not take yet.
func (l *Log) logKept(batch []*entry) {
	for _, e := range batch {
		if !e.logged {
			e.logged = true
			l.logDropped(e)
		}
	}
}

// logDropped tells the structured log of an entry that the keystore does not have; nil
// is none.
func (l *Log) logDropped(e *entry) {
	if e == nil {
		return
	}
	event := e.event(l.o.Process, !e.use.Claimed || l.o.Known != nil && l.o.Known(e.use.Org))
	l.logEvent(&event)
}

// logEvent writes an entry to the structured log, with its hash if it has one.
func (l *Log) logEvent(e *keystore.Event) {
	level := slog.LevelInfo
	if e.Action == ActionRefused || e.Action == ActionLost {
		level = slog.LevelWarn
	}
	attributes := []slog.Attr{
		slog.String("action", e.Action), slog.String("org", e.Org), slog.String("actor", e.Actor.Name),
		slog.String("process", e.Actor.Process), slog.Time("at", e.At.UTC()),
	}
	if e.ID != 0 {
		attributes = append(attributes, slog.Int64("id", e.ID), slog.String("hash", e.Hash.String()))
	}
	var detail []any
	for _, key := range slices.Sorted(maps.Keys(e.Detail)) {
		detail = append(detail, slog.String(key, e.Detail[key]))
	}
	l.log.LogAttrs(context.Background(), level, "audit", append(attributes, slog.Group("detail", detail...))...)
}

// tellChanges tells the structured log of entries that no Log has written: changes of
// orgs' keys, made by commands or by processes such as this one.
func (l *Log) tellChanges(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.o.Timeout)
	defer cancel()
	head, err := l.store.AuditHead(ctx)
	if err != nil || head.ID == l.last {
		return // the keystore is watched elsewhere; what is new there stays new
	}
	if l.last >= 0 {
		changes, err := l.store.FindEvents(ctx, keystore.EventFilter{After: l.last, Upto: head.ID, Except: UseActions})
		if err != nil {
			return
		}
		for i := len(changes) - 1; i >= 0; i-- {
			l.logEvent(&changes[i])
		}
	}
	l.last = head.ID
}
