package proxy

import (
	"sync"
	"time"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// How the server shuts down.

var (
	// errAdminShutdown ends sessions.
	errAdminShutdown = &pgerr.Error{
		Code: pgerr.AdminShutdown, Message: "terminating connection due to administrator command",
	}
	// errShuttingDown ends clients that have not got a session yet.
	errShuttingDown = &pgerr.Error{
		Code: pgerr.CannotConnectNow, Message: "the database system is shutting down",
	}
)

// Shutdown ends idle sessions and those that are not authenticated yet at once,
// and the others when they turn idle or, at the latest, when the grace period is
// over; a session is idle when it is in no transaction and is owed no answer.
// Shutdown returns when all are gone. The listener must be closed.
func (srv *Server) Shutdown() {
	srv.mu.Lock()
	srv.closing = true
	sessions := srv.list()
	srv.mu.Unlock()
	srv.stopStarting()
	for _, s := range sessions {
		s.drain()
	}
	done := make(chan struct{})
	go func() { srv.wg.Wait(); close(done) }()
	select {
	case <-done:
		return
	case <-time.After(srv.config.Limits.ShutdownGrace):
	}
	srv.mu.Lock()
	sessions = srv.list()
	srv.mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range sessions {
		wg.Go(func() { s.terminate(errAdminShutdown) })
	}
	wg.Wait()
	<-done
}

// list gives the sessions that there are. The caller holds the lock.
func (srv *Server) list() []*session {
	list := make([]*session, 0, len(srv.sessions))
	for s := range srv.sessions {
		list = append(list, s)
	}
	return list
}

// drain ends the session when it is idle next.
func (s *session) drain() {
	s.mu.Lock()
	starting := s.txStatus == 0
	s.mu.Unlock()
	if starting {
		s.server.wg.Go(func() { s.terminate(errShuttingDown) })
		return
	}
	s.draining.Store(true)
	s.interrupt()
}
