package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/certtest"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
)

// TestCheckOfAuth: what is wrong with authentication is told before a client
// finds out.
func TestCheckOfAuth(t *testing.T) {
	dsn := pgtest.Database(t)
	const scram = "auth:\n  mode: scram\n"
	for name, test := range map[string]struct {
		dsn, auth, want string
	}{
		"default query": {dsn, scram, "ok    auth      auth.query: runs; for postgres, whose login it is, it gives no password that can be used (the user has no password)\n"},
		"no right":      {withUser(t, dsn, "auth_check"), scram, "FAIL  auth      auth.query: ERROR: permission denied for table pg_authid (SQLSTATE 42501): no client can log in; give the login of auth.dsn the right to it, or name a function that has it (docs/configuration.md shows one)\n"},
		"function":      {withUser(t, dsn, "auth_check"), scram + "  query: SELECT username, password FROM pgseal_auth.lookup($1)\n", "ok    auth      auth.query: runs, and gives a password that can be used for auth_check, whose login it is\n"},
		"own login":     {withUser(t, dsn, "auth_check"), scram + "  dsn: " + dsn + "\n", "ok    auth      auth.query: runs; for postgres,"},
		"broken query":  {dsn, scram + "  query: SELECT $1::text\n", "FAIL  auth      auth.query: the query gives one column: the user's name and password are needed: no client can log in; see that the login of auth.dsn and the query are right\n"},
		"unreachable":   {dsn, scram + "  dsn: postgres://u:s3cret@127.0.0.1:1/d?sslmode=disable\n", "FAIL  auth      auth.query: failed to connect to `user=u database=d`: SERVER (127.0.0.1): dial error:"},
	} {
		t.Run(name, func(t *testing.T) {
			execute(t, dsn, "DROP ROLE IF EXISTS auth_check")
			execute(t, dsn, "SET password_encryption = 'scram-sha-256'")
			execute(t, dsn, "CREATE ROLE auth_check LOGIN PASSWORD 'x'")
			executeFunction(t, dsn)
			defer func() {
				execute(t, dsn, "DROP SCHEMA pgseal_auth CASCADE")
				execute(t, dsn, "DROP ROLE auth_check")
			}()
			file := writeConfig(t, test.dsn, test.auth+policyText)
			r := checked(t, file)
			if !strings.Contains(r.stdout, test.want) || strings.Contains(r.stdout, "s3cret") {
				t.Errorf("check prints\n%s\nwithout\n%s", r.stdout, test.want)
			}
		})
	}
	if r := checked(t, writeConfig(t, dsn, policyText)); strings.Contains(r.stdout, "auth") {
		t.Errorf("passthrough: check prints\n%s", r.stdout)
	}
}

// executeFunction makes the function of docs/configuration.md.
func executeFunction(t *testing.T, dsn string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```sql\nCREATE SCHEMA pgseal_auth;")
	text, _, found := strings.Cut(text, "```")
	if !found {
		t.Fatal("docs/configuration.md shows no function")
	}
	execute(t, dsn, "CREATE SCHEMA pgseal_auth")
	for statement := range strings.SplitSeq(text, ";\n") {
		execute(t, dsn, strings.ReplaceAll(statement, "TO pgseal", "TO auth_check"))
	}
}

// TestCheckOfTLSOnBothLegs: SCRAM cannot be passed through there.
func TestCheckOfTLSOnBothLegs(t *testing.T) {
	const both = "  tls: {mode: require}\ntls: {mode: allow, cert: cert.pem, key: key.pem}\n"
	for auth, want := range map[string]bool{"": true, "auth: {mode: scram}\n": false} {
		file := writeConfig(t, "postgres://u@127.0.0.1:1/d", both+auth+policyText)
		if r := checked(t, file); strings.Contains(r.stdout, "warn  config    auth.mode: passthrough, with TLS on both sides") != want {
			t.Errorf("%q: check prints\n%s", auth, r.stdout)
		}
	}
	file := writeConfig(t, "postgres://u@127.0.0.1:1/d", "  tls: {mode: require}\n"+policyText)
	if r := checked(t, file); strings.Contains(r.stdout, "auth.mode") {
		t.Errorf("TLS on one leg: check prints\n%s", r.stdout)
	}
}

// TestCheckOfACertificateToBindTo: one that clients cannot bind a login to is
// told of where it matters.
func TestCheckOfACertificateToBindTo(t *testing.T) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	files := "tls: {mode: allow, cert: " + certtest.File(t, folder, "c.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) +
		", key: " + certtest.File(t, folder, "k.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})) + "}\n"
	for auth, want := range map[string]bool{"": false, "auth: {mode: scram}\n": true} {
		r := checked(t, writeConfig(t, "postgres://u@127.0.0.1:1/d", files+auth+policyText))
		if strings.Contains(r.stdout, "warn  config    tls.cert: scram: a certificate signed by Ed25519") != want {
			t.Errorf("%q: check prints\n%s", auth, r.stdout)
		}
	}
}

// TestServeWithSCRAM: a client logs in by the configuration's means, through TLS
// on both legs, bound to pgseal's certificate.
func TestServeWithSCRAM(t *testing.T) {
	ca := certtest.NewCA(t)
	folder := t.TempDir()
	caFile := certtest.File(t, folder, "ca.crt", ca.PEM)
	database := ca.Issue(t, certtest.Leaf{Name: "db", Hosts: []string{"127.0.0.1"}})
	server := pgtest.Private(t, postgres.Options{
		Auth: "scram-sha-256", TLS: &postgres.TLS{Cert: database.Cert, Key: database.Key}, Password: "right",
	})
	dsn := pgtest.DatabaseOn(t, server)
	own := ca.Issue(t, certtest.Leaf{Name: "pgseal", Hosts: []string{"127.0.0.1"}})
	cert, key := own.Files(t, folder, "own")
	_, kms := startKMS(t)
	file := writeConfig(t, dsn, "  tls: {mode: verify-full, ca: "+caFile+"}\ntls: {mode: require, cert: "+cert+", key: "+key+"}\nauth: {mode: scram}\n"+onFreePorts+kms+policyText)
	pgseal(t, "init", "-c", file).has(t, exitOK)
	s := startServe(t, file)
	for password, want := range map[string]string{"right": "", "wrong": "28P01"} {
		config, err := pgx.ParseConfig("postgres://postgres@" + s.address + "/?sslmode=verify-full&channel_binding=require&sslrootcert=" + caFile)
		if err != nil {
			t.Fatal(err)
		}
		config.Database, config.Password = databaseOf(t, dsn), password
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %s; the log:\n%s", password, err, want, s.log)
		}
		if err == nil {
			_ = conn.Close(t.Context())
		}
	}
}

// TestServeWithCertificates: a client logs in without a password.
func TestServeWithCertificates(t *testing.T) {
	dsn := pgtest.Database(t)
	ca := certtest.NewCA(t)
	folder := t.TempDir()
	caFile := certtest.File(t, folder, "ca.crt", ca.PEM)
	cert, key := ca.Issue(t, certtest.Leaf{Name: "pgseal", Hosts: []string{"127.0.0.1"}}).Files(t, folder, "own")
	_, kms := startKMS(t)
	file := writeConfig(t, dsn, "tls: {mode: require, cert: "+cert+", key: "+key+", client_ca: "+caFile+"}\nauth: {mode: cert}\n"+onFreePorts+kms+policyText)
	pgseal(t, "init", "-c", file).has(t, exitOK)
	s := startServe(t, file)
	for name, want := range map[string]string{"postgres": "", "somebody": "28000"} {
		cert, key := ca.Issue(t, certtest.Leaf{Name: name}).Files(t, folder, name)
		conn, err := pgx.Connect(t.Context(), "postgres://postgres@"+s.address+"/"+databaseOf(t, dsn)+
			"?sslmode=verify-full&sslrootcert="+caFile+"&sslcert="+cert+"&sslkey="+key)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %s; the log:\n%s", name, err, want, s.log)
		}
		if err == nil {
			_ = conn.Close(t.Context())
		}
	}
}

func databaseOf(t *testing.T, dsn string) string {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return config.Database
}
