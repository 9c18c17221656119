package proxy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// tool finds one of Postgres's client programs. A machine without it cannot run the
// test.
func tool(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	path := filepath.Join(pgtest.Server(t).BinDir(), name)
	if _, err := os.Stat(path); err != nil {
		t.Skip(name + " is not on this machine")
	}
	return path
}

// runTool runs a program and gives its output.
func runTool(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(tool(t, name), args...)
	cmd.Env = append(os.Environ(), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

// dumped are the statements that make what is dumped: notes of all types, and what
// goes with them.
var dumped = []string{
	proxytest.NotesTable,
	`INSERT INTO notes (id, org_id, title, body, doc, raw, n, big, ok, f, amount, uid, at) VALUES
		(1, 'acme', 't', 'canary-body', '{"canary": [1, null]}', '\x00ff5e', 1, -9, true, 1.5, 12.50, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2026-02-28 23:59:59.123456+00'),
		(2, 'globex', NULL, E'canary\t\\ "quoted"\n''x''', '[]', '', NULL, NULL, false, 'NaN', 'NaN', NULL, 'infinity'),
		(3, 'acme', '', NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL), (4, 'acme', '', '', '""', '\x', 0, 0, NULL, '-Infinity', 1e-7, NULL, NULL)`,
	"INSERT INTO plain VALUES (1, 'p')",
	"CREATE VIEW note_view AS SELECT id, body, org_id FROM notes",
	"CREATE INDEX ON notes (org_id)",
	"COMMENT ON COLUMN notes.body IS 'what was noted'",
	"ALTER TABLE plain ADD FOREIGN KEY (id) REFERENCES notes",
}

func makeDumped(t *testing.T, f *proxytest.Fixture) {
	t.Helper()
	for _, sql := range dumped {
		proxytest.Exec(t, f.Through, sql)
	}
}

const dumpedQuery = "SELECT * FROM notes ORDER BY id"

// restore brings a dump back into a database.
func restore(t *testing.T, dsn, dump string, options ...string) {
	t.Helper()
	if strings.HasSuffix(dump, ".sql") {
		runTool(t, options, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", dump)
		return
	}
	args := []string{"--exit-on-error", "-d", dsn}
	if info, err := os.Stat(dump); err == nil && info.IsDir() {
		args = append(args, "-j", "2")
	}
	runTool(t, options, "pg_restore", append(args, dump)...)
}

// TestDump: what pg_dump writes through pgseal is what the application sees, and
// is sealed again when it is restored through pgseal into another database.
func TestDump(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{})
	makeDumped(t, f)
	want := read(t, proxytest.Connect(t, f.Through), dumpedQuery)
	folder := t.TempDir()
	for name, args := range map[string][]string{
		"plain.sql":       nil,
		"custom.dump":     {"-Fc"},
		"directory":       {"-Fd", "-j", "2"},
		"tar.tar":         {"-Ft"},
		"inserts.sql":     {"--inserts"},
		"columns.sql":     {"--column-inserts", "--rows-per-insert=3", "--on-conflict-do-nothing"},
		"triggers.sql":    {"--disable-triggers", "--clean", "--if-exists", "--no-owner"},
		"compressed.dump": {"-Fc", "-Z", "9"},
	} {
		t.Run(name, func(t *testing.T) {
			dump := filepath.Join(folder, name)
			runTool(t, nil, "pg_dump", append([]string{"-N", "pgseal", "-f", dump, "-d", f.Through}, args...)...)
			if content, err := os.ReadFile(dump); strings.HasSuffix(name, ".sql") && (err != nil || !strings.Contains(string(content), "canary-body") || !strings.Contains(string(content), "body text") || strings.Contains(string(content), "5ea1") || strings.Contains(string(content), "pgseal")) {
				t.Errorf("the dump is not what the application sees, %v", err)
			}
			other := proxytest.Start(t, proxytest.Options{})
			restore(t, other.Through, dump)
			if diff := cmp.Diff(want, read(t, proxytest.Connect(t, other.Through), dumpedQuery)); diff != "" {
				t.Errorf("restored (-dumped +restored):\n%s", diff)
			}
			if stored := read(t, proxytest.Connect(t, other.Direct), dumpedQuery); strings.Contains(stored, "canary") || !strings.Contains(stored, `\x5ea1`) {
				t.Errorf("stored: %s", stored)
			}
		})
	}
}

// TestDumpOfParts: schema and data apart, and single tables.
func TestDumpOfParts(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{})
	makeDumped(t, f)
	want := read(t, proxytest.Connect(t, f.Through), dumpedQuery)
	folder := t.TempDir()
	other := proxytest.Start(t, proxytest.Options{})
	for _, part := range []struct {
		name string
		args []string
	}{
		{"schema.sql", []string{"--schema-only", "-t", "notes"}},
		{"data.sql", []string{"--data-only", "-t", "public.notes"}},
	} {
		dump := filepath.Join(folder, part.name)
		runTool(t, nil, "pg_dump", append([]string{"-f", dump, "-d", f.Through}, part.args...)...)
		restore(t, other.Through, dump)
	}
	if diff := cmp.Diff(want, read(t, proxytest.Connect(t, other.Through), dumpedQuery)); diff != "" {
		t.Errorf("restored (-dumped +restored):\n%s", diff)
	}
}

// TestRawDump: in raw mode a dump has what is stored, with the keystore, and is
// restored straight into Postgres or through pgseal; the values open again.
func TestRawDump(t *testing.T) {
	f, dumper := startRaw(t, proxytest.Options{})
	proxytest.Exec(t, f.Through, "DROP TABLE notes, plain")
	makeDumped(t, f)
	want := read(t, proxytest.Connect(t, f.Through), dumpedQuery)
	stored := read(t, proxytest.Connect(t, f.Direct), dumpedQuery)
	folder := t.TempDir()
	raw := "PGOPTIONS=-c pgseal.raw=on"
	for name, args := range map[string][]string{
		"plain.sql": nil, "custom.dump": {"-Fc"}, "directory": {"-Fd", "-j", "2"}, "inserts.sql": {"--inserts"}, "columns.sql": {"--column-inserts"},
	} {
		t.Run(name, func(t *testing.T) {
			dump := filepath.Join(folder, name)
			runTool(t, []string{raw}, "pg_dump", append([]string{"-t", "notes", "-t", "plain", "-t", "note_view", "-f", dump, "-d", dumper}, args...)...)
			if content, err := os.ReadFile(dump); strings.HasSuffix(name, ".sql") && (err != nil || strings.Contains(string(content), "canary") || !strings.Contains(string(content), "5ea1")) {
				t.Errorf("the dump is not what is stored, %v", err)
			}
			for _, way := range []struct {
				dsn string
				env []string
			}{{f.Direct, nil}, {dumper, []string{raw}}} {
				proxytest.Exec(t, f.Through, "DROP TABLE notes, plain CASCADE")
				restore(t, way.dsn, dump, way.env...)
				if diff := cmp.Diff(stored, read(t, proxytest.Connect(t, f.Direct), dumpedQuery)); diff != "" {
					t.Errorf("stored (-dumped +restored):\n%s", diff)
				}
				if diff := cmp.Diff(want, read(t, proxytest.Connect(t, f.Through), dumpedQuery)); diff != "" {
					t.Errorf("opened (-dumped +restored):\n%s", diff)
				}
			}
		})
	}
	// All of it, with the keystore, into an empty database.
	dump := filepath.Join(folder, "all.sql")
	runTool(t, []string{raw}, "pg_dump", "-f", dump, "-d", dumper)
	empty := pgtest.Database(t)
	restore(t, empty, dump)
	if diff := cmp.Diff(stored, read(t, proxytest.Connect(t, empty), dumpedQuery)); diff != "" {
		t.Errorf("stored in an empty database (-dumped +restored):\n%s", diff)
	}
	keys := "SELECT id, org FROM pgseal.data_keys ORDER BY id"
	if diff := cmp.Diff(read(t, proxytest.Connect(t, f.Direct), keys), read(t, proxytest.Connect(t, empty), keys)); diff != "" {
		t.Errorf("the keystore (-dumped +restored):\n%s", diff)
	}
}

// TestDumpOfViewsWrittenTwice: a view whose GROUP BY leans on a primary key is written by
// pg_dump as one of NULLs first, and replaced when the key is there. With sealed columns
// that takes a raw dump, since Postgres changes no type of a view's column, and the first
// one does not tell which columns will be sealed.
func TestDumpOfViewsWrittenTwice(t *testing.T) {
	f, dumper := startRaw(t, proxytest.Options{})
	const view = "SELECT id, body FROM notes GROUP BY id"
	proxytest.Exec(t, f.Through, "CREATE VIEW by_key AS "+view)
	proxytest.Exec(t, f.Through, "INSERT INTO notes (id, org_id, body) VALUES (71, 'acme', 'canary-body')")
	folder, raw := t.TempDir(), "PGOPTIONS=-c pgseal.raw=on"
	dumped := func(name, dsn, null string, options ...string) string {
		t.Helper()
		dump := filepath.Join(folder, name)
		runTool(t, options, "pg_dump", "-t", "notes", "-t", "by_key", "-f", dump, "-d", dsn)
		if content, err := os.ReadFile(dump); err != nil || !strings.Contains(string(content), null+" AS body") || !strings.Contains(string(content), "CREATE OR REPLACE VIEW public.by_key") {
			t.Errorf("%s does not write the view twice (%v)", name, err)
		}
		return dump
	}
	dumped("plain.sql", f.Through, "NULL::text")
	sealed := dumped("raw.sql", dumper, "NULL::pgseal.sealed", raw)

	proxytest.Exec(t, f.Through, "DROP VIEW by_key")
	proxytest.Exec(t, f.Through, "CREATE VIEW by_key AS SELECT NULL::integer AS id, NULL::text AS body")
	conn := proxytest.Connect(t, f.Through)
	if _, err := conn.Exec(t.Context(), "CREATE OR REPLACE VIEW by_key AS "+view); codeOf(err) != "42P16" {
		t.Errorf("a view of NULLs is replaced: %v", err)
	}
	proxytest.Exec(t, f.Through, "DROP VIEW by_key; DROP TABLE notes CASCADE")
	restore(t, dumper, sealed, raw)
	if got := read(t, proxytest.Connect(t, f.Through), "SELECT body FROM by_key"); !strings.Contains(got, "canary-body") {
		t.Errorf("the view gives %s", got)
	}
}
