package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/pgseal/pgseal/crypto/audit"
	"github.com/pgseal/pgseal/crypto/keyring"
	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/rewrap"
	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/config"
	"github.com/pgseal/pgseal/internal/telemetry"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/proxy"
)

const serveHelp = `Stand between clients and the database until SIGINT or SIGTERM. Then no new
client is taken, /readyz turns unready, idle sessions end, and those that are
busy or in a transaction get limits.shutdown_grace to end. A second signal ends
pgseal at once.

Clients connect to listen.address, or by listen.unix_socket, with the users,
passwords and databases that they have in Postgres. /healthz, /readyz and
/metrics are at admin.address. On SIGHUP the files of certificates are read
again.

pgseal starts when the database, the keystore or KMS is down, serves what it
can, and says in /readyz what it waits for.`

func newServe(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "serve",
		Short:   "Stand between clients and the database",
		Long:    serveHelp,
		Example: "  pgseal serve --config config.yaml\n  psql \"host=localhost port=6432 user=app dbname=app\"",
		Args:    cobra.NoArgs,
		RunE: runs(func(ctx context.Context, _ []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			tel, err := telemetry.Start(ctx, c.Telemetry, buildVersion(), a.stderr)
			if err != nil {
				return fmt.Errorf("serve: %w", err)
			}
			err = serve(ctx, c, tel)
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), telemetryGrace)
			defer cancel()
			if lost := tel.Shutdown(stopping); lost != nil {
				tel.Log.Warn("telemetry could not be delivered before the end", "error", lost)
			}
			return err
		}),
	}
}

const (
	// telemetryGrace is how long the last spans and metrics may take.
	telemetryGrace = 5 * time.Second
	// adminTimeout bounds a request to the admin listener, and its end.
	adminTimeout = 10 * time.Second
)

// serve runs all the parts until ctx ends or one of them fails. The parts that
// sessions need go on through the sessions' grace.
func serve(ctx context.Context, c *config.Config, tel *telemetry.Telemetry) error {
	store, err := keystore.Open(ctx, c.Keystore.DSN.Reveal())
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	defer store.Close()
	provider, err := newProvider(ctx, c.KMS)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	ring, err := newKeyring(c, store, provider, tel)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	defer ring.Close()
	worker, err := newRewrapWorker(store, provider, tel)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	uses := audit.New(store, tel.Log, audit.Options{Process: processName(), NoOpens: !c.Audit.Opens, Known: c.Policy.NamesOrg})
	watcher := catalog.NewWatcher(catalog.WatcherConfig{
		DSN: c.Upstream.DSN.Reveal(), Policy: c.Policy, Interval: c.Upstream.CatalogInterval,
		Timeout: c.Upstream.ConnectTimeout, Log: tel.Log,
	})
	auth, err := newAuth(c.Auth)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	if auth.Passwords != nil {
		defer auth.Passwords.Close()
	}
	dialer, err := newDialer(c.Upstream)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	server, err := newProxy(c, dialer, auth, watcher, ring, uses, tel)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	listeners, err := listenAll(c.Listen)
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	defer closeAll(listeners) // closed already but for an early error
	var admin net.Listener
	if c.Admin.Address != "" {
		if admin, err = net.Listen("tcp", c.Admin.Address); err != nil {
			return fmt.Errorf("serve: admin.address: %w", err)
		}
	}

	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop()
	beside := func(name string, run func(context.Context) error) {
		parts.Go(func() {
			if err := run(running); err != nil && running.Err() == nil {
				fail(fmt.Errorf("serve: %s: %w", name, err))
			}
		})
	}
	beside("catalog", watcher.Run)
	beside("keyring", ring.Run)
	beside("rewrap", worker.Run)
	beside("audit", uses.Run)
	parts.Go(func() { reloading(running, c.TLS, server, dialer, tel.Log) })
	if admin != nil {
		handler := telemetry.Handler(telemetry.Health{
			Stopping: func() bool { return ctx.Err() != nil },
			Catalog:  watcher, Keystore: store.Check, Orgs: orgStates(ring),
		}, tel.MetricsHandler)
		beside("admin", func(ctx context.Context) error { return serveHTTP(ctx, admin, handler) })
		tel.Log.Info("health and metrics", "address", admin.Addr().String())
	}

	tel.Log.Info("serving", "version", buildVersion(), "address", addresses(listeners), "upstream", c.Upstream.Address.String(),
		"tables", len(c.Policy.Tables), "tls", c.TLS.Mode, "auth", c.Auth.Mode, "kms", c.KMS.Provider.String())
	accepting, closing := errgroup.WithContext(ctx)
	defer context.AfterFunc(closing, func() { closeAll(listeners) })()
	for _, l := range listeners {
		accepting.Go(func() error { return server.Serve(running, l) }) // until it is closed
	}
	err = accepting.Wait()
	tel.Log.Info("stopping", "grace", c.Limits.ShutdownGrace, "clients", server.Clients())
	server.Shutdown()
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return err
}

// newProxy makes the server for clients.
func newProxy(c *config.Config, dialer *upstream.Dialer, auth proxy.Auth, watcher *catalog.Watcher, ring *keyring.Keyring, uses *audit.Log, tel *telemetry.Telemetry) (*proxy.Server, error) {
	cert, err := serverTLS(c.TLS)
	if err != nil {
		return nil, err
	}
	var tracer trace.Tracer // nil spares each statement the making of a span that goes nowhere
	if c.Telemetry.Traces.OTLPEndpoint != "" {
		tracer = tel.Tracer
	}
	return proxy.New(proxy.Config{
		Upstream:          dialer,
		TLS:               cert,
		RequireTLS:        c.TLS.Mode == "require",
		RequireClientCert: c.TLS.ClientAuth == "require",
		Keepalive:         newKeepalive(c.Listen.Keepalive),
		Auth:              auth,
		Policy:            c.Policy,
		Catalog:           watcher,
		Keyring:           ring,
		Audit:             uses,
		Limits: proxy.Limits{
			Clients:        c.Limits.Clients,
			StartupTimeout: c.Limits.StartupTimeout,
			IdleTimeout:    c.Limits.IdleTimeout,
			IdleInTx:       c.Limits.IdleInTx,
			MessageBytes:   int(c.Limits.MessageBytes),
			KeyTimeout:     c.Limits.KeyTimeout,
			PlanCache:      c.Limits.PlanCache,
			Nesting:        c.Limits.StatementNesting,
			ShutdownGrace:  c.Limits.ShutdownGrace,
		},
		Metrics: tel.Metrics,
		Tracer:  tracer,
		Log:     tel.Log,
	})
}

// newKeyring makes the keyring of this process.
func newKeyring(c *config.Config, store *keystore.Store, provider kms.Provider, tel *telemetry.Telemetry) (*keyring.Keyring, error) {
	return keyring.New(store, provider, keyringOptions(c), tel.Log, tel.Meter)
}

// keyringOptions are the keyring's part of the configuration.
func keyringOptions(c *config.Config) keyring.Options {
	o := keyring.Options{
		TTL:            c.KMS.CacheTTL,
		RefreshAhead:   c.KMS.RefreshAhead,
		MaxStale:       c.KMS.MaxStale,
		Capacity:       c.KMS.CacheKeys,
		HealthInterval: c.KMS.HealthInterval,
		MaxAge:         c.KMS.DataKey.MaxAge,
		MaxSeals:       uint64(c.KMS.DataKey.MaxSeals),
		MaxBytes:       uint64(c.KMS.DataKey.MaxBytes),
		Timeout:        c.KMS.Timeout,
		ProcessName:    processName(),
	}
	if c.Policy.OrgsWithoutKey == policy.UseDefaultKey {
		key := c.KMS.DefaultKey.Key()
		o.DefaultKey = &key
	}
	return o
}

// newRewrapWorker makes what wraps data keys anew while an org's key is replaced.
func newRewrapWorker(store *keystore.Store, provider kms.Provider, tel *telemetry.Telemetry) (*rewrap.Worker, error) {
	metrics, err := rewrap.NewMetrics(tel.Meter)
	if err != nil {
		return nil, err
	}
	o := rewrap.WorkerOptions{Options: rewrap.Options{By: processName(), Metrics: metrics}}
	return rewrap.NewWorker(store, provider, o, tel.Log), nil
}

// processName tells this process from others in the keystore.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}

// serveHTTP serves until ctx ends.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: adminTimeout, ReadTimeout: adminTimeout, IdleTimeout: time.Minute}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), adminTimeout)
		defer cancel()
		_ = server.Shutdown(ending) // what is still under way then is cut off
	})
	err := server.Serve(listener)
	if stop() {
		return err
	}
	<-stopped
	return nil
}

// orgStates gives the keyring's health in /readyz's form.
func orgStates(ring *keyring.Keyring) func() []telemetry.OrgState {
	return func() []telemetry.OrgState {
		var list []telemetry.OrgState
		for _, h := range ring.Health() {
			list = append(list, telemetry.OrgState{Org: h.Org, State: string(h.State), Reason: h.Reason, Checked: h.Checked})
		}
		return list
	}
}
