package leak_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/policy"
)

// writes are ordinary writes, which fail or not as the conditions are.
var writes = way{
	literals: []string{
		`INSERT INTO notes (id, org_id, title, body) VALUES (#, 'acme', 't', '@')`,
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', 'x'), (#0, 'acme', '@') RETURNING id, body`,
		`UPDATE notes SET body = '@' WHERE org_id = 'acme' AND id = 1`,
		`WITH i AS (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING body) SELECT * FROM i`,
		`EXECUTE known ('@')`,
		`EXPLAIN (ANALYZE, VERBOSE, BUFFERS) UPDATE notes SET body = '@' WHERE org_id = 'acme'`,
	},
	params: []string{
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)`,
	},
}

// condition is something under which writes fail, or may.
type condition struct {
	name string
	// own: it needs a pgseal and a database of its own, whose policy is policy.
	own    bool
	policy *policy.Policy
	// prepare brings it about, where there are the tables and one row.
	prepare func(t *testing.T, f *proxytest.Fixture)
}

var conditions = []condition{
	{name: "the org's KMS key is disabled", own: true, prepare: func(t *testing.T, f *proxytest.Fixture) { check(t, f.KMS.Disable(f.Keys["acme"])) }},
	{name: "the org's KMS key is to be deleted", own: true, prepare: func(t *testing.T, f *proxytest.Fixture) { check(t, f.KMS.ScheduleDeletion(f.Keys["acme"], 7)) }},
	{name: "KMS denies access", own: true, prepare: func(t *testing.T, f *proxytest.Fixture) { check(t, f.KMS.Deny(f.Keys["acme"])) }},
	{name: "KMS has an error", own: true, prepare: func(_ *testing.T, f *proxytest.Fixture) { f.KMS.Inject(kmsserver.Fault{Kind: kmsserver.Internal}) }},
	{name: "KMS answers with nonsense", own: true, prepare: func(_ *testing.T, f *proxytest.Fixture) { f.KMS.Inject(kmsserver.Fault{Kind: kmsserver.Garbage}) }},
	{name: "the keystore is gone", own: true, prepare: direct("ALTER TABLE pgseal.data_keys RENAME TO gone")},
	{name: "the user may not use the org", own: true, policy: deniedPolicy()},
	{name: "a constraint that the row violates", prepare: direct("ALTER TABLE notes ADD CHECK (id < 0) NOT VALID")},
	{name: "NOT NULL that the row violates", prepare: direct("DELETE FROM notes; ALTER TABLE notes ALTER doc SET NOT NULL")},
	{name: "a unique index that the row violates", prepare: direct("CREATE UNIQUE INDEX ON notes (org_id)")},
	{name: "a foreign key that the row violates", prepare: direct("ALTER TABLE notes ADD FOREIGN KEY (id) REFERENCES plain NOT VALID")},
	{name: "a trigger that logs the row", prepare: trigger("RAISE LOG 'the row is %', NEW; RAISE NOTICE '% %', NEW.body, row_to_json(NEW)")},
	{name: "a trigger that fails with the row", prepare: trigger("RAISE EXCEPTION 'not this row' USING DETAIL = NEW::text")},
	{name: "a trigger that keeps the row as text", prepare: trigger("INSERT INTO plain SELECT COALESCE(max(id), 0) + 1, NEW::text FROM plain")},
	{name: "a trigger that writes into the sealed column", prepare: trigger("NEW.body = convert_to('computed', 'UTF8')")},
	{name: "a column that was dropped by somebody else", prepare: direct("DROP VIEW note_view; ALTER TABLE notes DROP COLUMN body; CREATE VIEW note_view AS SELECT id FROM notes")},
	{name: "a column that somebody else has made anew as text", prepare: direct("DROP VIEW note_view; ALTER TABLE notes DROP COLUMN body; ALTER TABLE notes ADD COLUMN body text; CREATE VIEW note_view AS SELECT body FROM notes")},
	{name: "a table whose column somebody else has given another type", prepare: direct("DROP VIEW note_view; ALTER TABLE notes ALTER title TYPE int USING 1; CREATE VIEW note_view AS SELECT title FROM notes")},
}

// direct brings a condition about past pgseal.
func direct(sql string) func(*testing.T, *proxytest.Fixture) {
	return func(t *testing.T, f *proxytest.Fixture) { proxytest.Exec(t, f.Direct, sql) }
}

func deniedPolicy() *policy.Policy {
	p := proxytest.NotesPolicy()
	p.Access = []policy.Access{{User: "somebody", Orgs: []string{"*"}}, {User: "*", Orgs: []string{"globex"}}}
	return p
}

// trigger makes a trigger on notes with the body.
func trigger(body string) func(*testing.T, *proxytest.Fixture) {
	return func(t *testing.T, f *proxytest.Fixture) {
		proxytest.Exec(t, f.Direct, fmt.Sprintf(`CREATE OR REPLACE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN %s; RETURN NEW; END $$;
			CREATE TRIGGER told BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION told()`, body))
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// conditions plays writes under each condition, and gives the logs of the pgseals.
func (h *house) conditions(t *testing.T) (logs []*proxytest.Log) {
	t.Helper()
	shared := h.fixture(t, nil)
	logs = append(logs, shared.Log)
	for i, c := range conditions {
		f := shared
		if c.own {
			f = h.fixture(t, c.policy)
			logs = append(logs, f.Log)
		}
		if c.prepare != nil {
			c.prepare(t, f)
		}
		w := writes
		w.name = c.name
		h.play(t, f, w)
		data, _ := h.next(c.name, "#\tacme\t@\n")
		h.run(t, f.Through, c.name, func(conn *pgx.Conn) error {
			_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), "COPY notes (id, org_id, body) FROM STDIN")
			return err
		})
		if !c.own { // the tables are kept for the search
			proxytest.Exec(t, f.Direct, fmt.Sprintf(`CREATE SCHEMA used%[1]d; ALTER TABLE notes SET SCHEMA used%[1]d; ALTER VIEW note_view SET SCHEMA used%[1]d; ALTER TABLE plain SET SCHEMA used%[1]d`, i))
			makeTables(t, f)
		}
		h.leave(t, f.Through)
	}
	h.values(t, shared)
	h.large(t, shared)
	h.waits(t, shared)
	return logs
}

// fixture is a pgseal on a database of its own, with one row, that has no key in memory.
func (h *house) fixture(t *testing.T, p *policy.Policy) *proxytest.Fixture {
	t.Helper()
	f := proxytest.Start(t, proxytest.Options{Database: pgtest.DatabaseOn(t, h.server), Policy: p})
	makeTables(t, f)
	return f
}

func makeTables(t *testing.T, f *proxytest.Fixture) {
	t.Helper()
	proxytest.Exec(t, f.Through, proxytest.NotesTable)
	proxytest.Exec(t, f.Through, "CREATE VIEW note_view AS SELECT id, org_id, title, body FROM notes")
	proxytest.Exec(t, f.Through, "INSERT INTO notes (id, org_id, title) VALUES (1, 'acme', 't'); INSERT INTO plain VALUES (1, 'p')")
}

// columns are those of notes that are sealed, but for text and bytea, which take all.
var columns = []string{"doc", "n", "big", "ok", "f", "amount", "uid", "at"}

// values sends the canary as a value of each type.
func (h *house) values(t *testing.T, f *proxytest.Fixture) {
	t.Helper()
	for _, column := range columns {
		h.play(t, f, way{
			name: "a value that is none of type " + column,
			literals: []string{
				`INSERT INTO notes (id, org_id, ` + column + `) VALUES (#, 'acme', '@')`,
				`INSERT INTO notes (id, org_id, ` + column + `) VALUES (#, 'acme', '12 @')`,
				`UPDATE notes SET ` + column + ` = '"@' WHERE org_id = 'acme'`,
			},
			params: []string{`INSERT INTO notes (id, org_id, ` + column + `) VALUES (#, 'acme', $1)`},
		})
	}
	h.play(t, f, way{name: "a value that is no bytea", literals: []string{
		`INSERT INTO notes (id, org_id, raw) VALUES (#, 'acme', '\x@')`,
		`INSERT INTO notes (id, org_id, raw) VALUES (#, 'acme', '@\9')`,
	}})
}

// large sends values that go to TOAST, and to several messages of COPY.
func (h *house) large(t *testing.T, f *proxytest.Fixture) {
	t.Helper()
	for _, size := range []int{3_000, 100_000} {
		sql, canary := h.next("values that are stored in TOAST", "INSERT INTO notes (id, org_id, body, raw) VALUES (#, 'acme', $1, $2)")
		value := strings.Repeat(canary+"-", size/len(canary))
		h.run(t, f.Through, sql, func(conn *pgx.Conn) error {
			_, err := conn.Exec(t.Context(), sql, value, []byte(value))
			return err
		})
		sql, canary = h.next("values that are stored in TOAST", "INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')")
		h.run(t, f.Through, sql, func(conn *pgx.Conn) error {
			_, err := conn.Exec(t.Context(), strings.ReplaceAll(sql, canary, strings.Repeat(canary+" ", size/len(canary))), pgx.QueryExecModeSimpleProtocol)
			return err
		})
		data, canary := h.next("large values in COPY", "#\tacme\t@\n")
		h.run(t, f.Through, "large COPY", func(conn *pgx.Conn) error {
			_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(strings.ReplaceAll(data, canary, strings.Repeat(canary, size/len(canary)))), "COPY notes (id, org_id, body) FROM STDIN")
			return err
		})
	}
}

// waits are statements that are broken off while they wait: what the server logs of
// them has their texts, of a deadlock those of both.
func (h *house) waits(t *testing.T, f *proxytest.Fixture) {
	t.Helper()
	proxytest.Exec(t, f.Through, "INSERT INTO notes (id, org_id, title) VALUES (2, 'acme', 't')")
	holder := proxytest.Connect(t, f.Through)
	begin := func(conn *pgx.Conn, id int) {
		t.Helper()
		_, err := conn.Exec(t.Context(), fmt.Sprintf("BEGIN; UPDATE notes SET title = 'h' WHERE id = %d", id), pgx.QueryExecModeSimpleProtocol)
		check(t, err)
	}
	begin(holder, 1)
	for _, c := range []struct{ name, set string }{{"lock_timeout", "SET lock_timeout = '30ms'"}, {"statement_timeout", "SET statement_timeout = '30ms'"}} {
		name := "a statement that " + c.name + " ends"
		h.play(t, f, way{name: name, rows: [][]string{
			{c.set, `UPDATE notes SET body = '@' WHERE org_id = 'acme' AND id = 1`},
			{c.set, `PREPARE s# AS UPDATE notes SET body = $1 WHERE org_id = 'acme' AND id = 1`, `EXECUTE s# ('@')`},
		}})
		sql, canary := h.next(name, `UPDATE notes SET body = $1 WHERE org_id = 'acme' AND id = 1`)
		h.alone(t, f.Through, name, func(conn *pgx.Conn) error {
			_, err := conn.Exec(t.Context(), c.set)
			check(t, err)
			_, err = conn.Exec(t.Context(), sql, canary)
			return err
		})
	}
	sql, canary := h.next("a statement that is cancelled", `UPDATE notes SET body = $1 WHERE org_id = 'acme' AND id = 1`)
	h.run(t, f.Through, sql, func(conn *pgx.Conn) error {
		ended := make(chan error, 1)
		go func() {
			_, err := conn.PgConn().ExecParams(t.Context(), sql, [][]byte{[]byte(canary)}, nil, nil, nil).Close()
			ended <- err
		}()
		for {
			check(t, conn.PgConn().CancelRequest(t.Context()))
			select {
			case err := <-ended:
				return err
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	other := proxytest.Connect(t, f.Through)
	begin(other, 2)
	first, canary1 := h.next("a deadlock", `UPDATE notes SET body = $1 WHERE org_id = 'acme' AND id = 2`)
	second, _ := h.next("a deadlock", `UPDATE notes SET body = '@' WHERE org_id = 'acme' AND id = 1`)
	var both sync.WaitGroup
	var errs [2]error
	both.Go(func() { _, errs[0] = holder.Exec(t.Context(), first, canary1) })
	both.Go(func() { _, errs[1] = other.PgConn().Exec(t.Context(), second).ReadAll() })
	both.Wait()
	if errs[0] == nil && errs[1] == nil {
		t.Error("there was no deadlock")
	}
	for _, conn := range []*pgx.Conn{holder, other} {
		check(t, conn.Close(context.Background()))
	}
}
