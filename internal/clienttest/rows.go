package clienttest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/proxytest"
)

// ReadRows gives a query's rows as text, their values cut to 200 bytes.
func ReadRows(t *testing.T, dsn, sql string) []string {
	t.Helper()
	conn := proxytest.Connect(t, dsn)
	rows, err := conn.Query(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var row strings.Builder
		for _, raw := range rows.RawValues() {
			switch {
			case raw == nil:
				row.WriteString("NULL|")
			default:
				fmt.Fprintf(&row, "%.200s|", raw)
			}
		}
		all = append(all, row.String())
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// CountSealed counts the values of a column in Postgres itself, and those of them
// that are sealed.
func CountSealed(t *testing.T, direct, table, column string) (values, sealed int) {
	t.Helper()
	conn := proxytest.Connect(t, direct)
	name := pgx.Identifier{column}.Sanitize()
	err := conn.QueryRow(t.Context(), `SELECT count(`+name+`), count(*) FILTER (WHERE substring(`+name+`::bytea, 1, 3) = '\x5ea101') FROM `+pgx.Identifier{table}.Sanitize()).Scan(&values, &sealed)
	if err != nil {
		t.Fatal(err)
	}
	return values, sealed
}
