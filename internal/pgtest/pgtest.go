// Package pgtest gives tests a real Postgres: one server a test binary, started
// on first use, and a fresh database a test.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// PGSEAL_TEST_DSN names a running server to use instead (a superuser's URL). Then
// tests that look at the server's files fail, and say so; those that ask for a
// server of their own still start one.
//
// Files: pgtest.go has the servers and a database a test, databases.go databases that
// are emptied between tests, versions.go other versions of Postgres.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/postgres"
)

const dsnVariable = "PGSEAL_TEST_DSN"

// startLimit bounds a start, a first download included.
const startLimit = 5 * time.Minute

var (
	inMain    atomic.Bool
	databases atomic.Int64

	mu      sync.Mutex
	shared  *postgres.Server
	failure error
)

// Main runs the tests, stops the server and exits.
func Main(m *testing.M) {
	inMain.Store(true)
	// go test's Ctrl-C reaches us too, and would end us before the server.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		_ = stop()
		os.Exit(130)
	}()
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func stop() error {
	mu.Lock()
	defer mu.Unlock()
	err := stopVersions()
	if shared == nil {
		return err
	}
	return errors.Join(err, shared.Stop())
}

// Server is the test binary's server. All its tests share it: a test that
// changes or halts it takes Private instead.
func Server(t testing.TB) *postgres.Server {
	t.Helper()
	if !inMain.Load() {
		t.Fatal("pgtest: the package needs: func TestMain(m *testing.M) { pgtest.Main(m) }")
	}
	mu.Lock()
	defer mu.Unlock()
	if shared == nil && failure == nil {
		shared, failure = start()
	}
	if failure != nil {
		t.Fatal(failure)
	}
	return shared
}

func start() (*postgres.Server, error) {
	if dsn := os.Getenv(dsnVariable); dsn != "" {
		s, err := postgres.External(dsn)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dsnVariable, err)
		}
		return s, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	return postgres.Start(ctx, postgres.Options{})
}

// Files is Server for a test that reads the server's files or log.
func Files(t testing.TB) *postgres.Server {
	t.Helper()
	s := Server(t)
	if s.External() {
		t.Fatalf("pgtest: this test reads the server's files, which the server in %s keeps to itself; unset it", dsnVariable)
	}
	return s
}

// Private is a server of the test's own, stopped at its end.
func Private(t testing.TB, o postgres.Options) *postgres.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	s, err := postgres.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Database is the DSN of a fresh database on the shared server, dropped at the
// test's end with whoever is still connected.
func Database(t testing.TB) string {
	t.Helper()
	return DatabaseOn(t, Server(t))
}

// DatabaseOn is Database on the given server.
func DatabaseOn(t testing.TB, s *postgres.Server) string {
	t.Helper()
	name := fmt.Sprintf("test_%d_%d_%s", os.Getpid(), databases.Add(1), plain(t.Name()))
	name = name[:min(len(name), 63)] // NAMEDATALEN - 1
	quoted := pgx.Identifier{name}.Sanitize()
	exec(t, s, "CREATE DATABASE "+quoted)
	t.Cleanup(func() { exec(t, s, "DROP DATABASE IF EXISTS "+quoted+" WITH (FORCE)") })
	return s.DSN(name)
}

func exec(t testing.TB, s *postgres.Server, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("pgtest: %s: %v", sql, err)
	}
}

// plain keeps of a test's name what needs no quoting.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '_'
	}, name)
}

// Report prints what a test has found out, which go test shows with -v only, and
// appends it to the file that PGSEAL_TEST_REPORT names, if any.
func Report(line string) error {
	fmt.Println(line)
	name := os.Getenv("PGSEAL_TEST_REPORT")
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, line)
	return errors.Join(err, f.Close())
}
