package proxy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// psqlScript is what a person would type.
const psqlScript = `
\set ON_ERROR_STOP off
\set VERBOSITY verbose
INSERT INTO notes (id, org_id, title, body, doc) VALUES (1, 'acme', 'a title', 'a body', '{"b": 2, "a": 1}');
SELECT id, body, doc FROM notes;
\x
SELECT * FROM notes;
\x
SELECT body FROM notes \gdesc
BEGIN;
UPDATE notes SET body = 'another' WHERE id = 1 AND org_id = 'acme';
SELECT body FROM notes;
ROLLBACK;
\copy notes (id, org_id, body) FROM stdin
2	acme	copied
3	globex	\N
\.
\copy notes (id, body) TO stdout
\copy notes (id, body) TO stdout CSV HEADER
INSERT INTO notes (id, org_id, n) VALUES (4, 'acme', 'not a number');
SELECT body FROM notes WHERE nothing = 1;
DELETE FROM notes WHERE id = 3;
PREPARE ins (int, text, int) AS INSERT INTO notes (id, org_id, body, n) VALUES ($1, 'acme', $2, $3) RETURNING n, body;
EXECUTE ins(5, 'prepared', 55);
EXECUTE ins(6, 'prepared', 'not a number');
EXECUTE ins(7, 'too few');
PREPARE sel AS SELECT body, n FROM notes WHERE id > $1 ORDER BY id;
EXECUTE sel(1) \gdesc
EXECUTE sel(1);
DEALLOCATE sel;
EXECUTE sel(1);
\set FETCH_COUNT 1
SELECT id, body, doc FROM notes ORDER BY id;
\unset FETCH_COUNT
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT body, n FROM notes ORDER BY id;
FETCH 2 FROM c \gdesc
FETCH 2 FROM c;
MOVE BACKWARD ALL IN c;
FETCH FORWARD ALL FROM c;
CLOSE c;
FETCH c;
COMMIT;
SELECT count(*), count(body) FROM notes;
`

// TestPsql runs a script of psql's against Postgres and through pgseal: what it
// prints must be the same. A machine without psql cannot run it.
func TestPsql(t *testing.T) {
	psql, err := exec.LookPath("psql")
	if err != nil {
		psql = filepath.Join(pgtest.Server(t).BinDir(), "psql")
		if _, err := os.Stat(psql); err != nil {
			t.Skip("psql is not on this machine")
		}
	}
	run := func(dsn string) string {
		cmd := exec.Command(psql, "-X", "-d", dsn)
		cmd.Stdin = strings.NewReader(psqlScript)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("psql: %v\n%s", err, out)
		}
		var kept []string
		for _, line := range strings.Split(string(out), "\n") {
			if !strings.HasPrefix(line, "LOCATION:") { // the place in Postgres's source
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "\n")
	}
	direct := pgtest.Database(t)
	proxytest.Exec(t, direct, proxytest.NotesTable)
	f := proxytest.Start(t, proxytest.Options{})
	proxytest.Exec(t, f.Through, proxytest.NotesTable)
	want, got := run(direct), run(f.Through)
	if got != want {
		t.Errorf("through pgseal psql prints\n%s\nand directly\n%s", got, want)
	}
	if !strings.Contains(want, "a body") || !strings.Contains(want, "2\tcopied") || !strings.Contains(want, "55 | prepared") {
		t.Errorf("the script did not run:\n%s", want)
	}
}
