package proxy_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/policy"
)

// TestCompression: values are stored shorter than they are, but in a column whose
// policy does not want that, and come back whole.
func TestCompression(t *testing.T) {
	text := policy.Type{Kind: policy.Text}
	f := proxytest.Start(t, proxytest.Options{Policy: &policy.Policy{Tables: []*policy.Table{
		policy.NewTable("public", "logs", policy.OrgSource{Kind: policy.OrgFixed, Value: "acme"},
			policy.Column{Name: "short", Type: text}, policy.Column{Name: "long", Type: text, Uncompressed: true}, policy.Column{Name: "doc", Type: policy.Type{Kind: policy.JSONB}}),
	}}})
	proxytest.Exec(t, f.Through, "CREATE TABLE logs (id int, short text, long text, doc jsonb)")
	value := strings.Repeat("what does our contract say? ", 100)
	through := proxytest.Connect(t, f.Through)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol} {
		if _, err := through.Exec(t.Context(), "INSERT INTO logs (id, short, long, doc) VALUES ($1, $2, $3, $4)", mode, 1, value, value, `{"messages": ["`+value+`"]}`); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.NewReader("2\t" + value + "\t" + value + "\t[\"" + value + "\"]\n")
	if _, err := through.PgConn().CopyFrom(t.Context(), lines, "COPY logs (id, short, long, doc) FROM STDIN"); err != nil {
		t.Fatal(err)
	}

	var stored [3]int
	if err := proxytest.Connect(t, f.Direct).QueryRow(t.Context(), "SELECT max(octet_length(short)), min(octet_length(long)), max(octet_length(doc)) FROM logs").
		Scan(&stored[0], &stored[1], &stored[2]); err != nil {
		t.Fatal(err)
	}
	if stored[0] > 500 || stored[1] != len(value)+40 || stored[2] > 500 {
		t.Errorf("stored: %d bytes, %d that are not to be compressed, %d of JSON", stored[0], stored[1], stored[2])
	}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol} {
		rows, err := through.Query(t.Context(), "SELECT short, long, doc, left(short, 4), octet_length(short) FROM logs", mode)
		if err != nil {
			t.Fatal(err)
		}
		var short, long, doc, begin string
		var length, n int
		if _, err := pgx.ForEachRow(rows, []any{&short, &long, &doc, &begin, &length}, func() error {
			n++
			if short != value || long != value || !strings.Contains(doc, value) || begin != value[:4] || length != len(value) {
				t.Errorf("row %d is not what was written", n)
			}
			return nil
		}); err != nil || n != 3 {
			t.Fatal(n, err)
		}
	}
}
