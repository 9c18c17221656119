package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"text/template"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/postgres"
)

// bench is all that runs.
type bench struct {
	folder   string
	server   *postgres.Server
	kms      *kmsserver.Server
	pgseal   *program
	bouncer  *program
	targets  []*target
	left     []string       // what is not measured on this machine, and why
	stops    []func() error // in the order of starting
	postgres int            // pid of the postmaster
	metrics  string         // URL of pgseal's
	startup  time.Duration  // until pgseal took a client
	ids      atomic.Int64   // of rows that are written
	version  string         // of Postgres
}

// settings are Postgres's. What a commit waits for the disk would hide what a
// proxy costs, so nothing waits for it; nor does a checkpoint come between.
var settings = map[string]string{
	"max_connections": "3000", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "1GB",
	"max_wal_size": "16GB", "checkpoint_timeout": "1h", "autovacuum": "off",
}

// setUp starts everything, and makes the tables that the cases need. tell is told
// of each step.
func setUp(ctx context.Context, list []Case, tell func(string)) (_ *bench, err error) {
	b := &bench{}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.tearDown())
		}
	}()
	if b.folder, err = os.MkdirTemp("", "pgseal-bench-"); err != nil {
		return nil, err
	}
	b.stops = append(b.stops, func() error { return os.RemoveAll(b.folder) })
	if err := os.Chmod(b.folder, 0o755); err != nil { // for PgBouncer, which is another user when we are root
		return nil, err
	}
	cert, err := makeCertificate(b.folder)
	if err != nil {
		return nil, err
	}
	tell("Postgres")
	b.server, err = postgres.Start(ctx, postgres.Options{Settings: settings, TLS: &postgres.TLS{Cert: cert.cert, Key: cert.key}})
	if err != nil {
		return nil, err
	}
	b.stops = append(b.stops, b.server.Stop)
	direct := b.server.DSN("postgres")
	tell("PgBouncer")
	bouncer, through, err := startBouncer(ctx, b.folder, direct, cert)
	if err != nil {
		return nil, err
	}
	if bouncer == nil {
		b.left = append(b.left, "PgBouncer: it is not installed")
	} else {
		b.bouncer = bouncer
		b.stops = append(b.stops, bouncer.stop)
	}
	tell("pgseal")
	sealed, err := b.startPgseal(ctx, direct, cert, list)
	if err != nil {
		return nil, err
	}
	crypto, err := b.look(ctx, direct)
	if err != nil {
		return nil, err
	}
	b.targets = b.ways(direct, through, sealed, crypto)
	kinds := map[string]bool{}
	for _, t := range b.targets {
		// The direct way fills what pgseal relays; pgseal fills what it seals.
		if kinds[t.kind] {
			continue
		}
		kinds[t.kind] = true
		if err := fill(ctx, t, list, func() { tell("rows of " + t.name) }); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// ways are the targets that this machine has.
func (b *bench) ways(direct, bouncer, sealed string, crypto bool) []*target {
	to := func(dsn string) func(bool) string {
		return func(tls bool) string {
			if tls {
				return withParameter(dsn, "sslmode", "require")
			}
			return withParameter(dsn, "sslmode", "disable")
		}
	}
	list := []*target{{name: "direct", kind: "plain", dsn: to(direct), what: "straight to Postgres"}}
	if b.bouncer != nil {
		list = append(list, &target{name: "PgBouncer", kind: "plain", dsn: to(bouncer), proxy: b.bouncer,
			what: "session mode: what a proxy costs that relays and does nothing else"})
	}
	list = append(list,
		&target{name: "pgseal, relaying", kind: "plain", dsn: to(sealed), proxy: b.pgseal, what: "tables without sealed columns"},
		&target{name: "pgseal, sealing", kind: "sealed", dsn: to(sealed), proxy: b.pgseal, what: "the payload is sealed on its way in, and opened on its way out"})
	if crypto {
		in, out := pgp()
		list = append(list, &target{name: "pgcrypto, PGP", kind: "pgp", dsn: to(direct), in: in, out: out,
			what: "pgp_sym_encrypt and pgp_sym_decrypt in the statements, defaults"})
		in, out = aes()
		list = append(list, &target{name: "pgcrypto, AES", kind: "aes", dsn: to(direct), in: in, out: out,
			what: "encrypt_iv and decrypt_iv in the statements, AES-256-CBC, a random vector, nothing authenticated"})
	}
	return list
}

// look finds out what the database is.
func (b *bench) look(ctx context.Context, dsn string) (crypto bool, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // the server ends later
	if err := conn.QueryRow(ctx, "SHOW server_version").Scan(&b.version); err != nil {
		return false, err
	}
	pid, err := os.ReadFile(filepath.Join(b.server.DataDir(), "postmaster.pid"))
	if err != nil {
		return false, err
	}
	if _, err := fmt.Sscan(string(pid), &b.postgres); err != nil {
		return false, fmt.Errorf("postmaster.pid: %w", err)
	}
	if crypto, err = available(ctx, conn, "pgcrypto"); err == nil && !crypto {
		b.left = append(b.left, "pgcrypto: this Postgres does not have it")
	}
	return crypto, err
}

// tearDown stops everything, the last first.
func (b *bench) tearDown() error {
	var errs []error
	for i := len(b.stops) - 1; i >= 0; i-- {
		errs = append(errs, b.stops[i]())
	}
	b.stops = nil
	return errors.Join(errs...)
}

var configuration = template.Must(template.New("config").Parse(`listen: {address: "{{.Listen}}"}
tls: {mode: allow, cert: "{{.Cert}}", key: "{{.Key}}"}
upstream:
  address: "{{.Upstream}}"
  dsn: "{{.DSN}}"
kms:
  provider: aws
  aws: {region: eu-central-1, endpoint: "{{.KMS}}"}
admin: {address: "{{.Admin}}"}
limits: {clients: 2000}
telemetry: {log: {level: warn}}
policy:
  tables:
{{- range $name, $type := .Tables}}
    public.{{$name}}:
      org: {column: org}
      columns: {payload: {type: {{$type}}}}
{{- end}}
`))

// startPgseal builds pgseal as a release is built, and has it serve. It gives the
// DSN through it.
func (b *bench) startPgseal(ctx context.Context, direct string, cert certificate, list []Case) (string, error) {
	binary := filepath.Join(b.folder, "pgseal")
	if said, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/pgseal/pgseal/cmd/pgseal").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build pgseal: %w\n%s", err, said)
	}
	b.kms = kmsserver.New(kmsserver.Options{})
	b.stops = append(b.stops, b.kms.Close)
	arn, err := b.kms.CreateKey(kmsserver.KeyOptions{Description: "acme"})
	if err != nil {
		return "", err
	}
	endpoint, err := b.kms.Listen("127.0.0.1:0")
	if err != nil {
		return "", err
	}
	listen, err := freeAddress()
	if err != nil {
		return "", err
	}
	admin, err := freeAddress()
	if err != nil {
		return "", err
	}
	b.metrics = "http://" + admin + "/metrics"
	to, err := url.Parse(direct)
	if err != nil {
		return "", errors.New("the database's DSN is not a URL")
	}
	sealed := map[string]string{}
	all := tablesOf(&target{kind: "sealed"}, list)
	for _, some := range []map[string]Case{all.filled, all.empty} {
		for name, c := range some {
			sealed[name] = c.Type
		}
	}
	var text strings.Builder
	if err := configuration.Execute(&text, map[string]any{
		"Listen": listen, "Admin": admin, "Cert": cert.certFile, "Key": cert.keyFile, "Upstream": to.Host, "DSN": direct, "KMS": endpoint, "Tables": sealed,
	}); err != nil {
		return "", err
	}
	config := filepath.Join(b.folder, "pgseal.yaml")
	if err := os.WriteFile(config, []byte(text.String()), 0o600); err != nil {
		return "", err
	}
	credentials, err := b.kms.Credentials().Retrieve(ctx)
	if err != nil {
		return "", err
	}
	env := append(os.Environ(), "AWS_ACCESS_KEY_ID="+credentials.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+credentials.SecretAccessKey,
		"AWS_SESSION_TOKEN="+credentials.SessionToken, "AWS_PROFILE=")
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, binary, append(args, "--config", config)...)
		cmd.Env = env
		return cmd
	}
	for _, args := range [][]string{{"init"}, {"keys", "add", "--org", "acme", "--arn", arn}} {
		if said, err := command(args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("pgseal %s: %w\n%s", strings.Join(args, " "), err, said)
		}
	}
	began := time.Now()
	if b.pgseal, err = start(b.folder, "pgseal", command("serve")); err != nil {
		return "", err
	}
	b.stops = append(b.stops, b.pgseal.stop)
	to.Host = listen
	err = b.pgseal.ready(ctx, to.String())
	b.startup = time.Since(began)
	return to.String(), err
}

// withParameter is a DSN with a parameter set.
func withParameter(dsn, name, value string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return dsn
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}
