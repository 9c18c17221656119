package pgtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/postgres"
)

func TestMain(m *testing.M) { Main(m) }

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestDatabaseIsFreshAndDropped(t *testing.T) {
	ctx := context.Background()
	var dsn string
	t.Run("use", func(t *testing.T) {
		dsn = Database(t)
		if other := Database(t); other == dsn {
			t.Fatal("two databases of one test are the same")
		}
		conn := connect(t, dsn)
		if _, err := conn.Exec(ctx, "CREATE TABLE t (a int)"); err != nil {
			t.Fatal(err)
		}
	})
	conn, err := pgx.Connect(ctx, dsn)
	if err == nil {
		_ = conn.Close(ctx)
		t.Fatal("the database is still there after its test")
	}
}

func TestDatabaseIsDroppedUnderAConnection(t *testing.T) {
	t.Run("leave a connection open", func(t *testing.T) {
		conn, err := pgx.Connect(context.Background(), Database(t))
		if err != nil {
			t.Fatal(err)
		}
		// Closed after the database is dropped: cleanups run in reverse.
		_ = conn
	})
}

func TestServerIsShared(t *testing.T) {
	first := Server(t)
	if second := Server(t); second != first {
		t.Fatal("a second server was started")
	}
}

func TestPrivateStopsAtTheEnd(t *testing.T) {
	var folder string
	t.Run("use", func(t *testing.T) {
		s := Private(t, postgres.Options{LogStatementAll: true})
		conn := connect(t, DatabaseOn(t, s))
		if _, err := conn.Exec(context.Background(), "SELECT 'canary'"); err != nil {
			t.Fatal(err)
		}
		folder = filepath.Dir(s.DataDir())
	})
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Fatalf("the private server's folder: %v, want it gone", err)
	}
}

func TestAGivenServerIsUsed(t *testing.T) {
	running := Private(t, postgres.Options{Auth: "scram-sha-256"})
	t.Setenv(dsnVariable, running.DSN("postgres"))
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	if !s.External() || s.Port() != running.Port() {
		t.Errorf("external %t, port %d", s.External(), s.Port())
	}
	connect(t, DatabaseOn(t, s))
	t.Setenv(dsnVariable, "host=localhost")
	if _, err := start(); err == nil {
		t.Error("a DSN that is no URL was taken")
	}
}
