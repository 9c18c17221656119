// Package authquery asks the database what it stores of a user's password, as
// PgBouncer's auth_query does, so that pgseal can authenticate clients itself.
//
// It checks no password and decides nothing: package proxy does. What it gets is
// kept for some seconds at most. A verifier is as good as an invitation to guess
// the password: none is logged, and each is zeroed when it is dropped.
//
// Files: authquery.go has the source and the query, stored.go what comes back,
// cache.go what is kept of it.
package authquery

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pgseal/pgseal/internal/scram"
)

// DefaultQuery needs a superuser's login, or pg_read_all_data and a GRANT on
// pg_authid. An expired password is none, as in get_role_password(). Roles without
// LOGIN are not left out: the database itself refuses those, in its own words,
// once the password was right.
const DefaultQuery = "SELECT rolname, rolpassword FROM pg_catalog.pg_authid" +
	" WHERE rolname = $1 AND (rolvaliduntil IS NULL OR rolvaliduntil >= pg_catalog.now())"

// maxConns bounds how many questions are asked at once; more wait.
const maxConns = 4

// maxName is NAMEDATALEN-1, in bytes: the server would cut a longer one.
const maxName = 63

// maxIdle is how long a connection that nobody needs stays open.
const maxIdle = time.Minute

// Config says where to ask, and what.
type Config struct {
	DSN     string        // of a login that may run the query
	Query   string        // with $1 for the user; gives no row, or one of the user's name and password
	TTL     time.Duration // how long an answer is kept; zero: not at all
	Timeout time.Duration // for one question, the wait for a connection included
}

// Source asks. Its methods are safe for use by many goroutines.
type Source struct {
	config Config
	pool   *pgxpool.Pool
	cache  cache
}

// New makes a source. It connects when it is first asked.
func New(config Config) (*Source, error) {
	settings, err := pgxpool.ParseConfig(config.DSN)
	if err != nil {
		// Its words may quote what a stray character made of a password.
		return nil, errors.New("the login's DSN cannot be read")
	}
	settings.MaxConns, settings.MinConns, settings.MinIdleConns = maxConns, 0, 0
	settings.MaxConnIdleTime = maxIdle
	if _, set := settings.ConnConfig.RuntimeParams["application_name"]; !set {
		settings.ConnConfig.RuntimeParams["application_name"] = "pgseal auth"
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), settings)
	if err != nil {
		return nil, fmt.Errorf("the login: %w", err)
	}
	return &Source{config: config, pool: pool, cache: newCache(config.TTL)}, nil
}

// Close closes the connections and drops what is kept.
func (s *Source) Close() {
	s.pool.Close()
	s.cache.clear()
}

// Lookup gives what is stored for a user, from memory where it is at hand and was
// got under the same version. The version is whatever the caller knows to change
// with the password. The caller zeroes what it gets.
func (s *Source) Lookup(ctx context.Context, user, version string) (Stored, error) {
	if stored, ok := s.cache.get(user, version); ok {
		return stored, nil
	}
	return s.Fresh(ctx, user, version)
}

// Fresh is Lookup that asks in any case.
func (s *Source) Fresh(ctx context.Context, user, version string) (Stored, error) {
	if len(user) > maxName || !utf8.ValidString(user) {
		return Stored{Missing: "the user's name can be nobody's", Iterations: scram.DefaultIterations}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	stored, broken, err := s.ask(ctx, user)
	if broken && ctx.Err() == nil {
		// The connection may have been dead for long: the server was restarted, say.
		stored, _, err = s.ask(ctx, user)
	}
	if err != nil {
		return Stored{}, fmt.Errorf("auth.query: %w", err)
	}
	s.cache.put(user, version, stored.clone())
	return stored, nil
}

// ask runs the query, in one round trip and without a named statement, so that
// there may be a pooler in between. broken tells that the connection is no more.
func (s *Source) ask(ctx context.Context, user string) (stored Stored, broken bool, err error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return Stored{}, false, err
	}
	defer conn.Release()
	pg := conn.Conn().PgConn()
	rows := pg.ExecParams(ctx, s.config.Query, [][]byte{[]byte(user)}, nil, nil, nil)
	stored, err = read(rows, user)
	if _, closing := rows.Close(); closing != nil {
		err = closing // it tells more than that no row could be read
	}
	if err != nil {
		stored.Zero()
		return Stored{}, pg.IsClosed(), err
	}
	stored.Iterations = iterations(pg)
	return stored, false, nil
}

// read reads the answer, and overwrites it where it lies in the driver's buffer.
func read(rows *pgconn.ResultReader, user string) (stored Stored, err error) {
	stored.Missing = "no such user, or the password has expired"
	for n := 0; rows.NextRow(); n++ {
		values := rows.Values()
		switch {
		case n > 0:
			err = errors.New("the query gives several rows for one user")
		case len(values) < 2:
			err = errors.New("the query gives one column: the user's name and password are needed")
		case string(values[0]) != user:
			err = errors.New("the query gives another user than the one that is asked for: it must compare with $1")
		default:
			stored = parse(values[1])
		}
		for _, value := range values {
			clear(value)
		}
		if err != nil {
			return stored, err
		}
	}
	return stored, nil
}

// iterations is the server's scram_iterations, which new verifiers have and
// which Postgres pretends for users that it does not know; servers before
// version 16 do not report it.
func iterations(pg *pgconn.PgConn) int {
	n, err := strconv.ParseInt(pg.ParameterStatus("scram_iterations"), 10, 32)
	if err != nil || n <= 0 {
		return scram.DefaultIterations
	}
	return int(n)
}
