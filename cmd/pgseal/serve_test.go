package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgtest"
)

// output is what a running command has written so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// serving is a pgseal serve that runs in this process.
type serving struct {
	address, admin string
	log            *output
	stop           context.CancelFunc
	done           chan int // the exit code
}

// startServe runs serve until the test ends. The file must have port 0 for both
// of its listeners.
func startServe(t *testing.T, file string) *serving {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &serving{log: &output{}, stop: cancel, done: make(chan int, 1)}
	go func() {
		s.done <- run(ctx, []string{"serve", "-c", file}, strings.NewReader(""), io.Discard, s.log)
	}()
	t.Cleanup(func() {
		cancel()
		<-s.done
	})
	s.findAddresses(t)
	return s
}

// findAddresses waits until serve has told where it listens.
func (s *serving) findAddresses(t *testing.T) {
	t.Helper()
	line := regexp.MustCompile(`msg="?(serving|health and metrics)"? .*?address=(\S+)`)
	until(t, s.log, func() bool {
		if len(s.done) > 0 {
			t.Fatalf("serve has ended:\n%s", s.log)
		}
		for _, found := range line.FindAllStringSubmatch(s.log.String(), -1) {
			if found[1] == "serving" {
				s.address = found[2]
			} else {
				s.admin = found[2]
			}
		}
		return s.address != "" && s.admin != ""
	})
}

// until waits for something to become true.
func until(t *testing.T, log *output, done func() bool) {
	t.Helper()
	for range 3000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited in vain; the log:\n%s", log)
}

// through is a connection through pgseal, to the database of dsn.
func (s *serving) through(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(s.address, ":")
	direct, err := pgx.ParseConfig("host=" + host + " port=" + port + " sslmode=disable user=x")
	if err != nil {
		t.Fatal(err)
	}
	config.Host, config.Port, config.TLSConfig, config.Fallbacks = direct.Host, direct.Port, nil, nil
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatalf("%v; the log:\n%s", err, s.log)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (s *serving) page(t *testing.T, path string) (int, string) {
	t.Helper()
	r, err := http.Get("http://" + s.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

const onFreePorts = "listen: {address: '127.0.0.1:0'}\nadmin: {address: '127.0.0.1:0'}\n"

// TestServe goes the whole way: init, keys add, serve; a value through pgseal,
// what lies in the database, and the key turned off and on.
func TestServe(t *testing.T) {
	dsn := pgtest.Database(t)
	server, kms := startKMS(t)
	kms = strings.Replace(kms, "kms: {", "kms: {health_interval: 50ms, ", 1)
	file := writeConfig(t, dsn, onFreePorts+kms+policyText)
	arn := createKey(t, server, kmsserver.KeyOptions{})
	pgseal(t, "init", "-c", file).has(t, exitOK)
	pgseal(t, "keys", "add", "-c", file, "--org", "acme", "--arn", arn).has(t, exitOK)

	s := startServe(t, file)
	if status, body := s.page(t, "/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz: %d %s", status, body)
	}
	until(t, s.log, func() bool { status, _ := s.page(t, "/readyz"); return status == http.StatusOK })

	conn := s.through(t, dsn)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
			t.Fatalf("%s: %v; the log:\n%s", sql, err, s.log)
		}
	}
	const canary = "canary-7f3a"
	exec("CREATE TABLE spans (org_id text, attributes jsonb)")
	exec("INSERT INTO spans (org_id, attributes) VALUES ($1, $2)", "acme", `{"k": "`+canary+`"}`)
	var got string
	read := func() error { return conn.QueryRow(t.Context(), "SELECT attributes FROM spans").Scan(&got) }
	if err := read(); err != nil || !strings.Contains(got, canary) {
		t.Errorf("read %q, %v", got, err)
	}

	direct, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = direct.Close(context.Background()) }()
	var stored []byte
	if err := direct.QueryRow(t.Context(), "SELECT attributes::bytea FROM spans").Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(stored, []byte{0x5e, 0xa1, 1}) || bytes.Contains(stored, []byte(canary)) {
		t.Errorf("the database has %x", stored)
	}

	if err := server.Disable(arn); err != nil {
		t.Fatal(err)
	}
	until(t, s.log, func() bool {
		var refused *pgconn.PgError
		return errors.As(read(), &refused) && refused.Code == "PS001"
	})
	var ready struct {
		State string
		Orgs  []struct{ Org, State string }
	}
	until(t, s.log, func() bool {
		_, body := s.page(t, "/readyz")
		return json.Unmarshal([]byte(body), &ready) == nil && ready.State == "degraded"
	})
	if len(ready.Orgs) != 1 || ready.Orgs[0].Org != "acme" || ready.Orgs[0].State != "refused" {
		t.Errorf("/readyz: %+v", ready)
	}
	if err := server.Enable(arn); err != nil {
		t.Fatal(err)
	}
	until(t, s.log, func() bool { return read() == nil })

	_, metrics := s.page(t, "/metrics")
	for _, want := range []string{"pgseal_seals_total", "pgseal_opens_total", "pgseal_sessions{", "pgseal_kms_duration_seconds_count"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("%s is not in /metrics", want)
		}
	}
	s.stop()
	if code := <-s.done; code != exitOK {
		t.Errorf("exit code %d", code)
	}
	s.done <- 0 // for the cleanup
	if log := s.log.String(); strings.Contains(log, canary) {
		t.Errorf("the log has plaintext:\n%s", log)
	}
	// What the audit log was to have by then, it has: one open, however often it was read;
	// two when the hour has changed meanwhile.
	r := pgseal(t, "audit", "list", "--org", "acme", "-c", file)
	r.has(t, exitOK, "column=public.spans.attributes", "add key")
	if opens := strings.Count(r.stdout, "open data"); opens < 1 || opens > 2 || strings.Count(s.log.String(), `action="open data"`) != opens {
		t.Errorf("%d opens in the audit log:\n%s\nthe log:\n%s", opens, r.stdout, s.log)
	}
	pgseal(t, "audit", "verify", "-c", file).has(t, exitOK, "The audit log is whole: ")
}

// TestServeWithoutDatabase: it starts, and says what it waits for.
func TestServeWithoutDatabase(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	file := writeConfig(t, "postgres://u:s3cret@127.0.0.1:1/d", onFreePorts+policyText)
	s := startServe(t, file)
	until(t, s.log, func() bool {
		status, body := s.page(t, "/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "connection refused")
	})
	if status, _ := s.page(t, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d", status)
	}
	if strings.Contains(s.log.String(), "s3cret") {
		t.Errorf("the log has a password:\n%s", s.log)
	}
}

func TestServeThatCannotBegin(t *testing.T) {
	const dsn = "postgres://u@127.0.0.1:1/d"
	taken := startServe(t, writeConfig(t, dsn, onFreePorts+policyText)).address
	for name, test := range map[string]struct{ config, want string }{
		"port taken":       {"listen: {address: '" + taken + "'}\nadmin: {address: ''}\n", "pgseal: serve: listen.address: listen tcp " + taken + ": bind: address already in use\n"},
		"admin port taken": {"listen: {address: '127.0.0.1:0'}\nadmin: {address: '" + taken + "'}\n", "pgseal: serve: admin.address: listen tcp " + taken + ": bind: address already in use\n"},
		"no certificate":   {onFreePorts + "tls: {mode: require, cert: /nowhere/c.pem, key: /nowhere/k.pem}\n", "pgseal: serve: tls.cert, tls.key: open /nowhere/c.pem: no such file or directory\n"},
		"no local keys":    {onFreePorts + "kms: {provider: local, local: {file: /nowhere/keys.json}}\n", "pgseal: serve: kms.local.file: key file: open /nowhere/keys.json: no such file or directory; pgseal init makes it\n"},
	} {
		t.Run(name, func(t *testing.T) {
			pgseal(t, "serve", "-c", writeConfig(t, dsn, test.config+policyText)).want(t, exitFailed, "", test.want)
		})
	}
}

// TestKeysWhileServing: what keys does to an org reaches the sessions of a running
// pgseal, and no other org.
func TestKeysWhileServing(t *testing.T) {
	k := keysOn(t, onFreePorts)
	s := startServe(t, k.file)
	until(t, s.log, func() bool { status, _ := s.page(t, "/readyz"); return status == http.StatusOK })
	conn := s.through(t, k.dsn)
	if _, err := conn.Exec(t.Context(), "CREATE TABLE spans (org_id text, attributes jsonb)"); err != nil {
		t.Fatal(err)
	}
	write := func(org string) error {
		_, err := conn.Exec(t.Context(), "INSERT INTO spans (org_id, attributes) VALUES ($1, $2)", org, `{}`)
		return err
	}
	read := func(org string) error {
		var got string
		return conn.QueryRow(t.Context(), "SELECT attributes FROM spans WHERE org_id = $1 LIMIT 1", org).Scan(&got)
	}
	answers := func(err error, words string) bool {
		var refused *pgconn.PgError
		return errors.As(err, &refused) && strings.Contains(refused.Code+": "+refused.Message+" "+refused.Detail, words)
	}
	if err := write("acme"); !answers(err, "PS004: ") {
		t.Fatalf("without a key: %v", err)
	}
	for _, org := range []string{"acme", "globex"} {
		k.run("add", "--org", org, "--arn", createKey(t, k.server, kmsserver.KeyOptions{})).has(t, exitOK)
		until(t, s.log, func() bool { return write(org) == nil })
	}

	if err := read("acme"); err != nil {
		t.Error(err)
	}
	k.run("disable", "--org", "acme").has(t, exitOK)
	until(t, s.log, func() bool { return answers(read("acme"), "PS001: ") && answers(write("acme"), "PS001: ") })
	k.run("enable", "--org", "acme").has(t, exitOK)
	until(t, s.log, func() bool { return read("acme") == nil && write("acme") == nil })

	k.run("destroy", "--org", "acme", "--confirm", "acme").has(t, exitOK)
	until(t, s.log, func() bool { return answers(read("acme"), "destroyed on ") && answers(write("acme"), "destroyed on ") })
	if err := read("acme"); !answers(err, "PS001: ") {
		t.Error(err)
	}
	k.run("add", "--org", "acme", "--arn", createKey(t, k.server, kmsserver.KeyOptions{})).has(t, exitOK)
	until(t, s.log, func() bool { return write("acme") == nil })
	if err := read("acme"); !answers(err, "PS001: ") {
		t.Errorf("what was sealed before is there again: %v", err)
	}
	if err := read("globex"); err != nil {
		t.Errorf("the other org: %v", err)
	}
	// What is written of opened data does not crowd out what was changed.
	until(t, s.log, func() bool {
		return strings.Contains(pgseal(t, "audit", "list", "-c", k.file, "--org", "acme").stdout, "open data")
	})
	var shown keyJSON
	k.json(&shown, "show", "--org", "acme")
	var changes []string
	for _, c := range shown.Changes {
		changes = append(changes, c.Action)
	}
	if got, want := strings.Join(changes, ", "), "add key, destroy data keys, set key enabled, set key disabled, add key"; got != want {
		t.Errorf("changes: %s, want %s", got, want)
	}
}
