package leak_test

// updateWays write with UPDATE.
var updateWays = []way{
	{
		name: "UPDATE … WHERE CURRENT OF",
		literals: []string{
			`UPDATE notes SET body = '@' WHERE CURRENT OF nothing`,
		},
	},
	{
		name: "UPDATE for the session's org",
		rows: [][]string{
			{`SET pgseal.org = 'acme'`, `UPDATE notes SET body = '@' WHERE id = 1`},
			{`SET pgseal.org = 'nobody'`, `UPDATE notes SET body = '@'`},
			{`PREPARE s# AS UPDATE notes SET body = $1 WHERE id = 1`, `EXECUTE s# ('@')`},
			{`SET pgseal.org = 'acme'`, `PREPARE s# AS UPDATE notes SET body = '@' WHERE id = $1`, `EXECUTE s# (1)`, `SET pgseal.org = 'globex'`, `EXECUTE s# (1)`},
		},
	},
	{
		name: "UPDATE … SET (…) = (SELECT …)",
		literals: []string{
			`UPDATE notes SET (title, body) = (SELECT 't', '@') WHERE org_id = 'acme' AND id = 1`,
			`UPDATE notes SET (title, body) = (SELECT v.b, v.b FROM (VALUES ('@')) v (b)) WHERE org_id = 'acme' AND id = 1`,
		},
	},
	{
		name: "UPDATE … SET (…) = ROW (…)",
		literals: []string{
			`UPDATE notes SET (title, body) = ROW('t', '@') WHERE org_id = 'acme' AND id = 1`,
		},
	},
	{
		name: "UPDATE … SET (…) = (…)",
		literals: []string{
			`UPDATE notes SET (title, body) = ('t', '@') WHERE org_id = 'acme' AND id = 1`,
		},
		params: []string{
			`UPDATE notes SET (title, body) = ('x', $1) WHERE id = 1 AND org_id = 'acme'`,
		},
	},
	{
		name: "UPDATE … SET CASE or COALESCE",
		literals: []string{
			`UPDATE notes SET body = COALESCE('@', body) WHERE id = 1 AND org_id = 'acme'`,
			`UPDATE notes SET body = CASE WHEN id = 1 THEN '@' ELSE body END WHERE org_id = 'acme'`,
			`UPDATE notes SET body = CASE WHEN body = '@' THEN 'x' ELSE body END WHERE org_id = 'acme'`,
			`UPDATE notes SET body = CASE WHEN id = 1 THEN '@' ELSE body END WHERE org_id = 'acme'`,
			`UPDATE notes SET body = CASE WHEN body = '@' THEN '@' END WHERE org_id = 'acme'`,
			`UPDATE notes SET body = COALESCE(upper('@'), '@') WHERE org_id = 'acme'`,
			`UPDATE notes SET doc = CASE WHEN id = 1 THEN '@' END WHERE org_id = 'acme'`,
			`UPDATE notes SET n = (CASE WHEN id = 1 THEN '@' END)::int WHERE org_id = 'acme'`,
			`UPDATE notes SET body = COALESCE(NULL, '@') WHERE org_id = 'acme'`,
		},
		params: []string{
			`UPDATE notes SET body = COALESCE($1, body) WHERE id = 1 AND org_id = 'acme'`,
			`UPDATE notes SET body = CASE WHEN id = 1 THEN $1 WHEN id = 2 THEN $1::text END WHERE org_id = 'acme'`,
		},
	},
	{
		name: "UPDATE … FROM a VALUES list, subquery or CTE",
		literals: []string{
			`UPDATE notes SET body = v.b FROM (VALUES (1, '@'), (2, '@')) v (i, b) WHERE v.i = notes.id AND org_id = 'acme'`,
			`UPDATE notes SET body = v.b, doc = v.d::jsonb FROM (VALUES (1, '@', '{"k": "@"}')) v (i, b, d) WHERE v.i = notes.id AND org_id = 'acme' RETURNING v.b, v.d`,
			`UPDATE notes SET doc = v.d::jsonb FROM (VALUES (1, '@')) v (i, d) WHERE v.i = notes.id AND org_id = 'acme'`,
			`UPDATE notes SET body = v.b FROM (VALUES (1, '@')) v (i, b) WHERE v.b = '@' AND org_id = 'acme'`,
			`UPDATE notes SET body = v.b || 'x' FROM (VALUES (1, '@')) v (i, b) WHERE v.i = notes.id AND org_id = 'acme'`,
			`WITH v (i, b) AS (VALUES (1, '@')), w AS (SELECT b FROM v) UPDATE notes SET body = v.b FROM v, w WHERE org_id = 'acme'`,
			`WITH v (i, b) AS (VALUES (1, '@')), u AS (UPDATE notes SET body = v.b FROM v WHERE v.i = notes.id AND org_id = 'acme') SELECT b FROM v`,
			`UPDATE notes SET body = v.b FROM (SELECT 1, '@') v (i, b) WHERE v.i = notes.id AND org_id = 'acme'`,
		},
		params: []string{
			`UPDATE notes SET body = v.b FROM (VALUES (1, $1), (2, $1::text)) v (i, b) WHERE v.i = notes.id AND org_id = 'acme'`,
			`UPDATE notes SET doc = v.d::jsonb FROM (VALUES (1, $1)) v (i, d) WHERE v.i = notes.id AND org_id = 'acme'`,
		},
	},
	{
		name: "UPDATE … SET a subquery",
		literals: []string{
			`UPDATE notes SET body = (SELECT '@') WHERE org_id = 'acme' AND id = 1`,
			`UPDATE notes SET body = (SELECT upper('@')) WHERE org_id = 'acme' AND id = 1`,
			`UPDATE notes SET (body, doc) = (SELECT '@', '["@"]'::jsonb FROM plain) WHERE org_id = 'acme' AND id = 1`,
		},
	},
	{
		name: "UPDATE … FROM",
		literals: []string{
			`UPDATE notes n SET body = '@' FROM plain p WHERE n.org_id = 'acme' AND p.id = n.id`,
		},
	},
	{
		name: "UPDATE ONLY",
		literals: []string{
			`UPDATE ONLY notes SET body = '@' WHERE org_id = 'acme' AND id = 1`,
		},
	},
	{
		name: "UPDATE SET an expression",
		literals: []string{
			`UPDATE notes SET body = body || '@' WHERE org_id = 'acme'`,
		},
	},
	{
		name: "UPDATE without the org",
		literals: []string{
			`UPDATE notes SET body = '@' WHERE id = 1`,
			`UPDATE notes SET body = '@'`,
		},
		params: []string{
			`UPDATE notes SET body = $1 WHERE id = 1`,
		},
	},
	{
		name: "UPDATE of an org's rows",
		literals: []string{
			`UPDATE notes SET body = '@' WHERE id = 1 AND org_id = 'acme'`,
		},
		params: []string{
			`UPDATE notes SET body = $1 WHERE id = 1 AND org_id = 'acme'`,
		},
	},
}
