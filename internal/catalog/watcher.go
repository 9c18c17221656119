package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/policy"
)

// ErrNotLoaded is what Current's callers report while there is no snapshot yet.
var ErrNotLoaded = errors.New("the upstream database's catalog has not been read yet")

// WatcherConfig tells a Watcher what to watch.
type WatcherConfig struct {
	DSN      string // pgseal's own login to the upstream database
	Policy   *policy.Policy
	Interval time.Duration // between loads that nobody asked for
	Timeout  time.Duration // of one load
	Log      *slog.Logger
}

// Watcher keeps the current snapshot. It is safe for concurrent use.
type Watcher struct {
	config  WatcherConfig
	current atomic.Pointer[Snapshot]
	failure atomic.Pointer[error] // of the last load, nil when it went well

	begun atomic.Uint64 // how many loads were

	mu     sync.Mutex // held while loading
	loaded uint64     // which of them the current snapshot is from
	conn   *pgconn.PgConn
}

// NewWatcher makes a Watcher. Nothing is loaded until Refresh or Run.
func NewWatcher(config WatcherConfig) *Watcher {
	if config.Timeout == 0 {
		config.Timeout = 10 * time.Second
	}
	return &Watcher{config: config}
}

// Current is the snapshot last loaded, nil when none was yet.
func (w *Watcher) Current() *Snapshot { return w.current.Load() }

// Refresh loads the catalog and gives the snapshot, which is not older than the
// call. Calls that come while a load is under way share the next one.
func (w *Watcher) Refresh(caller context.Context) (*Snapshot, error) {
	ctx, cancel := context.WithTimeout(caller, w.config.Timeout)
	defer cancel()
	earlier := w.begun.Load()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.loaded > earlier {
		return w.current.Load(), nil
	}
	if err := ctx.Err(); err != nil { // while it waited: the connection is not to suffer for it
		return nil, fmt.Errorf("read catalog: %w", err)
	}
	number := w.begun.Add(1)
	s, err := w.load(ctx)
	if err != nil {
		if caller.Err() == nil { // a caller that went away says nothing of upstream
			w.failure.Store(&err)
		}
		return nil, err
	}
	w.failure.Store(nil)
	w.current.Store(s)
	w.loaded = number
	return s, nil
}

// load reads the catalog, over a new connection when there is none or the one
// at hand has failed.
func (w *Watcher) load(ctx context.Context) (*Snapshot, error) {
	if w.conn != nil {
		s, err := Load(ctx, (*ownConn)(w.conn), w.config.Policy, w.current.Load(), true)
		if err == nil {
			return s, nil
		}
		w.closeConn()
	}
	config, err := pgconn.ParseConfig(w.config.DSN)
	if err != nil {
		return nil, fmt.Errorf("upstream.dsn: %w", err)
	}
	config.RuntimeParams["search_path"] = "" // so that views' definitions come qualified
	config.RuntimeParams["application_name"] = "pgseal"
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to upstream as pgseal's own user: %w", err)
	}
	w.conn = conn
	return Load(ctx, (*ownConn)(conn), w.config.Policy, w.current.Load(), true)
}

func (w *Watcher) closeConn() {
	if w.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = w.conn.Close(ctx) // it failed, or the process ends: nothing to do about a second error
		cancel()
		w.conn = nil
	}
}

// Run loads the catalog at the interval until ctx ends. Failures are told by
// Ready, and logged once when they begin.
func (w *Watcher) Run(ctx context.Context) error {
	defer func() {
		w.mu.Lock()
		w.closeConn()
		w.mu.Unlock()
	}()
	ticker := time.NewTicker(w.config.Interval)
	defer ticker.Stop()
	failing := false
	for {
		_, err := w.Refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			w.config.Log.Warn("the upstream catalog cannot be read; statements are planned by the last snapshot", "error", err)
		case err == nil && failing:
			w.config.Log.Info("the upstream catalog is read again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Ready tells why statements cannot be planned well: nothing loaded yet, or the
// last load failed. Nil when all is well. It does not wait for a load.
func (w *Watcher) Ready() error {
	if err := w.failure.Load(); err != nil {
		return *err
	}
	if w.current.Load() == nil {
		return ErrNotLoaded
	}
	return nil
}

// ownConn is a Querier over pgseal's own connection.
type ownConn pgconn.PgConn

func (c *ownConn) Query(ctx context.Context, sql string) ([][]string, error) {
	results, err := (*pgconn.PgConn)(c).Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, result := range results {
		for _, raw := range result.Rows {
			row := make([]string, len(raw))
			for i, field := range raw {
				row[i] = string(field)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}
