package catalog_test

import "testing"

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
