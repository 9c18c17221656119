package proxy

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/pgseal/pgseal/crypto/audit"
	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/keepalive"
	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/pgtypes"
	"github.com/pgseal/pgseal/internal/telemetry"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/policy"
	"github.com/pgseal/pgseal/rewrite"
)

// Config tells a Server what to do.
type Config struct {
	Upstream *upstream.Dialer
	// TLS is offered to clients; nil: none is. SetTLS replaces it.
	TLS *tls.Config
	// RequireTLS refuses clients that come over TCP and do not ask for TLS.
	RequireTLS bool
	// RequireClientCert refuses those that show no certificate. TLS.ClientCAs
	// verifies the ones that are shown.
	RequireClientCert bool
	Keepalive         keepalive.Options // of clients' connections
	Auth              Auth
	Policy            *policy.Policy
	Catalog           *catalog.Watcher
	Keyring           Keyring
	Audit             *audit.Log // nil: nobody is told who uses whose data
	Limits            Limits
	Metrics           *telemetry.Metrics // nil: nothing is counted
	Tracer            trace.Tracer       // nil: nothing is traced
	Log               *slog.Logger
}

// Limits bound what clients can make pgseal do. Zero means no limit but for
// KeyTimeout, which New sets to 30 s.
type Limits struct {
	Clients        int
	StartupTimeout time.Duration // from accept to the end of authentication
	IdleTimeout    time.Duration // of a session outside of a transaction
	IdleInTx       time.Duration // of a session within one
	MessageBytes   int           // of a message that has to be held whole
	KeyTimeout     time.Duration // that one value waits for its data key
	PlanCache      int           // plans that are kept
	Nesting        int           // rewrite.Limits.MaxNesting
	ShutdownGrace  time.Duration // for sessions that are busy when the server shuts down
}

// Server accepts clients.
type Server struct {
	config  Config
	keyring Keyring
	metrics *telemetry.Metrics
	codecs  codecs
	masks   map[*policy.Column][]byte // canonical bytes
	plans   plans

	mockSecret []byte // makes what unknown users are asked for

	mu       sync.Mutex
	sessions map[*session]struct{}
	clients  int // connections, those not yet authenticated included
	closing  bool
	cancels  map[string]*session // by the server's cancel key
	tls      atomic.Pointer[tls.Config]
	wg       sync.WaitGroup

	starting     context.Context // ends when the server shuts down: for connections that are no sessions yet
	stopStarting context.CancelFunc
	began        time.Time // what clock counts from
}

// New makes a Server. It fails when the policy seals a type that is not
// supported.
func New(config Config) (*Server, error) {
	if config.Limits.KeyTimeout == 0 {
		config.Limits.KeyTimeout = 30 * time.Second
	}
	s := &Server{
		config: config, keyring: config.Keyring, metrics: config.Metrics,
		masks:    make(map[*policy.Column][]byte),
		sessions: make(map[*session]struct{}),
		cancels:  make(map[string]*session),
		began:    time.Now(),
	}
	s.starting, s.stopStarting = context.WithCancel(context.Background())
	if config.Auth.Mode == AuthSCRAM && config.Auth.Passwords == nil {
		return nil, errors.New("proxy: authentication by password, and nowhere to look passwords up")
	}
	s.mockSecret = make([]byte, 32)
	_, _ = rand.Read(s.mockSecret) // never fails
	s.plans.catalog = config.Catalog
	s.plans.limits = rewrite.Limits{MaxNesting: config.Limits.Nesting}
	s.plans.most = config.Limits.PlanCache
	s.SetTLS(config.TLS)
	var err error
	if s.codecs, err = newCodecs(config.Policy); err != nil {
		return nil, err
	}
	for c, codec := range s.codecs {
		if c.OnUnreadable != policy.OnUnreadableMask {
			continue
		}
		mask, err := codec.Canonical(nil, []byte(c.Mask), pgtypes.Text, defaultSettings().values)
		if err != nil {
			return nil, fmt.Errorf("policy: mask of column %s: %w", c.QualifiedName(), err)
		}
		s.masks[c] = mask
	}
	return s, nil
}

// Serve accepts clients until the listener is closed or ctx ends, and returns
// when it has.
func (srv *Server) Serve(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		if err != nil {
			if isClosed(err) || ctx.Err() != nil {
				return nil
			}
			var temporary net.Error
			if errors.As(err, &temporary) && temporary.Timeout() {
				continue
			}
			return fmt.Errorf("accept: %w", err)
		}
		srv.wg.Go(func() { srv.serveConn(ctx, conn) })
	}
}

// add counts a connection in; false when there are too many, or the server
// shuts down.
func (srv *Server) add() *pgerr.Error {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.closing {
		return errShuttingDown
	}
	if most := srv.config.Limits.Clients; most > 0 && srv.clients >= most {
		return &pgerr.Error{Code: pgerr.TooManyConnections, Message: "sorry, too many clients already"}
	}
	srv.clients++
	return nil
}

func (srv *Server) remove() {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.clients--
}

// Clients counts the clients that there are, those not yet authenticated included.
func (srv *Server) Clients() int {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return srv.clients
}

// register makes a session known to Shutdown.
func (srv *Server) register(s *session) {
	srv.mu.Lock()
	srv.sessions[s] = struct{}{}
	closing := srv.closing
	srv.mu.Unlock()
	srv.metrics.SessionStarted()
	if closing {
		s.drain()
	}
}

func (srv *Server) unregister(s *session) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	delete(srv.sessions, s)
	if s.cancelKey != "" && srv.cancels[s.cancelKey] == s { // two servers may give out the same
		delete(srv.cancels, s.cancelKey)
	}
	srv.metrics.SessionEnded()
}
