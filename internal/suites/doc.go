// Package suites has no code, only tests: drivers' own test suites, run against
// Postgres and through pgseal.
package suites
