package authquery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/scram"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// roles of the tests; they belong to the whole server, so each has a name of its
// own and is dropped at the end.
const roles = `
SET password_encryption = 'scram-sha-256';
CREATE ROLE aq_scram LOGIN PASSWORD 'secret';
CREATE ROLE aq_nologin PASSWORD 'secret';
CREATE ROLE aq_expired LOGIN PASSWORD 'secret' VALID UNTIL '2001-01-01';
CREATE ROLE aq_valid LOGIN PASSWORD 'secret' VALID UNTIL 'infinity';
CREATE ROLE aq_none LOGIN;
CREATE ROLE "aq_Odd ""name""" LOGIN PASSWORD 'secret';
CREATE ROLE aq_long_ééééééééééééééééééééééééééé LOGIN PASSWORD 'secret';
CREATE ROLE aq_asker LOGIN PASSWORD 'secret';
SET password_encryption = 'md5';
CREATE ROLE aq_md5 LOGIN PASSWORD 'secret';`

const dropRoles = `DROP ROLE IF EXISTS aq_scram, aq_nologin, aq_expired, aq_valid, aq_none, "aq_Odd ""name""", aq_long_ééééééééééééééééééééééééééé, aq_asker, aq_md5`

func exec(t *testing.T, dsn, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

// database has the roles.
func database(t *testing.T) string {
	t.Helper()
	dsn := pgtest.Database(t)
	exec(t, dsn, dropRoles+";"+roles)
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), dsn)
		if err == nil {
			_, err = conn.Exec(context.Background(), "DROP OWNED BY aq_asker; "+dropRoles, pgx.QueryExecModeSimpleProtocol)
			_ = conn.Close(context.Background())
		}
		if err != nil {
			t.Error(err)
		}
	})
	return dsn
}

func source(t *testing.T, c Config) *Source {
	t.Helper()
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.Query == "" {
		c.Query = DefaultQuery
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestQuery(t *testing.T) {
	dsn := database(t)
	s := source(t, Config{DSN: dsn})
	for user, want := range map[string]string{
		"aq_scram": "scram", "aq_nologin": "scram", "aq_valid": "scram", `aq_Odd "name"`: "scram",
		"aq_long_ééééééééééééééééééééééééééé":     "scram",
		"aq_long_ééééééééééééééééééééééééééééééé": "the user's name can be nobody's",
		"aq_md5":     "md5",
		"aq_none":    "the user has no password",
		"aq_expired": "no such user, or the password has expired",
		"aq_nobody":  "no such user, or the password has expired",
		"":           "no such user, or the password has expired",
		"aq_\xff":    "the user's name can be nobody's",
	} {
		stored, err := s.Lookup(t.Context(), user, "")
		if err != nil {
			t.Errorf("%q: %v", user, err)
			continue
		}
		got := stored.Missing
		switch {
		case stored.SCRAM != nil && stored.MD5 == nil && got == "":
			got = "scram"
		case stored.SCRAM == nil && stored.MD5 != nil && got == "":
			got = "md5"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", user, got, want)
		}
		if stored.Iterations != scram.DefaultIterations {
			t.Errorf("%q: %d iterations", user, stored.Iterations)
		}
		stored.Zero()
	}
}

// TestFunction: a login without rights asks a function that has them.
func TestFunction(t *testing.T) {
	dsn := database(t)
	exec(t, dsn, `
CREATE SCHEMA pgseal_auth;
CREATE FUNCTION pgseal_auth.lookup(INOUT username name, OUT password text) RETURNS SETOF record
LANGUAGE sql SECURITY DEFINER SET search_path = '' AS
$$SELECT rolname, rolpassword FROM pg_catalog.pg_authid
  WHERE rolname = username AND NOT rolsuper AND (rolvaliduntil IS NULL OR rolvaliduntil >= pg_catalog.now())$$;
REVOKE ALL ON FUNCTION pgseal_auth.lookup FROM PUBLIC;
GRANT USAGE ON SCHEMA pgseal_auth TO aq_asker;
GRANT EXECUTE ON FUNCTION pgseal_auth.lookup TO aq_asker;`)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("aq_asker", "secret")
	_, err = source(t, Config{DSN: u.String()}).Lookup(t.Context(), "aq_scram", "")
	if refused := (*pgconn.PgError)(nil); !errors.As(err, &refused) || refused.Code != "42501" {
		t.Errorf("by the default query: %v, want 42501", err)
	}
	s := source(t, Config{DSN: u.String(), Query: "SELECT username, password FROM pgseal_auth.lookup($1)"})
	for user, found := range map[string]bool{"aq_scram": true, "aq_expired": false, "aq_nobody": false, "postgres": false} {
		if stored, err := s.Lookup(t.Context(), user, ""); err != nil || (stored.SCRAM != nil) != found {
			t.Errorf("%s: %v, %v", user, stored.Missing, err)
		}
	}
}

// TestQueriesThatDoNotFit: the error says why, and is no answer.
func TestQueriesThatDoNotFit(t *testing.T) {
	dsn := database(t)
	for query, want := range map[string]string{
		"SELEC": "syntax error",
		"SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1":             "one column",
		"SELECT 'postgres', rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1": "another user",
		"SELECT $1::text, 'x' FROM pg_catalog.generate_series(1, 3)":                  "several rows",
		"SELECT 1":                     "08P01",
		"SELECT $1::text, 1 / 0":       "division by zero",
		"SELECT $1::text FROM nothing": "does not exist",
	} {
		stored, err := source(t, Config{DSN: dsn, Query: query, TTL: time.Minute}).Lookup(t.Context(), "aq_scram", "")
		if err == nil || !strings.Contains(err.Error(), want) || stored.SCRAM != nil {
			t.Errorf("%s: %v, want … %s …", query, err, want)
		}
	}
	for what, stored := range map[string]string{
		"SCRAM-SHA-256$4096": "begins as a SCRAM verifier", "a password": "neither", "md5ABC": "neither",
	} {
		s := source(t, Config{DSN: dsn, Query: fmt.Sprintf("SELECT $1::text, '%s'", what)})
		if got, err := s.Lookup(t.Context(), "x", ""); err != nil || !strings.Contains(got.Missing, stored) {
			t.Errorf("%s: %s, %v", what, got.Missing, err)
		}
	}
	slow := source(t, Config{DSN: dsn, Query: "SELECT $1::text, 'x' FROM pg_catalog.pg_sleep(3600)", Timeout: 50 * time.Millisecond})
	if _, err := slow.Lookup(t.Context(), "x", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a query that takes forever: %v", err)
	}
	if _, err := New(Config{DSN: "postgres://u:hunter2@:x/"}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a bad DSN: %v", err)
	}
}

// TestAnswersAreKept, until somebody asks for a fresh one.
func TestAnswersAreKept(t *testing.T) {
	dsn := database(t)
	s := source(t, Config{DSN: dsn, TTL: time.Hour})
	version := "1"
	salt := func(ask func(context.Context, string, string) (Stored, error), user string) string {
		t.Helper()
		stored, err := ask(t.Context(), user, version)
		if err != nil {
			t.Fatal(err)
		}
		if stored.SCRAM == nil {
			return stored.Missing
		}
		defer stored.Zero()
		server := scram.NewServer(stored.SCRAM, nil)
		challenge, err := server.Challenge([]byte("n,,n=,r=a"))
		if err != nil {
			t.Fatal(err)
		}
		_, challenge, _ = bytes.Cut(challenge, []byte{','})
		return string(challenge)
	}
	before := salt(s.Lookup, "aq_scram")
	missing := salt(s.Lookup, "aq_new")
	exec(t, dsn, "ALTER ROLE aq_scram PASSWORD 'another'")
	if got := salt(s.Lookup, "aq_scram"); got != before {
		t.Error("the answer was not kept")
	}
	after := salt(s.Fresh, "aq_scram")
	if after == before {
		t.Error("the fresh answer is the old one")
	}
	if got := salt(s.Lookup, "aq_scram"); got != after {
		t.Error("the fresh answer was not kept")
	}
	exec(t, dsn, "CREATE ROLE aq_new PASSWORD 'x'")
	defer exec(t, dsn, "DROP ROLE aq_new")
	if got := salt(s.Lookup, "aq_new"); got != missing {
		t.Errorf("that there is no such user was not kept: %s", got)
	}
	if got := salt(s.Fresh, "aq_new"); got == missing {
		t.Error("the new user is not there")
	}
	exec(t, dsn, "ALTER ROLE aq_scram PASSWORD 'third'")
	version = "2"
	if got := salt(s.Lookup, "aq_scram"); got == after {
		t.Error("an answer of another version was given")
	}
	never := source(t, Config{DSN: dsn})
	before = salt(never.Lookup, "aq_scram")
	exec(t, dsn, "ALTER ROLE aq_scram PASSWORD 'fourth'")
	if got := salt(never.Lookup, "aq_scram"); got == before {
		t.Error("an answer was kept, with a TTL of zero")
	}
}

// TestLostConnection: a connection that died while nobody needed it is replaced.
func TestLostConnection(t *testing.T) {
	dsn := database(t)
	s := source(t, Config{DSN: dsn})
	for range 3 {
		if _, err := s.Lookup(t.Context(), "aq_scram", ""); err != nil {
			t.Fatal(err)
		}
		exec(t, dsn, "SELECT pg_catalog.pg_terminate_backend(pid, 60000) FROM pg_catalog.pg_stat_activity WHERE application_name = 'pgseal auth' AND datname = current_database()")
	}
}

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(10 * time.Second)
		put := func(user string) Stored {
			stored := Stored{MD5: []byte("md5" + user)}
			c.put(user, "", stored)
			return stored
		}
		first := put("a")
		got, ok := c.get("a", "")
		if !ok || string(got.MD5) != "md5a" {
			t.Fatal("not kept")
		}
		time.Sleep(6 * time.Second)
		second := put("a")
		if string(first.MD5) != "\x00\x00\x00\x00" {
			t.Error("what was replaced is not zeroed")
		}
		if string(got.MD5) != "md5a" {
			t.Error("the copy was zeroed with it")
		}
		time.Sleep(6 * time.Second)
		if _, ok := c.get("a", ""); !ok {
			t.Error("dropped by the first one's time")
		}
		time.Sleep(6 * time.Second)
		if _, ok := c.get("a", ""); ok || string(second.MD5) != "\x00\x00\x00\x00" {
			t.Error("kept for longer than its time, or not zeroed")
		}
		for i := range maxCached + 10 {
			put(fmt.Sprint(i))
		}
		if len(c.entries) != maxCached {
			t.Errorf("%d entries", len(c.entries))
		}
		c.clear()
		if len(c.entries) != 0 {
			t.Error("not cleared")
		}
	})
}
