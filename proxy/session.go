package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgseal/pgseal/internal/pgerr"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/rewrite"
)

// session is one client and its connection to the upstream server.
type session struct {
	server   *Server
	client   net.Conn
	upstream *upstream.Conn
	log      *slog.Logger
	database string
	user     string // the database user, by whom access is decided

	clientWriter lockedWriter
	cancelKey    string // the server's; guarded by the Server's lock

	ctx    context.Context // ends with the session
	cancel context.CancelFunc

	settings atomic.Pointer[settings] // written by the backend, and by the frontend while nothing is under way

	mu       sync.Mutex
	cond     sync.Cond // broadcast whenever something below changes that a waiter may wait for
	replies  replies
	txStatus byte // of the last ReadyForQuery: I, T or E; zero before the first
	copying  *copyIn
	closed   bool
	// abort asks the frontend to make the server abort the transaction: a value
	// of it could not be opened.
	abort bool
	// failedOpen: the segment at the front of the queue had a value that could
	// not be opened; its further replies are withheld.
	failedOpen bool
	endCopy    bool // asks the frontend to fail a COPY whose data the client will not send
	ending     bool // the server shuts down: end when idle
}

// statement is a prepared statement as pgseal knows it.
type statement struct {
	plan     *rewrite.Statement // nil when it was not even parsed
	effects  rewrite.Effects    // of each execution
	refused  bool               // made so that the server refuses it
	declared []uint32           // the parameter types that the client declared
	edits    positionMap

	// What it was planned under; see stillPlanned. The frontend's.
	plans *snapshotPlans
	epoch uint64

	// The portal last bound, for Binds that ask for the same formats; the
	// frontend's.
	lastPortal  *portal
	lastFormats []byte
}

// touches tells whether executions need any handling.
func (st *statement) touches() bool {
	return st.plan != nil && (len(st.plan.Params) > 0 || len(st.plan.Outputs) > 0 || st.plan.Copy != nil)
}

// portal is a bound statement.
type portal struct {
	statement *statement
	rows      *rowPlan // nil when no column is to be opened
	orgs      []string // by position in rows.columns: the org that the row must have, "" when unknown
}

// relayedStatements and relayedPortals, by their effects, stand for all those
// that pgseal has nothing else to do with.
var relayedStatements, relayedPortals = func() (s [1 << 5]*statement, p [1 << 5]*portal) {
	for e := range s {
		s[e] = &statement{effects: rewrite.Effects(e)}
		p[e] = &portal{statement: s[e]}
	}
	return s, p
}()

// errSessionOver ends a goroutine whose counterpart has ended the session.
var errSessionOver = errors.New("the session is over")

// run relays until either side ends, and closes both connections.
func (s *session) run() {
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		b := newBackend(s)
		err := b.run()
		s.end("server", err)
	}()
	f := newFrontend(s)
	err := f.run()
	var fatal *fatalError
	if errors.As(err, &fatal) {
		s.fatal(fatal.err)
	}
	if errors.Is(err, errTerminated) {
		// The server closes when it has read the Terminate; what it still has
		// to say to the client goes out first.
		wg.Wait()
	}
	s.end("client", err)
	wg.Wait()
	f.release()
}

// end closes the session; the first reason is the one that is logged.
func (s *session) end(side string, err error) {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.cond.Broadcast()
	s.mu.Unlock()
	if !first {
		return
	}
	s.cancel()
	s.log.Debug("session ends", "side", side, "reason", err)
	_ = s.client.Close()
	_ = s.upstream.Close()
}

// push appends expected replies.
func (s *session) push(r reply) {
	s.mu.Lock()
	s.replies.push(r)
	s.mu.Unlock()
}

// wait blocks until done, called with the lock held, is true. It gives
// errSessionOver when the session ends first.
func (s *session) wait(done func() bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !done() {
		if s.closed {
			return errSessionOver
		}
		s.cond.Wait()
	}
	return nil
}

// busy tells whether the server owes the client something.
func (s *session) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replies.n > 0 || s.copying != nil || s.txStatus == 0
}

// lockedWriter lets the frontend tell the client of a fatal error while the
// backend writes messages.
type lockedWriter struct {
	mu   sync.Mutex
	conn net.Conn
}

func (w *lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn.Write(b)
}

// fatal tells the client why its session ends.
func (s *session) fatal(e *pgerr.Error) {
	message, err := appendError(nil, "FATAL", e)
	if err != nil {
		return // the session ends without a word
	}
	_ = s.client.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = s.clientWriter.Write(message) // the session ends either way
}
