package catalog_test

import "testing"

func TestLoadKeys(t *testing.T) {
	dsn := database(t)
	connect(t, dsn, "public").exec(`
CREATE TABLE spans (id int PRIMARY KEY, gone int, org_id text, name text, attributes pgseal.sealed, CONSTRAINT by_org UNIQUE (org_id, name), CHECK (id > 0));
ALTER TABLE spans DROP COLUMN gone;
CREATE UNIQUE INDEX by_name ON spans (name);
CREATE TABLE plain (id int CONSTRAINT plain_key PRIMARY KEY)`)
	s := load(t, connect(t, dsn, ""), testPolicy(), nil)
	for _, test := range []struct {
		relation, key, column string
		has, known            bool
	}{
		{"spans", "spans_pkey", "id", true, true},
		{"spans", "spans_pkey", "org_id", false, true},
		{"spans", "by_org", "org_id", true, true},
		{"spans", "by_org", "name", true, true},
		{"spans", "by_name", "name", false, false},
		{"spans", "spans_id_check", "id", false, false},
		{"plain", "plain_key", "id", false, false},
	} {
		if has, known := s.Relation("public", test.relation).Key(test.key, test.column); has != test.has || known != test.known {
			t.Errorf("%+v: %v, %v", test, has, known)
		}
	}
}
