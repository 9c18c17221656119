// Package sandbox runs a pgseal of a program's own in front of a database: a KMS
// on loopback with the keys of some orgs, the keystore, the keyring and the
// proxy. Tests (through proxytest) and the benchmark use it. The demo does not:
// it runs pgseal's commands as a user would.
package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/pgseal/pgseal/crypto/audit"
	"github.com/pgseal/pgseal/crypto/keyring"
	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	kmsaws "github.com/pgseal/pgseal/crypto/kms/aws"
	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/proxy"
)

// Sandbox is a running pgseal and what it needs.
type Sandbox struct {
	Direct, Through string // DSNs
	KMS             *kmsserver.Server
	Keys            map[string]string // org -> ARN
	Provider        kms.Provider      // the way to KMS
	Store           *keystore.Store
	Audit           *audit.Log
	Server          *proxy.Server

	endpoint string
	listener net.Listener
	stops    []func() error // in the order of starting
}

// Options say what to start. Database and Policy must be given.
type Options struct {
	Database string // DSN, as a URL
	Policy   *policy.Policy
	Limits   proxy.Limits
	Keyring  keyring.Options
	Orgs     []string // that have a key; acme and globex when nil
	Beside   *Sandbox // another process with the same KMS, database and keystore; it lasts longer
	Audit    audit.Options
	Log      *slog.Logger
	Change   func(*proxy.Config) // the last word; may be nil
}

// Start starts a pgseal. The caller stops it.
func Start(ctx context.Context, o Options) (_ *Sandbox, err error) {
	s := &Sandbox{Direct: o.Database, Keys: map[string]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if _, err := keystore.Migrate(ctx, o.Database); err != nil {
		return nil, err
	}
	if o.Beside != nil {
		s.KMS, s.endpoint = o.Beside.KMS, o.Beside.endpoint
	} else if err := s.startKMS(o.Orgs); err != nil {
		return nil, err
	}
	ring, err := s.startKeyring(ctx, o.Keyring, o.Log)
	if err != nil {
		return nil, err
	}
	s.startAudit(ctx, o)
	if o.Limits.Nesting == 0 {
		o.Limits.Nesting = 5000
	}
	if o.Limits.PlanCache == 0 {
		o.Limits.PlanCache = 1000
	}
	config := proxy.Config{
		Policy: o.Policy,
		Catalog: catalog.NewWatcher(catalog.WatcherConfig{
			DSN: o.Database, Policy: o.Policy, Interval: time.Hour, Log: o.Log,
		}),
		Keyring: ring, Audit: s.Audit, Limits: o.Limits, Log: o.Log,
	}
	if config.Upstream, err = upstreamOf(o.Database); err != nil {
		return nil, err
	}
	if o.Change != nil {
		o.Change(&config)
	}
	return s, s.startProxy(config)
}

// Stop stops what was started, the last first.
func (s *Sandbox) Stop() error {
	var errs []error
	for i := len(s.stops) - 1; i >= 0; i-- {
		errs = append(errs, s.stops[i]())
	}
	s.stops = nil
	return errors.Join(errs...)
}

// Drain takes no new clients, and returns when those that there are have gone.
func (s *Sandbox) Drain() {
	_ = s.listener.Close() // may be closed already
	s.Server.Shutdown()
}

// startKMS starts a KMS with a key for each org.
func (s *Sandbox) startKMS(orgs []string) error {
	s.KMS = kmsserver.New(kmsserver.Options{})
	s.stops = append(s.stops, s.KMS.Close)
	if orgs == nil {
		orgs = []string{"acme", "globex"}
	}
	for _, org := range orgs {
		arn, err := s.KMS.CreateKey(kmsserver.KeyOptions{Description: org})
		if err != nil {
			return fmt.Errorf("make the KMS key of %s: %w", org, err)
		}
		s.Keys[org] = arn
	}
	var err error
	s.endpoint, err = s.KMS.Listen("127.0.0.1:0")
	return err
}

// startKeyring links the keys and starts the keyring.
func (s *Sandbox) startKeyring(ctx context.Context, o keyring.Options, log *slog.Logger) (*keyring.Keyring, error) {
	var err error
	s.Provider, err = kmsaws.New(ctx, kmsaws.Options{
		Region: "eu-central-1", Endpoint: s.endpoint, Credentials: s.KMS.Credentials(), Timeout: cmp.Or(o.Timeout, 2*time.Second),
	})
	if err != nil {
		return nil, err
	}
	if s.Store, err = keystore.Open(ctx, s.Direct); err != nil {
		return nil, err
	}
	s.stops = append(s.stops, func() error { s.Store.Close(); return nil })
	for org, arn := range s.Keys {
		key := keystore.OrgKey{Org: org, Name: org, Key: kms.Key{ARN: arn}}
		err := s.Store.AddOrgKey(ctx, key, keystore.Actor{Name: "sandbox"})
		if err != nil && !errors.Is(err, keystore.ErrExists) {
			return nil, err
		}
	}
	if o.HealthInterval == 0 {
		o.HealthInterval = 50 * time.Millisecond
	}
	ring, err := keyring.New(s.Store, s.Provider, o, log, noop.Meter{})
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- ring.Run(running) }()
	s.stops = append(s.stops, func() error {
		cancel()
		err := <-ended
		ring.Close()
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	})
	return ring, nil
}

// startAudit starts what tells who uses whose data.
func (s *Sandbox) startAudit(ctx context.Context, o Options) {
	if o.Audit.Process == "" {
		o.Audit.Process = "sandbox"
	}
	o.Audit.Known = o.Policy.NamesOrg
	s.Audit = audit.New(s.Store, o.Log, o.Audit)
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- s.Audit.Run(running) }()
	s.stops = append(s.stops, func() error {
		cancel()
		return <-ended
	})
}

// startProxy starts the proxy on a port of its own.
func (s *Sandbox) startProxy(config proxy.Config) error {
	server, err := proxy.New(config)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.Server, s.listener = server, listener
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	var served error
	serving.Go(func() { served = server.Serve(ctx, listener) })
	s.stops = append(s.stops, func() error {
		cancel()
		server.Shutdown()
		serving.Wait()
		return served
	})
	u, err := url.Parse(s.Direct)
	if err != nil {
		return fmt.Errorf("the database's DSN is not a URL")
	}
	u.Host = listener.Addr().String()
	s.Through = u.String()
	return nil
}

func upstreamOf(dsn string) (*upstream.Dialer, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("the database's DSN: %w", err)
	}
	return upstream.New(upstream.Options{
		Addresses: []string{net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))}, ConnectTimeout: connectTimeout,
	})
}

const connectTimeout = 5 * time.Second
