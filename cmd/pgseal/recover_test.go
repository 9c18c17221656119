package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgtest"
)

// gate stands in front of a server that is down until it is opened.
type gate struct {
	address string
	open    atomic.Bool
}

func newGate(t *testing.T, target string) *gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	g := &gate{address: listener.Addr().String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil || !g.open.Load() {
				_ = client.Close()
				if err == nil {
					_ = server.Close()
				}
				continue
			}
			pass := func(to, from net.Conn) {
				_, _ = io.Copy(to, from)
				_ = to.Close()
			}
			go pass(client, server)
			go pass(server, client)
		}
	}()
	return g
}

// behindGate gives a URL with a gate in front of its server.
func behindGate(t *testing.T, of string) (string, *gate) {
	t.Helper()
	u, err := url.Parse(of)
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t, u.Host)
	u.Host = g.address
	return u.String(), g
}

// TestServeRecovers: pgseal starts while the keystore is down, or of a newer version,
// and KMS is down; it serves what needs no keys, says in /readyz what is missing, and
// serves the rest as soon as it can be had.
func TestServeRecovers(t *testing.T) {
	dsn, keys := pgtest.Database(t), pgtest.Database(t)
	server, kms := startKMS(t)
	endpoint := strings.Split(kms, "'")[1]
	t.Setenv("TEST_KEYSTORE", keys)
	const withKeystore = "keystore: {dsn: '${TEST_KEYSTORE}'}\n"
	arn := createKey(t, server, kmsserver.KeyOptions{})
	setup := writeConfig(t, dsn, withKeystore+kms+policyText)
	pgseal(t, "init", "-c", setup).has(t, exitOK)
	pgseal(t, "keys", "add", "-c", setup, "--org", "acme", "--arn", arn).has(t, exitOK)

	keysURL, keystoreGate := behindGate(t, keys)
	kmsURL, kmsGate := behindGate(t, endpoint)
	t.Setenv("TEST_KEYSTORE", keysURL)
	kms = "kms: {health_interval: 50ms, aws: {endpoint: '" + kmsURL + "'}}\n"
	s := startServe(t, writeConfig(t, dsn, onFreePorts+withKeystore+kms+policyText))
	says := func(parts ...string) {
		t.Helper()
		until(t, s.log, func() bool {
			status, body := s.page(t, "/readyz")
			for _, part := range parts {
				if !strings.Contains(body, part) {
					return false
				}
			}
			return status == http.StatusOK
		})
	}
	conn := s.through(t, dsn)
	write := func() string {
		_, err := conn.Exec(t.Context(), "INSERT INTO spans (org_id, attributes) VALUES ('acme', $1)", `{"k": 1}`)
		var refused *pgconn.PgError
		if errors.As(err, &refused) {
			return refused.Code + " " + refused.Message
		}
		if err != nil {
			return err.Error()
		}
		return ""
	}
	says(`"state": "degraded"`, `"keystore": {`, `"state": "failing"`)
	if _, err := conn.Exec(t.Context(), "CREATE TABLE spans (org_id text, attributes jsonb)"); err != nil {
		t.Fatal(err)
	}
	if got := write(); got != "PS002 pgseal's keystore cannot be reached" {
		t.Errorf("while the keystore is down: %q", got)
	}
	var n int
	plain := func() {
		t.Helper()
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM spans WHERE org_id = 'acme'").Scan(&n); err != nil {
			t.Errorf("what needs no key: %v", err)
		}
	}
	plain()

	execute(t, keys, "INSERT INTO pgseal.schema_version (part, version, name) VALUES ('tables', 999, 'from the future')")
	keystoreGate.open.Store(true)
	says(`"state": "degraded"`, "is at version 999")
	if got := write(); got != "PS002 pgseal's keystore is not ready" {
		t.Errorf("while the keystore is of a newer version: %q", got)
	}
	plain()

	execute(t, keys, "DELETE FROM pgseal.schema_version WHERE version = 999")
	says(`"state": "degraded"`, `"org": "acme"`, `"state": "unreachable"`)
	if got := write(); got != `PS002 KMS cannot be reached for the key of org "acme"` {
		t.Errorf("while KMS is down: %q", got)
	}
	plain()

	kmsGate.open.Store(true)
	says(`"state": "ready"`)
	until(t, s.log, func() bool { return write() == "" })
	plain()
	if n != 1 {
		t.Errorf("%d rows", n)
	}
}
