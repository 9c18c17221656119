package clients_test

import "github.com/pgseal/pgseal/internal/clienttest"

// features are what the clients' programs play, in the table's order. Their
// names stand before the tab in what the programs print.
var features = []clienttest.Feature{
	{"connect", "log in with a password (SCRAM-SHA-256); the server's version and settings as the client sees them"},
	{"types", "write and read a row of sealed columns of every type, in each of the client's ways: text and binary"},
	{"nulls", "a row of nulls"},
	{"returning", "INSERT and UPDATE with RETURNING"},
	{"prepared", "statements prepared by the client, at once or after some runs, and run often"},
	{"batch", "the client's batches"},
	{"pipeline", "many statements on their way at once, one of them failing"},
	{"copy in", "COPY FROM STDIN in the client's ways: text, csv, binary; a bad row in the middle"},
	{"copy out", "COPY TO STDOUT of a table and of a query"},
	{"cursors", "rows fetched in parts: cursors in SQL, portals"},
	{"transactions", "an error in the middle, rollback, savepoints"},
	{"errors", "SQLSTATE, message, detail, hint, position and constraint of errors, and that the connection lives on"},
	{"cancel", "a running query is cancelled, the next one is not"},
	{"notify", "LISTEN, and a NOTIFY from another connection"},
	{"notices", "notices of the server"},
	{"big values", "a text of 3 MB and a bytea of 2 MB"},
	{"dump and restore", "a table is dumped, in two formats, dropped and restored"},
	{"pgbench", "pgbench's own tables and a script on sealed columns, in its modes simple, extended and prepared"},
}

// table is what the programs work on; the policy seals all columns but id and org.
const table = `
CREATE TABLE items (
	id int PRIMARY KEY, org text NOT NULL,
	t text, vc varchar(20), ch char(5), j json, jb jsonb, raw bytea, ok boolean, i2 smallint, i4 integer, i8 bigint,
	f4 real, f8 double precision, amount numeric, uid uuid, day date, ts timestamp, tz timestamptz
)`
