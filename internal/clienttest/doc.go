// Package clienttest is what the tests that play real clients share: packages
// clients and orms. A client's program gets a database's DSN and prints lines, a
// feature, a tab, and what it saw; it runs against Postgres and through pgseal,
// and what it printed is compared.
//
// Files: program.go makes programs ready and runs them, transcript.go takes what
// they print apart, player.go plays features in the test's own process, table.go
// holds a page of docs to what passed, rows.go reads rows to compare.
package clienttest
