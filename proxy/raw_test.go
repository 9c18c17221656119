package proxy_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/policy"
)

// rawPolicy is NotesPolicy with a user for raw mode, who may open no org.
func rawPolicy() *policy.Policy {
	p := proxytest.NotesPolicy()
	p.RawUsers = []string{"dumper"}
	p.Access = []policy.Access{{User: "postgres", Orgs: []string{"*"}}}
	return p
}

// startRaw starts a pgseal with two notes, and gives the user dumper's DSN.
func startRaw(t *testing.T, o proxytest.Options) (f *proxytest.Fixture, dumper string) {
	t.Helper()
	o.Policy = rawPolicy()
	f = startWithNotes(t, o)
	proxytest.Exec(t, f.Direct, `DO $$ BEGIN CREATE ROLE dumper LOGIN SUPERUSER; EXCEPTION WHEN duplicate_object THEN NULL; END $$`)
	return f, strings.Replace(f.Through, "//postgres@", "//dumper@", 1)
}

// withOptions is a DSN with start-up options.
func withOptions(t *testing.T, dsn, options string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("options", options)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // libpq's and pgx's way
	return u.String()
}

// read gives the rows of a simple query, its types, or the error's code.
func read(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil {
		return codeOf(err)
	}
	last := results[len(results)-1]
	var b strings.Builder
	for _, f := range last.FieldDescriptions {
		fmt.Fprintf(&b, "%s:%d ", f.Name, f.DataTypeOID)
	}
	for _, row := range last.Rows {
		fmt.Fprintf(&b, "%s ", row)
	}
	return strings.TrimSpace(b.String())
}

// TestRawMode: what the user dumper reads is what is stored, and only that is
// taken from it.
func TestRawMode(t *testing.T) {
	f, dumper := startRaw(t, proxytest.Options{})
	const query = "SELECT id, body FROM notes ORDER BY id"
	stored := read(t, proxytest.Connect(t, f.Direct), query)
	if !strings.Contains(stored, `\x5ea1`) || !strings.Contains(stored, "body:17") {
		t.Fatalf("stored: %s", stored)
	}
	opened := read(t, proxytest.Connect(t, f.Through), query)
	for name, dsn := range map[string]string{"options": withOptions(t, dumper, "-c pgseal.raw=on"), "SET": dumper} {
		conn := proxytest.Connect(t, dsn)
		if name == "SET" {
			if got := read(t, conn, query); got != pgerr.InsufficientPrivilege { // access, since it is off
				t.Errorf("before SET: %s", got)
			}
			proxytestExec(t, conn, "SET pgseal.raw = on")
		}
		if got := read(t, conn, query); got != stored {
			t.Errorf("%s: %s, want %s", name, got, stored)
		}
		// The extended protocol describes and gives the bytes.
		rows, err := conn.Query(t.Context(), "SELECT body FROM notes WHERE id = $1", 1)
		if err != nil {
			t.Fatal(err)
		}
		value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[[]byte])
		if err != nil || !strings.Contains(stored, fmt.Sprintf(`\x%x`, value)) {
			t.Errorf("%s: %x, %v", name, value, err)
		}
		if _, err := conn.Exec(t.Context(), "INSERT INTO notes (id, org_id, body) VALUES ($1, 'acme', $2)", 10, value); err != nil {
			t.Errorf("%s: a sealed value as a parameter: %v", name, err)
		}
		if _, err := conn.Exec(t.Context(), fmt.Sprintf(`UPDATE notes SET body = '\x%x' WHERE id = 10`, value)); err != nil {
			t.Errorf("%s: a sealed value as a literal: %v", name, err)
		}
		copied := fmt.Sprintf("11\tacme\t\\\\x%x\n12\tacme\t\\N\n", value)
		if _, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(copied), "COPY notes (id, org_id, body) FROM STDIN"); err != nil {
			t.Errorf("%s: sealed values in COPY: %v", name, err)
		}
		if _, err := conn.CopyFrom(t.Context(), pgx.Identifier{"notes"}, []string{"id", "org_id", "body"}, pgx.CopyFromRows([][]any{{13, "acme", value}})); err != nil {
			t.Errorf("%s: sealed values in binary COPY: %v", name, err)
		}
		var out strings.Builder
		if _, err := conn.PgConn().CopyTo(t.Context(), &out, "COPY (SELECT id, org_id, body FROM notes WHERE id IN (11, 12) ORDER BY id) TO STDOUT"); err != nil || out.String() != copied {
			t.Errorf("%s: COPY gives %q, %v, want %q", name, out.String(), err, copied)
		}
		if got := read(t, proxytest.Connect(t, f.Through), "SELECT id, body FROM notes WHERE id >= 10 ORDER BY id"); got !=
			`id:23 body:25 [10 of acme] [11 of acme] [12 ] [13 of acme]` {
			t.Errorf("%s: what was written raw opens as %s", name, got)
		}
		if got := read(t, conn, "SELECT id FROM notes WHERE body = 'x'"); got != pgerr.FeatureNotSupported {
			t.Errorf("%s: a search: %s", name, got)
		}
		proxytestExec(t, conn, "DELETE FROM notes WHERE id >= 10")
	}
	if got := read(t, proxytest.Connect(t, f.Through), query); got != opened {
		t.Errorf("without raw mode: %s, want %s", got, opened)
	}
}

func proxytestExec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// TestRawModeFollowsTheSetting: however it is turned on and off.
func TestRawModeFollowsTheSetting(t *testing.T) {
	f, dumper := startRaw(t, proxytest.Options{})
	conn := proxytest.Connect(t, dumper)
	proxytestExec(t, proxytest.Connect(t, f.Direct), `CREATE FUNCTION hidden_set(text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('pgseal.' || 'raw', $1, false) $$`)
	for _, step := range []struct {
		sql string
		raw bool
	}{
		{"SELECT 1", false},
		{"SET pgseal.raw = on", true},
		{"RESET pgseal.raw", false},
		{"SET pgseal.raw TO 'yes'", true},
		{"SET pgseal.raw = off", false},
		{"BEGIN; SET LOCAL pgseal.raw = on", true},
		{"ROLLBACK", false},
		{"BEGIN; SET pgseal.raw = on", true},
		{"COMMIT", true},
		{"DISCARD ALL", false},
		{"SELECT set_config('pgseal.raw', 'true', false)", true},
		{"SELECT hidden_set('off')", false},
		{"SELECT hidden_set('on')", true},
		{"RESET ALL", false},
	} {
		proxytestExec(t, conn, step.sql)
		got := read(t, conn, "SELECT body FROM notes WHERE id = 1")
		if raw := strings.HasPrefix(got, `body:17 [\x5ea1`); raw != step.raw || !raw && got != pgerr.InsufficientPrivilege {
			t.Errorf("%s: %s, want raw %v", step.sql, got, step.raw)
		}
		if strings.HasPrefix(step.sql, "BEGIN") && !step.raw {
			proxytestExec(t, conn, "ROLLBACK")
		}
	}
	// A prepared statement is prepared again.
	proxytestExec(t, conn, "SET pgseal.raw = on")
	if _, err := conn.Prepare(t.Context(), "p", "SELECT body FROM notes WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	proxytestExec(t, conn, "RESET pgseal.raw")
	if _, err := conn.PgConn().ExecPrepared(t.Context(), "p", nil, nil, nil).Close(); codeOf(err) != pgerr.FeatureNotSupported {
		t.Errorf("a statement prepared in raw mode: %v, want %s", err, pgerr.FeatureNotSupported)
	}
}

// TestRawModeIsNotForOthers: the setting is refused where it is seen, and has no
// effect where it is not.
func TestRawModeIsNotForOthers(t *testing.T) {
	f, _ := startRaw(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	for _, sql := range []string{
		"SET pgseal.raw = on", "SET SESSION PGSEAL.RAW TO 1", `SET LOCAL "pgseal".raw = 'on'`, "SELECT set_config('pgseal.raw', 'on', false)",
	} {
		if got := read(t, conn, sql); got != pgerr.InsufficientPrivilege {
			t.Errorf("%s: %s", sql, got)
		}
	}
	if _, err := pgx.Connect(context.Background(), withOptions(t, f.Through, "-c pgseal.raw=on")); codeOf(err) != pgerr.InsufficientPrivilege {
		t.Errorf("in the options: %v", err)
	}
	proxytestExec(t, conn, "SELECT set_config('pgseal.' || 'raw', 'on', false)")
	if got := read(t, conn, "SELECT current_setting('pgseal.raw'), body FROM notes WHERE id = 1"); got != `current_setting:25 body:25 [on of acme]` {
		t.Errorf("unseen: %s", got)
	}
	proxytestExec(t, conn, "INSERT INTO notes (id, org_id, body) VALUES (10, 'acme', 'x')")
	if got := read(t, conn, "SELECT body FROM notes WHERE id = 10"); got != "body:25 [x]" {
		t.Errorf("unseen: %s", got)
	}
}
