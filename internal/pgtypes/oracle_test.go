package pgtypes_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/policy"
)

// oracle is a Postgres that is asked what it makes of a value.
type oracle struct {
	t       *testing.T
	conn    *pgconn.PgConn
	version int // 15
	tables  map[string]string
	counted int
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	return oracleOn(t, pgtest.Database(t))
}

// oracleOn is an oracle in the database that a DSN names.
func oracleOn(t *testing.T, dsn string) *oracle {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	major, _, _ := strings.Cut(conn.ParameterStatus("server_version"), ".")
	version, err := strconv.Atoi(major)
	if err != nil {
		t.Fatalf("server_version: %v", err)
	}
	return &oracle{t: t, conn: conn, version: version, tables: make(map[string]string)}
}

func (o *oracle) exec(sql string) {
	o.t.Helper()
	if _, err := o.conn.Exec(o.t.Context(), sql).ReadAll(); err != nil {
		o.t.Fatalf("%s: %v", sql, err)
	}
}

// env is what the session says of values now.
func (o *oracle) env() *pgtypes.Env {
	status := o.conn.ParameterStatus
	return pgtypes.NewEnv(pgtypes.Settings{
		DateStyle: status("DateStyle"), IntervalStyle: status("IntervalStyle"), TimeZone: status("TimeZone"),
		ClientEncoding: status("client_encoding"), ServerVersion: o.version,
	})
}

// store assigns a parameter to a column of the type and gives it back.
func (o *oracle) store(typ string, declared uint32, value []byte, in, out pgtypes.Format) ([]byte, error) {
	o.t.Helper()
	table, ok := o.tables[typ]
	if !ok {
		table = fmt.Sprintf("t%d", len(o.tables))
		o.exec(fmt.Sprintf("CREATE TEMP TABLE %s (c %s)", table, typ))
		o.tables[typ] = table
	}
	var oids []uint32
	if declared != 0 {
		oids = []uint32{declared}
	}
	o.counted++
	r := o.conn.ExecParams(o.t.Context(), "INSERT INTO "+table+" VALUES ($1) RETURNING c", [][]byte{value}, oids,
		[]int16{int16(in)}, []int16{int16(out)}).Read()
	if r.Err != nil {
		return nil, r.Err
	}
	return r.Rows[0][0], nil
}

// ours does the same with the package.
func ours(typ string, declared uint32, value []byte, in, out pgtypes.Format, env *pgtypes.Env) ([]byte, error) {
	t, err := policy.ParseType(typ)
	if err != nil {
		return nil, err
	}
	c, err := pgtypes.For(t)
	if err != nil {
		return nil, err
	}
	canonical, err := pgtypes.Assign([]byte{}, value, in, declared, t, "c", env)
	if err != nil {
		return nil, err
	}
	return c.Append([]byte{}, canonical, out, env)
}

// describe is a result in a form that is compared: the bytes, or an error's
// fields.
func describe(value []byte, err error, f pgtypes.Format) string {
	var pg *pgconn.PgError
	var own *pgerr.Error
	switch {
	case errors.As(err, &pg):
		message := strings.TrimSuffix(pg.Message, " in bind parameter 1")
		return fmt.Sprintf("ERROR %s: %s|%s|%s", pg.Code, message, pg.Detail, pg.Hint)
	case errors.As(err, &own):
		return fmt.Sprintf("ERROR %s: %s|%s|%s", own.Code, own.Message, own.Detail, own.Hint)
	case err != nil:
		return "ERROR " + err.Error()
	case f == pgtypes.Binary:
		return hex.EncodeToString(value)
	}
	return string(value)
}

var formats = []pgtypes.Format{pgtypes.Text, pgtypes.Binary}

// check asks both for both formats of the result.
func (o *oracle) check(typ string, declared uint32, value []byte, in pgtypes.Format) {
	o.t.Helper()
	for _, out := range formats {
		theirs, err := o.store(typ, declared, value, in, out)
		want := describe(theirs, err, out)
		mine, err := ours(typ, declared, value, in, out, o.env())
		if got := describe(mine, err, out); got != want {
			o.t.Errorf("%s from %s (declared %d) to format %d:\n got %s\nwant %s", typ, show(value), declared, out, cut(got), cut(want))
		}
	}
}

// checkAll checks texts, and the binary form of those that Postgres takes.
func (o *oracle) checkAll(typ string, texts []string) {
	o.t.Helper()
	for _, text := range texts {
		o.check(typ, 0, []byte(text), pgtypes.Text)
		if b, err := o.store(typ, 0, []byte(text), pgtypes.Text, pgtypes.Binary); err == nil {
			o.check(typ, 0, b, pgtypes.Binary)
		}
	}
}

// refused are texts that Postgres takes and pgseal refuses, as docs/types.md says.
func (o *oracle) refused(typ string, texts []string) {
	o.t.Helper()
	for _, text := range texts {
		_, err := ours(typ, 0, []byte(text), pgtypes.Text, pgtypes.Text, o.env())
		var e *pgerr.Error
		if !errors.As(err, &e) || e.Code != pgerr.FeatureNotSupported {
			o.t.Errorf("%s from %q: %v, want 0A000", typ, text, err)
		}
	}
}

func show(value []byte) string {
	if !utf8.Valid(value) || strings.ContainsFunc(string(value), func(r rune) bool { return r < ' ' }) {
		return cut(fmt.Sprintf("%q", value))
	}
	return cut(string(value))
}

func cut(s string) string {
	if len(s) > 300 {
		return s[:150] + " … " + s[len(s)-150:]
	}
	return s
}
