package leak_test

// insertWays write with INSERT.
var insertWays = []way{
	{
		name: "a value that is cut off by the end of the text",
		literals: []string{
			`EXECUTE known ('@'`,
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'`,
		},
	},
	{
		name: "a syntax error behind the value",
		literals: []string{
			`PREPARE r# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') garbage; EXECUTE r#`,
			`COPY (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING body) TO STDOUT (NONSENSE)`,
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') garbage here`,
			`INSERT INTO U&"n\006Ftes" (id, org_id, body) VALUES (#, 'acme', '@') garbage`,
		},
		rows: [][]string{
			{`PREPARE s# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1) garbage`, `EXECUTE s# ('@')`},
		},
	},
	{
		name: "a keyword that is missing",
		literals: []string{
			`EXECUTE known '@'`,
			`INSERT notes (id, org_id, body) VALUES (#, 'acme', '@')`,
			`UPDATE notes body = '@'`,
		},
	},
	{
		name: "a column that does not exist",
		literals: []string{
			`INSERT INTO notes (id, org_id, nothing, body) VALUES (#, 'acme', 1, '@')`,
			`INSERT INTO notes (id, org_id, boddy) VALUES (#, 'acme', '@')`,
			`UPDATE notes SET boddy = '@' WHERE org_id = 'acme'`,
		},
	},
	{
		name: "more values than columns",
		literals: []string{
			`INSERT INTO notes VALUES (#, 'acme', 't', 'b', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '@')`,
		},
	},
	{
		name: "a statement in a cursor's query",
		literals: []string{
			`DECLARE c# CURSOR WITH HOLD FOR WITH i AS (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING body) SELECT * FROM i`,
		},
	},
	{
		name: "a statement between a cursor's FETCHes",
		literals: []string{
			`DECLARE c# CURSOR WITH HOLD FOR SELECT body FROM notes; FETCH ALL FROM c#; INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
		},
	},
	{
		name: "INSERT for the session's org",
		rows: [][]string{
			{`SET pgseal.org = 'acme'`, `INSERT INTO notes (id, body) VALUES (#, '@'), (#0, E'@')`},
			{`SET pgseal.org = 'acme'`, `INSERT INTO notes VALUES (#, DEFAULT, 't', '@')`},
			{`SET pgseal.org = 'acme'`, `INSERT INTO notes (id, body) SELECT #, '@' UNION ALL SELECT #0, '@'`},
			{`SET pgseal.org = 'nobody'`, `INSERT INTO notes (id, body) VALUES (#, '@')`},
			{`SET pgseal.org = 'acme'`, `PREPARE s# AS INSERT INTO notes (id, body) VALUES (#, $1)`, `EXECUTE s# ('@')`, `SET pgseal.org = ''`, `EXECUTE s# ('@')`},
		},
	},
	{
		name: "INSERT … SELECT from a CTE of values",
		literals: []string{
			`WITH v(a, b, c) AS (VALUES (#, 'acme', '@')) INSERT INTO notes (id, org_id, body) SELECT a, b, c FROM v`,
			`WITH v(a, b, c) AS (VALUES (#, 'acme', '@')), i AS (INSERT INTO notes (id, org_id, body) SELECT a, b, c FROM v) SELECT * FROM v`,
			`WITH v(a, b, c) AS (VALUES (#, 'acme', '@')), i AS (INSERT INTO plain SELECT a, c FROM v) INSERT INTO notes (id, org_id, body) SELECT a, b, c FROM v`,
			`WITH v(b) AS (VALUES ('@')) INSERT INTO notes (id, org_id, body) SELECT #, 'acme', b FROM v`,
		},
		params: []string{
			`WITH v(a, b, c) AS (VALUES (#, 'acme', $1)) INSERT INTO notes (id, org_id, body) SELECT a, b, c FROM v`,
		},
	},
	{
		name: "a CTE that writes",
		literals: []string{
			`WITH i AS (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING id) SELECT * FROM i`,
		},
		params: []string{
			`WITH i AS (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1) RETURNING id) SELECT * FROM i`,
		},
	},
	{
		name: "INSERT … ON CONFLICT DO UPDATE … WHERE",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', 'x') ON CONFLICT (id) DO UPDATE SET body = '@' WHERE notes.body = '@'`,
		},
	},
	{
		name: "INSERT … ON CONFLICT DO UPDATE SET … = EXCLUDED",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', '@') ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body`,
			`INSERT INTO notes (id, org_id, body) VALUES (1, 'globex', '@') ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body`,
			`INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', '@') ON CONFLICT (id) DO UPDATE SET body = CASE WHEN notes.id = 1 THEN '@' ELSE EXCLUDED.body END`,
			`INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', '@') ON CONFLICT (id) DO UPDATE SET title = CASE WHEN notes.id = 1 THEN '@' ELSE EXCLUDED.body END`,
		},
	},
	{
		name: "INSERT … ON CONFLICT DO UPDATE SET a literal or parameter",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') ON CONFLICT (id) DO UPDATE SET body = '@'`,
			`INSERT INTO notes (id, org_id, body) VALUES (1, 'globex', '@') ON CONFLICT (id) DO UPDATE SET body = COALESCE('@', notes.body)`,
		},
		params: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', $1) ON CONFLICT (id) DO UPDATE SET body = $1`,
			`INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', 'x') ON CONFLICT (id) DO UPDATE SET body = $1`,
		},
	},
	{
		name: "INSERT … SELECT from unnest",
		params: []string{
			`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', b FROM unnest(ARRAY[$1]) u(b)`,
		},
	},
	{
		name: "INSERT … SELECT from a VALUES list",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', v FROM (VALUES ('@')) x(v)`,
			`INSERT INTO notes (id, org_id, body) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', '@')) v(a, b, c)`,
			`INSERT INTO notes (id, org_id, body) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', '@'), (1, 'acme', '@')) v(a, b, c)`,
			`INSERT INTO notes (id, org_id, title, body) SELECT v.a, v.b, v.c, v.c FROM (VALUES (#, 'acme', '@')) v(a, b, c)`,
			`INSERT INTO notes (id, org_id, body) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', '@')) v(a, b, c) WHERE v.c <> '@'`,
			`INSERT INTO notes (id, org_id, body) SELECT v.a, v.b, v.c || '@' FROM (VALUES (#, 'acme', '@')) v(a, b, c)`,
			`INSERT INTO notes (id, org_id, doc) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', '"@"')) v(a, b, c)`,
			`INSERT INTO notes (id, org_id, doc) SELECT v.a, v.b, v.c::jsonb FROM (VALUES (#, 'acme', '"@"')) v(a, b, c)`,
			`INSERT INTO notes (id, org_id, doc) SELECT v.a, v.b, v.c::jsonb FROM (VALUES (#, 'acme', '@')) v(a, b, c)`,
			`INSERT INTO notes (id, org_id, body) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', '@'), (1, 'acme', 7)) v(a, b, c)`,
			`INSERT INTO notes (id, org_id, n) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', '@'), (1, 'acme', 7)) v(a, b, c)`,
		},
		params: []string{
			`INSERT INTO notes (id, org_id, body) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', $1)) v(a, b, c)`,
			`INSERT INTO notes (id, org_id, doc) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', $1)) v(a, b, c)`,
			`INSERT INTO notes (id, org_id, title, body) SELECT v.a, v.b, v.c, v.c FROM (VALUES (#, 'acme', $1)) v(a, b, c)`,
		},
	},
	{
		name: "INSERT … SELECT from a table",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', '@' FROM plain`,
		},
	},
	{
		name: "INSERT … SELECT from a subquery",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) SELECT * FROM (SELECT #, 'acme', '@') x WHERE NOT EXISTS (SELECT 1 FROM notes WHERE id = #)`,
		},
		params: []string{
			`INSERT INTO notes (id, org_id, body) SELECT * FROM (SELECT #, 'acme', $1) x`,
		},
	},
	{
		name: "INSERT … SELECT … UNION",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', '@' UNION ALL SELECT 1, 'acme', '@'`,
			`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', '@' UNION SELECT 1, 'acme', '@'`,
		},
	},
	{
		name: "INSERT … SELECT of a scalar subquery",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', (SELECT '@')`,
		},
	},
	{
		name: "INSERT … SELECT of literals and parameters",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', '@'`,
			`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', '@' ORDER BY 3`,
		},
		params: []string{
			`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', $1`,
			`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', $1::text`,
		},
	},
	{
		name: "INSERT … VALUES … ORDER BY",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') ORDER BY 1`,
		},
	},
	{
		name: "INSERT … RETURNING",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING body`,
		},
	},
	{
		name: "INSERT of several rows, of several orgs",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', 'x'), (#0, 'globex', '@')`,
		},
	},
	{
		name: "INSERT INTO … AS alias",
		literals: []string{
			`INSERT INTO notes AS t (id, org_id, body) VALUES (#, 'acme', '@')`,
		},
	},
	{
		name: "a value beside an expression",
		literals: []string{
			`INSERT INTO notes (id, org_id, title, body) VALUES (#, 'acme', upper('x'), '@')`,
		},
		params: []string{
			`INSERT INTO notes (id, org_id, title, body) VALUES (#, 'acme', upper('x'), $1)`,
		},
	},
	{
		name: "an E'…' string",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', E'@')`,
			`UPDATE notes SET body = (CASE WHEN id = 1 THEN '@' WHEN id = 2 THEN E'@' ELSE NULL END)::text, doc = (CASE WHEN id = 1 THEN '["@"]'::jsonb END)::jsonb WHERE org_id = 'acme'`,
		},
	},
	{
		name: "a string in dollar quotes",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $$@$$)`,
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $tag$@$tag$)`,
		},
	},
	{
		name: "a U&'…' string",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', U&'@')`,
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', U&'@' UESCAPE '!')`,
		},
	},
	{
		name: "a national string",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', N'@')`,
		},
	},
	{
		name: "a string over several lines",
		literals: []string{
			"INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'\n'@')",
		},
	},
	{
		name: "a value cast to the column's type",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'::text)`,
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', CAST('@' AS text))`,
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', text '@')`,
		},
		params: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1::text)`,
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', CAST($1 AS text))`,
			`INSERT INTO notes (id, org_id, doc) VALUES (#, 'acme', $1::jsonb)`,
		},
	},
	{
		name: "a value that an operator takes",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@' || 'x')`,
		},
		params: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1 || 'x')`,
		},
	},
	{
		name: "a value that a function takes",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', upper('@'))`,
		},
	},
	{
		name: "a value in brackets",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', ('@'))`,
		},
	},
	{
		name: "a value out of a scalar subquery",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', (SELECT '@'))`,
		},
	},
	{
		name: "a value out of COALESCE or CASE",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', COALESCE(NULL, '@'))`,
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', CASE WHEN true THEN '@' END)`,
		},
	},
	{
		name: "an org that has no key",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'nobody', '@')`,
		},
		params: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'nobody', $1)`,
		},
	},
	{
		name: "an org that is an expression",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, lower('ACME'), '@')`,
		},
	},
	{
		name: "no org",
		literals: []string{
			`INSERT INTO notes (id, body) VALUES (#, '@')`,
		},
	},
	{
		name: "INSERT without a column list",
		literals: []string{
			`INSERT INTO notes VALUES (#, 'acme', 't', '@')`,
		},
	},
	{
		name: "names in quotes, in capitals, in U&\"…\", with a schema",
		literals: []string{
			`INSERT INTO public.notes (id, org_id, body) VALUES (#, 'acme', '@')`,
			`INSERT INTO "notes" ("id", "org_id", "body") VALUES (#, 'acme', '@')`,
			`INSERT INTO U&"n\006Ftes" (id, org_id, body) VALUES (#, 'acme', '@')`,
			`INSERT INTO NOTES (ID, ORG_ID, BODY) VALUES (#, 'acme', '@')`,
		},
	},
	{
		name: "a value of another type",
		literals: []string{
			`INSERT INTO notes (id, org_id, n) VALUES (#, 'acme', '@')`,
			`INSERT INTO notes (id, org_id, doc) VALUES (#, 'acme', '@')`,
			`INSERT INTO notes (id, org_id, doc) VALUES (#, 'acme', '{"k": "@"}')`,
		},
		params: []string{
			`INSERT INTO notes (id, org_id, n) VALUES (#, 'acme', $1)`,
			`INSERT INTO notes (id, org_id, doc) VALUES (#, 'acme', $1)`,
		},
	},
	{
		name: "one parameter for two columns",
		params: []string{
			`INSERT INTO notes (id, org_id, title, body) VALUES (#, 'acme', $1, $1)`,
			`INSERT INTO notes (id, org_id, body) VALUES (#, $1, $1)`,
		},
	},
	{
		name: "INSERT of a literal or parameter",
		literals: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
		},
		params: []string{
			`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)`,
		},
	},
	{name: "INSERT … OVERRIDING, DEFAULT beside the value", literals: []string{
		`INSERT INTO notes (id, org_id, title, body) OVERRIDING USER VALUE VALUES (#, 'acme', DEFAULT, '@')`,
	}},
	{name: "INSERT … SELECT from generate_series and functions", literals: []string{
		`INSERT INTO notes (id, org_id, body) SELECT i, 'acme', '@' FROM generate_series(#000, #001) i`,
		`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', regexp_split_to_table('@ @', ' ')`,
		`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', s FROM string_to_table('@', ',') s`,
	}},
	{name: "INSERT … SELECT from unnest of an array", literals: []string{
		`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', u FROM unnest(ARRAY['@', '@']) u`,
		`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', unnest('{@}'::text[])`,
		`INSERT INTO notes (id, org_id, body) SELECT i, 'acme', u FROM unnest(ARRAY[#], ARRAY['@']) x(i, u)`,
	}, params: []string{
		`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', unnest($1::text[])`,
		`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', u FROM unnest($1::text[]) u`,
	}},
	{name: "INSERT … SELECT from unnest of arrays in step", literals: []string{
		`INSERT INTO notes (id, org_id, body) SELECT * FROM unnest('{#}'::int[], '{acme}'::text[], '{@}'::text[])`,
		`INSERT INTO notes (id, org_id, body) SELECT * FROM unnest('{#,#0}'::int[], '{acme}'::text[], '{@,@}'::text[])`,
		`INSERT INTO notes (id, org_id, body) SELECT * FROM unnest(ARRAY[#], ARRAY['acme'], ARRAY['@'])`,
		`INSERT INTO notes (id, org_id, body) SELECT * FROM unnest(ARRAY[#], ARRAY['acme'], ARRAY['@']::text[])`,
		`INSERT INTO notes (id, org_id, body) SELECT * FROM unnest(ARRAY[#], ARRAY['acme'], ARRAY[ARRAY['@']])`,
		`INSERT INTO notes (id, org_id, body) SELECT * FROM unnest('{#}'::int[], '{acme}'::text[], '{{@}}'::text[])`,
		`INSERT INTO notes (id, org_id, body) SELECT * FROM unnest('{#}'::int[], '{acme}'::text[], '{@'::text[])`,
		`INSERT INTO notes (id, org_id, n) SELECT * FROM unnest('{#}'::int[], '{acme}'::text[], '{@}'::int[])`,
		`INSERT INTO notes (id, org_id, doc) SELECT a, b, c::jsonb FROM unnest('{#}'::int[], '{acme}'::text[], '{@}'::text[]) u(a, b, c)`,
		`UPDATE notes SET body = u.b FROM unnest('{1}'::int[], '{@}'::text[]) u(i, b) WHERE notes.id = u.i AND org_id = 'acme'`,
	}, params: []string{
		`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', b FROM unnest(ARRAY[$1]::text[]) u(b)`,
		`INSERT INTO notes (id, org_id, body) SELECT #, b, b FROM unnest($1::text[]) u(b)`,
	}, arrays: []string{
		`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', b FROM unnest($1::text[]) u(b)`,
		`INSERT INTO notes (id, org_id, body) SELECT #, b, b FROM unnest($1::text[]) u(b)`,
		`INSERT INTO notes (id, org_id, title, body) SELECT #, 'acme', b, b FROM unnest($1::text[]) u(b)`,
		`INSERT INTO notes (id, org_id, body) SELECT #, 'nobody', unnest($1::text[])`,
		`INSERT INTO notes (id, org_id, body) SELECT #, unnest(ARRAY[NULL]::text[]), unnest($1::text[])`,
		`INSERT INTO notes (id, org_id, n) SELECT #, 'acme', unnest($1::int[])`,
		`INSERT INTO notes (id, org_id, doc) SELECT #, 'acme', b::jsonb FROM unnest($1::text[]) u(b)`,
		`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', b FROM unnest($1) u(b)`,
		`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', b FROM unnest($1::text[]) u(b) WHERE b <> 'x'`,
		`UPDATE notes SET body = u.b FROM unnest($1::text[]) u(b) WHERE notes.id = 1 AND org_id = 'acme'`,
	}},
	{name: "INSERT … SELECT from rows of JSON", literals: []string{
		`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', x.b FROM jsonb_to_recordset('[{"b": "@"}]') AS x(b text)`,
		`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', x.body FROM jsonb_populate_record(NULL::notes, '{"body": "@"}') x`,
		`INSERT INTO notes SELECT * FROM json_populate_recordset(NULL::notes, '[{"id": #, "org_id": "acme", "body": "@"}]')`,
	}},
	{name: "INSERT … SELECT from the table itself", literals: []string{
		`INSERT INTO notes (id, org_id, body) SELECT id + #000000, org_id, body FROM notes WHERE body <> '@'`,
		`INSERT INTO notes (id, org_id, body) SELECT id + #000000, org_id, coalesce(body, '@') FROM notes`,
	}},
	{name: "a value with a collation or in an array", literals: []string{
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@' COLLATE "C")`,
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', (ARRAY['@'])[1])`,
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', ROW('@'))`,
	}},
	{name: "a value cast to another type", literals: []string{
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'::name)`,
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'::bytea)`,
		`INSERT INTO notes (id, org_id, raw) VALUES (#, 'acme', '@'::text)`,
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'::pgseal.sealed)`,
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'::varchar(5))`,
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'::bpchar), (#0, 'acme', char '@')`,
		`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', x FROM (VALUES ('@'::bpchar), (n'@')) v (x)`,
		`EXECUTE known ('@'::bpchar)`,
		`UPDATE notes SET body = N'@' WHERE org_id = 'acme'`,
	}},
	{name: "a bit string", literals: []string{
		`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', X'@')`,
		`INSERT INTO notes (id, org_id, raw) VALUES (#, 'acme', B'@')`,
	}},
	{name: "texts of many bytes", literals: []string{
		"INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@é日本語😀')",
		"INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@\xff')",
		"INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@\xc3",
	}},
	{name: "CTEs that write and read each other", literals: []string{
		`WITH a AS (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING *), b AS (UPDATE notes SET body = '@' WHERE org_id = 'acme' AND id = 1 RETURNING body) SELECT a.body, b.body FROM a, b`,
		`WITH a AS (DELETE FROM notes WHERE id = 0 RETURNING id, org_id) INSERT INTO notes (id, org_id, body) SELECT id, org_id, '@' FROM a`,
		`WITH notes AS (SELECT # AS id, 'acme' AS org_id, '@' AS body) INSERT INTO notes (id, org_id, body) SELECT * FROM notes`,
		`WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 3) INSERT INTO notes (id, org_id, body) SELECT #000 + i, 'acme', '@' FROM r`,
	}},
}
