// Package oracle has no code, only tests: a corpus of wire scripts that are played
// against a plain Postgres with ordinary columns, and through pgseal with the same
// columns sealed. The two transcripts must be equal, byte for byte: rows, types,
// formats, command tags, errors with SQLSTATE, message, detail and position, and the
// state of the transaction.
//
// The scripts are made from tables, not written by hand:
//
//   - types_test.go and types_*_test.go: the types of sealed columns, each with values
//     that Postgres takes (ordinary, empty, extremes) and values that it refuses;
//   - write_test.go and writeforms_test.go: the ways to write a value, each with its
//     protocol and format;
//   - read_test.go: the ways to read one, each in the simple protocol, in the extended
//     one as text, and as binary;
//   - settings_test.go: the session's settings that change how values look;
//   - catalog_test.go: what the catalog tells of a type;
//   - merge_test.go: MERGE, on the versions that have it;
//   - bad_test.go: values that are refused, and parameters of other types.
//
// It is not their product, which would be a hundred times as large: each type meets
// each way of writing once and each way of reading in each format, and the pairing of
// the two moves on from type to type (corpus_test.go).
//
// Every other version of Postgres gets every twentieth script, and those that need what
// it is the first to have (versions_test.go).
//
// A script that differs is one that differences.txt explains, or fails the test; so
// does a difference that is gone. To play one script, and see it when it fails:
//
//	go test ./internal/oracle -run 'TestCorpus/jsonb/copy-binary'
package oracle
