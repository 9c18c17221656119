package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// target is one of the ways to do the same job.
type target struct {
	name string
	// what says in a line what the way is, for the report.
	what string
	dsn  func(tls bool) string
	// kind is whose tables it has: plain, sealed, pgp or aes.
	kind  string
	proxy *program // nil: none
	// Around a value on its way in and on its way out; %s is the value.
	in, out map[string]string // by type
}

// computes tells whether a function in the statement makes what is stored.
func (t *target) computes() bool { return t.in != nil }

// write is the SQL that makes what is stored of value.
func (t *target) write(value, typ string) string { return around(t.in[typ], value) }

// read is the SQL that makes the payload of the column.
func (t *target) read(column, typ string) string { return around(t.out[typ], column) }

func around(form, value string) string {
	if form == "" {
		return value
	}
	return strings.ReplaceAll(form, "%s", value)
}

// filled is the table that a case reads, empty the one that it writes.
func (t *target) filled(c Case) string { return fmt.Sprintf("%s_%s_%d", t.kind, c.Type, c.Size) }
func (t *target) empty(c Case) string  { return fmt.Sprintf("%s_%s_new", t.kind, c.Type) }

// column is the type of the payload's column.
func (t *target) column(typ string) string {
	if t.computes() {
		return "bytea"
	}
	return typ
}

// passphrase is what pgcrypto encrypts with: in the text of each statement, which
// is one of the reasons not to do so.
const passphrase = "'correct horse battery staple'"

// aesKey is a key of 256 bits.
const aesKey = `'\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'::bytea`

// pgp is pgcrypto's pgp_sym_encrypt with its defaults.
func pgp() (in, out map[string]string) {
	return map[string]string{
			"text":  "pgp_sym_encrypt(%s::text, " + passphrase + ")",
			"jsonb": "pgp_sym_encrypt((%s::jsonb)::text, " + passphrase + ")",
			"bytea": "pgp_sym_encrypt_bytea(%s::bytea, " + passphrase + ")",
		}, map[string]string{
			"text":  "pgp_sym_decrypt(%s, " + passphrase + ")",
			"jsonb": "pgp_sym_decrypt(%s, " + passphrase + ")::jsonb",
			"bytea": "pgp_sym_decrypt_bytea(%s, " + passphrase + ")",
		}
}

// aes is pgcrypto's raw AES in CBC mode, which nothing authenticates, with a
// random initialisation vector before it.
func aes() (in, out map[string]string) {
	seal := func(bytes string) string {
		return "(SELECT iv || encrypt_iv(" + bytes + ", " + aesKey + ", iv, 'aes-cbc/pad:pkcs') FROM gen_random_bytes(16) AS iv)"
	}
	open := "decrypt_iv(substr(%s, 17), " + aesKey + ", substr(%s, 1, 16), 'aes-cbc/pad:pkcs')"
	return map[string]string{
			"text":  seal("convert_to(%s::text, 'UTF8')"),
			"jsonb": seal("convert_to((%s::jsonb)::text, 'UTF8')"),
			"bytea": seal("%s::bytea"),
		}, map[string]string{
			"text":  "convert_from(" + open + ", 'UTF8')",
			"jsonb": "convert_from(" + open + ", 'UTF8')::jsonb",
			"bytea": open,
		}
}

// tables are the tables that the cases need of a kind, by name, with the types of
// their payloads; those to be filled first, with the sizes of their payloads.
type tables struct {
	filled map[string]Case
	empty  map[string]Case
}

func tablesOf(t *target, list []Case) tables {
	all := tables{filled: map[string]Case{}, empty: map[string]Case{}}
	for _, c := range list {
		if ops[c.Op].reads {
			all.filled[t.filled(c)] = c
		}
		if !ops[c.Op].reads || c.Op == "trace store" {
			all.empty[t.empty(c)] = c
		}
	}
	return all
}

// rowsOf is how many rows a table has that is read: no more than 256 MiB.
func rowsOf(c Case) int64 { return min(bulk, max(20, 256*mib/int64(c.Size))) }

// fill makes a kind's tables, through the target of that kind, and writes what is
// read later, through it too.
func fill(ctx context.Context, t *target, list []Case, tell func()) error {
	conn, err := pgx.Connect(ctx, t.dsn(false))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // the server ends later
	all := tablesOf(t, list)
	create := func(name, typ string) error {
		_, err := conn.PgConn().Exec(ctx, fmt.Sprintf("CREATE TABLE %s (id bigint PRIMARY KEY, org text NOT NULL, payload %s)", name, t.column(typ))).ReadAll()
		return err
	}
	for name, c := range all.empty {
		if err := create(name, c.Type); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	for name, c := range all.filled {
		if err := create(name, c.Type); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
		into := c
		into.Op, into.Bytes = "copy in", rowsOf(c)*int64(c.Size)
		w := newClient(conn, t, into, new(atomic.Int64))
		w.written = name
		if err := copyIn(ctx, w); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
		if _, err := conn.PgConn().Exec(ctx, "VACUUM ANALYZE "+name).ReadAll(); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
		tell()
	}
	return nil
}

// available tells whether pgcrypto is there: not every Postgres has it.
func available(ctx context.Context, conn *pgx.Conn, extension string) (bool, error) {
	_, err := conn.Exec(ctx, "CREATE EXTENSION IF NOT EXISTS "+extension)
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return false, nil
	}
	return err == nil, err
}
