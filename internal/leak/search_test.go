package leak_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/canary"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// visit calls do for all files of a server, and for what pg_stat_statements and
// pg_stat_activity have, and gives their number.
func visit(t *testing.T, server *postgres.Server, do func(name, place string, content []byte)) (files int) {
	t.Helper()
	control := 0
	for _, root := range []string{server.DataDir(), server.LogFile()} {
		err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
			if os.IsNotExist(err) { // a temporary file
				return nil
			}
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(name)
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil {
				return err
			}
			files++
			if bytes.Contains(content, []byte("INSERT INTO notes")) {
				control++
			}
			do(filepath.Base(name), placeOf(name, root == server.LogFile()), content)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	do("the view", "pg_stat_statements", statementTexts(t, server))
	if files < 100 || control == 0 {
		t.Fatalf("%d files were searched and %d have the statements' own text; the search does not work", files, control)
	}
	return files
}

// statementTexts are what the server's views have of statements.
func statementTexts(t *testing.T, server *postgres.Server) []byte {
	t.Helper()
	conn := proxytest.Connect(t, server.DSN("postgres"))
	defer func() { _ = conn.Close(context.Background()) }()
	sql := "SELECT query FROM pg_stat_activity WHERE query IS NOT NULL"
	if _, err := conn.Exec(t.Context(), "CREATE EXTENSION IF NOT EXISTS pg_stat_statements"); err == nil { // else the server lacks it
		sql += " UNION ALL SELECT query FROM pg_stat_statements"
	}
	rows, err := conn.Query(t.Context(), sql)
	check(t, err)
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	check(t, err)
	return []byte(strings.Join(texts, "\n"))
}

// placeOf says what a file of the server is.
func placeOf(name string, log bool) string {
	switch {
	case log:
		return "log"
	case strings.Contains(name, "pgsql_tmp"):
		return "temporary file"
	case strings.Contains(name, "/pg_wal/"):
		return "WAL"
	case strings.Contains(name, "/base/"):
		return "data file"
	case strings.Contains(name, "pgss_query_texts") || strings.Contains(name, "pg_stat_statements"):
		return "pg_stat_statements"
	}
	return "other file"
}

// spill leaves a cursor open that sorts many sealed values, more than the server sorts in
// memory, until the function that it gives is called.
func spill(t *testing.T, f *proxytest.Fixture) (end func()) {
	t.Helper()
	conn := proxytest.Connect(t, f.Through)
	var data strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&data, "%d\tacme\t%d\ta value that is sorted along with its row\n", 2_000_000+i, i*7919%3000)
	}
	if _, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data.String()), "COPY notes (id, org_id, title, body) FROM STDIN"); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"BEGIN", "DECLARE spilled CURSOR FOR SELECT title, body FROM notes ORDER BY title", "FETCH 1 FROM spilled"} {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	return func() { _ = conn.Close(context.Background()) }
}

// plant writes canaries past pgseal, in each form and to each place, and holds the search
// to finding them.
func plant(t *testing.T, server *postgres.Server, f *proxytest.Fixture) {
	planted := canary.Text(canary.Limit - 1)
	inHex := hex.EncodeToString([]byte(planted))
	forms := []string{planted, strings.ToUpper(planted), inHex, strings.ToUpper(inHex)}
	for _, before := range []string{"", "x", "xx"} {
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(before+planted)))
	}
	var filler []byte // that pglz does not compress
	for i := range 1500 {
		filler = fmt.Appendf(filler, "%04x", (i*40503+i*i*7)&0xffff)
	}
	conn := proxytest.Connect(t, f.Direct)
	exec := func(sql string, args ...any) {
		t.Helper()
		if len(args) == 0 {
			args = []any{pgx.QueryExecModeSimpleProtocol}
		}
		_, err := conn.Exec(t.Context(), sql, args...)
		check(t, err)
	}
	exec("CREATE TABLE planted (small text, large text); ALTER TABLE planted ALTER large SET STORAGE EXTERNAL")
	for _, form := range forms {
		exec("INSERT INTO planted VALUES ($1, $2)", form, string(filler)+form+string(filler))
		exec(fmt.Sprintf("COMMENT ON TABLE planted IS '%s'", form)) // a text that pg_stat_statements keeps as it is
	}
	exec("BEGIN")
	exec("DECLARE spilled CURSOR FOR SELECT small FROM planted, generate_series(1, 2000) i ORDER BY md5(i::text)")
	exec("FETCH 1 FROM spilled")
	proxytest.Exec(t, f.Direct, "CHECKPOINT")

	seen := map[string]map[string]bool{} // form -> place, and file where it is of data
	for _, form := range forms {
		seen[form] = map[string]bool{}
	}
	visit(t, server, func(name, place string, content []byte) {
		if len(canary.In(content)) == 0 {
			return
		}
		for _, form := range forms {
			if bytes.Contains(content, []byte(form)) {
				seen[form][place] = true
				seen[form][place+" "+name] = true
			}
		}
	})
	places := []string{"data file", "WAL", "log", "temporary file"}
	if contrib(t) != "" {
		places = append(places, "pg_stat_statements")
	}
	for _, form := range forms {
		if len(canary.In([]byte(form))) == 0 {
			t.Errorf("the search does not see %q", form)
		}
		for _, place := range places {
			if !seen[form][place] {
				t.Errorf("%q was planted, and is not found in a %s", form, place)
			}
		}
		data := 0
		for where := range seen[form] {
			if strings.HasPrefix(where, "data file ") {
				data++
			}
		}
		if data < 2 {
			t.Errorf("%q is found in %d data files, want the table and its TOAST", form, data)
		}
	}
}
