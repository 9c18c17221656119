package proxy

import (
	"net"
	"sync"
)

// clientWriter is the way to the client. The backend writes the server's messages
// to it, and whoever ends the session its last one: between two others, never
// within one.
type clientWriter struct {
	conn net.Conn
	cut  bool // the backend's: what it writes next ends within a message

	mu     sync.Mutex
	within bool // what was written ends within a message
	closed bool // the last message was written: nothing follows it
}

// Write sends, or drops what comes behind the last message.
func (w *clientWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return len(b), nil
	}
	n, err := w.conn.Write(b)
	switch {
	case n == len(b):
		w.within = w.cut
	case n > 0:
		w.within = true
	}
	return n, err
}

// last sends the last message, unless it could not be told from the data that it
// would stand in.
func (w *clientWriter) last(message []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed && !w.within {
		_, _ = w.conn.Write(message) // the session ends either way
	}
	w.closed = true
}

// close is told that the last message was written.
func (w *clientWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}
