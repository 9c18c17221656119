// Package generator makes random SQL scripts about tables with and without sealed
// columns, for a comparison with a plain Postgres: the same schema with ordinary
// columns. Whatever a script does, through pgseal it is answered the same, or refused.
//
// A script is made of choices, which a number determines (draws.go). Zero is always the
// simplest choice, so that the tests make a script that fails smaller by leaving choices
// out and putting zeros in. Most statements are such that Postgres accepts them; some are
// faulty, and some search or compute on a sealed column. Of these the generator knows, so
// that refusals of the others can be told from them: they are needless. Values for sealed
// columns are canaries (package canary), so that a leak is found wherever it is.
//
// What makes the order of rows, or anything else, differ between two databases is not
// made: LIMIT without an order of all rows, system columns, sequences. Where an order is
// open, the step says so. pgseal.org is acme from the beginning to the end of a script.
//
// Files: schema.go has the tables and the policy, reset.go their rows, values.go values
// of each type, literal.go how they are written. script.go has scripts and their form as
// text, generate.go the kinds of steps. query.go makes queries, from.go their FROM and
// WITH, expr.go expressions, scope.go what names stand for; insert.go makes
// INSERT, write.go UPDATE and DELETE, merge.go MERGE, prepared.go prepared statements, cursors, temporary
// relations and COPY FROM. The tests play scripts (player_test.go, servers_test.go), compare what
// comes back (compare_test.go), count it (tally_test.go) and shrink what fails
// (shrink_test.go).
package generator
