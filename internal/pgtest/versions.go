package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/postgres"
)

// Major is the server's major version.
func Major(t testing.TB, server *postgres.Server) (major int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(t.Context(), "SELECT current_setting('server_version_num')::int / 10000").Scan(&major); err != nil {
		t.Fatal(err)
	}
	return major
}

// Version is a Private server of a major version. A version that is neither installed
// nor to be fetched skips the test.
func Version(t testing.TB, major int) *postgres.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	bin, err := postgres.BinariesOf(ctx, major)
	if err != nil {
		t.Skip(err)
	}
	return Private(t, postgres.Options{Binaries: bin})
}
