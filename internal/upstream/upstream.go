// Package upstream makes connections to the Postgres servers behind pgseal: to
// the first of several hosts that can be reached (and, when asked for, that takes
// writes), over TLS or not. It speaks no word of a session: what goes over a
// connection is package proxy's.
//
// Files: upstream.go has the options and the order of hosts, host.go addresses,
// dial.go one connection, tls.go what libpq's sslmode means, role.go which host
// takes writes.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/keepalive"
	"github.com/pgseal/pgseal/internal/secret"
)

// Options say where servers are and how they are connected to.
type Options struct {
	// Addresses are tried in order. Each is host:port, or the path of a Unix
	// socket: of the socket itself or, as libpq has it, of its folder with a port
	// behind it ("/run/postgresql:5432"; without one, 5432).
	Addresses      []string
	ConnectTimeout time.Duration // for each host, TLS included; zero: the system's
	TLS            TLS
	Keepalive      keepalive.Options
	// ReadWrite passes over hosts that do not take writes, as libpq's
	// target_session_attrs=read-write.
	ReadWrite bool
	// DSN is pgseal's own login, by which hosts are asked what they take; its host
	// and TLS settings do not count for that. ReadWrite needs it.
	DSN secret.Text
}

// Dialer makes connections. Its methods are safe for concurrent use.
type Dialer struct {
	options Options
	hosts   []*Host
	login   *pgconn.Config // nil: none was given
	tls     atomic.Pointer[tlsFiles]
}

// New checks the options and reads the files that they name.
func New(o Options) (*Dialer, error) {
	if len(o.Addresses) == 0 {
		return nil, errors.New("upstream: no address")
	}
	d := &Dialer{options: o}
	for _, address := range o.Addresses {
		h, err := parseHost(address)
		if err != nil {
			return nil, err
		}
		d.hosts = append(d.hosts, h)
	}
	if o.ReadWrite && o.DSN == "" {
		return nil, errors.New("upstream: without a login no host can be asked whether it takes writes")
	}
	if o.DSN != "" {
		var err error
		if d.login, err = pgconn.ParseConfig(o.DSN.Reveal()); err != nil {
			return nil, errors.New("upstream: the DSN cannot be read") // not why: the words may hold a password
		}
	}
	return d, d.Reload()
}

// Reload reads the files of certificates again. After an error the old ones stay
// in use.
func (d *Dialer) Reload() error {
	files, err := d.options.TLS.load()
	if err != nil {
		return err
	}
	d.tls.Store(files)
	return nil
}

// Hosts are the configured ones, in their order.
func (d *Dialer) Hosts() []*Host { return d.hosts }

// Candidates connects to one host after the other, in their order, for as long as
// the loop over it goes on: each step has a connection, or the error of the host
// whose turn it was. The caller closes what it does not keep.
func (d *Dialer) Candidates(ctx context.Context) iter.Seq2[*Conn, error] {
	return func(yield func(*Conn, error) bool) {
		for _, h := range d.hosts {
			conn, err := d.candidate(ctx, h)
			if !yield(conn, err) {
				return
			}
		}
	}
}

func (d *Dialer) candidate(ctx context.Context, h *Host) (*Conn, error) {
	if d.options.ReadWrite {
		if err := d.TakesWrites(ctx, h); err != nil {
			return nil, err
		}
	}
	return d.DialHost(ctx, h)
}

// Dial connects to the first host that can be reached.
func (d *Dialer) Dial(ctx context.Context) (*Conn, error) {
	var errs []error
	for conn, err := range d.Candidates(ctx) {
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// ofHost says which host an error is about.
func ofHost(h *Host, err error) error { return fmt.Errorf("upstream %s: %w", h, err) }
