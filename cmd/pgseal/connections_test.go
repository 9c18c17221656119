package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/certtest"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
)

// securedDatabase is a server with TLS for 127.0.0.1, and its authority's file.
func securedDatabase(t *testing.T) (dsn, caFile string) {
	t.Helper()
	ca := certtest.NewCA(t)
	pair := ca.Issue(t, certtest.Leaf{Name: "db", Hosts: []string{"127.0.0.1"}})
	server := pgtest.Private(t, postgres.Options{TLS: &postgres.TLS{Cert: pair.Cert, Key: pair.Key}})
	return server.DSN("postgres"), certtest.File(t, t.TempDir(), "db-ca.crt", ca.PEM)
}

// TestServeOverTLS: TLS on both sides from the configuration, certificates that
// are read again on SIGHUP, and kept when the new ones are no good.
func TestServeOverTLS(t *testing.T) {
	dsn, dbCA := securedDatabase(t)
	ca := certtest.NewCA(t)
	folder := t.TempDir()
	write := func(serverName string) {
		ca.Issue(t, certtest.Leaf{Name: serverName, Hosts: []string{"127.0.0.1"}}).Files(t, folder, "server")
	}
	write("first")
	clientCert, clientKey := ca.Issue(t, certtest.Leaf{Name: "postgres"}).Files(t, folder, "client")
	caFile := certtest.File(t, folder, "ca.crt", ca.PEM)
	_, kms := startKMS(t)
	file := writeConfig(t, dsn, "  tls: {mode: verify-full, ca: "+dbCA+"}\n"+onFreePorts+kms+policyText+
		"tls: {mode: require, cert: "+folder+"/server.crt, key: "+folder+"/server.key, client_ca: "+caFile+", client_auth: require}\n")
	pgseal(t, "init", "-c", file).has(t, exitOK)

	// Lest a signal that comes too early ends the test.
	early := make(chan os.Signal, 1)
	signal.Notify(early, syscall.SIGHUP)
	defer signal.Stop(early)
	s := startServe(t, file)
	host, port, _ := strings.Cut(s.address, ":")
	login := "host=" + host + " port=" + port + " user=postgres dbname=postgres sslrootcert=" + caFile
	serverName := func() string {
		t.Helper()
		conn, err := pgconn.Connect(t.Context(), login+" sslmode=verify-full sslcert="+clientCert+" sslkey="+clientKey)
		if err != nil {
			t.Fatalf("%v; the log:\n%s", err, s.log)
		}
		defer func() { _ = conn.Close(context.Background()) }()
		results, err := conn.Exec(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").ReadAll()
		if err != nil || string(results[0].Rows[0][0]) != "t" {
			t.Errorf("the server sees no TLS: %v", err)
		}
		return conn.Conn().(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := serverName(); got != "first" {
		t.Errorf("the certificate is the one of %s", got)
	}
	for login, want := range map[string]string{
		login + " sslmode=disable":     "TLS only",
		login + " sslmode=verify-full": "connection requires a valid client certificate",
	} {
		if conn, err := pgconn.Connect(t.Context(), login); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
			if conn != nil {
				_ = conn.Close(context.Background())
			}
		}
	}

	write("second")
	reloadCertificates(t)
	until(t, s.log, func() bool { return serverName() == "second" })
	certtest.File(t, folder, "server.key", []byte("nonsense"))
	reloadCertificates(t)
	until(t, s.log, func() bool { return strings.Contains(s.log.String(), "the old ones stay in use") })
	if got := serverName(); got != "second" {
		t.Errorf("after a reload that failed the certificate is the one of %s", got)
	}
}

// reloadCertificates does what an operator does.
func reloadCertificates(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// TestServeOnAUnixSocket: under the name that libpq looks for, with the mode that
// was asked for, and gone at the end.
func TestServeOnAUnixSocket(t *testing.T) {
	dsn := pgtest.Database(t)
	_, kms := startKMS(t)
	folder, err := os.MkdirTemp("/tmp", "pgseal") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	file := writeConfig(t, dsn, "listen: {address: '127.0.0.1:0', unix_socket: "+folder+", unix_socket_mode: \"0700\"}\nadmin: {address: '127.0.0.1:0'}\n"+kms+policyText)
	pgseal(t, "init", "-c", file).has(t, exitOK)
	s := startServe(t, file)
	_, port, _ := strings.Cut(strings.TrimSuffix(s.address, ","), ":")
	socket := filepath.Join(folder, ".s.PGSQL."+port)
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o700 || info.Mode().Type() != fs.ModeSocket {
		t.Fatalf("%v, %v", info, err)
	}
	direct, err := pgconn.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgconn.Connect(t.Context(), "host="+folder+" port="+port+" user="+direct.User+" dbname="+direct.Database)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT 1").ReadAll(); err != nil {
		t.Error(err)
	}
	_ = conn.Close(t.Context())
	if _, err := listenUnix(socket, "0777"); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second pgseal on the same socket: %v", err)
	}
	s.stop()
	code := <-s.done
	s.done <- code
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestSocketsThatAreThere(t *testing.T) {
	folder, err := os.MkdirTemp("/tmp", "pgseal")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	left := filepath.Join(folder, "left")
	dead, err := net.Listen("unix", left)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	listener, err := listenUnix(left, "0770")
	if err != nil {
		t.Fatalf("a socket that a dead process has left: %v", err)
	}
	_ = listener.Close()
	for path, want := range map[string]string{
		certtest.File(t, folder, "file", nil):                   "no socket",
		filepath.Join(folder, strings.Repeat("x", 108)):         "longer than the",
		filepath.Join(folder, "no", "such", "folder", "socket"): "no such file or directory",
	} {
		if _, err := listenUnix(path, "0777"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if got, want := socketPath(folder, 6432), filepath.Join(folder, ".s.PGSQL.6432"); got != want {
		t.Errorf("in a folder: %s, want %s", got, want)
	}
}

// TestCheckOfServers: each one's TLS, role and certificate.
func TestCheckOfServers(t *testing.T) {
	dsn, ca := securedDatabase(t)
	settings, err := pgconn.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	first := net.JoinHostPort(settings.Host, strconv.Itoa(int(settings.Port)))
	readOnly := pgtest.Private(t, postgres.Options{Settings: map[string]string{"default_transaction_read_only": "on"}})
	second := "127.0.0.1:" + strconv.Itoa(readOnly.Port())
	t.Setenv("TEST_DSN", dsn)
	file := filepath.Join(t.TempDir(), "config.yaml")
	check := func(address, rest string) result {
		t.Helper()
		text := "upstream:\n  dsn: ${TEST_DSN}\n  address: " + address + "\n" + rest + policyText
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return pgseal(t, "check", "-c", file)
	}
	end := time.Now().Add(time.Hour).UTC().Format(time.DateOnly)
	check("["+first+", "+second+"]", "  tls: {mode: prefer}\n").has(t, exitFailed, // for want of a keystore
		"ok    database  upstream.address: "+first+" accepts connections, over TLS 1.3, and takes writes\n",
		"warn  database  upstream.address: the certificate of "+first+": the certificate is valid until "+end+" only\n",
		"ok    database  upstream.address: "+second+" accepts connections, without TLS, and is read-only\n",
		"warn  database  upstream.tls.mode: prefer: ")
	check(first, "  tls: {mode: verify-full, ca: "+ca+"}\n").has(t, exitFailed,
		"ok    config    upstream.tls.ca: "+ca+" has a root certificate that is valid\n",
		"accepts connections, over TLS 1.3, and takes writes\n")
	check(first, "  tls: {mode: verify-full}\n").has(t, exitFailed,
		"FAIL  database  upstream.address: upstream "+first+": TLS handshake: x509: certificate signed by unknown authority: ")
	check(first, "  tls: {mode: verify-full, ca: /no/such/file}\n").has(t, exitFailed,
		"FAIL  database  upstream.tls.ca: open /no/such/file: no such file or directory\n")
	check(second, "  target_session_attrs: read-write\n").has(t, exitFailed,
		"FAIL  database  upstream.target_session_attrs: read-write, and no server takes writes: clients are refused\n")
}

// TestExpiredAuthority: a file of roots whose last one has run out.
func TestExpiredAuthority(t *testing.T) {
	// A leaf stands in for a root: check looks at the dates only.
	old := certtest.NewCA(t).Issue(t, certtest.Leaf{Name: "old", End: time.Now().AddDate(0, 0, -1)})
	file := certtest.File(t, t.TempDir(), "roots", old.Cert)
	var out strings.Builder
	f := &findings{w: &out, area: "config"}
	checkAuthorities(f, "tls.client_ca", file)
	if !f.failed || !strings.Contains(out.String(), "FAIL  config    tls.client_ca: no root certificate in "+file+" is valid any more") {
		t.Errorf("%s", &out)
	}
	if pool := x509.NewCertPool(); !pool.AppendCertsFromPEM(old.Cert) {
		t.Error("the file has no certificate")
	}
}
