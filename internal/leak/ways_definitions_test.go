package leak_test

// definitionWays are definitions that hold a value to compare with.
var definitionWays = []way{
	{name: "CREATE TABLE … DEFAULT", literals: []string{
		`CREATE TABLE IF NOT EXISTS notes (id int, org_id text, body text DEFAULT '@')`,
		`ALTER TABLE notes ADD COLUMN body text DEFAULT '@'`,
	}},
	{name: "CREATE TABLE … GENERATED", literals: []string{
		`ALTER TABLE notes ADD COLUMN g# text GENERATED ALWAYS AS (body || '@') STORED`,
	}},
	{name: "ALTER TABLE … TYPE … USING", literals: []string{
		`ALTER TABLE notes ALTER COLUMN body TYPE text USING body || '@'`,
		`ALTER TABLE notes ALTER COLUMN title TYPE text USING coalesce(body, '@')`,
	}},
	{name: "CREATE MATERIALIZED VIEW", literals: []string{`CREATE MATERIALIZED VIEW m# AS SELECT * FROM notes WHERE body = '@'`}},
	{name: "CREATE VIEW that computes", literals: []string{`CREATE VIEW v# AS SELECT id, body || '@' AS b FROM notes`}},
	{name: "SELECT INTO", literals: []string{`SELECT id, body INTO t# FROM notes WHERE body <> '@'`}},
	{name: "CREATE STATISTICS", literals: []string{`CREATE STATISTICS s# ON (body || '@'), id FROM notes`}},
	{name: "CREATE TRIGGER … WHEN", literals: []string{
		`CREATE TRIGGER t# BEFORE UPDATE ON notes FOR EACH ROW WHEN (NEW.body = '@') EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
	}},
	{name: "CREATE POLICY", literals: []string{
		`CREATE POLICY p# ON notes USING (body = '@')`,
		`CREATE POLICY p# ON notes FOR INSERT WITH CHECK (body <> '@')`,
	}},
	{name: "CREATE RULE", literals: []string{
		`CREATE RULE r# AS ON INSERT TO notes DO ALSO INSERT INTO plain VALUES (#, '@')`,
		`CREATE RULE r# AS ON UPDATE TO notes WHERE NEW.body = '@' DO INSTEAD NOTHING`,
		`CREATE RULE r# AS ON DELETE TO plain DO ALSO UPDATE notes SET body = '@' WHERE org_id = 'acme'`,
	}},
	{name: "CREATE FUNCTION … BEGIN ATOMIC", literals: []string{
		`CREATE FUNCTION f#() RETURNS void BEGIN ATOMIC INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'); END`,
	}},
	{name: "CREATE FUNCTION with a body in a string", literals: []string{
		`CREATE FUNCTION f#() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'); END $f$`,
		`CREATE FUNCTION f#() RETURNS void LANGUAGE sql AS 'UPDATE notes SET body = ''@'' WHERE id = #'`,
	}},
	{name: "CREATE INDEX … INCLUDE, EXCLUDE", literals: []string{
		`ALTER TABLE notes ADD EXCLUDE USING btree (body WITH =) WHERE (body <> '@')`,
		`CREATE UNIQUE INDEX i# ON notes (lower(body || '@'))`,
	}},
	{name: "a default of a view's column", literals: []string{
		`ALTER VIEW note_view ALTER body SET DEFAULT '@'`,
		`ALTER TABLE note_view ALTER COLUMN body SET DEFAULT '@'`,
	}},
	{name: "a text that makes what it writes", literals: []string{
		`CREATE VIEW v# AS SELECT body FROM notes; INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'); SELECT body FROM notes WHERE id = #; DROP VIEW v#`,
		`CREATE VIEW v# AS SELECT id, title FROM notes; UPDATE notes SET body = '@' WHERE org_id = 'acme' AND id = 1; INSERT INTO v# VALUES (#, 't'); DROP VIEW v#`,
		`CREATE VIEW v# AS SELECT body AS title FROM notes; CREATE OR REPLACE VIEW v# AS SELECT body AS title FROM notes; UPDATE v# SET title = '@'`,
		`CREATE MATERIALIZED VIEW v# AS SELECT count(*) AS n FROM notes; UPDATE notes SET body = '@' WHERE org_id = 'acme' AND id = 1; DROP MATERIALIZED VIEW v#`,
		`SET search_path = pg_temp, public; CREATE TEMP VIEW notes AS SELECT id, title AS body FROM notes; UPDATE notes SET body = '@'; DROP VIEW notes`,
		`CREATE VIEW v# AS SELECT id, org_id, body FROM notes; INSERT INTO v# (id, org_id, body) VALUES (#, 'acme', '@')`,
		`CREATE VIEW v# AS SELECT id, org_id, body FROM notes; ALTER VIEW v# RENAME TO w#; UPDATE w# SET body = '@' WHERE org_id = 'acme'`,
		`CREATE TABLE heir# () INHERITS (notes); INSERT INTO heir# (id, org_id, body) VALUES (#, 'acme', '@'); DROP TABLE heir#`,
		`CREATE TABLE copy# (LIKE notes); INSERT INTO copy# (id, org_id, body) VALUES (#, 'acme', '@')`,
		`CREATE TABLE orphan# (id int, secret pgseal.sealed); INSERT INTO orphan# VALUES (#, '@')`,
		`BEGIN; CREATE TEMP TABLE notes (LIKE public.notes); INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'); ROLLBACK`,
		`BEGIN; CREATE SCHEMA s# CREATE TABLE notes (id int, org_id text, body text); INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'); ROLLBACK`,
		`CREATE TABLE IF NOT EXISTS notes (id int, org_id text, body text); INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
		`BEGIN; DROP TABLE notes CASCADE; CREATE TABLE notes (id int, org_id text, title text, body text); INSERT INTO notes VALUES (#, 'acme', 't', '@'); ROLLBACK`,
		`BEGIN; ALTER TABLE notes ADD COLUMN c# text; INSERT INTO notes (id, org_id, c#, body) VALUES (#, 'acme', 'c', '@'); ROLLBACK; INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
	}},
	{name: "CREATE PUBLICATION … WHERE", literals: []string{`CREATE PUBLICATION p# FOR TABLE notes WHERE (body <> '@')`}},
}

// relationWays reach the table by another relation.
var relationWays = []way{
	{
		name: "INSERT into a view",
		literals: []string{
			`INSERT INTO note_view (id, org_id, body) VALUES (#, 'acme', '@')`,
			`INSERT INTO note_view (id, org_id, body) VALUES (#, 'acme', '@') RETURNING body`,
			`INSERT INTO note_view (id, org_id, body) VALUES (1, 'acme', 'x') ON CONFLICT (id) DO UPDATE SET body = '@'`,
		},
		params: []string{`INSERT INTO note_view (id, org_id, body) VALUES (#, 'acme', $1)`},
	},
	{
		name: "UPDATE and DELETE of a view",
		literals: []string{
			`UPDATE note_view SET body = '@' WHERE org_id = 'acme' AND id = 1`,
			`UPDATE note_view SET title = 't' WHERE body = '@'`,
			`DELETE FROM note_view WHERE body = '@'`,
		},
		params: []string{`UPDATE note_view SET body = $1 WHERE org_id = 'acme' AND id = 1`},
	},
	{name: "a search of a view", literals: []string{
		`SELECT * FROM note_view WHERE body = '@'`,
		`SELECT * FROM (SELECT body AS b FROM note_view) x WHERE b LIKE '@%'`,
		`WITH c AS (SELECT * FROM note_view) SELECT * FROM c WHERE body = '@'`,
	}},
	{name: "a partition", rows: [][]string{
		{`CREATE TABLE part# (id int, org_id text, body pgseal.sealed) PARTITION BY LIST (org_id)`, `INSERT INTO part# VALUES (1, 'acme', '@')`, `UPDATE part# SET body = '@'`},
	}},
	{name: "a table that inherits", rows: [][]string{
		{`CREATE TABLE heir# () INHERITS (notes)`, `INSERT INTO heir# (id, org_id, body) VALUES (#, 'acme', '@')`, `UPDATE heir# SET body = '@' WHERE org_id = 'acme'`, `SELECT * FROM heir# WHERE body = '@'`, `DROP TABLE heir#`},
	}},
	{name: "a sealed column that the policy does not name", rows: [][]string{
		{`CREATE TABLE orphan# (id int, secret pgseal.sealed)`, `INSERT INTO orphan# VALUES (1, '@')`, `UPDATE orphan# SET secret = '@'`, `COPY orphan# FROM STDIN`},
	}},
	{name: "a read-only transaction", rows: [][]string{
		{`SET default_transaction_read_only = on`, `INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`, `UPDATE notes SET body = '@' WHERE org_id = 'acme'`},
	}},
	{name: "a row security policy that the row violates", rows: [][]string{
		{`CREATE ROLE reader#; GRANT ALL ON notes TO reader#; ALTER TABLE notes ENABLE ROW LEVEL SECURITY`, `SET ROLE reader#`,
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`, `UPDATE notes SET body = '@' WHERE org_id = 'acme'`, `RESET ROLE`, `ALTER TABLE notes DISABLE ROW LEVEL SECURITY`},
	}},
	{name: "a temporary table of the same name", rows: [][]string{
		{`CREATE TEMP TABLE notes (LIKE public.notes)`, `INSERT INTO public.notes (id, org_id, body) VALUES (#, 'acme', '@')`, `INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`},
	}},
	{name: "a table or column that is renamed meanwhile", rows: [][]string{
		{`ALTER TABLE notes RENAME TO renamed#`, `INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`},
		{`ALTER TABLE notes RENAME COLUMN body TO body#`, `INSERT INTO notes (id, org_id, body#) VALUES (#, 'acme', '@')`},
	}},
	{name: "ROW and whole rows", literals: []string{
		`SELECT * FROM notes n WHERE n = ROW(1, '@')`,
		`INSERT INTO notes SELECT (ROW(#, 'acme', 't', '@')::notes).*`,
		`SELECT row_to_json(n) FROM notes n WHERE row_to_json(n)::text LIKE '%@%'`,
		`INSERT INTO notes SELECT * FROM json_populate_record(NULL::notes, '{"id": #, "org_id": "acme", "body": "@"}')`,
		`INSERT INTO notes SELECT * FROM jsonb_populate_record(NULL::public.notes, '{"body": "@"}')`,
	}},
}
