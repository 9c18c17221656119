// Package keychaos has one test: sessions of many orgs read and write through two
// pgseals while the orgs' keys are disabled, denied, scheduled for deletion,
// replaced and destroyed, and KMS fails in every way that it can. It has no code of
// its own.
//
//	go test ./internal/keychaos -chaos-for 10m -chaos-seed 7 -timeout 0 -v
//
// What is held to: no wrong value is read; no write that was acknowledged is lost,
// and none is there that was refused; every error has a documented code; orgs that
// are left alone see none; no plaintext is in the database's files or in a log.
//
// Files: chaos_test.go has the test, session_test.go what sessions do,
// trouble_test.go what happens to keys.
package keychaos
