package proxy_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/proxy"
)

const codeCancelRequest = 80877102

// cancelRelay stands between pgseal, or a client, and a server. It holds cancel
// requests back until the test lets them go.
type cancelRelay struct {
	address string
	arrived chan struct{} // a value a cancel request
	release chan struct{} // likewise
}

func startCancelRelay(t *testing.T, server string) *cancelRelay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	r := &cancelRelay{address: listener.Addr().String(), arrived: make(chan struct{}, 100), release: make(chan struct{}, 100)}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go r.relay(conn, server)
		}
	}()
	return r
}

func (r *cancelRelay) relay(conn net.Conn, server string) {
	defer func() { _ = conn.Close() }()
	head := make([]byte, 8)
	if _, err := io.ReadFull(conn, head); err != nil {
		return
	}
	if binary.BigEndian.Uint32(head[4:]) == codeCancelRequest {
		r.arrived <- struct{}{}
		<-r.release
	}
	up, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer func() { _ = up.Close() }()
	_, _ = up.Write(head)
	go func() { _, _ = io.Copy(up, conn); _ = up.(*net.TCPConn).CloseWrite() }()
	_, _ = io.Copy(conn, up)
}

// waitsForLock tells whether a session waits for a lock, as others see it.
func waitsForLock(t *testing.T, other *pgx.Conn, pid uint32) bool {
	t.Helper()
	var waits bool
	err := other.QueryRow(t.Context(), "SELECT wait_event_type IS NOT DISTINCT FROM 'Lock' FROM pg_stat_activity WHERE pid = $1", pid).Scan(&waits)
	if err != nil {
		t.Fatal(err)
	}
	return waits
}

// TestFact08LateCancel: a cancel request that is still on its way when its query
// ends does not hit the next one. Without pgseal it does: the same is played to
// Postgres first.
func TestFact08LateCancel(t *testing.T) {
	dsn := pgtest.Database(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	relay := startCancelRelay(t, u.Host)
	f := proxytest.Start(t, proxytest.Options{Database: dsn, Change: func(c *proxy.Config) {
		c.Upstream = dialer(t, upstream.Options{Addresses: []string{relay.address}})
	}})
	behind := *u
	behind.Host = relay.address
	for _, test := range []struct{ name, dsn, want string }{
		{"Postgres itself", behind.String(), "57014"},
		{"pgseal", f.Through, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn, other := proxytest.Connect(t, test.dsn), proxytest.Connect(t, dsn)
			pid := conn.PgConn().PID()
			run := func(sql string) <-chan error {
				done := make(chan error, 1)
				go func() { _, err := conn.Exec(context.Background(), sql); done <- err }()
				return done
			}
			lock := func(sql string) {
				t.Helper()
				if _, err := other.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			lock("SELECT pg_advisory_lock(1), pg_advisory_lock(2)")
			first := run("SELECT pg_advisory_lock(1)")
			eventually(t, "the first query", func() bool { return waitsForLock(t, other, pid) })
			canceled := make(chan error, 1)
			go func() { canceled <- conn.PgConn().CancelRequest(context.Background()) }()
			<-relay.arrived
			lock("SELECT pg_advisory_unlock(1)")
			if err := <-first; err != nil {
				t.Fatalf("the first query: %v", err)
			}
			second := run("SELECT pg_advisory_lock(2)")
			if test.want != "" {
				eventually(t, "the second query", func() bool { return waitsForLock(t, other, pid) })
			} else {
				time.Sleep(200 * time.Millisecond) // for it to get to the server, if it could
			}
			relay.release <- struct{}{}
			if err := <-canceled; err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				eventually(t, "the second query", func() bool { return waitsForLock(t, other, pid) })
				lock("SELECT pg_advisory_unlock(2)")
			}
			if err := <-second; codeOf(err) != test.want {
				t.Errorf("the second query: %v, want %q", err, test.want)
			}
		})
	}
}

// TestFact08HammeredCancels sends cancel requests against quick queries: whatever
// becomes of those, the query after a request is never hit. Postgres gives the
// same promise to a client that waits for the end of its request.
func TestFact08HammeredCancels(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{})
	for name, dsn := range map[string]string{"Postgres itself": f.Direct, "pgseal": f.Through} {
		t.Run(name, func(t *testing.T) {
			var sessions sync.WaitGroup
			var mu sync.Mutex
			outcomes := map[string]int{}
			for range 4 {
				conn := proxytest.Connect(t, dsn)
				sessions.Go(func() {
					for i := range 100 {
						canceled := make(chan error, 1)
						go func() { canceled <- conn.PgConn().CancelRequest(context.Background()) }()
						_, err := conn.Exec(context.Background(), fmt.Sprintf("SELECT pg_sleep(%f)", float64(i%10)/1000), pgx.QueryExecModeSimpleProtocol)
						if code := codeOf(err); err != nil && code != "57014" {
							t.Errorf("the query that is cancelled: %v", err)
							return
						}
						if err := <-canceled; err != nil {
							t.Errorf("the cancel request: %v", err)
							return
						}
						mu.Lock()
						outcomes[codeOf(err)]++
						mu.Unlock()
						var n int
						if err := conn.QueryRow(context.Background(), "SELECT count(*) FROM generate_series(1, 1000)").Scan(&n); err != nil || n != 1000 {
							t.Errorf("the query behind a cancel request: %v", err)
							return
						}
					}
				})
			}
			sessions.Wait()
			if outcomes["57014"] == 0 {
				t.Errorf("no query was cancelled: %v", outcomes)
			}
		})
	}
}

// TestFact08CancelIsNeverAnswered: in clear text and over TLS, to a session here,
// to one of another process, and to none.
func TestFact08CancelIsNeverAnswered(t *testing.T) {
	server, ca := secured(t, postgres.Options{})
	options := proxytest.Options{Database: server.DSN("postgres"), Change: func(c *proxy.Config) {
		c.TLS = selfSigned(t)
		c.Upstream = dialer(t, upstream.Options{
			Addresses: []string{"127.0.0.1:1", tcpAddress(server)}, TLS: upstream.TLS{Mode: upstream.ModeVerifyFull, CA: ca},
		})
	}}
	f, another := proxytest.Start(t, options), proxytest.Start(t, options)
	for _, test := range []struct {
		name   string
		to     string
		secure bool
	}{
		{"in clear text", f.Through, false},
		{"over TLS", f.Through, true},
		{"to another process", another.Through, false},
	} {
		conn := proxytest.Connect(t, plainly(f.Through))
		done := make(chan error, 1)
		go func() { _, err := conn.Exec(context.Background(), "SELECT pg_sleep(60)"); done <- err }()
		other := proxytest.Connect(t, f.Direct)
		eventually(t, "the query", func() bool {
			var active bool
			err := other.QueryRow(t.Context(), "SELECT state = 'active' AND wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $1", conn.PgConn().PID()).Scan(&active)
			return err == nil && active
		})
		if answer := sendCancelRequest(t, test.to, conn.PgConn(), test.secure); len(answer) > 0 {
			t.Errorf("%s: answered %q", test.name, answer)
		}
		if err := <-done; codeOf(err) != "57014" {
			t.Errorf("%s: %v, want 57014", test.name, err)
		}
	}
}

// sendCancelRequest asks pgseal to cancel what a session runs, and gives what it
// answers.
func sendCancelRequest(t *testing.T, dsn string, session *pgconn.PgConn, secure bool) []byte {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if secure {
		if _, err := conn.Write(packet(80877103, "")); err != nil {
			t.Fatal(err)
		}
		var answer [1]byte
		if _, err := io.ReadFull(conn, answer[:]); err != nil || answer[0] != 'S' {
			t.Fatalf("SSLRequest: %q, %v", answer, err)
		}
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	key := binary.BigEndian.AppendUint32(nil, session.PID())
	if _, err := conn.Write(packet(codeCancelRequest, string(key)+string(session.SecretKey()))); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil && !strings.Contains(err.Error(), "reset") && err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
	return answer
}

// TestCancelOfAQuestion: a cancel request that hits a question of pgseal's own,
// and a timeout that does, end the client's statement as they would without the
// question.
func TestCancelOfAQuestion(t *testing.T) {
	f := startWithNotes(t, proxytest.Options{})
	other := proxytest.Connect(t, f.Direct)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeCacheDescribe} {
		for _, how := range []string{"cancel", "timeout"} {
			t.Run(mode.String()+"/"+how, func(t *testing.T) {
				conn := proxytest.Connect(t, f.Through)
				tx, err := conn.Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, sql := range []string{"SET LOCAL statement_timeout = '500ms'", "CREATE TABLE fresh (id int)"} {
					if how == "cancel" && strings.HasPrefix(sql, "SET") {
						continue
					}
					if _, err := tx.Exec(t.Context(), sql); err != nil {
						t.Fatal(err)
					}
				}
				// After DDL pgseal reads the catalog in this transaction. It waits there.
				blocker, err := other.Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := blocker.Exec(t.Context(), "LOCK TABLE pg_catalog.pg_inherits IN ACCESS EXCLUSIVE MODE"); err != nil {
					t.Fatal(err)
				}
				done := make(chan error, 1)
				go func() {
					_, err := tx.Exec(context.Background(), "INSERT INTO notes (id, org_id, body) VALUES (77, 'acme', $1)", mode, "x")
					done <- err
				}()
				if how == "cancel" {
					eventually(t, "the question", func() bool { return waitsForLock(t, other, conn.PgConn().PID()) })
					if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				err = <-done
				if codeOf(err) != "57014" || !strings.Contains(err.Error(), "canceling statement due to") {
					t.Errorf("%v, want 57014", err)
				}
				if err := blocker.Rollback(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, err := tx.Exec(t.Context(), "SELECT 1"); codeOf(err) != "25P02" {
					t.Errorf("afterwards: %v, want 25P02", err)
				}
				if err := tx.Rollback(t.Context()); err != nil {
					t.Errorf("rollback: %v", err)
				}
			})
		}
	}
}
