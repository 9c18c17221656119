// Package proxytest gives tests a pgseal of their own: a database, a KMS with the
// keys of two orgs, and the proxy between them.
package proxytest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/pgseal/pgseal/crypto/keyring"
	"github.com/pgseal/pgseal/crypto/keystore"
	kmsaws "github.com/pgseal/pgseal/crypto/kms/aws"
	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/proxy"
)

// Fixture is a running pgseal and what it needs.
type Fixture struct {
	Direct, Through string // DSNs
	KMS             *kmsserver.Server
	Keys            map[string]string // org -> ARN
	Store           *keystore.Store
	Log             *Log // pgseal's own, all levels

	endpoint string
}

// Options say what to start. The zero value is a good one.
type Options struct {
	Database string         // DSN; a fresh database on the shared server when empty
	Policy   *policy.Policy // NotesPolicy when nil
	Limits   proxy.Limits
	Keyring  keyring.Options
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

// NotesPolicy seals all columns of notes but the first three.
func NotesPolicy() *policy.Policy {
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
	return &policy.Policy{Tables: []*policy.Table{policy.NewTable("public", "notes", org, columns...)}}
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
	f := &Fixture{Direct: o.Database, Keys: map[string]string{}, Log: &Log{}}
	if f.Direct == "" {
		f.Direct = pgtest.Database(t)
	}
	if o.Policy == nil {
		o.Policy = NotesPolicy()
	}
	if o.Limits.Nesting == 0 {
		o.Limits.Nesting = 5000
	}
	if o.Limits.PlanCache == 0 {
		o.Limits.PlanCache = 1000
	}
	if _, err := keystore.Migrate(t.Context(), f.Direct); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(f.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f.startKMS(t)
	config := proxy.Config{
		Upstream: upstreamOf(t, f.Direct),
		Policy:   o.Policy,
		Catalog: catalog.NewWatcher(catalog.WatcherConfig{
			DSN: f.Direct, Policy: o.Policy, Interval: time.Hour, Log: log,
		}),
		Keyring: f.startKeyring(t, o.Keyring, log), Limits: o.Limits, Log: log,
	}
	if o.Change != nil {
		o.Change(&config)
	}
	f.startProxy(t, config)
	return f
}

// startKMS starts a KMS with a key for acme and one for globex.
func (f *Fixture) startKMS(t testing.TB) {
	t.Helper()
	f.KMS = kmsserver.New(kmsserver.Options{})
	t.Cleanup(func() { _ = f.KMS.Close() })
	for _, org := range []string{"acme", "globex"} {
		arn, err := f.KMS.CreateKey(kmsserver.KeyOptions{Description: org})
		if err != nil {
			t.Fatal(err)
		}
		f.Keys[org] = arn
	}
	var err error
	if f.endpoint, err = f.KMS.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
}

// startKeyring links the keys and starts the keyring.
func (f *Fixture) startKeyring(t testing.TB, o keyring.Options, log *slog.Logger) *keyring.Keyring {
	t.Helper()
	provider, err := kmsaws.New(t.Context(), kmsaws.Options{
		Region: "eu-central-1", Endpoint: f.endpoint, Credentials: f.KMS.Credentials(), Timeout: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if f.Store, err = keystore.Open(t.Context(), f.Direct); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Store.Close)
	for org, arn := range f.Keys {
		key := keystore.OrgKey{Org: org, Name: org, ARN: arn}
		err := f.Store.AddOrgKey(t.Context(), key, keystore.Actor{Name: "test"})
		if err != nil && !errors.Is(err, keystore.ErrExists) {
			t.Fatal(err)
		}
	}
	if o.HealthInterval == 0 {
		o.HealthInterval = 50 * time.Millisecond
	}
	ring, err := keyring.New(f.Store, provider, o, log, noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = ring.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		ring.Close()
	})
	return ring
}

// startProxy starts the proxy.
func (f *Fixture) startProxy(t testing.TB, config proxy.Config) {
	t.Helper()
	server, err := proxy.New(config)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := server.Serve(ctx, listener); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		server.Shutdown()
		wg.Wait()
	})
	f.Through = replaceAddress(t, f.Direct, listener.Addr().String())
}

func upstreamOf(t testing.TB, dsn string) proxy.Upstream {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return proxy.Upstream{
		Network: "tcp", Address: net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))), ConnectTimeout: 5 * time.Second,
	}
}

// replaceAddress points a DSN at another address.
func replaceAddress(t testing.TB, dsn, address string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = address
	return u.String()
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
