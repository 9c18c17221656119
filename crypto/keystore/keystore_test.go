package keystore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var tester = Actor{Name: "tester", Process: "keystore_test"}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func mustExec(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// refused fails the test unless sql fails with the SQLSTATE.
func refused(t *testing.T, conn *pgx.Conn, code, sql string, args ...any) *pgconn.PgError {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql, args...)
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("%s: got %v, want SQLSTATE %s", sql, err, code)
	}
	return e
}

func open(t testing.TB, dsn string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// migrated gives the store of a fresh database.
func migrated(t testing.TB) (*Store, string) {
	t.Helper()
	dsn := pgtest.Database(t)
	if _, err := Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	return open(t, dsn), dsn
}

var allMigrations = []string{"domain/0001_sealed", "tables/0001_keys", "tables/0002_key_life", "tables/0003_audit_chain"}

func TestMigrateIsIdempotent(t *testing.T) {
	dsn := pgtest.Database(t)
	applied, err := Migrate(t.Context(), dsn)
	if err != nil || fmt.Sprint(applied) != fmt.Sprint(allMigrations) {
		t.Fatal(applied, err)
	}
	applied, err = Migrate(t.Context(), dsn)
	if err != nil || len(applied) != 0 {
		t.Fatal("again:", applied, err)
	}
}

func TestMigrateByManyAtOnce(t *testing.T) {
	dsn := pgtest.Database(t)
	var wg sync.WaitGroup
	results := make([][]string, 6)
	for i := range results {
		wg.Go(func() {
			var err error
			if results[i], err = Migrate(t.Context(), dsn); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	total := 0
	for _, r := range results {
		total += len(r)
	}
	if total != len(allMigrations) {
		t.Errorf("applied %v", results)
	}
}

// TestMigrateParts: the domain in one database, the tables in another.
func TestMigrateParts(t *testing.T) {
	upstream, keys := pgtest.Database(t), pgtest.Database(t)
	if applied, err := Migrate(t.Context(), upstream, Domain); err != nil || len(applied) != 1 {
		t.Fatal(applied, err)
	}
	if applied, err := Migrate(t.Context(), keys, Tables); err != nil || len(applied) != len(allMigrations)-1 {
		t.Fatal(applied, err)
	}
	if err := open(t, keys).Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := open(t, upstream).Check(t.Context()); !errors.Is(err, ErrNotInitialised) {
		t.Error(err)
	}
	mustExec(t, connect(t, upstream), "CREATE TABLE public.t (c pgseal.sealed)")
}

// TestMigrateWhateverTheSettings: a role's search_path, and names that shadow
// Postgres's own in it, change nothing.
func TestMigrateWhateverTheSettings(t *testing.T) {
	dsn := pgtest.Database(t)
	conn := connect(t, dsn)
	mustExec(t, conn, `CREATE SCHEMA evil;
		CREATE FUNCTION evil.octet_length(bytea) RETURNS integer LANGUAGE sql AS 'SELECT 1000';
		DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = evil, pg_catalog, pgseal', current_database()); END $$;
		DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET standard_conforming_strings = off', current_database()); END $$`)
	if _, err := Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	conn = connect(t, dsn)
	mustExec(t, conn, "CREATE TABLE public.t (c pgseal.sealed)")
	refused(t, conn, "23514", `INSERT INTO public.t VALUES (decode('5ea10100', 'hex'))`)
	s := open(t, dsn)
	if err := s.AddOrgKey(t.Context(), OrgKey{Org: "acme", Key: kms.Key{ARN: "local:a"}}, tester); err != nil {
		t.Error(err)
	}
}

func TestVersions(t *testing.T) {
	dsn := pgtest.Database(t)
	s := open(t, dsn)
	if _, err := s.OrgKey(t.Context(), "acme"); !errors.Is(err, ErrNotInitialised) {
		t.Errorf("before init: %v", err)
	}
	if _, err := Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	if _, err := s.OrgKeys(t.Context()); err != nil {
		t.Errorf("after init, without a restart: %v", err)
	}
	mustExec(t, connect(t, dsn), "INSERT INTO pgseal.schema_version (part, version, name) VALUES ('tables', 99, 'tables/0099_later')")
	var newer *NewerError
	if err := s.Check(t.Context()); !errors.As(err, &newer) || newer.Found != 99 || !strings.Contains(err.Error(), "use the newer pgseal") {
		t.Errorf("newer: %v", err)
	}
	if applied, err := Migrate(t.Context(), dsn); !errors.As(err, &newer) || applied != nil {
		t.Errorf("init on a newer one: %v, %v", applied, err)
	}
	if err := checkVersion(0); !errors.Is(err, ErrNotInitialised) {
		t.Error(err)
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dsn := "postgres://nobody@" + address + "/none?sslmode=disable"
	s := open(t, dsn) // that it is down does not matter yet
	if _, err := s.DataKey(t.Context(), 1); err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrNotInitialised) {
		t.Error(err)
	}
	if _, err := Migrate(t.Context(), dsn); err == nil {
		t.Error("Migrate succeeds")
	}
	if _, err := Open(t.Context(), "postgres://host:notaport/"); err == nil {
		t.Error("a bad dsn is accepted")
	}
}

// TestDomain is the second wall, tried straight on the database by a role that
// has no rights of its own.
func TestDomain(t *testing.T) {
	_, dsn := migrated(t)
	conn := connect(t, dsn)
	role := fmt.Sprintf("app_%d", conn.PgConn().PID())
	mustExec(t, conn, "CREATE ROLE "+role)
	t.Cleanup(func() {
		if _, err := conn.Exec(context.Background(), "RESET ROLE; DROP OWNED BY "+role+"; DROP ROLE "+role); err != nil {
			t.Error(err)
		}
	})
	mustExec(t, conn, "GRANT CREATE ON SCHEMA public TO "+role+"; SET ROLE "+role+"; SET search_path = public")
	mustExec(t, conn, "CREATE TABLE t (c pgseal.sealed)")

	const sealed = "5ea101000000000000000001000000000000000000000000a6c22c5122f4aec4d916dcdb485a497260a5817980"
	for what, hex := range map[string]string{
		"a sealed value": sealed, "an empty sealed value": sealed[:80], "a compressed one": "5ea10101" + sealed[8:],
	} {
		if _, err := conn.Exec(t.Context(), "INSERT INTO t VALUES (decode($1, 'hex'))", hex); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	mustExec(t, conn, "INSERT INTO t VALUES (NULL)")
	mustExec(t, conn, "INSERT INTO t VALUES ('\\x"+sealed+"'), ('\\x"+sealed+"'::pgseal.sealed)")
	for what, hex := range map[string]string{
		"plaintext": "4d792073656372657420746578742c2071756974652061206c6f6e67206f6e652c20796f752073656521",
		"nothing":   "", "the header alone": "5ea101000000000000000001", "a byte too few": sealed[:78],
		"another magic": "5ea2" + sealed[4:], "another format": "5ea102" + sealed[6:], "an unknown flag": "5ea10102" + sealed[8:],
	} {
		e := refused(t, conn, "23514", "INSERT INTO t VALUES (decode($1, 'hex'))", hex)
		if strings.Contains(fmt.Sprintf("%+v", *e), "secret") {
			t.Errorf("%s: the error shows the value: %+v", what, *e)
		}
	}
	for _, sql := range []string{
		"SELECT 1 FROM pgseal.org_keys", "SELECT 1 FROM pgseal.data_keys", "SELECT 1 FROM pgseal.audit_log",
		"SELECT 1 FROM pgseal.schema_version", "CREATE TABLE pgseal.mine ()", "SELECT pgseal.refuse_change()",
	} {
		refused(t, conn, "42501", sql)
	}
}

func TestOrgKeys(t *testing.T) {
	s, _ := migrated(t)
	ctx := t.Context()
	if _, err := s.OrgKey(ctx, "acme"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	want := OrgKey{Org: "acme", Name: "Acme's key", Key: kms.Key{ARN: "arn:aws:kms:eu-central-1:1:key/1"}, Description: "d", Region: "eu-central-1"}
	if err := s.AddOrgKey(ctx, want, tester); err != nil {
		t.Fatal(err)
	}
	if err := s.AddOrgKey(ctx, want, tester); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	if err := s.AddOrgKey(ctx, OrgKey{Org: "Bücher", Key: kms.Key{ARN: "local:b"}}, tester); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []OrgKey{{Org: "", Key: kms.Key{ARN: "local:x"}}, {Org: strings.Repeat("x", 256), Key: kms.Key{ARN: "local:x"}}, {Org: "x"}} {
		if err := s.AddOrgKey(ctx, bad, tester); err == nil {
			t.Errorf("accepted: %d bytes of org, arn %q", len(bad.Org), bad.ARN)
		}
	}
	got, err := s.OrgKey(ctx, "acme")
	if err != nil || got.Created.IsZero() || got.Updated.IsZero() {
		t.Fatal(got, err)
	}
	want.Origin, want.Replicas = Own, []string{}
	want.State, want.Epoch, want.Created, want.Updated = Enabled, got.Epoch, got.Created, got.Updated
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}

	epoch := got.Epoch
	for _, step := range []struct {
		state State
		grows bool
	}{{Enabled, false}, {Disabled, true}, {Disabled, false}, {Enabled, true}} {
		if err := s.SetOrgKeyState(ctx, "acme", step.state, tester); err != nil {
			t.Fatal(err)
		}
		got, err := s.OrgKey(ctx, "acme")
		if err != nil || got.State != step.state || (got.Epoch > epoch) != step.grows {
			t.Errorf("got %+v, %v, want %+v", got, err, step)
		}
		epoch = got.Epoch
	}
	if err := s.SetOrgKeyState(ctx, "hooli", Disabled, tester); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	all, err := s.OrgKeys(ctx)
	if err != nil || len(all) != 2 || all[0].Org != "acme" && all[1].Org != "acme" {
		t.Errorf("%+v, %v", all, err)
	}

	events, err := s.Events(ctx, "acme", 10)
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range events {
		if e.Actor != tester || e.Org != "acme" || e.At.IsZero() {
			t.Errorf("%+v", e)
		}
		actions = append(actions, e.Action)
	}
	if got := strings.Join(actions, ", "); got != "set key enabled, set key disabled, add key" {
		t.Errorf("audited: %s", got)
	}
	if last := events[len(events)-1]; last.Detail["arn"] != want.ARN {
		t.Errorf("%+v", last)
	}
}

func TestDataKeys(t *testing.T) {
	s, dsn := migrated(t)
	ctx := t.Context()
	if _, err := s.DataKey(ctx, 1); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := s.DataKey(ctx, 1<<63); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := s.NewestDataKey(ctx, "acme"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	want := DataKey{ID: 1<<63 - 1, Org: "acme", Wrapped: []byte{0, 1, 255}, KeyARN: "local:a", MintedBy: "p1"}
	copy(want.Commitment[:], bytes.Repeat([]byte{7}, 32))
	if err := s.InsertDataKey(ctx, want, Fence{}); !errors.Is(err, ErrChanged) {
		t.Error("a data key of an org without a key:", err)
	}
	if err := s.AddOrgKey(ctx, OrgKey{Org: "acme", Key: kms.Key{ARN: "local:a"}}, tester); err != nil {
		t.Fatal(err)
	}
	known := fence(t, s, "acme")
	if err := s.InsertDataKey(ctx, want, known); err != nil {
		t.Fatal(err)
	}
	if err := s.InsertDataKey(ctx, want, known); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	got, err := s.DataKey(ctx, want.ID)
	if err != nil || got.Created.IsZero() {
		t.Fatal(err)
	}
	want.Created = got.Created
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	later := want
	later.ID = 5
	if err := s.InsertDataKey(ctx, later, known); err != nil {
		t.Fatal(err)
	}
	if newest, err := s.NewestDataKey(ctx, "acme"); err != nil || newest.ID != 5 {
		t.Error(newest.ID, err)
	}

	conn := connect(t, dsn)
	refused(t, conn, "23514", "INSERT INTO pgseal.data_keys (id, org, wrapped, key_arn, commitment, minted_by) VALUES (0, 'acme', '', '', decode(repeat('00', 32), 'hex'), '')")
	refused(t, conn, "23514", "UPDATE pgseal.data_keys SET commitment = ''")
	refused(t, conn, "23514", "UPDATE pgseal.data_keys SET next_key_arn = 'x'")
	refused(t, conn, "23503", "DELETE FROM pgseal.org_keys") // never from under its data keys
}

func TestCanceled(t *testing.T) {
	s, _ := migrated(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.OrgKeys(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
