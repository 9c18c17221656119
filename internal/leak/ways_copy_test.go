package leak_test

// copyWays write and search with COPY; its data is in copydata_test.go.
var copyWays = []way{
	{
		name: "COPY of what a writing statement returns",
		literals: []string{
			`COPY (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING body) TO STDOUT`,
			`COPY (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')) TO STDOUT`,
			`COPY (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING body) TO '/nowhere/x'`,
			`COPY (UPDATE notes SET body = '@' WHERE id = 1 AND org_id = 'acme' RETURNING *) TO STDOUT BINARY`,
		},
	},
	{
		name: "COPY of a query that searches",
		literals: []string{
			`COPY (SELECT * FROM notes WHERE body = '@') TO STDOUT`,
			`COPY (DELETE FROM notes WHERE body = '@' RETURNING id) TO STDOUT`,
		},
	},
	{
		name: "COPY FROM … WHERE",
		literals: []string{
			`COPY notes FROM STDIN WHERE body = '@'`,
		},
	},
	{
		name: "COPY from and to a program",
		literals: []string{
			`COPY notes FROM PROGRAM 'echo @'`,
			`COPY notes TO PROGRAM 'echo @'`,
		},
	},
}
