// Package clients has no code, only tests: it plays real clients against
// Postgres and through pgseal, and holds docs/clients.md to what they did.
//
// Each client has a program, in testdata or in a test file, that plays the list
// of features (features_test.go) with the client's defaults. It gets the database's
// DSN and prints lines: the feature, a tab, and what the client saw. The same
// program runs against a plain Postgres and through pgseal, and must print the
// same. What it has stored is then read by another client, and looked at in
// Postgres, where it must be sealed; and no value may stand in the server's log.
//
// A feature that fails prints FAILED, which fails the test wherever it was played.
//
// A client that the machine lacks is skipped, with the command that installs it.
// After a change in what passes:
//
//	go test ./internal/clients -update
package clients
