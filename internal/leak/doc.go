// Package leak has no code, only tests: they touch sealed columns in every way that is
// known to have leaked somewhere, each time with a value of its own (a canary), on a
// server that logs each statement and parameter. Then all that the server keeps is
// searched for the canaries: data files and TOAST, WAL, temporary files, the log, the
// texts of pg_stat_statements; and pgseal's own log. None may be found, whether the
// statement was accepted or refused.
//
// The ways have names (ways_*_test.go). A way of the nearest peer's that leaked, with
// success returned, is the reason for many of them: a value beside an expression, tuple
// SET, ON CONFLICT DO UPDATE, INSERT … SELECT, writing CTEs, MERGE, later statements of a
// string, PREPARE, COPY, EXPLAIN ANALYZE, comparisons, and whatever Postgres rejects.
//
// Files: leak_test.go plays the ways, copy_test.go those that are data of COPY,
// wire_test.go those that are messages no driver sends, conditions_test.go writes under
// conditions in which they fail, raw_test.go all of them in raw mode. search_test.go
// searches, and plants values to be found.
package leak
