// Package orms has no code, only tests: it plays object-relational mappers against
// Postgres and through pgseal, and holds docs/orms.md to what they did.
//
// Each mapper has a program in testdata, an application written as its
// documentation says, which makes its tables from its models, fills and changes
// and reads them, and looks at its schema again. It gets the database's DSN, with
// the setting pgseal.org, and prints lines: the feature, a tab, and what it saw.
// The same program runs against a plain Postgres and through pgseal, and must print
// the same. What it has stored is then read by another client, and looked at in
// Postgres, where it must be sealed; and no value may stand in the server's log.
// All programs have the same tables, authors and notes, whose sealed columns are in
// policy_test.go.
//
// The feature "searches" differs: there each line is a label and what came of a
// statement that searches a sealed column. Postgres finds something; pgseal refuses.
//
// What the programs really send to Postgres itself is in rewrite/testdata/corpus,
// where it is planned without a server: corpus_test.go. psql-17.txt is of a newer psql
// than the tests install.
//
// A mapper that the machine lacks is skipped, with the command that installs it.
// After a change in what passes, or in a program:
//
//	go test ./internal/orms -update
package orms
