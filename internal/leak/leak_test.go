package leak_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/canary"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// way is a way of touching the sealed columns of notes. In its statements @ stands for
// the canary, as the inside of a literal, and # for a number of its own. Some are
// accepted, some refused; in none may the value reach the server.
type way struct {
	name     string
	literals []string   // statements with the value in their text, for both protocols
	params   []string   // statements with the value as parameter $1, declared as it comes
	arrays   []string   // the like with an array that has the value in it
	rows     [][]string // texts that one session sends one after another
}

// ways are all.
func ways() []way {
	var list []way
	for _, w := range [][]way{insertWays, updateWays, mergeWays, preparedWays, statementWays, copyWays, searchWays, definitionWays, relationWays} {
		list = append(list, w...)
	}
	return list
}

// number finds which canary a place has.
var number = regexp.MustCompile(`canary\d{6}`)

// house is the server, and what was tried on it.
type house struct {
	server   *postgres.Server
	canaries map[string]string    // canary -> the way and its statement
	ways     map[string]bool      // names of what was tried
	conns    map[string]*pgx.Conn // by DSN
	accepted int
}

func newHouse(t *testing.T) *house {
	return &house{server: startServer(t), canaries: map[string]string{}, ways: map[string]bool{}, conns: map[string]*pgx.Conn{}}
}

// TestNothingLeaks touches sealed columns in all ways, and searches.
func TestNothingLeaks(t *testing.T) {
	h := newHouse(t)
	f := proxytest.Start(t, proxytest.Options{Database: pgtest.DatabaseOn(t, h.server)})
	makeTables(t, f)
	for _, w := range ways() {
		h.play(t, f, w)
	}
	h.copies(t, f)
	h.messages(t, f)
	logs := append(h.conditions(t), f.Log)

	if len(h.ways) < 91 || h.accepted < 200 {
		t.Errorf("%d ways, and %d of %d statements accepted: the test tries too little", len(h.ways), h.accepted, len(h.canaries))
	}
	end := spill(t, f)
	files, found := h.search(t, f, logs...)
	end()
	err := pgtest.Report(fmt.Sprintf("leak: %d ways of touching a sealed column, %d statements, %d accepted and %d refused; %d files searched, %d values found",
		len(h.ways), len(h.canaries), h.accepted, len(h.canaries)-h.accepted, files, found))
	if err != nil {
		t.Error(err)
	}
	t.Run("the search finds what is planted", func(t *testing.T) { plant(t, h.server, f) })
}

// search looks for the canaries in all that the server and pgseals have kept.
func (h *house) search(t *testing.T, f *proxytest.Fixture, logs ...*proxytest.Log) (files, found int) {
	t.Helper()
	for dsn := range h.conns {
		h.leave(t, dsn)
	}
	proxytest.Exec(t, f.Direct, "CHECKPOINT")
	files = visit(t, h.server, func(name, place string, content []byte) {
		for _, around := range canary.In(content) {
			found++
			t.Errorf("%s (%s) has plaintext: %s\nof: %s", place, name, around, h.canaries[number.FindString(around)])
		}
	})
	for _, log := range logs {
		for _, around := range canary.In([]byte(log.String())) {
			found++
			t.Errorf("pgseal's own log has plaintext: %s\nof: %s", around, h.canaries[number.FindString(around)])
		}
	}
	return files, found
}

// startServer starts a server that logs all it can.
func startServer(t *testing.T) *postgres.Server {
	settings := map[string]string{
		"log_statement": "all", "log_parameter_max_length": "-1", "log_parameter_max_length_on_error": "-1", "log_min_error_statement": "debug5",
		"log_min_duration_statement": "0", "log_error_verbosity": "verbose", "log_min_messages": "debug1", "log_temp_files": "0",
		"log_lock_waits": "on", "deadlock_timeout": "20ms", "work_mem": "64kB", "wal_level": "logical", "wal_keep_size": "8GB", // no WAL is thrown away
	}
	if preload := contrib(t); preload != "" {
		settings["shared_preload_libraries"] = preload
		settings["auto_explain.log_min_duration"] = "0"
		settings["auto_explain.log_analyze"] = "on"
		settings["auto_explain.log_verbose"] = "on"
		settings["auto_explain.log_nested_statements"] = "on"
		settings["auto_explain.log_triggers"] = "on"
		settings["pg_stat_statements.track"] = "all"
		settings["pg_stat_statements.max"] = "20000"
	}
	return pgtest.Private(t, postgres.Options{Settings: settings})
}

// contrib names the modules that the server has of those that keep statements.
func contrib(t *testing.T) string {
	t.Helper()
	bin, err := postgres.Binaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, module := range []string{"auto_explain", "pg_stat_statements"} {
		for _, folder := range []string{"../lib", "../lib/postgresql"} {
			if _, err := os.Stat(filepath.Join(bin, folder, module+".so")); err == nil {
				have = append(have, module)
				break
			}
		}
	}
	return strings.Join(have, ",")
}

// next gives a statement with a canary of its own. Operators keep their @ and #.
func (h *house) next(name, statement string) (sql, value string) {
	value = canary.Text(len(h.canaries))
	h.canaries[value] = name + ": " + statement
	h.ways[name] = true
	number := fmt.Sprint(100 + len(h.canaries))
	return strings.NewReplacer("@@ ", "@@ ", "@> ", "@> ", "@? ", "@? ", "(@ ==", "(@ ==", "#>> ", "#>> ", "@", value, "#", number).Replace(statement), value
}

// run runs do on a connection, which the next one may get too.
func (h *house) run(t *testing.T, dsn, what string, do func(conn *pgx.Conn) error) {
	t.Helper()
	conn := h.conns[dsn]
	if conn == nil || conn.IsClosed() {
		var err error
		if conn, err = pgx.Connect(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
		h.conns[dsn] = conn
	}
	if do(conn) == nil {
		h.accepted++
	}
	if !conn.IsClosed() && conn.PgConn().TxStatus() != 'I' {
		if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
			t.Errorf("ROLLBACK behind %s: %v", what, err)
		}
	}
}

// alone is run on a connection that nothing else is run on.
func (h *house) alone(t *testing.T, dsn, what string, do func(conn *pgx.Conn) error) {
	t.Helper()
	h.leave(t, dsn)
	h.run(t, dsn, what, do)
	h.leave(t, dsn)
}

func (h *house) leave(t *testing.T, dsn string) {
	t.Helper()
	if conn := h.conns[dsn]; conn != nil {
		if err := conn.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	delete(h.conns, dsn)
}

// known are statements that EXECUTE finds prepared.
var known = map[string]string{
	"known":  "INSERT INTO notes (id, org_id, body) VALUES ((random() * 1000000000)::int, 'acme', $1)",
	"two":    "INSERT INTO notes (id, org_id, body) VALUES ((random() * 1000000000)::int, $1, $2)",
	"number": "INSERT INTO notes (id, org_id, n) VALUES ((random() * 1000000000)::int, 'acme', $1)",
}

// prepared is run, or alone, with a session that has prepared what a statement names.
func (h *house) prepared(t *testing.T, dsn, sql string, do func(conn *pgx.Conn) error) {
	t.Helper()
	upper := strings.ToUpper(sql)
	if !strings.Contains(upper, "EXECUTE") {
		run := h.run
		if strings.Contains(sql, "\x00") { // texts in a row, which may change settings
			run = h.alone
		}
		run(t, dsn, sql, do)
		return
	}
	h.alone(t, dsn, sql, func(conn *pgx.Conn) error {
		for name, statement := range known {
			if _, err := conn.Prepare(t.Context(), name, statement); err != nil {
				return err // under some conditions
			}
		}
		return do(conn)
	})
}

// playTexts plays what a way has of texts.
func (h *house) playTexts(t *testing.T, dsn string, w way) {
	t.Helper()
	for _, statement := range w.literals {
		sql, _ := h.next(w.name, statement)
		h.prepared(t, dsn, sql, func(conn *pgx.Conn) error {
			_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
			return err
		})
		sql, _ = h.next(w.name, statement)
		h.prepared(t, dsn, sql, func(conn *pgx.Conn) error {
			_, err := conn.PgConn().ExecParams(t.Context(), sql, nil, nil, nil, nil).Close()
			return err
		})
	}
	for _, texts := range w.rows {
		sql, _ := h.next(w.name, strings.Join(texts, "\x00"))
		h.prepared(t, dsn, sql, func(conn *pgx.Conn) error {
			var last error
			for _, text := range strings.Split(sql, "\x00") {
				_, last = conn.PgConn().Exec(t.Context(), text).ReadAll()
			}
			return last
		})
	}
}

func (h *house) play(t *testing.T, f *proxytest.Fixture, w way) {
	t.Helper()
	h.playTexts(t, f.Through, w)
	for _, statement := range w.params {
		for _, oid := range []uint32{0, 25, 1043, 3802, 705} {
			sql, value := h.next(w.name, statement)
			h.prepared(t, f.Through, sql, func(conn *pgx.Conn) error {
				_, err := conn.PgConn().ExecParams(t.Context(), sql, [][]byte{[]byte(value)}, []uint32{oid}, nil, nil).Close()
				return err
			})
		}
		sql, value := h.next(w.name, statement)
		h.prepared(t, f.Through, sql, func(conn *pgx.Conn) error {
			_, err := conn.Exec(t.Context(), sql, value)
			return err
		})
	}
	for _, statement := range w.arrays {
		for _, array := range []string{"{@}", "{NULL,@}", "{{@}}", "{@", "@"} {
			for _, oid := range []uint32{0, 1009, 1015, 1007, 705} {
				sql, value := h.next(w.name, statement)
				h.prepared(t, f.Through, sql, func(conn *pgx.Conn) error {
					param := []byte(strings.ReplaceAll(array, "@", value))
					_, err := conn.PgConn().ExecParams(t.Context(), sql, [][]byte{param}, []uint32{oid}, nil, nil).Close()
					return err
				})
			}
		}
	}
}

func TestWaysAreNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range ways() {
		if w.name == "" || seen[w.name] || len(w.literals)+len(w.params)+len(w.rows) == 0 {
			t.Errorf("way %q has no name, or one that is taken, or no statement", w.name)
		}
		seen[w.name] = true
		for _, statement := range w.literals {
			if !strings.Contains(statement, "@") {
				t.Errorf("%s: no canary in: %s", w.name, statement)
			}
		}
		for _, texts := range w.rows {
			if !strings.Contains(strings.Join(texts, ";"), "@") {
				t.Errorf("%s: no canary in: %q", w.name, texts)
			}
		}
		for _, statement := range append(w.params, w.arrays...) {
			if !strings.Contains(statement, "$1") {
				t.Errorf("%s: no parameter in: %s", w.name, statement)
			}
		}
	}
}
