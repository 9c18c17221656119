// Package proxytest gives tests a pgseal of their own, and the table that most of
// them work on.
package proxytest

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/crypto/audit"
	"github.com/pgseal/pgseal/crypto/keyring"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/sandbox"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/proxy"
)

// Fixture is a running pgseal and what it needs.
type Fixture struct {
	*sandbox.Sandbox
	Log *Log // pgseal's own, all levels
}

// Options say what to start. The zero value is a good one.
type Options struct {
	Database string         // DSN; a fresh database on the shared server when empty
	Policy   *policy.Policy // NotesPolicy when nil
	Limits   proxy.Limits
	Keyring  keyring.Options
	Audit    audit.Options
	Change   func(*proxy.Config) // the last word
}

// NotesTable is a table of all types, as an application would create it, and a
// plain one. Which columns are sealed, only the policy knows.
const NotesTable = `
CREATE TABLE notes (
	id int PRIMARY KEY, org_id text NOT NULL, title text, body text, doc jsonb, raw bytea,
	n int4, big int8, ok boolean, f float8, amount numeric, uid uuid, at timestamptz
);
CREATE TABLE plain (id int PRIMARY KEY, v text)`

// NotesPolicy seals all columns of notes but the first three; of the given tables
// instead, when there are any.
func NotesPolicy(tables ...string) *policy.Policy {
	if len(tables) == 0 {
		tables = []string{"notes"}
	}
	kinds := []struct {
		name string
		kind policy.Kind
	}{
		{"body", policy.Text}, {"doc", policy.JSONB}, {"raw", policy.Bytea}, {"n", policy.Int4}, {"big", policy.Int8},
		{"ok", policy.Bool}, {"f", policy.Float8}, {"amount", policy.Numeric}, {"uid", policy.UUID}, {"at", policy.TimestampTZ},
	}
	var columns []policy.Column
	for _, k := range kinds {
		columns = append(columns, policy.Column{Name: k.name, Type: policy.Type{Kind: k.kind}})
	}
	org := policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org_id"}
	p := &policy.Policy{}
	for _, name := range tables {
		p.Tables = append(p.Tables, policy.NewTable("public", name, org, columns...))
	}
	return p
}

// UnrelatedPolicy seals nothing that tests touch.
func UnrelatedPolicy() *policy.Policy {
	column := policy.Column{Name: "x", Type: policy.Type{Kind: policy.Text}}
	org := policy.OrgSource{Kind: policy.OrgFixed, Value: "acme"}
	return &policy.Policy{Tables: []*policy.Table{policy.NewTable("public", "somewhere_else", org, column)}}
}

// Start starts a pgseal that ends with the test.
func Start(t testing.TB, o Options) *Fixture {
	t.Helper()
	if o.Database == "" {
		o.Database = pgtest.Database(t)
	}
	if o.Policy == nil {
		o.Policy = NotesPolicy()
	}
	f := &Fixture{Log: &Log{}}
	var err error
	f.Sandbox, err = sandbox.Start(t.Context(), sandbox.Options{
		Database: o.Database, Policy: o.Policy, Limits: o.Limits, Keyring: o.Keyring, Audit: o.Audit, Change: o.Change,
		Log: slog.New(slog.NewTextHandler(f.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Stop(); err != nil {
			t.Errorf("stop pgseal: %v", err)
		}
	})
	return f
}

// Connect opens a connection that ends with the test.
func Connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Exec runs statements, in one simple Query, over a connection of their own.
func Exec(t testing.TB, dsn, sql string) {
	t.Helper()
	conn := Connect(t, dsn)
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", strings.SplitN(strings.TrimSpace(sql), "\n", 2)[0], err)
	}
}

// Log keeps a log for a test to search.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
