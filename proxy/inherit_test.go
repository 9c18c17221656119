package proxy_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/policy"
)

// TestOrgOfInheritedRows: rows of a sealed table are rows of the table that it inherits
// from too, which the policy does not name. Their org is not changed by that way.
func TestOrgOfInheritedRows(t *testing.T) {
	text := policy.Type{Kind: policy.Text}
	f := proxytest.Start(t, proxytest.Options{Policy: &policy.Policy{Tables: []*policy.Table{
		policy.NewTable("public", "traces", policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org"}, policy.Column{Name: "body", Type: text}),
	}}})
	proxytest.Exec(t, f.Through, `CREATE TABLE things (id int, org text, note text); CREATE TABLE middle () INHERITS (things)`)
	proxytest.Exec(t, f.Through, `CREATE TABLE traces (body text) INHERITS (middle)`)
	proxytest.Exec(t, f.Through, `CREATE VIEW seen AS SELECT id, org AS whose, note FROM things; CREATE VIEW seen_again AS SELECT * FROM seen`)
	proxytest.Exec(t, f.Through, `INSERT INTO traces (id, org, body) VALUES (1, 'acme', 'secret')`)
	proxytest.Exec(t, f.Through, `INSERT INTO things (id, org) VALUES (2, 'acme')`)
	conn := proxytest.Connect(t, f.Through)
	for sql, refused := range map[string]bool{
		"UPDATE things SET org = 'globex'":                             true,
		"UPDATE public.middle AS m SET note = 'n', org = 'globex'":     true,
		"UPDATE things SET (note, org) = ('n', 'globex') WHERE id = 1": true,
		"UPDATE seen SET whose = 'globex'":                             true,
		"UPDATE seen_again SET whose = 'globex'":                       true,
		"UPDATE things SET note = 'n'":                                 false,
		"UPDATE ONLY things SET org = 'globex'":                        false,
		"UPDATE traces SET org = 'acme', body = 'other'":               false,
	} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
			_, err := conn.Exec(t.Context(), sql, mode)
			var e *pgconn.PgError
			if refused != (errors.As(err, &e) && e.Code == "0A000") || !refused && err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
	if pgtest.Major(t, pgtest.Server(t)) >= 15 {
		_, err := conn.Exec(t.Context(), "MERGE INTO things t USING (VALUES (1)) AS v (id) ON v.id = t.id WHEN MATCHED THEN UPDATE SET org = 'globex'")
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "0A000" {
			t.Errorf("MERGE: %v", err)
		}
	}
	var org, body string
	if err := conn.QueryRow(t.Context(), "SELECT org, body FROM traces").Scan(&org, &body); err != nil || org != "acme" || body != "other" {
		t.Errorf("%s, %s, %v", org, body, err)
	}
}
