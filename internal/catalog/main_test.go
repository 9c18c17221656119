package catalog_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/policy"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// testPolicy names tables of every kind that the tests make, and one that they
// don't.
func testPolicy() *policy.Policy {
	text := policy.Type{Kind: policy.Text}
	org := policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org_id"}
	return &policy.Policy{Tables: []*policy.Table{
		policy.NewTable("audit", "My Log", org, policy.Column{Name: "Body", Type: text}),
		policy.NewTable("public", "events", org, policy.Column{Name: "payload", Type: text}),
		policy.NewTable("public", "planned", org, policy.Column{Name: "body", Type: text}),
		policy.NewTable("public", "spans", org, policy.Column{Name: "attributes", Type: policy.Type{Kind: policy.JSONB}}, policy.Column{Name: "note", Type: text}),
	}}
}

// database is the DSN of a fresh database that has the type pgseal.sealed.
func database(t *testing.T) string {
	t.Helper()
	dsn := pgtest.Database(t)
	migrate(t, dsn)
	return dsn
}

func migrate(t *testing.T, dsn string) {
	t.Helper()
	if _, err := keystore.Migrate(t.Context(), dsn, keystore.Domain); err != nil {
		t.Fatal(err)
	}
}

// session is a connection; a catalog.Querier too.
type session struct {
	t    *testing.T
	conn *pgconn.PgConn
}

// connect opens a session whose search_path is as given, which may be empty.
func connect(t *testing.T, dsn, searchPath string) *session {
	t.Helper()
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["search_path"] = searchPath
	conn, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return &session{t: t, conn: conn}
}

// exec runs SQL that must succeed and gives the rows of all its statements.
func (s *session) exec(sql string) [][]string {
	s.t.Helper()
	rows, err := s.Query(s.t.Context(), sql)
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

// Query implements catalog.Querier.
func (s *session) Query(ctx context.Context, sql string) ([][]string, error) {
	results, err := s.conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, result := range results {
		for _, raw := range result.Rows {
			var row []string
			for _, field := range raw {
				row = append(row, string(field))
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}
