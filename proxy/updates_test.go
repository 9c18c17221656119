package proxy_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/policy"
)

// startWithUpdates has tables that are partitions, heirs and have rules. Row 1 of each is
// acme's, row 2 is globex's.
func startWithUpdates(t *testing.T) *proxytest.Fixture {
	t.Helper()
	p := &policy.Policy{}
	for _, table := range []string{"parts", "parent", "ruled", "kept"} {
		p.Tables = append(p.Tables, policy.NewTable("public", table, policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org"},
			policy.Column{Name: "secret", Type: policy.Type{Kind: policy.Text}}))
	}
	f := proxytest.Start(t, proxytest.Options{Policy: p})
	proxytest.Exec(t, f.Through, `
		CREATE TABLE parts (id int, org text, secret text) PARTITION BY LIST (org);
		CREATE TABLE parent (id int, org text, secret text);
		CREATE TABLE ruled (id int, org text, secret text);
		CREATE TABLE kept (id int, org text, secret text);
		CREATE TABLE plain (id int, v text)`)
	proxytest.Exec(t, f.Direct, `
		CREATE TABLE parts_globex (secret pgseal.sealed, org text, id int);
		ALTER TABLE parts ATTACH PARTITION parts_globex FOR VALUES IN ('globex');
		CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
		CREATE TABLE heir (more text) INHERITS (parent);
		CREATE FUNCTION other() RETURNS TABLE (org text) LANGUAGE sql AS $$SELECT 'globex'$$;
		CREATE RULE keep AS ON UPDATE TO ruled DO ALSO INSERT INTO kept VALUES (NEW.id + 10, NEW.org, NEW.secret);
		CREATE RULE copy AS ON INSERT TO plain DO ALSO INSERT INTO kept VALUES (NEW.id, 'acme', convert_to(NEW.v, 'UTF8'))`)
	proxytest.Exec(t, f.Through, "CREATE TABLE last (id int)") // the catalog is read anew
	for _, table := range []string{"parts", "parent", "ruled"} {
		proxytest.Exec(t, f.Through, "INSERT INTO "+table+" VALUES (1, 'acme', 'old'), (2, 'globex', 'old')")
	}
	proxytest.Exec(t, f.Through, "INSERT INTO heir VALUES (3, 'acme', 'old', 'm'), (4, 'globex', 'old', 'm')")
	return f
}

// TestUpdates: each value that an UPDATE or MERGE stores opens in the row that it is in, or
// the statement is refused, and then nothing has changed.
func TestUpdates(t *testing.T) {
	f := startWithUpdates(t)
	for _, c := range []updateCase{
		// Partitions, with another order of columns, and rows that move between them.
		{"UPDATE parts SET secret = 'a'", nil, "parts", "1=a 2=old"},
		{"UPDATE parts_globex SET secret = 'b' WHERE org = 'globex'", nil, "parts", "1=a 2=b"},
		{"UPDATE ONLY parts SET secret = 'c'", nil, "parts", "1=a 2=b"},
		{"UPDATE parts SET org = 'acme', secret = $1 WHERE id = 2", []any{"d"}, "parts", "1=a 2=d"},
		{"UPDATE parts SET org = 'globex' WHERE id = 2", nil, "parts", ""},
		{"UPDATE parts_rest SET org = 'globex' WHERE id = 2", nil, "parts", ""},
		{"UPDATE parts SET (org, secret) = ('globex', $1) WHERE id = 2", []any{"e"}, "parts", "1=a 2=e"},
		{"INSERT INTO parts_globex VALUES ('f', 'globex', 3)", nil, "parts", "1=a 2=e 3=f"},
		{"DELETE FROM parts USING parts_globex g WHERE g.id = parts.id AND g.id = 3 RETURNING parts.secret, g.secret", nil, "parts", "1=a 2=e"},
		{"DELETE FROM parts WHERE secret = 'a'", nil, "parts", ""},
		// Heirs.
		{"UPDATE parent SET secret = 'a'", nil, "parent", "1=a 2=old 3=a 4=old"},
		{"UPDATE ONLY parent SET secret = 'b' WHERE org = 'globex'", nil, "parent", "1=a 2=b 3=a 4=old"},
		{"UPDATE heir SET secret = $1, more = $2", []any{"c", "n"}, "parent", "1=a 2=b 3=c 4=old"},
		{"UPDATE heir SET org = 'globex' WHERE id = 3", nil, "parent", ""},
		{"UPDATE parent SET secret = h.secret FROM heir h WHERE h.org = parent.org AND h.id = parent.id + 2", nil, "parent", "1=c 2=old 3=c 4=old"},
		{"UPDATE parent SET secret = h.secret FROM heir h WHERE h.id = parent.id + 2", nil, "parent", ""},
		{"UPDATE parent SET secret = h.secret FROM heir h WHERE h.id = 4 AND h.org = 'globex' AND parent.org = 'acme'", nil, "parent", ""},
		// Copies and moves by a subquery, which is bound to the row or is not.
		{"UPDATE parent p SET secret = (SELECT h.secret FROM heir h WHERE h.org = p.org) WHERE p.id < 3", nil, "parent", "1=c 2=old 3=c 4=old"},
		{"UPDATE parent p SET secret = (SELECT h.secret FROM heir h WHERE h.id = 4) WHERE p.id = 1", nil, "parent", ""},
		{"UPDATE parent p SET secret = (SELECT s FROM heir h (i, o, s, m), other() WHERE i = 4 AND o = org) WHERE p.id = 1", nil, "parent", ""},
		{"UPDATE parent p SET secret = (SELECT s FROM heir h (i, o, s, m), LATERAL (SELECT 'globex' AS org) x WHERE i = 4 AND o = org) WHERE p.id = 1", nil, "parent", ""},
		{"UPDATE parent p SET secret = (SELECT s FROM heir h (i, o, s, m) WHERE i = 4 AND o = org) WHERE p.id = 2", nil, "parent", "1=c 2=old 3=c 4=old"},
		{"UPDATE parent p SET secret = (SELECT h.secret FROM heir h WHERE h.id = 4 AND (h.org = p.org) IS NOT TRUE) WHERE p.id = 1", nil, "parent", ""},
		{"UPDATE parent p SET secret = (SELECT h.secret FROM heir h LEFT JOIN heir i ON h.org = p.org WHERE h.id = 4) WHERE p.id = 1", nil, "parent", ""},
		{"UPDATE parent p SET secret = x.secret FROM (SELECT h.* FROM heir h JOIN parent q ON q.org = h.org) x WHERE x.id = 4 AND p.id = 1", nil, "parent", ""},
		{"UPDATE parent p SET secret = h.secret FROM heir h, heir i WHERE p.org = i.org AND h.id = 4", nil, "parent", ""},
		{"UPDATE parent p SET secret = (SELECT h.secret FROM heir h WHERE h.org = p.org UNION ALL SELECT h.secret FROM heir h WHERE h.id = 4 LIMIT 1) WHERE p.id = 1", nil, "parent", ""},
		{"UPDATE parent p SET (id, secret) = (SELECT h.id, h.secret FROM heir h WHERE h.id = 4) WHERE p.id = 1", nil, "parent", ""},
		{"UPDATE parent p SET secret = CASE WHEN id = 1 THEN (SELECT h.secret FROM heir h WHERE h.id = 4) ELSE secret END", nil, "parent", ""},
		{"UPDATE parent p SET secret = COALESCE((SELECT h.secret FROM heir h WHERE h.id = 4), 'x') WHERE p.id = 1", nil, "parent", ""},
		{"UPDATE parent p SET secret = left((SELECT h.secret FROM heir h WHERE h.id = 3), 2) WHERE p.id = 1", nil, "parent", ""},
		{"UPDATE parent p SET secret = (SELECT left(h.secret, 1) FROM heir h WHERE h.org = p.org) WHERE p.id = 1", nil, "parent", ""},
		{"UPDATE parent p SET secret = (SELECT left(v.s, 1) FROM (VALUES ('abc')) v (s)) WHERE p.id = 1", nil, "parent", ""},
		{"UPDATE parent p SET secret = (SELECT max(h.secret) FROM heir h WHERE h.org = p.org)", nil, "parent", ""},
		{"UPDATE parent p SET org = (SELECT 'globex'), secret = 'x' WHERE id = 1", nil, "parent", ""},
		{"UPDATE parent p SET org = v.org, secret = v.s FROM (VALUES (1, 'globex', 'v')) v (id, org, s) WHERE p.id = v.id", nil, "parent", "1=v 2=old 3=c 4=old"},
		{"UPDATE parent p SET org = v.org, secret = 'x' FROM (VALUES (1, 'acme', 'v')) v (id, org, s) WHERE p.id = v.id", nil, "parent", ""},
		{"UPDATE parent p SET org = a.org, secret = b.s FROM (VALUES (1, 'acme', 'a')) a (id, org, s), (VALUES (1, 'globex', 'b')) b (id, org, s) WHERE p.id = a.id", nil, "parent", "1=b 2=old 3=c 4=old"},
		{"WITH v (id, org, s) AS (VALUES (1, 'acme', 'a'), (1, 'globex', 'b')) UPDATE parent p SET org = a.org, secret = b.s FROM v a, v b WHERE p.id = a.id", nil, "parent", ""},
		{"WITH u AS (UPDATE parent SET secret = 'w' WHERE id = 1 RETURNING id, org, secret) INSERT INTO parent SELECT id + 100, org, secret FROM u", nil, "parent", "1=w 2=old 3=c 4=old 101=w"},
		{"WITH u AS (DELETE FROM parent WHERE id = 101 RETURNING secret) INSERT INTO parent SELECT 102, 'globex', secret FROM u", nil, "parent", ""},
		{"WITH u AS (DELETE FROM parent WHERE id = 101 RETURNING secret) SELECT secret FROM u", nil, "parent", "1=w 2=old 3=c 4=old"},
		// Rules: what a rule copies is sealed already, and another table's does not open there.
		{"UPDATE ruled SET secret = 'a', org = org WHERE org = 'globex'", nil, "ruled", "1=old 2=a"},
		{"INSERT INTO plain VALUES (5, 'in the clear')", nil, "ruled", ""},
		// TRUNCATE and LOCK touch no value.
		{"TRUNCATE kept", nil, "kept", " "},
	} {
		c.play(t, f)
	}
}

// TestMerges: the like for MERGE.
func TestMerges(t *testing.T) {
	f := startWithUpdates(t)
	var version int
	if err := proxytest.Connect(t, f.Direct).QueryRow(t.Context(), "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		t.Fatal(err)
	}
	if version < 150000 {
		t.Skip("Postgres before 15 has no MERGE")
	}
	const old = "1=old 2=old 3=old 4=old"
	for _, c := range []updateCase{
		{"MERGE INTO parent p USING heir h ON p.id = h.id - 2 WHEN MATCHED THEN UPDATE SET secret = h.secret", nil, "parent", ""},
		{"MERGE INTO parent p USING heir h ON p.id = h.id - 2 AND p.org = h.org WHEN MATCHED THEN UPDATE SET secret = h.secret", nil, "parent", old},
		{"MERGE INTO parent p USING heir h ON p.id = h.id - 3 WHEN MATCHED AND p.org = 'acme' AND h.org = 'globex' THEN UPDATE SET secret = h.secret", nil, "parent", ""},
		{"MERGE INTO parent p USING heir h ON p.id = h.id + 9 AND h.org = 'acme' WHEN NOT MATCHED THEN INSERT (id, org, secret) VALUES (9, 'acme', h.secret)", nil, "parent", ""},
		{"MERGE INTO parent p USING heir h ON p.id = h.id + 9 WHEN NOT MATCHED AND h.org = 'globex' THEN INSERT (id, org, secret) VALUES (9, 'acme', h.secret)", nil, "parent", ""},
		{"MERGE INTO parent p USING heir h ON p.id = h.id + 9 WHEN NOT MATCHED AND h.org = 'globex' THEN INSERT (id, org, secret) VALUES (9, 'globex', h.secret)", nil, "parent", "1=old 2=old 3=old 4=old 9=old"},
		{"MERGE INTO ONLY parent p USING (SELECT 9 AS id) s ON p.id = s.id WHEN MATCHED THEN DELETE", nil, "parent", old},
		{"MERGE INTO parent p USING plain ON true WHEN MATCHED THEN UPDATE SET org = 'globex'", nil, "parent", old},
		{"MERGE INTO parent p USING (SELECT 1) s (id) ON p.id = s.id WHEN MATCHED THEN UPDATE SET org = 'globex'", nil, "parent", ""},
		{"MERGE INTO parent p USING (SELECT 1, $1) s (id, org) ON p.id = s.id WHEN MATCHED THEN UPDATE SET org = s.org", []any{"globex"}, "parent", ""},
		{"MERGE INTO parent p USING (SELECT 1, $1) s (id, org) ON p.id = s.id WHEN MATCHED THEN UPDATE SET org = s.org", []any{"acme"}, "parent", old},
		{"MERGE INTO parent p USING (SELECT 1) s (id) ON p.id = s.id OR p.id = 2 WHEN MATCHED AND p.id = 7 OR true THEN UPDATE SET secret = 'm'", nil, "parent", "1=m 2=old 3=old 4=old"},
		{"MERGE INTO parent p USING (SELECT 1) s (id) ON true WHEN MATCHED AND p.org = 'globex' THEN UPDATE SET secret = 'n' WHEN MATCHED AND p.id = 1 THEN UPDATE SET secret = $1", []any{"o"}, "parent", "1=o 2=n 3=old 4=n"},
		{"MERGE INTO parent p USING (SELECT 1) s (id) ON true WHEN MATCHED AND p.id > 0 THEN UPDATE SET secret = 'n' WHEN MATCHED THEN DELETE", nil, "parent", ""},
		{"MERGE INTO parts p USING (VALUES (1, 'acme', 'x'), (2, 'globex', 'y'), (3, 'globex', 'z')) s (id, org, secret) ON p.id = s.id WHEN MATCHED THEN UPDATE SET org = s.org, secret = s.secret WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.org, s.secret)", nil, "parts", "1=x 2=y 3=z"},
		{"MERGE INTO parts p USING (VALUES (1, 'globex', 'x')) s (id, org, secret) ON p.id = s.id WHEN MATCHED THEN UPDATE SET org = s.org, secret = s.secret", nil, "parts", "1=x 2=y 3=z"},
		{"MERGE INTO parts p USING (SELECT 5 AS id, $1 AS secret) s ON p.id = s.id WHEN MATCHED THEN UPDATE SET secret = s.secret WHEN NOT MATCHED THEN INSERT (id, secret) VALUES (s.id, s.secret)", []any{"five"}, "parts", "1=x 2=y 3=z 5=five"},
		{"MERGE INTO parts p USING (SELECT 2 AS id, $1 AS secret) s ON p.id = s.id WHEN MATCHED THEN UPDATE SET secret = s.secret", []any{"two"}, "parts", "1=x 2=y 3=z 5=five"},
	} {
		c.play(t, f)
	}
}

// updateCase is a statement in a session whose org is acme.
type updateCase struct {
	sql   string
	args  []any
	table string
	want  string // the table's secrets; empty: the statement is refused
}

// play plays the statement in both protocols, and keeps what the second has done.
func (c *updateCase) play(t *testing.T, f *proxytest.Fixture) {
	t.Helper()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		conn := proxytest.Connect(t, f.Through+"&options=-c%20pgseal.org%3Dacme")
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.Exec(t.Context(), c.sql, append([]any{mode}, c.args...)...)
		if (err == nil) != (c.want != "") {
			t.Errorf("%s, %s: %v", mode, c.sql, err)
		}
		end := tx.Rollback
		if mode == pgx.QueryExecModeSimpleProtocol && err == nil {
			end = tx.Commit
		}
		if err := end(t.Context()); err != nil && !strings.Contains(err.Error(), "rollback") {
			t.Errorf("%s: %v", c.sql, err)
		}
		if mode == pgx.QueryExecModeSimpleProtocol && c.want != "" {
			if got := secrets(t, f, c.table); got != strings.TrimSpace(c.want) {
				t.Errorf("%s: %s, want %s", c.sql, got, c.want)
			}
		}
	}
}

// TestUpdateCurrentOf: a cursor may stand on another org's row.
func TestUpdateCurrentOf(t *testing.T) {
	f := startWithSessionOrgs(t)
	conn := proxytest.Connect(t, f.Through)
	exec := func(sql string) error {
		_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		return err
	}
	for _, sql := range []string{"SET pgseal.org = 'acme'", "BEGIN", "DECLARE c CURSOR FOR SELECT id FROM by_text ORDER BY id FOR UPDATE", "FETCH c",
		"UPDATE by_text SET secret = 'a' WHERE CURRENT OF c", "FETCH 2 FROM c", "SAVEPOINT s"} {
		if err := exec(sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := exec("UPDATE by_text SET secret = 'b' WHERE CURRENT OF c"); codeOf(err) != pgerr.FeatureNotSupported {
		t.Errorf("the row is globex's: %v", err)
	}
	if err := exec("ROLLBACK TO s; COMMIT"); err != nil {
		t.Error(err)
	}
	if got := secrets(t, f, "by_text"); got != "1=a 2=old 3=old" {
		t.Error(got)
	}
}
