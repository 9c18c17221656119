package proxy_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/proxytest"
)

// TestArraysOfOrgs: the elements of an array are each sealed for the org at the same
// place of another, and none without one.
func TestArraysOfOrgs(t *testing.T) {
	f := startWithSessionOrgs(t)
	conn := proxytest.Connect(t, f.Through)
	const insert = "INSERT INTO by_text (id, org, secret) SELECT * FROM unnest($1::int[], $2::text[], $3::text[])"
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec} {
		orgs := []*string{ptr("acme"), ptr("globex"), nil, ptr("acme")}
		if _, err := conn.Exec(t.Context(), insert, mode, []int{11, 12, 13, 14}, orgs, []*string{ptr("a"), ptr("g"), nil, ptr("")}); err != nil {
			t.Errorf("%v: %v", mode, err)
		}
		if _, err := conn.Exec(t.Context(), "DELETE FROM by_text WHERE id = 13"); err != nil {
			t.Error(err)
		}
		if got, want := secrets(t, f, "by_text"), "1=old 2=old 3=old 11=a 12=g 14="; got != want {
			t.Errorf("%v: %s, want %s", mode, got, want)
		}
		if _, err := conn.Exec(t.Context(), "DELETE FROM by_text WHERE id > 10"); err != nil {
			t.Error(err)
		}
		for _, c := range []struct {
			orgs    []*string
			secrets []string
			code    string
		}{
			{[]*string{ptr("acme"), nil}, []string{"a", "b"}, "0A000"},
			{[]*string{ptr("acme")}, []string{"a", "b"}, "0A000"},
			{nil, []string{"a"}, "0A000"},
			{[]*string{ptr("acme"), ptr("nobody")}, []string{"a", "b"}, "PS004"},
		} {
			_, err := conn.Exec(t.Context(), insert, mode, []int{11, 12}, c.orgs, c.secrets)
			var e *pgconn.PgError
			if !errors.As(err, &e) || e.Code != c.code {
				t.Errorf("%v, %d orgs: %v", mode, len(c.orgs), err)
			}
		}
	}
	if _, err := conn.Exec(t.Context(), "INSERT INTO by_text SELECT 11, 'acme', unnest('{{a},{b}}'::text[])"); err == nil {
		t.Error("an array of two dimensions was taken")
	}
	if got, want := secrets(t, f, "by_text"), "1=old 2=old 3=old"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	_, err := conn.Exec(t.Context(), "INSERT INTO by_int (id, org, secret) SELECT * FROM unnest($1::int[], $2::bigint[], $3::text[])", []int{11, 12}, []int64{1, 2}, []string{"a", "b"})
	if got, want := secrets(t, f, "by_int"), "1=old 2=old 3=old 11=a 12=b"; err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	_, err = conn.Exec(t.Context(), "UPDATE by_int SET secret = u.s FROM unnest($1::int[], $2::int[], $3::text[]) u(id, org, s) WHERE by_int.id = u.id AND by_int.org = u.org", []int{11, 12, 3}, []int{1, 2, 1}, []string{"c", "d", "e"})
	if got, want := secrets(t, f, "by_int"), "1=old 2=old 3=old 11=c 12=d"; err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

func ptr(s string) *string { return &s }
