package keystore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/crypto/kms"
)

func look(n int) Event {
	return Event{Actor: tester, Action: "look", Org: "acme", Detail: map[string]string{"n": fmt.Sprint(n)}}
}

// withEntries gives a log of so many entries, written one by one, and the last as
// it was stored.
func withEntries(t testing.TB, s *Store, n int) (last Event) {
	t.Helper()
	for i := range n {
		stored, err := s.Audit(t.Context(), look(i))
		if err != nil {
			t.Fatal(err)
		}
		last = stored[0]
	}
	return last
}

func verified(t *testing.T, s *Store, kept ...Hash) Verification {
	t.Helper()
	v, err := s.VerifyAudit(t.Context(), kept...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAuditLogIsAppendOnly(t *testing.T) {
	s, dsn := migrated(t)
	withEntries(t, s, 1)
	conn := connect(t, dsn) // as superuser
	const row = `(1, now(), 'x', 'x', 'x', NULL, '{}', decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex'))`
	const columns = "pgseal.audit_log (id, at, actor, process, action, org, detail, prev_hash, hash)"
	for _, sql := range []string{
		"UPDATE pgseal.audit_log SET actor = 'x'", "DELETE FROM pgseal.audit_log", "TRUNCATE pgseal.audit_log", "TRUNCATE pgseal.audit_log CASCADE",
		"INSERT INTO " + columns + " VALUES " + row + " ON CONFLICT (id) DO UPDATE SET actor = 'x'",
		"WITH gone AS (DELETE FROM pgseal.audit_log RETURNING id) SELECT * FROM gone",
		"SET session_replication_role = replica; DELETE FROM pgseal.audit_log",
	} {
		if e := refused(t, conn, "42501", sql); e.Message != "pgseal.audit_log is append-only" {
			t.Error(e.Message)
		}
		mustExec(t, conn, "RESET session_replication_role")
	}
	events, err := s.Events(t.Context(), "", 10)
	if err != nil || len(events) != 1 || events[0].Action != "look" {
		t.Errorf("%+v, %v", events, err)
	}
	role := fmt.Sprintf("somebody_%d", conn.PgConn().PID())
	mustExec(t, conn, "CREATE ROLE "+role)
	t.Cleanup(func() { _, _ = conn.Exec(context.Background(), "RESET ROLE; DROP ROLE "+role) })
	mustExec(t, conn, "SET ROLE "+role)
	for _, sql := range []string{
		"SELECT * FROM pgseal.audit_log", "DELETE FROM pgseal.audit_log", "TRUNCATE pgseal.audit_log", "INSERT INTO " + columns + " VALUES " + row,
		"SELECT * FROM pgseal.audit_head", "UPDATE pgseal.audit_head SET id = 0",
	} {
		refused(t, conn, "42501", sql)
	}
	mustExec(t, conn, "RESET ROLE")
}

// TestAuditIsNotSwallowed: what a rule or a trigger makes vanish is an error of the
// change that was to be logged, and the change is undone.
func TestAuditIsNotSwallowed(t *testing.T) {
	for name, c := range map[string]struct{ make, undo string }{
		"rule": {"CREATE RULE swallow AS ON INSERT TO pgseal.audit_log DO INSTEAD NOTHING", "DROP RULE swallow ON pgseal.audit_log"},
		"trigger": {`CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
			CREATE TRIGGER swallow BEFORE INSERT ON pgseal.audit_log FOR EACH ROW EXECUTE FUNCTION public.swallow()`, "DROP TRIGGER swallow ON pgseal.audit_log"},
		"no head": {"CREATE TABLE public.kept AS TABLE pgseal.audit_head; DELETE FROM pgseal.audit_head", "INSERT INTO pgseal.audit_head SELECT * FROM public.kept"},
	} {
		s, dsn := migrated(t)
		conn := connect(t, dsn)
		mustExec(t, conn, c.make)
		err := s.AddOrgKey(t.Context(), OrgKey{Org: "acme", Key: kms.Key{ARN: "local:a"}}, tester)
		if !errors.Is(err, errNotStored) && !errors.Is(err, errNoHead) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.OrgKey(t.Context(), "acme"); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: the change was made all the same: %v", name, err)
		}
		mustExec(t, conn, c.undo)
		withEntries(t, s, 1)
		if v := verified(t, s); v.Break != nil || v.Entries != 1 {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// TestAuditStoresWhatItHashes: whatever the entry, it reads back as what the hash is over.
func TestAuditStoresWhatItHashes(t *testing.T) {
	s, _ := migrated(t)
	at := time.Date(2026, 2, 28, 23, 59, 59, 123456789, time.FixedZone("", 3600))
	for i, e := range []Event{
		{Action: "nothing"},
		{Action: "look", Actor: Actor{Name: "Zoë \"x\"", Process: "p\x00q"}, Org: "ac\xffme", At: at, Detail: map[string]string{"é": "\x00", "a": "", "B": "b\n", "a\xffb": "€", "": "{}"}},
		{Action: "old", At: time.Date(1969, 12, 31, 0, 0, 0, 1000, time.UTC)},
	} {
		stored, err := s.Audit(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		events, err := s.FindEvents(t.Context(), EventFilter{Limit: 1})
		if err != nil || len(events) != 1 {
			t.Fatal(events, err)
		}
		got, want := events[0], stored[0]
		if !got.At.Equal(want.At) || !e.At.IsZero() && !got.At.Equal(e.At.Truncate(time.Microsecond)) {
			t.Errorf("%d: at %s, stored as %s, read as %s", i, e.At, want.At, got.At)
		}
		got.At = want.At
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("%d: read %+v, stored %+v", i, got, want)
		}
	}
	if v := verified(t, s); v.Break != nil || v.Entries != 3 {
		t.Errorf("%+v", v)
	}
}

func TestFindEvents(t *testing.T) {
	s, _ := migrated(t)
	now := time.Now()
	for i := range 6 {
		e := Event{At: now.Add(time.Duration(i) * time.Hour), Action: "look", Actor: Actor{Name: []string{"a", "b"}[i%2]}, Org: []string{"", "acme", "globex"}[i%3]}
		if _, err := s.Audit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for want, f := range map[string]EventFilter{
		"6 5 4 3 2 1": {}, "6 5": {Limit: 2}, "5 2": {Org: "acme"}, "6 4 2": {Actor: "b"}, "6 5 4": {Since: now.Add(3*time.Hour - time.Millisecond)},
		"6": {After: 4, Actor: "b"}, "": {Org: "acme", Actor: "c"},
	} {
		events, err := s.FindEvents(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, e := range events {
			ids = append(ids, fmt.Sprint(e.ID))
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%+v: %s, want %s", f, got, want)
		}
	}
}

// TestAuditOfManyProcesses: stores of their own append at once, some of it undone,
// and there is one chain of all that was committed.
func TestAuditOfManyProcesses(t *testing.T) {
	_, dsn := migrated(t)
	const processes, each = 6, 30
	var wg sync.WaitGroup
	for p := range processes {
		s := open(t, dsn)
		wg.Go(func() {
			for i := range each {
				events := []Event{look(i), look(i)}[:1+i%2]
				err := s.change(t.Context(), func(tx pgx.Tx) error {
					if _, err := appendEvents(t.Context(), tx, events); err != nil {
						return err
					}
					if i%3 == 2 {
						return errUndone
					}
					return nil
				})
				if err != nil && !errors.Is(err, errUndone) {
					t.Errorf("process %d: %v", p, err)
				}
			}
		})
	}
	wg.Wait()
	s := open(t, dsn)
	want := int64(processes * each) // of each three, one of one entry, one of two and one that is undone, or the like
	v := verified(t, s)
	if v.Break != nil || v.Entries != want || v.LastID != want {
		t.Errorf("%+v, want %d entries", v, want)
	}
}

var errUndone = errors.New("undone")

// TestVerifyAudit: as somebody who can do all in the database, the guards turned off.
func TestVerifyAudit(t *testing.T) {
	const off = "ALTER TABLE pgseal.audit_log DISABLE TRIGGER ALL; "
	const entries = 7
	s, dsn := migrated(t)
	last := withEntries(t, s, entries)
	if v := verified(t, s, last.Hash, last.Prev); v.Break != nil || v.Entries != entries || v.Head != last.Hash || v.LastID != entries {
		t.Fatalf("as written: %+v", v)
	}
	conn := connect(t, dsn)
	for name, c := range map[string]struct {
		sql  string
		kind BreakKind
		id   int64
		text string
	}{
		"nothing":                   {"", "", 0, ""},
		"an actor":                  {"UPDATE pgseal.audit_log SET actor = 'nobody' WHERE id = 4", Altered, 4, "entry 4 was altered"},
		"a detail":                  {`UPDATE pgseal.audit_log SET detail = '{"n": "x"}' WHERE id = 1`, Altered, 1, "entry 1 was altered"},
		"a detail's type":           {`UPDATE pgseal.audit_log SET detail = '{"n": 3}' WHERE id = 4`, Altered, 4, "entry 4 was altered"},
		"an org away":               {"UPDATE pgseal.audit_log SET org = NULL WHERE id = 7", Altered, 7, "entry 7 was altered"},
		"the time, by a little":     {"UPDATE pgseal.audit_log SET at = at + interval '1 microsecond' WHERE id = 2", Altered, 2, "entry 2 was altered"},
		"a hash":                    {"UPDATE pgseal.audit_log SET hash = sha256('x') WHERE id = 5", Altered, 5, "entry 5 was altered"},
		"one deleted":               {"DELETE FROM pgseal.audit_log WHERE id = 4", Missing, 4, "entry 4 is missing"},
		"several deleted":           {"DELETE FROM pgseal.audit_log WHERE id IN (3, 4, 5)", Missing, 3, "entries 3 to 5 are missing"},
		"the first deleted":         {"DELETE FROM pgseal.audit_log WHERE id < 3", Missing, 1, "entries 1 to 2 are missing"},
		"two swapped":               {"UPDATE pgseal.audit_log SET id = -1 WHERE id = 3; UPDATE pgseal.audit_log SET id = 3 WHERE id = 6; UPDATE pgseal.audit_log SET id = 6 WHERE id = -1", Reordered, 3, "entry 3 was written as entry 6"},
		"deleted, and moved up":     {"DELETE FROM pgseal.audit_log WHERE id = 4; UPDATE pgseal.audit_log SET id = id - 1 WHERE id > 4", Reordered, 4, "entry 4 was written as entry 5"},
		"the tail":                  {"DELETE FROM pgseal.audit_log WHERE id > 5", Truncated, 6, "entries 6 to 7 are missing at the end"},
		"all":                       {"DELETE FROM pgseal.audit_log", Truncated, 1, "entries 1 to 7 are missing at the end"},
		"the head":                  {"DELETE FROM pgseal.audit_head", Truncated, 0, "audit_head"},
		"the head's hash":           {"UPDATE pgseal.audit_head SET hash = sha256('x')", Altered, 7, "entry 7 is not the one"},
		"one put in at the end":     {forged(8, "(SELECT hash FROM pgseal.audit_log WHERE id = 7)"), Altered, 8, "entry 8 was altered, or was not written by pgseal"},
		"one put in ahead of all":   {forged(0, "decode(repeat('00', 32), 'hex')"), Altered, 0, "entry 0 was altered"},
		"one put in, others behind": {"UPDATE pgseal.audit_log SET id = id + 100 WHERE id > 3; " + forged(4, "(SELECT hash FROM pgseal.audit_log WHERE id = 3)"), Altered, 4, "entry 4 was altered"},
	} {
		t.Run(name, func(t *testing.T) {
			tx, err := conn.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.Background()) }()
			if _, err := tx.Exec(t.Context(), off+c.sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatal(err)
			}
			v, err := verify(t.Context(), tx, nil)
			switch {
			case err != nil:
				t.Error(err)
			case c.kind == "" && v.Break == nil:
			case v.Break == nil || v.Break.Kind != c.kind || v.Break.ID != c.id || !strings.Contains(v.Break.Text, c.text):
				t.Errorf("%+v, want %s at %d: %s", v.Break, c.kind, c.id, c.text)
			}
		})
	}
}

// forged is an INSERT of an entry with a hash out of the air.
func forged(id int, prev string) string {
	return fmt.Sprintf("INSERT INTO pgseal.audit_log VALUES (%d, now(), 'x', 'x', 'look', 'acme', '{}', %s, sha256('x'))", id, prev)
}

// TestVerifyAuditAgainstAKeptHash: who sets the head back with the tail, or writes the
// whole chain anew, is only found out by a hash that was kept elsewhere.
func TestVerifyAuditAgainstAKeptHash(t *testing.T) {
	s, dsn := migrated(t)
	first := withEntries(t, s, 2)
	last := withEntries(t, s, 3)
	conn := connect(t, dsn)
	mustExec(t, conn, `ALTER TABLE pgseal.audit_log DISABLE TRIGGER ALL; DELETE FROM pgseal.audit_log WHERE id > 3;
		UPDATE pgseal.audit_head SET (id, hash) = (SELECT id, hash FROM pgseal.audit_log WHERE id = 3)`)
	if v := verified(t, s); v.Break != nil || v.LastID != 3 {
		t.Errorf("without a kept hash: %+v", v)
	}
	if v := verified(t, s, first.Hash); v.Break != nil {
		t.Errorf("with one of before: %+v", v)
	}
	if v := verified(t, s, first.Hash, last.Hash); v.Break == nil || v.Break.Kind != Truncated || !strings.Contains(v.Break.Text, last.Hash.String()) {
		t.Errorf("with the last one: %+v", v)
	}
	mustExec(t, conn, "DELETE FROM pgseal.audit_log; UPDATE pgseal.audit_head SET id = 0, hash = decode(repeat('00', 32), 'hex')")
	withEntries(t, s, 5)
	if v := verified(t, s); v.Break != nil {
		t.Errorf("written anew: %+v", v)
	}
	if v := verified(t, s, last.Hash); v.Break == nil || v.Break.Kind != Truncated {
		t.Errorf("written anew, with a kept hash: %+v", v)
	}
}

// TestVerifyAuditInPages: more than a page, and any one entry altered is found.
func TestVerifyAuditInPages(t *testing.T) {
	s, dsn := migrated(t)
	const n = 2*verifyPage + 1
	var events []Event
	for i := range n {
		events = append(events, look(i))
	}
	if _, err := s.Audit(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	if v := verified(t, s); v.Break != nil || v.Entries != n {
		t.Fatalf("%+v", v)
	}
	conn := connect(t, dsn)
	mustExec(t, conn, "ALTER TABLE pgseal.audit_log DISABLE TRIGGER ALL")
	for _, id := range []int64{1, verifyPage, verifyPage + 1, n, 1 + rand.Int64N(n)} {
		mustExec(t, conn, "UPDATE pgseal.audit_log SET process = 'x' WHERE id = $1", id)
		if v := verified(t, s); v.Break == nil || v.Break.ID != id {
			t.Errorf("entry %d: %+v", id, v)
		}
		mustExec(t, conn, "UPDATE pgseal.audit_log SET process = $2 WHERE id = $1", id, tester.Process)
	}
}

// TestMigrationChainsEntries: those of before are taken into the chain, with the gaps
// in their ids that changes which were undone have left.
func TestMigrationChainsEntries(t *testing.T) {
	_, dsn := migrated(t)
	conn := connect(t, dsn)
	mustExec(t, conn, "DROP SCHEMA pgseal CASCADE")
	list, err := migrationsOf(Tables)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list[:2] {
		if _, err := apply(t.Context(), conn, m, 2); err != nil {
			t.Fatal(err)
		}
	}
	detail, err := json.Marshal(map[string]string{"name": "Zoë", "arn": "x", "B": "", "é": "1", "a\nb": `"`})
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, conn, "INSERT INTO pgseal.audit_log (actor, process, action) VALUES ('undone', '', '')")
	mustExec(t, conn, "ALTER TABLE pgseal.audit_log DISABLE TRIGGER ALL; DELETE FROM pgseal.audit_log; ALTER TABLE pgseal.audit_log ENABLE TRIGGER ALL")
	mustExec(t, conn, "INSERT INTO pgseal.audit_log (actor, process, action, org, detail) VALUES ($1, 'p', 'add key', 'acme', $2)", "Zoë", string(detail))
	mustExec(t, conn, `BEGIN; INSERT INTO pgseal.audit_log (actor, process, action) VALUES ('undone', '', ''); ROLLBACK;
		INSERT INTO pgseal.audit_log (at, actor, process, action) VALUES ('1969-07-20 20:17:40.000001+00', '', '', 'look')`)
	if applied, err := Migrate(t.Context(), dsn); err != nil || len(applied) != 2 {
		t.Fatal(applied, err)
	}
	s := open(t, dsn)
	v := verified(t, s)
	if v.Break != nil || v.Entries != 2 || v.TakenIn != 4 {
		t.Fatalf("%+v, %+v", v, v.Break)
	}
	if last := withEntries(t, s, 2); last.ID != 6 {
		t.Errorf("goes on with %d", last.ID)
	}
	if v := verified(t, s, v.Head); v.Break != nil || v.Entries != 4 {
		t.Errorf("%+v, %+v", v, v.Break)
	}
	refused(t, conn, "42501", "DELETE FROM pgseal.audit_log")
	mustExec(t, conn, "ALTER TABLE pgseal.audit_log DISABLE TRIGGER ALL; DELETE FROM pgseal.audit_log WHERE id = 2")
	if v := verified(t, s); v.Break == nil || v.Break.Kind != Missing {
		t.Errorf("one of before deleted: %+v", v.Break)
	}
}

func BenchmarkAudit(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			s, _ := migrated(b)
			events := make([]Event, n)
			for i := range events {
				events[i] = look(i)
			}
			b.ResetTimer()
			for range b.N {
				if _, err := s.Audit(b.Context(), events...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

func BenchmarkVerifyAudit(b *testing.B) {
	s, _ := migrated(b)
	const entries = 10_000
	events := make([]Event, entries)
	for i := range events {
		events[i] = look(i)
	}
	if _, err := s.Audit(b.Context(), events...); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		if v, err := s.VerifyAudit(b.Context()); err != nil || v.Break != nil {
			b.Fatal(v, err)
		}
	}
	b.ReportMetric(entries*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
