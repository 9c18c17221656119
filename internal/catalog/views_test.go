package catalog_test

import (
	"fmt"
	"testing"
	"time"
)

// TestLockedViews: what a view reads is locked by a transaction that stays open.
// The catalog is read all the same, and the view's definition is the one it had,
// if that is sure to be so.
func TestLockedViews(t *testing.T) {
	dsn := database(t)
	client, w := connect(t, dsn, "public"), newWatcher(dsn)
	client.exec(`CREATE TABLE spans (id int, org_id text, attributes pgseal.sealed); CREATE TABLE other (id int);
		CREATE VIEW v AS SELECT id, attributes FROM spans; CREATE VIEW of_v AS SELECT attributes FROM v; CREATE VIEW free AS SELECT id FROM other`)
	before := refresh(t, w)
	locker := connect(t, dsn, "public")
	locker.exec("BEGIN; LOCK TABLE spans IN ACCESS EXCLUSIVE MODE")
	if refresh(t, w) != before {
		t.Error("another snapshot, though nothing has changed")
	}

	fresh := refresh(t, newWatcher(dsn)) // knows no definition yet
	for view, read := range map[string]bool{"v": false, "of_v": true, "free": true} {
		if got := fresh.Relation("public", view).Definition; (got != "") != read {
			t.Errorf("%s, read for the first time: %q", view, got)
		}
	}

	client.exec("ALTER TABLE other RENAME TO another")
	renamed := refresh(t, w)
	if got := renamed.Relation("public", "v").Definition; got != "" {
		t.Errorf("names have changed, and v is still %q", got)
	}
	if got := renamed.Relation("public", "free").Definition; got == before.Relation("public", "free").Definition {
		t.Errorf("free is still %q", got)
	}

	locker.exec("COMMIT")
	after := refresh(t, w)
	if got, want := after.Relation("public", "v").Definition, before.Relation("public", "v").Definition; got != want {
		t.Errorf("v is %q, want %q", got, want)
	}

	locker.exec("BEGIN; LOCK TABLE spans IN ACCESS EXCLUSIVE MODE")
	client.exec("CREATE OR REPLACE VIEW of_v AS SELECT v.attributes FROM v WHERE id > 0")
	if got := refresh(t, w).Relation("public", "of_v").Definition; got == after.Relation("public", "of_v").Definition {
		t.Errorf("of_v is still %q", got)
	}
	locker.exec("COMMIT")
}

// TestLockedViewsAreSifted: pg_depend does not tell that a view uses the row type of a
// table that is locked, and pg_locks has shared relations under no database. The other
// views are read all the same, and nothing is waited for.
func TestLockedViewsAreSifted(t *testing.T) {
	dsn := database(t)
	client := connect(t, dsn, "public")
	client.exec(`CREATE TABLE spans (id int, attributes pgseal.sealed); CREATE TABLE pair (a int, b int);
		CREATE FUNCTION pairs() RETURNS pair LANGUAGE sql AS 'SELECT 1, 2';
		CREATE VIEW part AS SELECT 1 AS one FROM pairs(); CREATE VIEW of_shared AS SELECT description FROM pg_catalog.pg_shdescription`)
	const free = 9
	for i := range free {
		client.exec(fmt.Sprintf("CREATE VIEW free_%d AS SELECT id, attributes FROM spans", i))
	}
	client.exec("CREATE VIEW part_too AS SELECT 2 AS two FROM pairs()")
	locker := connect(t, dsn, "public")
	locker.exec("BEGIN; LOCK TABLE pair, pg_catalog.pg_shdescription IN ACCESS EXCLUSIVE MODE")
	w := newWatcher(dsn)
	began := time.Now()
	s := refresh(t, w)
	for _, view := range []string{"part", "part_too", "of_shared"} {
		if got := s.Relation("public", view).Definition; got != "" {
			t.Errorf("%s is read: %q", view, got)
		}
	}
	for i := range free {
		if s.Relation("public", fmt.Sprintf("free_%d", i)).Definition == "" {
			t.Errorf("free_%d is not read", i)
		}
	}
	t.Logf("read in %v", time.Since(began))
	locker.exec("COMMIT")
	s = refresh(t, w)
	for _, view := range []string{"part", "part_too", "of_shared"} {
		if s.Relation("public", view).Definition == "" {
			t.Errorf("%s is not read after the lock is gone", view)
		}
	}
}

// TestKnownDefinitions: which changes leave the definition of a view that is locked as it was.
func TestKnownDefinitions(t *testing.T) {
	dsn := database(t)
	client, w := connect(t, dsn, "public"), newWatcher(dsn)
	client.exec(`CREATE TABLE spans (id int, attributes pgseal.sealed); CREATE TABLE other (id int, name text); CREATE SCHEMA s;
		CREATE FUNCTION f() RETURNS SETOF spans LANGUAGE sql AS 'SELECT * FROM spans';
		CREATE VIEW v AS SELECT id, attributes FROM spans`)
	locker := connect(t, dsn, "public")
	for _, step := range []struct {
		ddl   string
		known bool
	}{
		{"CREATE TABLE new (id int)", true},
		{"ALTER TABLE other ADD COLUMN more int", true},
		{"ALTER TABLE other DROP COLUMN more", true},
		{"DROP TABLE new", true},
		{"ALTER TABLE other RENAME COLUMN name TO label", false},
		{"ALTER TABLE other SET SCHEMA s", false},
		{"ALTER TABLE s.other RENAME TO others", false},
		{"ALTER FUNCTION f() RENAME TO g", false},
	} {
		before := refresh(t, w).Relation("public", "v").Definition
		locker.exec("BEGIN; LOCK TABLE v IN ACCESS EXCLUSIVE MODE")
		client.exec(step.ddl)
		got := refresh(t, w).Relation("public", "v").Definition
		if before == "" || step.known && got != before || !step.known && got != "" {
			t.Errorf("after %s v is %q, before %q", step.ddl, got, before)
		}
		locker.exec("COMMIT")
	}
}

// TestWrittenViews: which views decide for themselves where a write goes, and which can
// change a row's org though they hand out no sealed column.
func TestWrittenViews(t *testing.T) {
	dsn := database(t)
	client, w := connect(t, dsn, "public"), newWatcher(dsn)
	client.exec(`CREATE TABLE spans (id int, org_id text, attributes pgseal.sealed); CREATE TABLE other (org_id text);
		CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE VIEW simple AS SELECT id, attributes FROM spans;
		CREATE VIEW ruled AS SELECT id, attributes FROM spans; CREATE RULE r AS ON INSERT TO ruled DO INSTEAD NOTHING;
		CREATE VIEW triggered AS SELECT id, attributes FROM spans; CREATE TRIGGER t INSTEAD OF UPDATE ON triggered FOR EACH ROW EXECUTE FUNCTION f();
		CREATE VIEW whose AS SELECT id, org_id AS o FROM spans; CREATE VIEW whose_2 AS SELECT o AS p FROM whose;
		CREATE VIEW ids AS SELECT id FROM spans; CREATE VIEW others AS SELECT org_id FROM other`)
	s := refresh(t, w)
	for view, redirected := range map[string]bool{"simple": false, "ruled": true, "triggered": true} {
		if s.Relation("public", view).Redirected != redirected {
			t.Errorf("%s: redirected is %v", view, !redirected)
		}
	}
	for view, named := range map[string]bool{"whose": true, "whose_2": true, "ids": false, "others": false} {
		if s.NamesSealed([]byte(view)) != named {
			t.Errorf("%s: named is %v", view, !named)
		}
	}
	client.exec("DROP TRIGGER t ON triggered")
	if refresh(t, w).Relation("public", "triggered").Redirected {
		t.Error("redirected by a trigger that was dropped")
	}
}
