package postgres

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func startTest(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func show(t *testing.T, dsn, setting string) string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var value string
	if err := conn.QueryRow(ctx, "SHOW "+setting).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestStartAndStop(t *testing.T) {
	s := startTest(t, Options{Settings: map[string]string{"application_name": "it's ours"}})
	dsn := s.DSN("postgres")
	for setting, want := range map[string]string{
		"fsync": "off", "synchronous_commit": "off", "max_connections": "200", "autovacuum": "off",
		"server_encoding": "UTF8", "TimeZone": "UTC", "application_name": "it's ours",
	} {
		if got := show(t, dsn, setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	socket := "postgres://postgres@/postgres?host=" + url.QueryEscape(s.SocketDir()) + "&port=" + s.base.Port()
	if got := show(t, socket, "data_directory"); got != s.DataDir() {
		t.Errorf("data_directory over the socket is %q, want %q", got, s.DataDir())
	}
	dir := s.SocketDir()
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Stop the folder is there: %v", err)
	}
	if err := s.Resume(context.Background()); err == nil {
		t.Error("a stopped server was started again")
	}
}

func TestHaltAndResume(t *testing.T) {
	s := startTest(t, Options{})
	dsn := s.DSN("postgres")
	for range 2 {
		if err := s.Halt(); err != nil {
			t.Fatal(err)
		}
	}
	if conn, err := pgx.Connect(context.Background(), dsn); err == nil {
		_ = conn.Close(context.Background())
		t.Fatal("a halted server takes connections")
	}
	for range 2 {
		if err := s.Resume(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	show(t, dsn, "port")
}

func TestResumeOnATakenPort(t *testing.T) {
	s := startTest(t, Options{})
	if err := s.Halt(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+s.base.Port())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := s.Resume(context.Background()); !errors.Is(err, errPortTaken) {
		t.Fatalf("got %v, want %v", err, errPortTaken)
	}
}

func TestAuth(t *testing.T) {
	for _, method := range []string{"scram-sha-256", "md5", "password"} {
		t.Run(method, func(t *testing.T) {
			s := startTest(t, Options{SuperUser: "boss", Password: "p@ss w/rd", Auth: method})
			show(t, s.DSN("postgres"), "port")
			wrong := *s.base
			wrong.Path, wrong.User = "/postgres", url.UserPassword("boss", "other")
			_, err := pgx.Connect(context.Background(), wrong.String())
			var pgErr *pgconn.PgError
			if !errors.As(err, &pgErr) || pgErr.Code != "28P01" {
				t.Fatalf("with a wrong password: %v, want 28P01", err)
			}
		})
	}
	if _, err := Start(context.Background(), Options{Auth: "secret handshake"}); err == nil {
		t.Error("an unknown method was taken")
	}
}

func TestTLS(t *testing.T) {
	cert, key := selfSigned(t)
	s := startTest(t, Options{TLS: &TLS{Cert: cert, Key: key}, HBA: "hostssl all all 127.0.0.1/32 trust\n"})
	show(t, s.DSN("postgres"), "ssl")
	plain := *s.base
	plain.Path, plain.RawQuery = "/postgres", "sslmode=disable"
	_, err := pgx.Connect(context.Background(), plain.String())
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "28000" {
		t.Fatalf("without TLS: %v, want 28000", err)
	}
}

func selfSigned(t *testing.T) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func TestLogStatementAll(t *testing.T) {
	s := startTest(t, Options{LogStatementAll: true})
	show(t, s.DSN("postgres"), "work_mem")
	log, err := os.ReadFile(s.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "SHOW work_mem") {
		t.Error("the log does not have the statement")
	}
}

func TestABadSettingIsShownAndLeavesNothing(t *testing.T) {
	_, err := Start(context.Background(), Options{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Fatalf("got %v, want an error that shows the log", err)
	}
}

func TestStartUnderACancelledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Start(ctx, Options{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
}

func TestExternal(t *testing.T) {
	s, err := External("postgres://u:p@example.test:7777/first?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.DSN("second"), "postgres://u:p@example.test:7777/second?sslmode=disable"; got != want {
		t.Errorf("DSN is %s, want %s", got, want)
	}
	if s.Port() != 7777 || !s.External() {
		t.Errorf("port %d, external %t", s.Port(), s.External())
	}
	if err := s.Halt(); err == nil {
		t.Error("a server of somebody else's was halted")
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("DataDir gave a folder")
		}
	}()
	s.DataDir()
}

func TestExternalRefuses(t *testing.T) {
	for _, dsn := range []string{"host=x password=canary", "://canary", "mysql://u:canary@h/d", "postgres://u:canary@h:no/d"} {
		_, err := External(dsn)
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v, want an error without the password", err)
		}
	}
}
