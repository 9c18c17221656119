package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// TestCopyForTheSessionsOrg: COPY FROM of rows that don't name their org gives them the
// session's, in each format and for org columns of all types.
func TestCopyForTheSessionsOrg(t *testing.T) {
	f := startWithSessionOrgs(t)
	for _, table := range []struct{ name, org string }{{"by_text", "globex"}, {"by_varchar", "globex"}, {"by_int", " 02 "}, {"by_uuid", strings.ToUpper(uuidOrg2)}} {
		conn := proxytest.Connect(t, f.Through)
		if _, err := conn.Exec(t.Context(), "SELECT set_config('pgseal.org', $1, false)", table.org); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.CopyFrom(t.Context(), pgx.Identifier{table.name}, []string{"secret", "id"}, pgx.CopyFromRows([][]any{{"binary", 10}, {"two", 11}})); n != 2 || err != nil {
			t.Errorf("%s, binary: %d, %v", table.name, n, err)
		}
		for i, c := range []struct{ sql, data string }{
			{"COPY %s (id, secret) FROM STDIN", "20\ttext\n21\ttwo\n\\.\n"},
			{"COPY public.%s(secret,\"id\" /* ) */ ) FROM STDIN WITH (FORMAT csv, HEADER)", "secret,id\ncsv,30\n\"t,wo\",31\n"},
			{"COPY %s (id, secret) FROM STDIN (FORMAT csv, DELIMITER 'o', QUOTE 'l', NULL 'x')", "40ocut\n41ololll\n"},
			{"COPY %s (id, secret) FROM STDIN (DELIMITER 'e')", "50etext\n51e\\N\n"},
		} {
			sql := fmt.Sprintf(c.sql, table.name)
			tag, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(c.data), sql)
			if i == 3 { // a value with the delimiter in it
				if err == nil {
					t.Errorf("%s: %v", sql, tag)
				}
				continue
			}
			if err != nil || tag.RowsAffected() != 2 {
				t.Errorf("%s: %v, %v", sql, tag, err)
			}
		}
		want := "1=old 2=old 3=old 10=binary 11=two 20=text 21=two 30=csv 31=t,wo 40=cut 41=ol"
		if got := secrets(t, f, table.name); got != want {
			t.Errorf("%s: %s, want %s", table.name, got, want)
		}
		var others int
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM "+table.name+" a WHERE id >= 10 AND org <> (SELECT org FROM "+table.name+" WHERE id = 3)").Scan(&others); err != nil || others != 0 {
			t.Errorf("%s: %d rows of another org, %v", table.name, others, err)
		}
	}
}

// TestCopyWithoutOrg: where the session's org does not serve, no row is stored.
func TestCopyWithoutOrg(t *testing.T) {
	f := startWithSessionOrgs(t)
	for _, c := range []struct{ org, sql, data, code string }{
		{"", "COPY by_text (id, secret) FROM STDIN", "10\tx\n", pgerr.FeatureNotSupported},
		{"no number", "COPY by_int (id, secret) FROM STDIN", "10\tx\n", pgerr.FeatureNotSupported},
		{"acme", "COPY by_text (id, secret) FROM STDIN (NULL 'acme')", "10\tx\n", pgerr.FeatureNotSupported},
		{"nobody", "COPY by_text (id, secret) FROM STDIN", "10\tx\n", "PS004"},
		{"acme", "COPY by_text (id, secret) FROM STDIN", "10\tx\textra\n", pgerr.BadCopyFileFormat},
		{"acme", "COPY by_text (id, secret) FROM STDIN", "10\n", pgerr.BadCopyFileFormat},
		{"acme", "COPY by_text (id, secret) FROM STDIN (FORMAT csv, HEADER match)", "id,other\n10,x\n", pgerr.BadCopyFileFormat},
		{"acme", "COPY by_text (id, id, secret) FROM STDIN", "1\t2\tx\n", "42701"},
		{"acme", "COPY by_text (id) FROM STDIN", "10\n", ""},
		{"acme", "COPY by_text (id, secret) FROM STDIN (FORMAT csv, HEADER match)", "id,secret\n11,x\n", ""},
	} {
		conn := proxytest.Connect(t, f.Through)
		if _, err := conn.Exec(t.Context(), "SELECT set_config('pgseal.org', $1, false)", c.org); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(c.data), c.sql); codeOf(err) != c.code {
			t.Errorf("%q, %s: %v, want %q", c.org, c.sql, err, c.code)
		}
		if err := conn.Ping(t.Context()); err != nil {
			t.Errorf("%q, %s: then %v", c.org, c.sql, err)
		}
	}
	var id, n int
	conn := proxytest.Connect(t, f.Direct)
	if err := conn.QueryRow(t.Context(), "SELECT max(id), count(*) FROM by_text").Scan(&id, &n); err != nil || id != 11 || n != 5 {
		t.Errorf("%d rows, up to %d, %v", n, id, err)
	}
}
