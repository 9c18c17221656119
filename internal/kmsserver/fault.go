package kmsserver

import (
	"net"
	"net/http"
	"slices"
	"time"
)

// Kind is what goes wrong.
type Kind int

const (
	Throttle    Kind = iota + 1 // ThrottlingException, 400
	Internal                    // KMSInternalException, 500
	Unavailable                 // ServiceUnavailable, 503
	Timeout                     // DependencyTimeoutException, 503
	Refuse                      // AccessDeniedException, 400
	Garbage                     // 200 and something that is not JSON
	Reset                       // the connection is reset, nothing is done
	LostReply                   // it is done, and the connection reset
	Hang                        // no answer until the fault is removed; then as usual
	Slow                        // an answer as usual, after Delay
)

// Fault says which calls meet what trouble.
type Fault struct {
	Kind   Kind
	Op     string        // "" is any operation; STS's is AssumeRole
	Region string        // "" is any Region
	Key    string        // key ARN; "" is any key, and operations without one
	After  int           // so many calls pass first
	Times  int           // then so many meet it; 0: all until it is removed
	Delay  time.Duration // for Slow
}

// Injected is a fault at work.
type Injected struct {
	Fault
	server  *Server
	removed chan struct{} // closed by Remove

	passed, hits, waiting int // guarded by server.mu
	gone                  bool
}

// Inject sets a fault to work. A call meets the oldest fault that fits it.
func (s *Server) Inject(f Fault) *Injected {
	in := &Injected{Fault: f, server: s, removed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, in)
	return in
}

// Remove ends the fault and lets go what hangs in it.
func (in *Injected) Remove() {
	in.server.mu.Lock()
	defer in.server.mu.Unlock()
	if in.gone {
		return
	}
	in.gone = true
	close(in.removed)
	in.server.faults = slices.DeleteFunc(in.server.faults, func(f *Injected) bool { return f == in })
}

// Hits is how many calls met the fault.
func (in *Injected) Hits() int {
	in.server.mu.Lock()
	defer in.server.mu.Unlock()
	return in.hits
}

// Waiting is how many calls hang or wait in it now.
func (in *Injected) Waiting() int {
	in.server.mu.Lock()
	defer in.server.mu.Unlock()
	return in.waiting
}

// meet counts the call and gives the fault that it meets, or nil.
func (s *Server) meet(c *call) *Injected {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(c.now)
	keys := s.keysOf(c)
	s.count(c.op, keys)
	for _, in := range s.faults {
		if !in.fits(c, keys) {
			continue
		}
		if in.passed < in.After {
			in.passed++
			continue
		}
		if in.Times > 0 && in.hits >= in.Times {
			continue
		}
		in.hits++
		return in
	}
	return nil
}

func (in *Injected) fits(c *call, keys []*key) bool {
	if in.Op != "" && in.Op != c.op || in.Region != "" && in.Region != c.region {
		return false
	}
	return in.Key == "" || slices.ContainsFunc(keys, func(k *key) bool { return k.arn() == in.Key })
}

// before acts out the fault; true: the operation is to be performed.
func (in *Injected) before(s *Server, c *call, w http.ResponseWriter, r *http.Request) bool {
	switch in.Kind {
	case Throttle:
		c.answer(w, nil, errThrottled())
	case Internal:
		c.answer(w, nil, failure("KMSInternalException", "an internal error, as was asked for"))
	case Unavailable:
		c.answer(w, nil, failure("ServiceUnavailable", "unavailable, as was asked for"))
	case Timeout:
		c.answer(w, nil, failure("DependencyTimeoutException", "a timeout, as was asked for"))
	case Refuse:
		c.answer(w, nil, failure("AccessDeniedException", "denied, as was asked for"))
	case Garbage:
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write([]byte("<html>it works!</html>"))
	case Reset:
		reset(w)
	case LostReply:
		return true
	case Hang:
		return in.wait(s, w, r, nil)
	case Slow:
		timer := time.NewTimer(in.Delay)
		defer timer.Stop()
		return in.wait(s, w, r, timer.C)
	default:
		panic("kmsserver: internal error: no such kind of fault")
	}
	return false
}

// wait holds the request until the fault is removed or the time is up; false: the
// client or the server left before.
func (in *Injected) wait(s *Server, w http.ResponseWriter, r *http.Request, up <-chan time.Time) bool {
	add := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		in.waiting += n
	}
	add(1)
	defer add(-1)
	select {
	case <-in.removed:
	case <-up:
	case <-r.Context().Done():
		reset(w)
		return false
	case <-s.closed:
		reset(w) // to return without a word would be an empty 200
		return false
	}
	return true
}

// reset ends the connection with a TCP reset, as a broken load balancer would.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // not a connection of ours to hijack: this ends it too
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
