package proxy_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/authquery"
	"github.com/pgseal/pgseal/internal/certtest"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/proxy"
)

// authRoles are the users of these tests.
const authRoles = `
SET password_encryption = 'scram-sha-256';
CREATE ROLE alice LOGIN PASSWORD 'wonderland';
CREATE ROLE "Bob ""the"" builder" LOGIN PASSWORD 'pa ss''word, =é';
CREATE ROLE nologin PASSWORD 'wonderland';
CREATE ROLE expired LOGIN PASSWORD 'wonderland' VALID UNTIL '2001-01-01';
CREATE ROLE nopassword LOGIN;
CREATE ROLE nohba LOGIN PASSWORD 'wonderland';
CREATE ROLE changing LOGIN PASSWORD 'pw-first';
SET password_encryption = 'md5';
CREATE ROLE mdfive LOGIN PASSWORD 'wonderland';`

// authHBA lets the superuser in, for pgseal's own login, and asks all others for
// the method.
func authHBA(method string) string {
	return "host all postgres 127.0.0.1/32 trust\nhost all nohba 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 " + method + "\n"
}

// loginOptions say how TestLogin's kind of pgseal stands between a client and a server.
type loginOptions struct {
	method                 string // of pg_hba.conf; scram-sha-256 when empty
	mode                   proxy.AuthMode
	clientTLS, upstreamTLS bool
	hba                    string // the whole of pg_hba.conf, instead of what follows from method
	query                  string
	ttl                    time.Duration
	ca                     *certtest.CA // nil: one of its own
	change                 func(*login, *proxy.Config)
	limits                 proxy.Limits
	like                   *login // whose server it has; nil: one of its own
}

// login is a Postgres with authRoles and a pgseal in front of it.
type login struct {
	*proxytest.Fixture
	server *postgres.Server
	ca     *certtest.CA
	caFile string
}

func startLogin(t *testing.T, o loginOptions) *login {
	t.Helper()
	if o.method == "" {
		o.method = "scram-sha-256"
	}
	if o.query == "" {
		o.query = authquery.DefaultQuery
	}
	if o.hba == "" {
		o.hba = authHBA(o.method)
	}
	if o.ca == nil {
		o.ca = certtest.NewCA(t)
	}
	l := &login{ca: o.ca}
	l.caFile = certtest.File(t, t.TempDir(), "ca.crt", l.ca.PEM)
	if o.like != nil {
		l.server, l.ca, l.caFile = o.like.server, o.like.ca, o.like.caFile
	} else {
		database := l.ca.Issue(t, certtest.Leaf{Name: "db", Hosts: []string{"127.0.0.1", "localhost"}})
		l.server = pgtest.Private(t, postgres.Options{
			HBA: o.hba, TLS: &postgres.TLS{Cert: database.Cert, Key: database.Key, CA: l.ca.PEM},
		})
		proxytest.Exec(t, l.server.DSN("postgres"), authRoles)
	}
	l.Fixture = proxytest.Start(t, proxytest.Options{
		Database: l.server.DSN("postgres"), Limits: o.limits,
		Change: func(c *proxy.Config) {
			mode := upstream.ModeDisable
			if o.upstreamTLS {
				mode = upstream.ModeVerifyFull
			}
			c.Upstream = dialer(t, upstream.Options{
				Addresses: []string{tcpAddress(l.server)}, TLS: upstream.TLS{Mode: mode, CA: map[bool]string{true: l.caFile}[o.upstreamTLS]},
			})
			if o.clientTLS {
				own := l.ca.Issue(t, certtest.Leaf{Name: "pgseal", Hosts: []string{"127.0.0.1", "localhost"}})
				c.TLS = &tls.Config{Certificates: []tls.Certificate{own.TLS(t)}, MinVersion: tls.VersionTLS12}
			}
			c.Auth.Mode = o.mode
			if o.mode == proxy.AuthSCRAM {
				c.Auth.Passwords = passwords(t, authquery.Config{DSN: l.server.DSN("postgres"), Query: o.query, TTL: o.ttl})
			}
			if o.change != nil {
				o.change(l, c)
			}
		},
	})
	return l
}

func passwords(t testing.TB, c authquery.Config) *authquery.Source {
	t.Helper()
	c.Timeout = 30 * time.Second
	s, err := authquery.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// port is of the one or the other.
func (l *login) port(t *testing.T, through bool) string {
	t.Helper()
	dsn := l.Direct
	if through {
		dsn = l.Through
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(config.Port)
}

// psql logs in by psql and gives what it prints, with the port taken out.
func (l *login) psql(t *testing.T, through bool, user, password, options string) string {
	t.Helper()
	path, err := exec.LookPath("psql")
	if err != nil {
		path = filepath.Join(l.server.BinDir(), "psql")
		if _, err := os.Stat(path); err != nil {
			t.Skip("psql is not on this machine")
		}
	}
	quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(user)
	cmd := exec.Command(path, "-X", "-w", "-At", "-c", "SELECT current_user, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", "-d",
		fmt.Sprintf("host=127.0.0.1 port=%s user='%s' dbname=postgres connect_timeout=60 %s", l.port(t, through), quoted, options))
	cmd.Env = []string{"PGPASSWORD=" + password, "PATH=/usr/bin:/bin", "HOME=/nonexistent"}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("psql: %v", err)
	}
	return portOf.ReplaceAllString(strings.TrimSpace(string(out)), "port N")
}

var portOf = regexp.MustCompile(`port \d+`)

// pgx logs in by pgx.
func (l *login) pgx(t *testing.T, through bool, user, password, options string) error {
	t.Helper()
	config, err := pgx.ParseConfig("host=127.0.0.1 dbname=postgres connect_timeout=60 port=" + l.port(t, through) + " " + options)
	if err != nil {
		t.Fatal(err)
	}
	config.User, config.Password = user, password
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var name string
	if err := conn.QueryRow(t.Context(), "SELECT current_user").Scan(&name); err != nil || name != user {
		return fmt.Errorf("logged in as %q: %w", name, err)
	}
	return nil
}

// loginCases are users and passwords, right ones and others.
var loginCases = []struct{ user, password string }{
	{"alice", "wonderland"}, {"alice", "looking-glass"}, {"alice", ""},
	{`Bob "the" builder`, "pa ss'word, =é"}, {`Bob "the" builder`, "wonderland"},
	{"nobody", "wonderland"}, {"nologin", "wonderland"}, {"nologin", "x"},
	{"expired", "wonderland"}, {"nopassword", "wonderland"}, {"nohba", "wonderland"},
	{"mdfive", "wonderland"}, {"mdfive", "x"}, {strings.Repeat("n", 100), "x"},
}

// TestLogin: whoever logs in to Postgres by password logs in through pgseal, and
// whoever does not is told the same, with TLS on any leg and none.
func TestLogin(t *testing.T) {
	for _, method := range []string{"scram-sha-256", "md5"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			var first *login
			for _, clientTLS := range []bool{false, true} {
				options := map[bool]string{false: "sslmode=disable", true: "sslmode=require"}[clientTLS]
				directly := make([]string, len(loginCases))
				for _, upstreamTLS := range []bool{false, true} {
					l := startLogin(t, loginOptions{method: method, mode: proxy.AuthSCRAM, clientTLS: clientTLS, upstreamTLS: upstreamTLS, ttl: time.Hour, like: first})
					first = l
					for i, c := range loginCases {
						if directly[i] == "" {
							directly[i] = l.psql(t, false, c.user, c.password, options)
						}
						got, want := l.psql(t, true, c.user, c.password, options), directly[i]
						if clientTLS != upstreamTLS { // what the server says of its own connection
							got, want = sslOf.ReplaceAllString(got, ""), sslOf.ReplaceAllString(want, "")
						}
						if got != want {
							t.Errorf("%s, upstream TLS %v: %s, %s: through pgseal psql prints\n%s\nand directly\n%s", options, upstreamTLS, c.user, c.password, got, want)
						}
					}
					if err := l.pgx(t, true, "alice", "wonderland", options); err != nil {
						t.Errorf("pgx: %v", err)
					}
					if err := l.pgx(t, true, "alice", "x", options); codeOf(err) != "28P01" {
						t.Errorf("pgx with a wrong password: %v", err)
					}
					noSecrets(t, l)
					if !strings.Contains(l.Log.String(), "level=DEBUG") {
						t.Error("the log does not have all levels")
					}
				}
			}
		})
	}
}

// sslOf is what psql prints of the server's TLS.
var sslOf = regexp.MustCompile(`\|[tf]$|, (no|SSL) encryption$`)

// longText is what a verifier, a key, a proof or a hash looks like in a log.
var longText = regexp.MustCompile(`[A-Za-z0-9+/]{30,}=*`)

// longUser is the one long name among the loginCases.
var longUser = regexp.MustCompile(`n{40,}`)

// noSecrets searches pgseal's log, of all levels.
func noSecrets(t *testing.T, l *login) {
	t.Helper()
	log := longUser.ReplaceAllString(l.Log.String(), "n")
	for _, secret := range []string{"wonderland", "looking-glass", "pa ss", "SCRAM-SHA-256$", "pw-"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q in it", secret)
		}
	}
	for _, found := range longText.FindAllString(log, -1) {
		if !strings.Contains(found, "/") || strings.HasSuffix(found, "=") {
			t.Errorf("the log has %q in it", found)
		}
	}
}

// TestFact09LoginByLibpq: libpq's ways to insist on the server's identity, through TLS
// on both legs.
func TestFact09LoginByLibpq(t *testing.T) {
	l := startLogin(t, loginOptions{mode: proxy.AuthSCRAM, clientTLS: true, upstreamTLS: true})
	full := "sslmode=verify-full sslrootcert=" + l.caFile
	for options, want := range map[string]string{
		"":                                  "alice|t", // sslmode=prefer, channel_binding=prefer
		"sslmode=require":                   "alice|t",
		full:                                "alice|t",
		full + " channel_binding=require":   "alice|t",
		full + " channel_binding=disable":   "alice|t",
		"sslmode=disable":                   "alice|t",
		"channel_binding=require":           "alice|t",
		"sslmode=disable gssencmode=prefer": "alice|t",
	} {
		if got := l.psql(t, true, "alice", "wonderland", options); got != want {
			t.Errorf("%s: psql prints %s, want %s", options, got, want)
		}
	}
	for _, binding := range []string{"prefer", "require", "disable"} {
		if err := l.pgx(t, true, "alice", "wonderland", full+" channel_binding="+binding); err != nil {
			t.Errorf("pgx, channel_binding=%s: %v", binding, err)
		}
	}
}

// TestTrustedPgseal: a server that trusts pgseal's address does not make pgseal
// trust its clients.
func TestTrustedPgseal(t *testing.T) {
	l := startLogin(t, loginOptions{method: "trust", mode: proxy.AuthSCRAM, clientTLS: true, upstreamTLS: true, ttl: time.Hour})
	const failed = `psql: error: connection to server at "127.0.0.1", port N failed: FATAL:  password authentication failed for user "%s"`
	for user, want := range map[string]string{"alice": "alice|t", "mdfive": "mdfive|t"} {
		if got := l.psql(t, true, user, "wonderland", "sslmode=require"); got != want {
			t.Errorf("%s: psql prints %s, want %s", user, got, want)
		}
	}
	if got := l.psql(t, true, "alice", "wonderland", "sslmode=require channel_binding=require"); got != "alice|t" {
		t.Errorf("channel_binding=require: %s", got)
	}
	for user, password := range map[string]string{"alice": "x", "mdfive": "x", "nobody": "x", "expired": "wonderland", "nopassword": "x", "postgres": "x"} {
		if got, want := l.psql(t, true, user, password, "sslmode=require"), fmt.Sprintf(failed, user); got != want {
			t.Errorf("%s: psql prints\n%s\nwant\n%s", user, got, want)
		}
	}
	// The password is right, and then the server has its say.
	got := l.psql(t, true, "nologin", "wonderland", "sslmode=require")
	if want := l.psql(t, false, "nologin", "wonderland", "sslmode=require"); got != want || !strings.Contains(want, "not permitted to log in") {
		t.Errorf("psql prints\n%s\nand directly\n%s", got, want)
	}
	// Nothing is taken from memory: there is no server to notice that it is old.
	proxytest.Exec(t, l.Direct, "ALTER ROLE alice PASSWORD 'pw-second'")
	if got, want := l.psql(t, true, "alice", "wonderland", "sslmode=require"), fmt.Sprintf(failed, "alice"); got != want {
		t.Errorf("the old password: psql prints\n%s\nwant\n%s", got, want)
	}
	if got := l.psql(t, true, "alice", "pw-second", "sslmode=require"); got != "alice|t" {
		t.Errorf("the new password: %s", got)
	}
	noSecrets(t, l)
}

// TestChangedPassword: what is in memory does not keep a new password out, nor let
// an old one in.
func TestChangedPassword(t *testing.T) {
	for method, encryption := range map[string]string{"scram-sha-256": "scram-sha-256", "md5": "md5"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			l := startLogin(t, loginOptions{method: method, mode: proxy.AuthSCRAM, clientTLS: true, upstreamTLS: true, ttl: time.Hour})
			proxytest.Exec(t, l.Direct, "SET password_encryption = '"+encryption+"'; ALTER ROLE changing PASSWORD 'pw-first'")
			try := func(user, password string, want string) {
				t.Helper()
				if err := l.pgx(t, true, user, password, "sslmode=require"); codeOf(err) != want || err == nil != (want == "") {
					t.Errorf("%s, %s: %v, want %s", user, password, err, want)
				}
			}
			try("changing", "pw-first", "")
			proxytest.Exec(t, l.Direct, "SET password_encryption = '"+encryption+"'; ALTER ROLE changing PASSWORD 'pw-second'")
			try("changing", "pw-second", "")
			try("changing", "pw-first", "28P01")
			try("changing", "pw-second", "")
			proxytest.Exec(t, l.Direct, "ALTER ROLE changing VALID UNTIL '2001-01-01'")
			try("changing", "pw-second", "28P01")
			proxytest.Exec(t, l.Direct, "ALTER ROLE changing VALID UNTIL 'infinity'")
			try("changing", "pw-second", "")
			try("latecomer", "pw-second", "28P01")
			proxytest.Exec(t, l.Direct, "SET password_encryption = '"+encryption+"'; CREATE ROLE latecomer LOGIN PASSWORD 'pw-second'")
			try("latecomer", "pw-second", "")
			// From one kind of verifier to the other.
			proxytest.Exec(t, l.Direct, "SET password_encryption = 'scram-sha-256'; ALTER ROLE changing PASSWORD 'pw-third'")
			try("changing", "pw-third", "")
			noSecrets(t, l)
		})
	}
}

// TestServerAsksForMore: pgseal has no password to give, and the client learns
// what to do about it.
func TestServerAsksForMore(t *testing.T) {
	l := startLogin(t, loginOptions{method: "password", mode: proxy.AuthSCRAM, clientTLS: true, upstreamTLS: true})
	got := l.psql(t, true, "alice", "wonderland", "sslmode=require")
	for _, part := range []string{"asks for a login that pgseal cannot make", "the password in clear text", "scram-sha-256, or set auth.mode: passthrough", "errors.md#server-login"} {
		if !strings.Contains(got, part) {
			t.Errorf("psql prints\n%s\nwithout %q", got, part)
		}
	}
}

// TestServerRefuses: what the server says goes to the client as it is.
func TestServerRefuses(t *testing.T) {
	l := startLogin(t, loginOptions{mode: proxy.AuthSCRAM, clientTLS: true, upstreamTLS: true})
	for user, options := range map[string]string{"alice": "dbname=nowhere", "nohba": "", "": "options=-cnothing=1"} {
		if user == "" {
			user = "alice"
		}
		options += " sslmode=require"
		want, got := l.psql(t, false, user, "wonderland", options), l.psql(t, true, user, "wonderland", options)
		if got != want || !strings.Contains(want, "FATAL") {
			t.Errorf("%s, %s: psql prints\n%s\nand directly\n%s", user, options, got, want)
		}
	}
}

// TestQueryFails: the client is told that it is not its fault, the log why.
func TestQueryFails(t *testing.T) {
	l := startLogin(t, loginOptions{mode: proxy.AuthSCRAM, query: "SELECT usename, passwd FROM no_such_table WHERE usename = $1"})
	err := l.pgx(t, true, "alice", "wonderland", "sslmode=disable")
	if codeOf(err) != "57P03" || strings.Contains(err.Error(), "no_such_table") {
		t.Errorf("%v, want 57P03 without details", err)
	}
	if log := l.Log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "no_such_table") {
		t.Errorf("the log does not say why:\n%s", log)
	}
}

// TestAnotherDatabasesPasswords: a verifier that is not the server's lets nobody
// in, and the log says what is wrong.
func TestAnotherDatabasesPasswords(t *testing.T) {
	query := strings.Replace(authquery.DefaultQuery, "rolpassword", "(SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = 'changing')", 1)
	l := startLogin(t, loginOptions{mode: proxy.AuthSCRAM, query: query})
	if err := l.pgx(t, true, "alice", "pw-first", "sslmode=disable"); codeOf(err) != "28P01" {
		t.Errorf("%v, want 28P01", err)
	}
	if !strings.Contains(l.Log.String(), "another verifier") {
		t.Error("the log does not say why")
	}
}

// TestLoginTakesTooLong: a client that does not answer is dropped without a word.
func TestLoginTakesTooLong(t *testing.T) {
	l := startLogin(t, loginOptions{mode: proxy.AuthSCRAM, limits: proxy.Limits{StartupTimeout: 500 * time.Millisecond}})
	c := rawConn(t, l.Through)
	c.start("alice")
	if typ, _ := c.read(); typ != 'R' {
		t.Fatalf("a message %q, want an authentication request", typ)
	}
	if rest := c.rest(); len(rest) > 0 {
		t.Errorf("the client is told %q", rest)
	}
}

// TestLoginEndsWithTheServer: shutting down does not wait for a password.
func TestLoginEndsWithTheServer(t *testing.T) {
	l := startLogin(t, loginOptions{mode: proxy.AuthSCRAM})
	c := rawConn(t, l.Through)
	c.start("alice")
	if typ, _ := c.read(); typ != 'R' {
		t.Fatalf("a message %q, want an authentication request", typ)
	}
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	if rest := c.rest(); !strings.Contains(string(rest), "57P03") {
		t.Errorf("the client is told %q, want 57P03", rest)
	}
}

// TestUnverifiedUpstream: the pgseal of these tests reaches its server by TLS that
// verifies it; another server is not even asked.
func TestUnverifiedUpstream(t *testing.T) {
	l := startLogin(t, loginOptions{mode: proxy.AuthSCRAM, change: func(_ *login, c *proxy.Config) {
		stranger := certtest.File(t, t.TempDir(), "ca.crt", certtest.NewCA(t).PEM)
		_, port, err := net.SplitHostPort(c.Upstream.Hosts()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		c.Upstream = dialer(t, upstream.Options{
			Addresses: []string{net.JoinHostPort("127.0.0.1", port)}, TLS: upstream.TLS{Mode: upstream.ModeVerifyFull, CA: stranger},
		})
	}})
	if err := l.pgx(t, true, "alice", "wonderland", "sslmode=disable"); codeOf(err) != "08006" {
		t.Errorf("%v, want 08006", err)
	}
}
