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
		name: "UPDATE that assigns the org and not all sealed columns",
		literals: []string{
			`UPDATE notes SET org_id = 'acme', body = '@' WHERE id = 1`,
			`UPDATE notes SET org_id = 'globex', body = '@' WHERE id = 1`,
			`UPDATE notes SET (org_id, body) = ('globex', '@')`,
			`UPDATE notes SET org_id = v.o, body = v.b FROM (VALUES ('acme', '@'), ('globex', '@')) v (o, b)`,
			`INSERT INTO notes (id, org_id, body) VALUES (1, 'globex', '@') ON CONFLICT (id) DO UPDATE SET org_id = EXCLUDED.org_id, body = '@'`,
		},
		params: []string{
			`UPDATE notes SET org_id = 'acme', body = $1 WHERE id = 1`,
			`UPDATE notes SET body = $1, org_id = 'globex' WHERE id = 1`,
		},
	},
	{
		name: "writes through views with other names, of views, and with INSTEAD OF triggers",
		rows: [][]string{
			{
				`CREATE VIEW nv# AS SELECT id AS key, org_id AS whose, body AS t, doc, upper(title) AS upped FROM notes`,
				`CREATE VIEW nw# AS SELECT t, key, whose FROM nv#`,
				`INSERT INTO nv# (key, whose, t) VALUES (#, 'acme', '@')`,
				`INSERT INTO nv# (key, t) VALUES (#, '@')`,
				`INSERT INTO nw# VALUES ('@', #1, 'acme') RETURNING t`,
				`INSERT INTO nv# (key, whose, t, doc) VALUES (1, 'acme', '@', '["@"]') ON CONFLICT (key) DO UPDATE SET t = EXCLUDED.t, doc = '["@"]'`,
				`UPDATE nv# SET t = '@', doc = CASE WHEN key = 1 THEN '["@"]' ELSE doc END WHERE key = 1 AND whose = 'acme'`,
				`UPDATE nw# SET t = '@' WHERE t = '@' AND whose = 'acme'`,
				`UPDATE nw# SET t = '@', whose = 'globex'`,
				`UPDATE nv# SET upped = 'x', t = '@' WHERE whose = 'acme'`,
				`DELETE FROM nw# WHERE t = '@'`,
				`DROP VIEW nw#; DROP VIEW nv#`,
			},
			{
				`CREATE VIEW joined# AS SELECT n.id, n.body FROM notes n JOIN plain p ON p.id = n.id`,
				`INSERT INTO joined# (id, body) VALUES (#, '@')`,
				`DROP VIEW joined#`,
			},
			{
				`CREATE VIEW told# AS SELECT id, org_id, body FROM notes`,
				`CREATE FUNCTION tell#() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE LOG ''%'', NEW; RETURN NEW; END'`,
				`CREATE TRIGGER t INSTEAD OF INSERT OR UPDATE ON told# FOR EACH ROW EXECUTE FUNCTION tell#()`,
				`INSERT INTO told# VALUES (#, 'acme', '@')`,
				`UPDATE told# SET body = '@' WHERE org_id = 'acme'`,
				`DROP VIEW told#`,
			},
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
