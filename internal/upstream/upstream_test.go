package upstream

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/secret"
)

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func addressOf(s *postgres.Server) string { return "127.0.0.1:" + strconv.Itoa(s.Port()) }

// TestHostsInOrder: the first that can be reached is taken, and all are named
// when none can.
func TestHostsInOrder(t *testing.T) {
	dead, other := closedPort(t), closedPort(t)
	server := pgtest.Server(t)
	d, err := New(Options{Addresses: []string{dead, addressOf(server), other}, ConnectTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := d.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if conn.Host() != d.Hosts()[1] || conn.Host().String() != addressOf(server) {
		t.Errorf("connected to %s", conn.Host())
	}
	again, err := d.DialAgain(t.Context(), conn)
	if err != nil || again.RemoteAddr().String() != conn.RemoteAddr().String() || again.Host() != conn.Host() {
		t.Fatalf("again: %v", err)
	}
	_ = again.Close()
	hello(t, conn)

	if d, err = New(Options{Addresses: []string{dead, other}, ConnectTimeout: 20 * time.Second}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Dial(t.Context()); err == nil || !strings.Contains(err.Error(), dead) || !strings.Contains(err.Error(), other) {
		t.Errorf("with nobody there: %v", err)
	}
}

// TestReadWrite: a host that is read-only is passed over, until it no longer is,
// and a host that cannot be asked too.
func TestReadWrite(t *testing.T) {
	first, second := pgtest.Private(t, postgres.Options{Settings: map[string]string{"default_transaction_read_only": "on"}}), pgtest.Server(t)
	o := Options{
		Addresses: []string{closedPort(t), addressOf(first), addressOf(second)}, ConnectTimeout: 20 * time.Second,
		ReadWrite: true, DSN: secret.Text("postgres://postgres@nowhere.invalid:1/postgres?sslmode=require"),
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	reach := func(want *Host) {
		t.Helper()
		conn, err := d.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if conn.Host() != want {
			t.Errorf("connected to %s, want %s", conn.Host(), want)
		}
		hello(t, conn)
	}
	reach(d.Hosts()[2])
	promote(t, first)
	d.Hosts()[1].Distrust()
	reach(d.Hosts()[1])

	o.Addresses, o.DSN = o.Addresses[:2], "postgres://postgres@nowhere.invalid:1/no_such_database"
	if d, err = New(o); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Dial(t.Context()); err == nil || !strings.Contains(err.Error(), "no_such_database") {
		t.Errorf("a login that does not work: %v", err)
	}
}

// TestReadOnlyEverywhere: when no host takes writes, the error says so.
func TestReadOnlyEverywhere(t *testing.T) {
	server := pgtest.Private(t, postgres.Options{Settings: map[string]string{"default_transaction_read_only": "on"}})
	d, err := New(Options{
		Addresses: []string{addressOf(server)}, ConnectTimeout: 20 * time.Second,
		ReadWrite: true, DSN: secret.Text(server.DSN("postgres")),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Dial(t.Context()); !errors.Is(err, ErrReadOnly) {
		t.Errorf("%v, want %v", err, ErrReadOnly)
	}
}

// promote makes a server take writes by default.
func promote(t *testing.T, server *postgres.Server) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, sql := range []string{"SET default_transaction_read_only = off", "ALTER SYSTEM SET default_transaction_read_only = off", "SELECT pg_reload_conf(), pg_sleep(0.3)"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []Options{
		{},
		{Addresses: []string{"db"}}, {Addresses: []string{"db:x"}}, {Addresses: []string{"db:0"}}, {Addresses: []string{"db:65536"}}, {Addresses: []string{""}},
		{Addresses: []string{"db:1"}, TLS: TLS{Mode: ModeRequire, CA: "/no/such/file"}},
		{Addresses: []string{"db:1"}, TLS: TLS{Mode: ModeRequire, CA: "/dev/null"}},
		{Addresses: []string{"db:1"}, TLS: TLS{Mode: ModeRequire, Cert: "/no/such/file", Key: "/no/such/file"}},
		{Addresses: []string{"db:1"}, ReadWrite: true, DSN: "not a DSN"},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}
