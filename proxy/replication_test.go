package proxy_test

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// startWithWAL is a pgseal with the notes table, in front of a server whose WAL
// can be decoded.
func startWithWAL(t *testing.T) *proxytest.Fixture {
	t.Helper()
	server := pgtest.Private(t, postgres.Options{Settings: map[string]string{"wal_level": "logical", "max_wal_senders": "10", "max_replication_slots": "10"}})
	f := proxytest.Start(t, proxytest.Options{Database: server.DSN("postgres")})
	proxytest.Exec(t, f.Through, proxytest.NotesTable)
	return f
}

// replicate opens a replication connection.
func replicate(t *testing.T, dsn, kind string) *pgconn.PgConn {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), dsn+"&replication="+kind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// TestFact39ReplicationStreamsAreRelayed: logical decoding of a sealed table, by
// a client that knows nothing of pgseal, gives what is stored: the CopyBoth of
// both directions comes through as it is.
func TestFact39ReplicationStreamsAreRelayed(t *testing.T) {
	f := startWithWAL(t)
	proxytest.Exec(t, f.Through, "CREATE PUBLICATION p FOR TABLE notes")
	conn := replicate(t, f.Through, "database")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := pglogrepl.CreateReplicationSlot(ctx, conn, "s", "pgoutput", pglogrepl.CreateReplicationSlotOptions{Temporary: true}); err != nil {
		t.Fatal(err)
	}
	id, err := pglogrepl.IdentifySystem(ctx, conn)
	if err != nil || id.DBName != "postgres" {
		t.Fatalf("%+v, %v", id, err)
	}
	proxytest.Exec(t, f.Through, "INSERT INTO notes (id, org_id, title, body) VALUES (1, 'acme', 'a plain title', 'a sealed body')")
	proxytest.Exec(t, f.Through, "UPDATE notes SET body = 'another sealed body', title = 'the end' WHERE id = 1 AND org_id = 'acme'")
	if err := pglogrepl.StartReplication(ctx, conn, "s", 0, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", "publication_names 'p'"},
	}); err != nil {
		t.Fatal(err)
	}
	var stream []byte
	var last pglogrepl.LSN
	for !bytes.Contains(stream, []byte("the end")) {
		m, err := conn.ReceiveMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		data, ok := m.(*pgproto3.CopyData)
		if !ok {
			t.Fatalf("%T in the stream", m)
		}
		if data.Data[0] == pglogrepl.XLogDataByteID {
			x, err := pglogrepl.ParseXLogData(data.Data[1:])
			if err != nil {
				t.Fatal(err)
			}
			stream, last = append(stream, x.WALData...), x.WALStart
		}
	}
	if err := pglogrepl.SendStandbyStatusUpdate(ctx, conn, pglogrepl.StandbyStatusUpdate{WALWritePosition: last, ReplyRequested: true}); err != nil {
		t.Fatal(err)
	}
	// The answer comes through as well, and the stream ends as it should.
	for {
		m, err := conn.ReceiveMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if data, ok := m.(*pgproto3.CopyData); ok && data.Data[0] == pglogrepl.PrimaryKeepaliveMessageByteID {
			break
		}
	}
	if _, err := pglogrepl.SendStandbyCopyDone(ctx, conn); err != nil {
		t.Fatal(err)
	}
	if err := pglogrepl.DropReplicationSlot(ctx, conn, "s", pglogrepl.DropReplicationSlotOptions{}); err != nil {
		t.Errorf("the session after the stream: %v", err)
	}
	if !bytes.Contains(stream, []byte("a plain title")) || bytes.Contains(stream, []byte("sealed body")) || !bytes.Contains(stream, []byte(`\x5ea1`)) {
		t.Errorf("the stream has no sealed value, or a plain one: %q", stream)
	}
}

// TestSQLOnReplicationConnections: what is no replication command is planned as
// in every session, however it is dressed up; the server neither stores nor logs
// plaintext.
func TestSQLOnReplicationConnections(t *testing.T) {
	f := startWithWAL(t)
	simple := func(conn *pgconn.PgConn, sql string) (string, error) {
		results, err := conn.Exec(t.Context(), sql).ReadAll()
		if err != nil || len(results) == 0 || len(results[len(results)-1].Rows) == 0 {
			return "", err
		}
		row := results[len(results)-1].Rows[0]
		return string(row[len(row)-1]), nil
	}
	for _, dsn := range []string{f.Direct, f.Through} { // the oracle
		conn := replicate(t, dsn, "database")
		for sql, want := range map[string]string{
			"SHOW wal_level": "logical", " SHOW  wal_level ; ": "logical", "IDENTIFY_SYSTEM;": "postgres", "SELECT 1": "1", "SELECT 1; SELECT 2": "2",
		} {
			if got, err := simple(conn, sql); err != nil || got != want {
				t.Errorf("%s: %q, %v, want %q", sql, got, err, want)
			}
		}
		if _, err := simple(conn, "START_REPLICATION SLOT nowhere LOGICAL 0/0"); codeOf(err) != "42704" {
			t.Errorf("a slot that is not there: %v", err)
		}
		if _, err := conn.ExecParams(t.Context(), "SELECT 1", nil, nil, nil, nil).Close(); codeOf(err) != "08P01" {
			t.Errorf("the extended protocol: %v, want 08P01", err)
		}
	}

	conn := replicate(t, f.Through, "database")
	if _, err := simple(conn, "INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', 'secret-1')"); err != nil {
		t.Error(err)
	}
	if got, err := simple(conn, "SELECT body FROM notes WHERE id = 1"); err != nil || got != "secret-1" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := simple(conn, "SELECT id FROM notes WHERE body = 'secret-2'"); codeOf(err) != "0A000" {
		t.Errorf("a search: %v", err)
	}
	for _, sql := range []string{
		"IDENTIFY_SYSTEM; INSERT INTO notes (id, org_id, body) VALUES (2, 'acme', 'secret-3')",
		"SHOW wal_level; INSERT INTO notes (id, org_id, body) VALUES (2, 'acme', 'secret-4');",
		"-- IDENTIFY_SYSTEM\nINSERT INTO notes (id, org_id, body) VALUES (3, 'acme', 'secret-5')",
		"/* BASE_BACKUP */ INSERT INTO notes (id, org_id, body) VALUES (4, 'acme', 'secret-6')",
		"IDENTIFY_SYSTEM_ ; INSERT INTO notes (id, org_id, body) VALUES (5, 'acme', 'secret-7')",
	} {
		_, _ = simple(conn, sql) // some are errors; all that counts is what the server has seen
	}
	physical := replicate(t, f.Through, "true")
	if _, err := simple(physical, "INSERT INTO notes (id, org_id, body) VALUES (9, 'acme', 'secret-8')"); err == nil {
		t.Error("SQL on a physical replication connection is done")
	}
	if got, err := simple(physical, "SHOW wal_level"); err != nil || got != "logical" {
		t.Errorf("on a physical replication connection: %q, %v", got, err)
	}
	direct := proxytest.Connect(t, f.Direct)
	var folder, file string
	if err := direct.QueryRow(t.Context(), "SELECT current_setting('data_directory')").Scan(&folder); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(filepath.Dir(folder), "log")
	if log, err := os.ReadFile(file); err != nil || bytes.Contains(log, []byte("secret-")) || !bytes.Contains(log, []byte("syntax error")) {
		t.Errorf("the server's log has plaintext, or is not the right one: %v\n%.2000s", err, log)
	}
	var plain int
	if err := direct.QueryRow(t.Context(), "SELECT count(*) FROM notes WHERE encode(body, 'escape') LIKE '%secret%'").Scan(&plain); err != nil || plain != 0 {
		t.Errorf("%d plain values, %v", plain, err)
	}
}

// TestBaseBackup runs Postgres's own clients of physical replication through
// pgseal.
func TestBaseBackup(t *testing.T) {
	f := startWithWAL(t)
	proxytest.Exec(t, f.Through, "INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', 'a sealed body')")
	u, err := url.Parse(f.Through)
	if err != nil {
		t.Fatal(err)
	}
	backup, err := exec.LookPath("pg_basebackup")
	if err != nil {
		t.Skip("pg_basebackup is not on this machine")
	}
	version, err := exec.Command(backup, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	var major string
	if err := proxytest.Connect(t, f.Direct).QueryRow(t.Context(), "SELECT split_part(current_setting('server_version'), '.', 1)").Scan(&major); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(version, []byte(") "+major+".")) {
		t.Skipf("this machine's %s is not for version %s", bytes.TrimSpace(version), major)
	}
	folder := filepath.Join(t.TempDir(), "backup")
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, append([]string{"-h", u.Hostname(), "-p", u.Port(), "-U", "postgres"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", filepath.Base(name), err, out)
		}
	}
	run(backup, "-D", folder, "-X", "stream", "-c", "fast")
	if _, err := os.Stat(filepath.Join(folder, "backup_manifest")); err != nil {
		t.Error(err)
	}
	if files := search(t, folder, "a sealed body"); len(files) > 0 {
		t.Errorf("plaintext in %s", strings.Join(files, ", "))
	}

	wal := t.TempDir()
	var end string
	if err := proxytest.Connect(t, f.Direct).QueryRow(t.Context(), "SELECT pg_current_wal_lsn()::text").Scan(&end); err != nil {
		t.Fatal(err)
	}
	// pg_receivewal ends when it is past the end, and an idle server writes nothing for long.
	proxytest.Exec(t, f.Direct, "INSERT INTO plain VALUES (1, 'past the end')")
	run(strings.Replace(backup, "pg_basebackup", "pg_receivewal", 1), "-D", wal, "--endpos", end, "--no-loop")
	if entries, err := os.ReadDir(wal); err != nil || len(entries) == 0 {
		t.Errorf("%d files of WAL, %v", len(entries), err)
	}
}

// search gives the files below a folder that have text in them.
func search(t *testing.T, folder, text string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
