package clients_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/clienttest"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/proxy"
)

// bouncerPool is how many connections PgBouncer has to share.
const bouncerPool = 2

// TestPgBouncer plays sessions through PgBouncer in front of pgseal, and behind it.
func TestPgBouncer(t *testing.T) {
	for _, mode := range []string{"session", "transaction"} {
		t.Run("in front, "+mode, func(t *testing.T) {
			t.Parallel()
			f := proxytest.Start(t, proxytest.Options{Policy: itemsPolicy()})
			proxytest.Exec(t, f.Through, table)
			playPooled(t, startBouncer(t, f.Through, mode), mode)
			checkSealed(t, f.Direct, false)
		})
	}
	t.Run("behind, transaction", func(t *testing.T) {
		t.Parallel()
		f := startBeforeBouncer(t)
		proxytest.Exec(t, f.Through, table)
		playPooled(t, f.Through, "transaction")
		checkSealed(t, f.Direct, false)
	})
}

// startBeforeBouncer starts a pgseal whose clients' sessions go to a PgBouncer in
// transaction mode.
func startBeforeBouncer(t *testing.T) *proxytest.Fixture {
	t.Helper()
	database := pgtest.Database(t)
	bouncer := startBouncer(t, database, "transaction")
	return proxytest.Start(t, proxytest.Options{Database: database, Policy: itemsPolicy(), Change: func(c *proxy.Config) {
		var err error
		c.Upstream, err = upstream.New(upstream.Options{Addresses: []string{hostOf(t, bouncer)}, ConnectTimeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
	}})
}

// playPooled plays many sessions at once, each in all ways that do not need a
// connection of its own; in session mode as many as there are connections.
func playPooled(t *testing.T, dsn, mode string) {
	t.Helper()
	sessions := 8
	if mode == "session" {
		sessions = bouncerPool
	}
	ways := map[string]pgx.QueryExecMode{
		"simple": pgx.QueryExecModeSimpleProtocol, "extended": pgx.QueryExecModeExec, "described": pgx.QueryExecModeCacheDescribe,
	}
	if mode == "session" || bouncerPrepares(t) {
		ways["prepared"] = pgx.QueryExecModeCacheStatement
	} else {
		t.Logf("PgBouncer before 1.21 has no prepared statements in transaction mode: they are not played")
	}
	id := 0
	for name, way := range ways {
		var playing sync.WaitGroup
		for range sessions {
			id += 100
			first := id
			playing.Go(func() {
				if err := pooledSession(t.Context(), dsn, way, first); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		playing.Wait()
	}
}

// pooledSession writes and reads rows from id on: alone, in transactions, in a
// batch, by COPY and through a cursor.
func pooledSession(ctx context.Context, dsn string, way pgx.QueryExecMode, id int) error {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return err
	}
	config.DefaultQueryExecMode = way
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }()
	org := []string{"acme", "globex"}[id/100%2]
	for n := range 5 {
		secret := fmt.Sprintf("secret %d", id+n)
		if _, err := conn.Exec(ctx, "INSERT INTO items (id, org, t, i4) VALUES ($1, $2, $3, $4)", id+n, org, secret, n); err != nil {
			return fmt.Errorf("insert: %w", err)
		}
		if err := wantRow(ctx, conn, id+n, secret, n); err != nil {
			return err
		}
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			changed := secret + " changed"
			if _, err := tx.Exec(ctx, "UPDATE items SET t = $1 WHERE id = $2 AND org = $3", changed, id+n, org); err != nil {
				return fmt.Errorf("update: %w", err)
			}
			if err := wantRow(ctx, conn, id+n, changed, n); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, fmt.Sprintf("DECLARE named CURSOR FOR SELECT t FROM items WHERE id = %d", id+n)); err != nil {
				return fmt.Errorf("declare: %w", err)
			}
			var got string
			if err := tx.QueryRow(ctx, "FETCH 1 FROM named", pgx.QueryExecModeExec).Scan(&got); err != nil || got != changed {
				return fmt.Errorf("fetch: %q, %w", got, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	batch := &pgx.Batch{}
	for n := 10; n < 15; n++ {
		batch.Queue("INSERT INTO items (id, org, t, i4) VALUES ($1, $2, $3, $4)", id+n, org, "secret in a batch", n)
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("batch: %w", err)
	}
	if err := wantRow(ctx, conn, id+12, "secret in a batch", 12); err != nil {
		return err
	}
	copied := strings.NewReader(fmt.Sprintf("%d\t%s\tsecret copied\t20\n", id+20, org))
	if _, err := conn.PgConn().CopyFrom(ctx, copied, "COPY items (id, org, t, i4) FROM STDIN"); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return wantRow(ctx, conn, id+20, "secret copied", 20)
}

func wantRow(ctx context.Context, conn *pgx.Conn, id int, secret string, n int) error {
	var got string
	var number int
	if err := conn.QueryRow(ctx, "SELECT t, i4 FROM items WHERE id = $1", id).Scan(&got, &number); err != nil {
		return fmt.Errorf("select: %w", err)
	}
	if got != secret || number != n {
		return fmt.Errorf("row %d has %q and %d, want %q and %d", id, got, number, secret, n)
	}
	return nil
}

// TestPgBouncerSettings: behind pgseal, PgBouncer in transaction mode hands one
// client's settings to another. An org is taken from a setting only in the
// transaction that has set it.
func TestPgBouncerSettings(t *testing.T) {
	f := startBeforeBouncer(t)
	proxytest.Exec(t, f.Through, "CREATE TABLE tokens (id int PRIMARY KEY, meant text, t text)")
	var playing sync.WaitGroup
	refused := make([]int, 8)
	for i := range refused {
		org := []string{"acme", "globex"}[i%2]
		conn := connectPooled(t, f.Through)
		playing.Go(func() {
			for n := range 20 {
				id := i*1000 + 2*n
				if _, err := conn.Exec(t.Context(), "SET pgseal.org = '"+org+"'"); err != nil {
					t.Error(err)
				}
				const insert = "INSERT INTO tokens VALUES ($1, $2, $3)"
				switch _, err := conn.Exec(t.Context(), insert, id, org, "secret"); {
				case err == nil:
					t.Error("the setting of the session was taken")
				case strings.Contains(err.Error(), "0A000"):
					refused[i]++
				default:
					t.Error(err)
				}
				err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
					if _, err := tx.Exec(t.Context(), "SET LOCAL pgseal.org = '"+org+"'"); err != nil {
						return err
					}
					_, err := tx.Exec(t.Context(), insert, id+1, org, "secret")
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	playing.Wait()
	for i, n := range refused {
		if n != 20 {
			t.Errorf("session %d: %d statements were refused, want 20", i, n)
		}
	}
	rows := clienttest.ReadRows(t, f.Direct, `SELECT count(*), count(*) FILTER (WHERE k.org = r.meant) FROM tokens r
		JOIN pgseal.data_keys k ON k.id = ('x' || encode(substring(r.t::bytea, 5, 8), 'hex'))::bit(64)::bigint`)
	if len(rows) != 1 || rows[0] != "160|160|" {
		t.Errorf("rows, and those that are sealed for the org that was meant: %v, want 160 and 160", rows)
	}
}

// connectPooled connects without named statements.
func connectPooled(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	return proxytest.Connect(t, dsn+"&default_query_exec_mode=exec")
}

// startBouncer starts a PgBouncer in front of what a DSN leads to, and gives the
// DSN that leads through it.
func startBouncer(t *testing.T, dsn, mode string) string {
	t.Helper()
	path := bouncer(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	to, own := parseURL(t, dsn), parseURL(t, "postgres://"+address)
	folder := t.TempDir()
	file := filepath.Join(folder, "pgbouncer.ini")
	ini := fmt.Sprintf(`[databases]
* = host=%s port=%s user=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = %s
default_pool_size = %d
`, to.Hostname(), to.Port(), to.User.Username(), own.Port(), mode, bouncerPool)
	if bouncerPrepares(t) {
		ini += "max_prepared_statements = 100\n"
	}
	if err := os.WriteFile(file, []byte(ini), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{file}
	if os.Getuid() == 0 { // which it refuses to be
		args = []string{"-u", "nobody", file}
		for _, dir := range []string{folder, filepath.Dir(folder)} {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	var log strings.Builder
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("PgBouncer's log:\n%s", log.String())
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("PgBouncer does not listen: %v", err)
		}
	}
	to.Host = address
	return to.String()
}

// bouncer finds PgBouncer, which Debian has in a folder that is not on everybody's PATH.
func bouncer(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("pgbouncer is not on this machine: apt-get install pgbouncer")
	return ""
}

// bouncerVersion is "1.18.0" and the like.
func bouncerVersion(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), path, "--version").Output()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) < 2 {
		t.Fatalf("pgbouncer --version: %q, %v", out, err)
	}
	return fields[1]
}

// bouncerPrepares tells whether it has prepared statements in transaction mode.
func bouncerPrepares(t *testing.T) bool {
	t.Helper()
	parts := strings.Split(bouncerVersion(t, bouncer(t)), ".")
	major, err := strconv.Atoi(parts[0])
	if err != nil || len(parts) < 2 {
		t.Fatalf("PgBouncer's version is %q", parts)
	}
	minor, err := strconv.Atoi(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return major > 1 || major == 1 && minor >= 21
}
