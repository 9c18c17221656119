package leak_test

// mergeWays write with MERGE.
var mergeWays = []way{
	{
		name: "MERGE that inserts",
		literals: []string{
			`MERGE INTO notes USING plain ON notes.id = plain.id WHEN NOT MATCHED THEN INSERT (id, org_id, body) VALUES (#, 'acme', '@')`,
		},
		params: []string{
			`MERGE INTO notes USING plain ON false WHEN NOT MATCHED THEN INSERT (id, org_id, body) VALUES (#, 'acme', $1)`,
		},
	},
	{
		name: "MERGE that updates",
		literals: []string{
			`MERGE INTO notes USING plain ON notes.id = plain.id WHEN MATCHED THEN UPDATE SET body = '@'`,
			`MERGE INTO notes USING plain ON notes.id = plain.id AND org_id = 'acme' WHEN MATCHED THEN UPDATE SET body = '@', doc = CASE WHEN plain.id = 1 THEN '["@"]' ELSE doc END`,
			`MERGE INTO notes USING plain ON notes.id = plain.id AND org_id = 'acme' WHEN MATCHED THEN UPDATE SET (title, body) = ('t', '@')`,
			`MERGE INTO notes USING plain ON notes.id = plain.id AND org_id = 'acme' WHEN MATCHED THEN UPDATE SET body = upper('@')`,
			`MERGE INTO notes USING plain ON notes.id = plain.id AND org_id = 'acme' WHEN MATCHED THEN UPDATE SET body = '@', nothing = 1`,
			`MERGE INTO notes USING plain ON notes.id = plain.id AND org_id = 'acme' WHEN NOT MATCHED BY SOURCE THEN UPDATE SET body = '@' RETURNING merge_action(), body`,
		},
		rows: [][]string{
			{`SET pgseal.org = 'acme'`, `MERGE INTO notes USING plain ON notes.id = plain.id WHEN MATCHED AND plain.id > 0 THEN UPDATE SET body = '@' WHEN NOT MATCHED THEN INSERT (id, body) VALUES (#, '@')`},
			{`SET pgseal.org = 'acme'`, `PREPARE s# AS MERGE INTO notes USING plain ON notes.id = plain.id WHEN MATCHED THEN UPDATE SET body = $1`, `EXECUTE s# ('@')`, `EXECUTE s# (upper('@'))`},
		},
	},
	{
		name: "MERGE of a VALUES list or subquery",
		literals: []string{
			`MERGE INTO notes t USING (VALUES (1, 'acme', '@'), (#, 'acme', '@')) s (id, org, body) ON t.id = s.id AND t.org_id = s.org WHEN MATCHED THEN UPDATE SET body = s.body WHEN NOT MATCHED THEN INSERT (id, org_id, body) VALUES (s.id, s.org, s.body)`,
			`WITH s AS (SELECT 1 AS id, '@' AS body) MERGE INTO notes t USING s ON t.id = s.id AND t.org_id = 'acme' WHEN MATCHED THEN UPDATE SET body = s.body`,
			`MERGE INTO notes t USING (VALUES (1, '@')) s (id, body) ON t.id = s.id AND t.org_id = 'acme' WHEN MATCHED THEN UPDATE SET body = s.body, title = s.body`,
			`MERGE INTO notes t USING (VALUES (1, '@')) s (id, body) ON t.id = s.id AND t.org_id = 'acme' WHEN MATCHED AND s.body <> '@' THEN UPDATE SET body = s.body`,
			`MERGE INTO notes t USING (VALUES (1, '@')) s (id, body) ON t.id = s.id AND t.org_id = 'acme' WHEN MATCHED THEN UPDATE SET body = s.body || '@'`,
		},
		params: []string{
			`MERGE INTO notes t USING (SELECT # AS id, $1 AS body) s ON t.id = s.id AND t.org_id = 'acme' WHEN MATCHED THEN UPDATE SET body = s.body WHEN NOT MATCHED THEN INSERT (id, org_id, body) VALUES (s.id, 'acme', s.body)`,
		},
	},
	{
		name: "MERGE that searches",
		literals: []string{
			`MERGE INTO notes USING plain ON notes.body = '@' WHEN MATCHED THEN DELETE`,
			`MERGE INTO notes USING plain ON notes.id = plain.id WHEN MATCHED AND body = '@' THEN DELETE`,
		},
	},
}
