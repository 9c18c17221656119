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
		},
	},
}
