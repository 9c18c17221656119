package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/demo/gateway"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/postgres"
)

// orgs are the demo's organisations.
var orgs = []string{"acme", "globex"}

// environment is everything that the demo starts.
type environment struct {
	command  func(ctx context.Context, out io.Writer, args ...string) error
	postgres *postgres.Server
	kms      *kmsserver.Server
	keys     map[string]string // org -> ARN
	folder   string            // of the configuration file
	config   string
	log      lockedBuffer // pgseal's own

	direct, through string // DSNs of the trace store's database
	app             *gateway.Gateway

	stopServe context.CancelFunc
	served    chan error
	restore   func() // of the environment variables
}

// lockedBuffer keeps pgseal's log, which a failed demo prints.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start starts Postgres, the KMS and pgseal. What was started is in the
// environment, which the caller stops, even when it fails.
func start(ctx context.Context, command func(context.Context, io.Writer, ...string) error, s *screen) (*environment, error) {
	e := &environment{command: command, keys: make(map[string]string), served: make(chan error, 1)}
	var err error
	if e.postgres, err = postgres.Start(ctx, postgres.Options{}); err != nil {
		return e, fmt.Errorf("start Postgres: %w", err)
	}
	if err := e.startKMS(ctx); err != nil {
		return e, err
	}
	if err := e.configure(); err != nil {
		return e, err
	}
	s.line("Postgres  127.0.0.1:%d, private, of %s", e.postgres.Port(), e.postgres.BinDir())
	s.line("KMS       on loopback, with a customer key for each of %s", strings.Join(orgs, " and "))
	if err := e.run(ctx, "init"); err != nil {
		return e, err
	}
	for _, org := range orgs {
		name := strings.ToUpper(org[:1]) + org[1:] + " production key"
		if err := e.run(ctx, "keys", "add", "--org", org, "--name", name, "--arn", e.keys[org]); err != nil {
			return e, err
		}
	}
	if err := e.startServe(ctx); err != nil {
		return e, err
	}
	s.line("pgseal    %s, between them", addressOf(e.through))
	return e, nil
}

// startKMS starts the KMS, and gives pgseal its credentials the way that AWS's
// own come: by the environment.
func (e *environment) startKMS(ctx context.Context) error {
	e.kms = kmsserver.New(kmsserver.Options{})
	for _, org := range orgs {
		arn, err := e.kms.CreateKey(kmsserver.KeyOptions{Description: "traces of " + org})
		if err != nil {
			return fmt.Errorf("make %s's KMS key: %w", org, err)
		}
		e.keys[org] = arn
	}
	credentials, err := e.kms.Credentials().Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("credentials of the KMS: %w", err)
	}
	e.restore = setEnvironment(map[string]string{
		"AWS_ACCESS_KEY_ID":     credentials.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": credentials.SecretAccessKey,
		"AWS_SESSION_TOKEN":     credentials.SessionToken,
		"AWS_PROFILE":           "",
	})
	return nil
}

// setEnvironment sets variables, and gives what puts the old ones back.
func setEnvironment(values map[string]string) (restore func()) {
	old := make(map[string]string)
	for name, value := range values {
		if was, ok := os.LookupEnv(name); ok {
			old[name] = was
		}
		if value == "" {
			_ = os.Unsetenv(name) // fails for names that no system takes
		} else {
			_ = os.Setenv(name, value)
		}
	}
	return func() {
		for name := range values {
			if was, ok := old[name]; ok {
				_ = os.Setenv(name, was)
			} else {
				_ = os.Unsetenv(name)
			}
		}
	}
}

// configuration is the demo's; the addresses and the DSN are filled in.
const configuration = `listen:
  address: %q
upstream:
  address: %q
  dsn: %q
kms:
  provider: aws
  timeout: 2s
  health_interval: 1s
  aws:
    region: eu-central-1
    endpoint: %q
admin:
  address: %q
limits:
  shutdown_grace: 1s
policy:
  tables:
    public.spans:
      org: {column: org_id}
      columns:
        attributes: {type: jsonb}
        events: {type: jsonb}
    public.request_logs:
      org: {column: org_id}
      columns:
        request_headers: {type: jsonb}
        request_body: {type: text}
        response_body: {type: bytea}
`

// configure writes the configuration file.
func (e *environment) configure() error {
	endpoint, err := e.kms.Listen("127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start the KMS: %w", err)
	}
	listen, err := freeAddress("127.0.0.1:6432")
	if err != nil {
		return err
	}
	admin, err := freeAddress("127.0.0.1:6433")
	if err != nil {
		return err
	}
	e.direct = e.postgres.DSN("postgres")
	upstream := fmt.Sprintf("127.0.0.1:%d", e.postgres.Port())
	e.through = strings.Replace(e.direct, addressOf(e.direct), listen, 1)
	if e.folder, err = os.MkdirTemp("", "pgseal-demo-"); err != nil {
		return fmt.Errorf("make a folder for the configuration: %w", err)
	}
	e.config = filepath.Join(e.folder, "config.yaml")
	text := fmt.Sprintf(configuration, listen, upstream, e.direct, endpoint, admin)
	if err := os.WriteFile(e.config, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// freeAddress gives the address if nobody listens there, else another on the
// same host.
func freeAddress(wanted string) (string, error) {
	listener, err := net.Listen("tcp", wanted)
	if err != nil {
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", fmt.Errorf("find a free port: %w", err)
		}
	}
	address := listener.Addr().String()
	return address, listener.Close()
}

// addressOf is the host and port in a DSN, for people.
func addressOf(dsn string) string {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return "?"
	}
	return fmt.Sprintf("%s:%d", config.Host, config.Port)
}

// run runs a command of pgseal's with the demo's configuration.
func (e *environment) run(ctx context.Context, args ...string) error {
	args = append(args, "--config", e.config)
	if err := e.command(ctx, &e.log, args...); err != nil {
		return fmt.Errorf("pgseal %s: %w\n%s", strings.Join(args, " "), err, e.log.String())
	}
	return nil
}

// startServe starts pgseal serve and waits until it lets a client in.
func (e *environment) startServe(ctx context.Context) error {
	// The demo's end stops pgseal after everything that uses it.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	e.stopServe = stop
	go func() { e.served <- e.run(serving, "serve") }()
	deadline := time.Now().Add(10 * time.Second)
	for {
		conn, err := pgx.Connect(ctx, e.through)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case err := <-e.served:
			e.served <- err
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("pgseal does not answer: %w\n%s", err, e.log.String())
		}
	}
}

// stop stops everything and removes every file.
func (e *environment) stop() error {
	var errs []error
	if e.app != nil {
		errs = append(errs, e.app.Close(context.Background()))
	}
	if e.stopServe != nil {
		e.stopServe()
		errs = append(errs, <-e.served)
	}
	if e.kms != nil {
		errs = append(errs, e.kms.Close())
	}
	if e.restore != nil {
		e.restore()
	}
	if e.postgres != nil {
		errs = append(errs, e.postgres.Stop())
	}
	if e.folder != "" {
		errs = append(errs, os.RemoveAll(e.folder))
	}
	return errors.Join(errs...)
}
