package keystore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// The channel that the trigger of pgseal.org_keys tells orgs' names on.
const changesChannel = "pgseal_keys"

// Times of Watch.
const (
	// pollInterval is between two looks at the table where notices don't come.
	pollInterval = time.Second
	// noticeTimeout is for how long a notice to oneself is waited for.
	noticeTimeout = 2 * time.Second
	// pingInterval is after how much silence a notice to oneself shows that
	// the connection lives.
	pingInterval = 15 * time.Second
	// listenInterval is between two tries to have notices where they don't come.
	listenInterval = time.Minute
	// retryInterval is between two tries to reach a keystore that is down.
	retryInterval = time.Second
	// answerTimeout is how long a keystore may take to answer: one that says
	// nothing at all counts as down.
	answerTimeout = 10 * time.Second
)

// Watcher is told by Watch. Its functions are called one at a time.
type Watcher struct {
	// Changed is told of orgs whose keys were changed, whoever did it; or, with
	// all, that any may have been.
	Changed func(orgs []string, all bool)
	// State is told how changes are noticed now, when that has changed.
	State func(WatchState)
}

// WatchState is how changes are noticed.
type WatchState struct {
	// Listening: by notices, within milliseconds. Else by looking at the table
	// every second, which is what is left where a pooler stands in front of the
	// keystore that does not carry notices.
	Listening bool
	// Err is why the keystore can't be watched at all now; it is tried again.
	Err error
}

// Watch tells w of changes of the orgs' keys until ctx ends, and gives ctx's error
// then. What may have been missed while the keystore was not watched is told as
// all.
func (s *Store) Watch(ctx context.Context, w Watcher) error {
	var state *WatchState
	tell := func(now WatchState) {
		if state == nil || state.Listening != now.Listening || (state.Err == nil) != (now.Err == nil) {
			state = &now
			w.State(now)
		}
	}
	for {
		err := s.watch(ctx, w.Changed, tell)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		tell(WatchState{Err: err})
		if !sleep(ctx, retryInterval) {
			return ctx.Err()
		}
	}
}

// watch watches by one connection for as long as it lasts.
func (s *Store) watch(ctx context.Context, changed func([]string, bool), tell func(WatchState)) error {
	checking, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if err := s.ready(checking); err != nil {
		return err
	}
	connecting, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(connecting, s.pool.Config().ConnConfig.Copy())
	if err != nil {
		return fmt.Errorf("keystore: %w", err)
	}
	defer closeConn(conn)
	l := &listener{conn: conn, changed: changed, own: "pgseal_watch_" + rand.Text()}
	for {
		switch err := l.begin(ctx); {
		case err == nil:
			tell(WatchState{Listening: true})
			changed(nil, true)
			return l.listen(ctx)
		case !errors.Is(err, errNoNotice):
			return err
		}
		tell(WatchState{})
		if err := poll(ctx, conn, changed, time.Now().Add(listenInterval)); err != nil {
			return err
		}
	}
}

// errNoNotice: a notice that was sent to oneself does not arrive.
var errNoNotice = errors.New("keystore: notices do not arrive")

// listener is a connection that notices come by.
type listener struct {
	conn    *pgx.Conn
	changed func([]string, bool)
	own     string // a channel that nobody else listens to
}

// begin listens, and shows that notices arrive: behind a pooler that gives each
// transaction another connection they would not.
func (l *listener) begin(ctx context.Context) error {
	for _, channel := range []string{changesChannel, l.own} {
		if err := l.exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return fmt.Errorf("keystore: listen: %w", err)
		}
	}
	return l.ping(ctx)
}

// exec has the server do something, and waits for its answer.
func (l *listener) exec(ctx context.Context, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	_, err := l.conn.Exec(ctx, sql, args...)
	return err
}

// ping sends a notice to oneself and waits for it. Others that come meanwhile are
// told.
func (l *listener) ping(ctx context.Context) error {
	if err := l.exec(ctx, "SELECT pg_catalog.pg_notify($1, '')", l.own); err != nil {
		return fmt.Errorf("keystore: notify: %w", err)
	}
	until := time.Now().Add(noticeTimeout)
	for {
		switch own, err := l.next(ctx, until); {
		case errors.Is(err, errSilence):
			return errNoNotice
		case err != nil:
			return err
		case own:
			return nil
		}
	}
}

// listen tells of changes for as long as the connection lives.
func (l *listener) listen(ctx context.Context) error {
	for {
		switch _, err := l.next(ctx, time.Now().Add(pingInterval)); {
		case errors.Is(err, errSilence):
			if err := l.ping(ctx); err != nil {
				return err
			}
		case err != nil:
			return err
		}
	}
}

// errSilence: no notice has come in time.
var errSilence = errors.New("keystore: no notice")

// next waits for a notice, and tells of the change that it is about, unless it is
// one's own.
func (l *listener) next(ctx context.Context, until time.Time) (own bool, err error) {
	waiting, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	notice, err := l.conn.WaitForNotification(waiting)
	switch {
	case err == nil:
	case ctx.Err() == nil && waiting.Err() != nil && !l.conn.IsClosed():
		return false, errSilence
	default:
		return false, fmt.Errorf("keystore: wait for notices: %w", err)
	}
	if notice.Channel == l.own {
		return true, nil
	}
	l.changed([]string{notice.Payload}, false)
	return false, nil
}

// poll looks at the table of orgs' keys every second until the given time, and
// tells when anything in it is not as it was.
func poll(ctx context.Context, conn *pgx.Conn, changed func([]string, bool), until time.Time) error {
	var last string
	for {
		now, err := fingerprint(ctx, conn)
		if err != nil {
			return fmt.Errorf("keystore: look for changes: %w", err)
		}
		if now != last {
			changed(nil, true)
			last = now
		}
		if time.Now().After(until) {
			return nil
		}
		if !sleep(ctx, pollInterval) {
			return ctx.Err()
		}
	}
}

// closeConn closes a connection that nothing is waited for by.
func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // the server notices at the latest when it sends something
}

// sleep waits, and is false when ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// fingerprint is one number of all rows of orgs' keys: which of them has changed is
// not worth a list that goes over the wire each second.
func fingerprint(ctx context.Context, conn *pgx.Conn) (number string, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	err = conn.QueryRow(ctx, `SELECT count(*) || ' ' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended(k::text, 0)), 0)
		FROM pgseal.org_keys AS k`).Scan(&number)
	return number, err
}
