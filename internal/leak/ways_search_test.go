package leak_test

// searchWays compare a sealed column with a value.
var searchWays = []way{
	{
		name: "a cursor's query that searches",
		literals: []string{
			`DECLARE c# CURSOR WITH HOLD FOR SELECT * FROM notes WHERE body = '@'`,
			`EXPLAIN DECLARE c# CURSOR FOR SELECT * FROM notes WHERE body = '@'`,
			`BEGIN; DECLARE c# CURSOR FOR SELECT id, body FROM notes WHERE id = 1 FOR UPDATE; FETCH c#; UPDATE notes SET body = '@' WHERE CURRENT OF c#; COMMIT`,
			`BEGIN; DECLARE c# CURSOR FOR SELECT id FROM notes WHERE id = 1 FOR UPDATE; FETCH c#; UPDATE notes SET org_id = 'acme', body = '@', doc = NULL, raw = NULL, n = NULL, big = NULL, ok = NULL, f = NULL, amount = NULL, uid = NULL, at = NULL WHERE CURRENT OF c#; COMMIT`,
		},
	},
	{
		name: "a sealed column that the policy does not name, and a table of the policy that is not there",
		rows: [][]string{
			{
				`CREATE TABLE orphan# (id int, s pgseal.sealed)`, `SELECT id FROM orphan# WHERE s = '@'`, `DELETE FROM orphan# WHERE s IN ('@')`,
				`INSERT INTO orphan# VALUES (1, '@')`, `UPDATE orphan# SET s = '@'`, `UPDATE orphan# SET id = 1 WHERE convert_from(s, 'UTF8') LIKE '@'`,
				`WITH w AS (SELECT * FROM orphan#) SELECT * FROM (SELECT s AS x FROM w) y WHERE x > '@'`, `DROP TABLE orphan#`,
			},
			{`BEGIN`, `DROP TABLE notes CASCADE`, `SELECT * FROM notes WHERE body = '@'`, `ROLLBACK`},
			{`BEGIN`, `DROP TABLE notes CASCADE`, `DELETE FROM notes WHERE body = '@'`, `ROLLBACK`},
			{`SET search_path = 'nowhere'`, `SELECT * FROM notes WHERE body = '@'`, `INSERT INTO notes (body) VALUES ('@')`, `RESET search_path`},
		},
	},
	{
		name: "EXPLAIN of a search",
		literals: []string{
			`EXPLAIN (VERBOSE) SELECT * FROM notes WHERE body = '@'`,
		},
	},
	{
		name: "WHERE … =",
		literals: []string{
			`SELECT * FROM notes WHERE body = '@'`,
			`SELECT * FROM notes WHERE '@' = body`,
		},
		params: []string{
			`SELECT * FROM notes WHERE body = $1`,
		},
	},
	{
		name: "DELETE … WHERE",
		literals: []string{
			`DELETE FROM notes WHERE body = '@'`,
		},
		params: []string{
			`DELETE FROM notes WHERE body = $1`,
		},
	},
	{
		name: "a search in a subquery",
		literals: []string{
			`SELECT body FROM notes WHERE id IN (SELECT id FROM notes WHERE body = '@')`,
		},
	},
	{
		name: "WHERE … LIKE",
		literals: []string{
			`SELECT * FROM notes WHERE body LIKE '%@%'`,
		},
		params: []string{
			`SELECT * FROM notes WHERE body LIKE $1`,
		},
	},
	{
		name: "WHERE … IN",
		literals: []string{
			`SELECT * FROM notes WHERE body IN ('@', 'x')`,
		},
	},
	{
		name: "WHERE … = ANY",
		literals: []string{
			`SELECT * FROM notes WHERE body = ANY (ARRAY['@'])`,
		},
		params: []string{
			`SELECT * FROM notes WHERE body = ANY (ARRAY[$1])`,
		},
	},
	{
		name: "WHERE a row = a row",
		literals: []string{
			`SELECT * FROM notes WHERE (id, body) = (1, '@')`,
		},
	},
	{
		name: "WHERE … IS DISTINCT FROM",
		literals: []string{
			`SELECT * FROM notes WHERE body IS DISTINCT FROM '@'`,
		},
	},
	{
		name: "jsonb's @>",
		literals: []string{
			`SELECT * FROM notes WHERE doc @> '{"k": "@"}'`,
		},
	},
	{
		name: "jsonb's ->>",
		literals: []string{
			`SELECT * FROM notes WHERE doc ->> 'k' = '@'`,
		},
		params: []string{
			`SELECT * FROM notes WHERE doc ->> 'k' = $1`,
		},
	},
	{
		name: "a JOIN's condition",
		literals: []string{
			`SELECT * FROM notes n JOIN plain p ON n.body = p.v || '@'`,
		},
	},
	{
		name: "a comparison in the output list",
		literals: []string{
			`SELECT body = '@' FROM notes`,
		},
	},
	{
		name: "a function over the column",
		literals: []string{
			`SELECT position('@' in body) FROM notes`,
		},
	},
	{
		name: "NULLIF and COALESCE over the column",
		literals: []string{
			`SELECT NULLIF(body, '@') FROM notes`,
			`SELECT COALESCE(body, '@') FROM notes`,
		},
		params: []string{
			`SELECT COALESCE(body, $1) FROM notes`,
		},
	},
	{
		name: "an arm of UNION ALL",
		literals: []string{
			`SELECT body FROM notes UNION ALL SELECT '@'`,
		},
		params: []string{
			`SELECT body FROM notes UNION ALL SELECT $1`,
		},
	},
	{
		name: "GROUP BY … HAVING",
		literals: []string{
			`SELECT id FROM notes GROUP BY id, body HAVING body = '@'`,
		},
	},
	{
		name: "ORDER BY a comparison",
		literals: []string{
			`SELECT id FROM notes ORDER BY body = '@'`,
		},
	},
	{name: "regular expressions and SIMILAR TO", literals: []string{
		`SELECT * FROM notes WHERE body ~ '@'`,
		`SELECT * FROM notes WHERE body !~* '@'`,
		`SELECT * FROM notes WHERE body SIMILAR TO '%@%'`,
	}, params: []string{`SELECT * FROM notes WHERE body ~ $1`}},
	{name: "BETWEEN and comparisons of order", literals: []string{
		`SELECT * FROM notes WHERE body BETWEEN '@' AND 'z'`,
		`SELECT * FROM notes WHERE body >= '@' ORDER BY id`,
	}, params: []string{`SELECT * FROM notes WHERE body BETWEEN $1 AND 'z'`}},
	{name: "full text search", literals: []string{
		`SELECT * FROM notes WHERE to_tsvector(body) @@ to_tsquery('@')`,
		`SELECT ts_headline(body, to_tsquery('@')) FROM notes`,
	}},
	{name: "a window's PARTITION BY and FILTER", literals: []string{
		`SELECT rank() OVER (PARTITION BY body = '@' ORDER BY id) FROM notes`,
		`SELECT count(*) FILTER (WHERE body = '@') FROM notes`,
	}},
	{name: "DISTINCT and GROUP BY an expression", literals: []string{
		`SELECT DISTINCT body || '@' FROM notes`,
		`SELECT body || '@' FROM notes GROUP BY body || '@'`,
	}},
	{name: "EXISTS and LATERAL", literals: []string{
		`SELECT * FROM plain p WHERE EXISTS (SELECT 1 FROM notes n WHERE n.id = p.id AND n.body = '@')`,
		`SELECT * FROM plain p, LATERAL (SELECT * FROM notes n WHERE n.body = p.v || '@') x`,
	}},
	{name: "CASE over the column", literals: []string{
		`SELECT CASE WHEN body = '@' THEN 1 END FROM notes`,
		`SELECT CASE body WHEN '@' THEN 1 END FROM notes`,
	}},
	{name: "a scalar subquery that is compared", literals: []string{
		`SELECT * FROM plain WHERE (SELECT body FROM notes WHERE id = 1) = '@'`,
		`SELECT (SELECT n.body FROM notes n WHERE n.id = 1) || '@'`,
	}},
	{name: "VALUES joined with the column", literals: []string{
		`SELECT * FROM notes JOIN (VALUES ('@')) v (body) USING (body)`,
		`SELECT * FROM notes NATURAL JOIN (VALUES ('@')) v (body)`,
	}},
	{name: "EXCEPT, INTERSECT and UNION", literals: []string{
		`SELECT body FROM notes EXCEPT SELECT '@'`,
		`SELECT body FROM notes INTERSECT VALUES ('@')`,
		`SELECT '@' UNION SELECT body FROM notes`,
	}},
	{name: "string_agg and concat with the column", literals: []string{
		`SELECT string_agg(body, '@') FROM notes`,
		`SELECT concat(body, '@'), format('@%s', body) FROM notes`,
		`SELECT replace(body, '@', '') FROM notes`,
	}},
	{name: "LIMIT, OFFSET and ORDER BY of the value", literals: []string{
		`SELECT id FROM notes ORDER BY position('@' IN body)`,
		`SELECT id FROM notes LIMIT (SELECT count(*) FROM notes WHERE body = '@')`,
	}},
	{name: "DELETE … USING and RETURNING", literals: []string{
		`DELETE FROM notes USING plain p WHERE notes.body = p.v || '@'`,
		`DELETE FROM notes WHERE id = 0 RETURNING body = '@'`,
	}},
	{name: "UPDATE … WHERE the column", literals: []string{
		`UPDATE notes SET title = 't' WHERE body = '@'`,
		`UPDATE notes SET body = NULL WHERE org_id = 'acme' AND body = '@'`,
	}, params: []string{`UPDATE notes SET title = 't' WHERE body = $1`}},
	{name: "jsonb paths", literals: []string{
		`SELECT * FROM notes WHERE doc @? '$ ? (@ == "@")'`,
		`SELECT * FROM notes WHERE doc #>> '{k}' = '@'`,
		`SELECT * FROM notes WHERE doc ? '@'`,
		`SELECT jsonb_set(doc, '{k}', '"@"') FROM notes`,
		`SELECT doc || '{"k": "@"}' FROM notes`,
	}},
}
