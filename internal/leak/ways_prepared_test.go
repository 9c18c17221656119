package leak_test

// preparedWays write and search with prepared statements of SQL.
var preparedWays = []way{
	{
		name: "CREATE TABLE AS EXECUTE",
		literals: []string{
			`CREATE TABLE t# AS EXECUTE missing ('@')`,
			`CREATE TABLE t# AS EXECUTE known ('@')`,
		},
	},
	{
		name: "EXPLAIN EXECUTE",
		literals: []string{
			`EXPLAIN ANALYZE EXECUTE missing ('@')`,
			`EXPLAIN EXECUTE known ('@')`,
			`EXPLAIN (ANALYZE, VERBOSE) EXECUTE known ('@')`,
		},
		rows: [][]string{
			{`SET pgseal.org = 'acme'`, `PREPARE s# AS UPDATE notes SET body = $1 WHERE id = 1`, `EXECUTE s# ('@')`, `EXECUTE s# ('@', 1)`, `EXECUTE s# (upper('@'))`, `EXPLAIN ANALYZE EXECUTE s# /* to */ ('@' /* acme */)`},
		},
	},
	{
		name: "EXECUTE behind an error, or behind DEALLOCATE, in one string",
		literals: []string{
			`SELECT 1/0; EXECUTE known ('@')`,
			`DEALLOCATE known; EXECUTE known ('@')`,
		},
		rows: [][]string{
			{`DEALLOCATE known`, `EXECUTE known ('@')`},
			{`DEALLOCATE ALL`, `EXECUTE known ('@')`},
			{`DISCARD ALL`, `EXECUTE known ('@')`},
		},
	},
	{
		name: "EXECUTE of a name that was never prepared",
		literals: []string{
			`EXECUTE missing ('@')`,
			`EXECUTE missing ('@' || 'x', upper('@'))`,
		},
		params: []string{
			`EXECUTE missing ($1)`,
			`EXECUTE missing (1, $1 || 'x')`,
		},
	},
	{
		name: "EXECUTE with too few or too many arguments",
		literals: []string{
			`EXECUTE known ('@', '@')`,
			`EXECUTE two ('@')`,
		},
	},
	{
		name: "EXECUTE whose argument is an expression",
		literals: []string{
			`EXECUTE known (('@'))`,
			`EXECUTE known ('@' || 'x')`,
			`EXECUTE known (upper('@'))`,
			`EXECUTE two (lower('ACME'), '@')`,
			`EXECUTE two (NULL, '@')`,
		},
		params: []string{
			`EXECUTE known ($1)`,
			`EXECUTE known (upper($1))`,
		},
	},
	{
		name: "EXECUTE whose argument is cast",
		literals: []string{
			`EXECUTE known ('@'::text)`,
			`EXECUTE known (CAST('@' AS text))`,
			`EXECUTE known (text '@')`,
			`EXECUTE known ('@'::varchar(40))`,
		},
	},
	{
		name: "EXECUTE of a name in quotes, or among comments",
		literals: []string{
			`EXECUTE "known" ('@')`,
			`EXECUTE U&"kn\006Fwn" ('@')`,
			`EXECUTE /* the */ known /* one */ ('@') -- it`,
		},
	},
	{
		name: "EXECUTE for an org that is given as an argument",
		literals: []string{
			`EXECUTE two ('acme', '@')`,
			`EXECUTE two ('nobody', '@')`,
		},
	},
	{
		name: "EXECUTE with a value of another type",
		literals: []string{
			`EXECUTE number ('@')`,
		},
	},
	{
		name: "EXECUTE under settings that change what a text means",
		rows: [][]string{
			{`SET standard_conforming_strings = off`, `EXECUTE known ('@')`},
			{`SET client_encoding = 'LATIN1'`, "EXECUTE known ('@\xe9')"},
			{`SET client_encoding = 'LATIN1'`, "EXECUTE known ('@')"},
		},
	},
	{
		name: "EXECUTE after the catalog or search_path has changed",
		rows: [][]string{
			{`CREATE SCHEMA s#; CREATE TABLE s#.notes (id int, org_id text, body text)`, `SET search_path = s#, public`, `EXECUTE known ('@')`},
			{`ALTER TABLE notes ADD COLUMN c# text`, `EXECUTE known ('@')`},
		},
	},
	{
		name: "EXECUTE of a statement of the protocol",
		literals: []string{
			`EXECUTE known ('@')`,
			`EXECUTE known (E'@')`,
			`EXECUTE known ($$@$$)`,
			`EXECUTE known (U&'@' UESCAPE '!')`,
		},
	},
	{
		name: "PREPARE of one text, EXECUTE in another",
		rows: [][]string{
			{`PREPARE s# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)`, `EXECUTE s# ('@')`},
			{`PREPARE s# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', upper($1))`, `EXECUTE s# ('@')`},
			{`PREPARE s# (int) AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)`, `EXECUTE s# ('@')`},
			{`PREPARE s# (jsonb) AS INSERT INTO notes (id, org_id, n) VALUES (#, 'acme', $1)`, `EXECUTE s# ('"@"')`},
			{`PREPARE s# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)`, `BEGIN; SELECT 1/0`, `EXECUTE s# ('@')`},
		},
	},
	{
		name: "PREPARE and EXECUTE of a search",
		literals: []string{
			`PREPARE r# AS SELECT * FROM notes WHERE body = $1; EXECUTE r# ('@')`,
			`PREPARE r# AS SELECT * FROM notes WHERE body = '@'`,
		},
	},
	{
		name: "PREPARE with a literal, and its EXECUTE",
		literals: []string{
			`PREPARE p# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
			`PREPARE r# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING body; EXECUTE r#`,
		},
	},
	{
		name: "PREPARE of an UPDATE, and its EXECUTE",
		literals: []string{
			`PREPARE r# AS UPDATE notes SET body = $1 WHERE org_id = 'acme' AND id = 1; EXECUTE r# ('@')`,
			`PREPARE r# AS INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', $1) ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body; EXECUTE r# ('@')`,
		},
	},
	{
		name: "PREPARE with declared types, and its EXECUTE",
		literals: []string{
			`PREPARE q# (text) AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1); EXECUTE q# ('@')`,
			`PREPARE r# (text, int) AS INSERT INTO notes (id, org_id, body) VALUES (#, $1, $2); EXECUTE r# ('acme', '@')`,
			`PREPARE r# (text, varchar(5)) AS INSERT INTO notes (id, org_id, body) VALUES (#, $1, $2); EXECUTE r# ('acme', '@')`,
		},
	},
	{
		name: "PREPARE and EXECUTE of a parameter",
		literals: []string{
			`PREPARE r# AS INSERT INTO notes (id, org_id, body) VALUES (#, $1, $2); EXECUTE r# ('acme', '@'); EXECUTE r# ('acme', '@')`,
			`PREPARE r# AS INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', $1); EXECUTE r# ('@')`,
		},
		params: []string{
			`PREPARE p# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)`,
		},
	},
}
