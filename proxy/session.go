package proxy

import (
	"context"
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
	server      *Server
	client      net.Conn
	upstream    *upstream.Conn
	log         *slog.Logger
	database    string
	user        string // who logged in, by whom access is decided; see access.go
	application string // application_name of the start-up packet: what the client says of itself
	mayRaw      bool   // the policy lets this user turn raw mode on
	walsender   bool   // a replication connection; see replication.go

	clientWriter clientWriter
	cancelKey    string // the server's; guarded by the Server's lock

	ctx     context.Context // ends with the session
	cancel  context.CancelFunc
	startup *time.Timer // ends the session when it takes too long to be authenticated; may be nil

	draining   atomic.Bool  // the server shuts down: end when idle
	answering  atomic.Bool  // a ReadyForQuery was handled, and may not have been sent yet
	answeredAt atomic.Int64 // when the last one was, as Server.clock tells it

	settings atomic.Pointer[settings] // written by the backend, and by the frontend while nothing is under way

	// plusWithheld: channel binding was taken out of what the server offers.
	plusWithheld atomic.Bool
	// delivering: a cancel request for the session is on its way; see cancel.go.
	// Written with the lock held.
	delivering atomic.Bool

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
	endCopy    bool         // asks the frontend to fail a COPY whose data the client will not send
	requests   int          // of the server, for authentication messages, that were not answered
	inputOver  bool         // the frontend sends nothing any more: the upstream connection is closed for writing
	terminated bool         // pgseal ends the session, busy or not
	ownFailure *pgerr.Error // the server's last error to a question of pgseal's own
	held       bool         // the frontend has something to send, and waits until a cancel request is delivered
}

// statement is a prepared statement as pgseal knows it.
type statement struct {
	plan     *rewrite.Statement // nil when it was not even parsed
	effects  rewrite.Effects    // of each execution
	refused  bool               // made so that the server refuses it
	declared []uint32           // the parameter types that the client declared
	edits    positionMap
	own      ownParams

	// The settings that literals were sealed by, nil when none was. The frontend's.
	sealedFor map[string]string

	// What was planned, from which text and under what; see stillPlanned. The
	// frontend's.
	planned *rewrite.Statement
	source  string
	plans   *snapshotPlans
	epoch   uint64
	runs    *statement // what the name of its EXECUTE stood for, nil for nothing

	// The portal last bound, for Binds that ask for the same formats; the
	// frontend's.
	lastPortal  *portal
	lastFormats []byte
}

// touches tells whether executions need any handling.
func (st *statement) touches() bool {
	return st.plan != nil && (len(st.plan.Params) > 0 || st.plan.SetsOrgByParam() || len(st.plan.Outputs) > 0 || st.plan.Copy != nil || len(st.plan.StepParams) > 0 || st.own.count() > 0 ||
		st.plan.Cursor != nil && len(st.plan.Cursor.Query.Outputs) > 0)
}

// portal is a bound statement.
type portal struct {
	statement *statement
	rows      *rowPlan // nil when no column is to be opened
	orgs      []string // by position in rows.columns: the org that the row must have, "" when unknown

	hold    bool     // a cursor that outlives its transaction
	asked   bool     // the columns of this FETCH were asked for; the frontend's
	fetched *fetched // what they are; guarded by the session's lock
}

// relayedStatements and relayedPortals, by their effects, stand for all those
// that pgseal has nothing else to do with.
var relayedStatements, relayedPortals = func() (s [1 << 6]*statement, p [1 << 6]*portal) {
	for e := range s {
		s[e] = &statement{effects: rewrite.Effects(e)}
		p[e] = &portal{statement: s[e]}
	}
	return s, p
}()

// runSession relays between a client and its upstream connection.
func (srv *Server) runSession(ctx context.Context, st *startup, up *upstream.Conn) {
	s := &session{
		server: srv, client: st.conn, upstream: up,
		user: st.parameters["user"], mayRaw: srv.config.Policy.MayRaw(st.parameters["user"]), database: st.parameters["database"], application: st.parameters["application_name"], walsender: st.replicates(),
		log: srv.config.Log.With("client", st.conn.RemoteAddr().String(), "user", st.parameters["user"]),
	}
	s.clientWriter.conn = st.conn
	s.cond.L = &s.mu
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.settings.Store(defaultSettings())
	// From here on the time is kept by a timer: deadlines have other uses.
	_ = st.conn.SetDeadline(time.Time{}) // fails only when it is closed, and then the session ends
	if !st.deadline.IsZero() {
		s.startup = time.AfterFunc(time.Until(st.deadline), func() {
			s.log.Info("connection ends before it is authenticated", "reason", errStartupTimeout)
			s.end("pgseal", errStartupTimeout)
		})
		defer s.startup.Stop()
	}
	srv.register(s)
	defer srv.unregister(s)
	s.log.Debug("session begins", "database", st.parameters["database"])
	s.run()
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
		if s.closed || s.terminated {
			return errSessionOver
		}
		s.cond.Wait()
	}
	return nil
}

// owed tells, with the lock held, whether the server owes the client something.
func (s *session) owed() bool {
	return s.replies.n > 0 || s.copying != nil || s.txStatus == 0
}
