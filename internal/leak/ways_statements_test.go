package leak_test

// statementWays are other statements, and texts of several.
var statementWays = []way{
	{
		name: "EXPLAIN ANALYZE of a write",
		literals: []string{
			`EXPLAIN ANALYZE INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
		},
	},
	{
		name: "EXPLAIN of a write",
		literals: []string{
			`EXPLAIN INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
		},
	},
	{
		name: "DO",
		literals: []string{
			`DO $$ BEGIN INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'); END $$`,
		},
	},
	{
		name: "the first statement of a string",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'); SELECT 1`,
		},
	},
	{
		name: "a later statement of a string",
		literals: []string{
			`SELECT 1; INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
			`SELECT body FROM notes WHERE body = 'x'; INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
		},
	},
	{
		name: "a statement behind one that fails",
		literals: []string{
			`SELECT 1/0; INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
		},
	},
	{
		name: "CREATE TABLE AS",
		literals: []string{
			`CREATE TABLE t# AS SELECT * FROM notes WHERE body = '@'`,
		},
	},
	{
		name: "CREATE VIEW",
		literals: []string{
			`CREATE VIEW v# AS SELECT * FROM notes WHERE body = '@'`,
		},
	},
	{
		name: "CREATE INDEX on an expression, or partial",
		literals: []string{
			`CREATE INDEX ON notes ((body = '@'))`,
			`CREATE INDEX i# ON notes (id) WHERE body = '@'`,
		},
	},
	{
		name: "ALTER TABLE … SET DEFAULT",
		literals: []string{
			`ALTER TABLE notes ALTER COLUMN body SET DEFAULT '@'`,
		},
	},
	{
		name: "ALTER TABLE … ADD CHECK",
		literals: []string{
			`ALTER TABLE notes ADD CHECK (body <> '@')`,
		},
	},
}
