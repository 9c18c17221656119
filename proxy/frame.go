package proxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A message is a type byte, a length that counts itself but not the type, and
// the body. Sizes here count all of it.
const headerSize = 5

// bufferSize is what a direction of a session reads at once. Larger reads save
// few system calls. The buffer is held only while there are bytes in it: see
// read.go.
const bufferSize = 16 << 10

// keepBufferSize is the largest buffer that is kept after a large message.
const keepBufferSize = 64 << 10

// errMessageLength is a length word below what it must count itself.
var errMessageLength = errors.New("invalid message length")

// frameReader reads messages into one buffer and hands them out in place: what
// peek and take give aliases the buffer and lives until the next fill.
type frameReader struct {
	source     source
	pooled     *[]byte // nil: the buffer was given back
	buf        []byte
	start, end int // the unread bytes
}

func newFrameReader(conn io.Reader) *frameReader { return &frameReader{source: newSource(conn)} }

// release gives the buffer back. What was read into it is lost.
func (r *frameReader) release() {
	if r.pooled != nil {
		buffers.Put(r.pooled)
	}
	r.buf, r.pooled, r.start, r.end = nil, nil, 0, 0
}

// buffered is the number of unread bytes at hand.
func (r *frameReader) buffered() int { return r.end - r.start }

// peek gives the type and size of the next message; ok is false while its
// header has not been read whole.
func (r *frameReader) peek() (typ byte, size int, ok bool, err error) {
	if r.buffered() < headerSize {
		return 0, 0, false, nil
	}
	head := r.buf[r.start:]
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 || n > 0x7fffffff {
		return head[0], 0, false, errMessageLength
	}
	return head[0], int(n) + 1, true, nil
}

// take hands out the next n bytes, which are at hand.
func (r *frameReader) take(n int) []byte {
	b := r.buf[r.start : r.start+n]
	r.start += n
	return b
}

// fill reads more, at least one byte, of a message of the given size (or of a
// header, when it is not known). Room is made as the bytes come: a length word
// alone costs no memory.
func (r *frameReader) fill(size int) error {
	if r.start == r.end && size <= bufferSize {
		r.release()
		p, n, err := r.source.first()
		if n == 0 {
			return err
		}
		r.pooled, r.buf, r.end = p, *p, n
		return nil
	}
	if r.end == len(r.buf) || size > len(r.buf)-r.start {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	if r.end == len(r.buf) {
		grown := make([]byte, min(size, max(bufferSize, 2*len(r.buf))))
		copy(grown, r.buf)
		r.buf = grown
	}
	n, err := r.source.conn.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	return noProgress(err)
}

// output collects what goes out in one write. A run of relayed messages that
// lie side by side in the reader's buffer is written from there; as soon as
// rewritten ones come between, all are gathered in a buffer of its own.
type output struct {
	conn   io.Writer
	buf    []byte // gathered so far
	run    []byte // relayed, after buf; aliases a frameReader's buffer
	failed bool   // a write did
}

// relay sends a frame as it is. The frame must stay as it is until flush.
func (o *output) relay(frame []byte) {
	if n := len(o.run); n > 0 {
		if n+len(frame) <= cap(o.run) && &o.run[: n+1 : n+1][n] == &frame[0] {
			o.run = o.run[:n+len(frame)]
			return
		}
		o.begin()
	}
	o.run = frame
}

// begin gives the buffer to append rewritten messages to; the caller stores the
// result back into o.buf.
func (o *output) begin() []byte {
	if o.buf == nil {
		o.buf = outputs.get()
	}
	if len(o.run) > 0 {
		o.buf = append(o.buf, o.run...)
		o.run = nil
	}
	return o.buf
}

// size is the number of bytes that flush would write.
func (o *output) size() int { return len(o.buf) + len(o.run) }

// flush writes everything collected.
func (o *output) flush() error {
	var err error
	switch {
	case len(o.buf) > 0:
		o.buf = append(o.buf, o.run...)
		_, err = o.conn.Write(o.buf)
	case len(o.run) > 0:
		_, err = o.conn.Write(o.run)
	}
	o.drop()
	o.failed = o.failed || err != nil
	return err
}

// drop forgets what was collected.
func (o *output) drop() {
	if o.buf != nil && cap(o.buf) <= keepBufferSize {
		outputs.put(o.buf)
	}
	o.buf, o.run = nil, nil
}

// beginMessage appends a message's header with its length open; endMessage,
// given the length of dst before it, closes it.
func beginMessage(dst []byte, typ byte) []byte { return append(dst, typ, 0, 0, 0, 0) }

func endMessage(dst []byte, start int) ([]byte, error) {
	n := len(dst) - start - 1
	if n > maxMessageSize {
		return dst[:start], fmt.Errorf("message of %d bytes exceeds the protocol's limit", n)
	}
	binary.BigEndian.PutUint32(dst[start+1:], uint32(n))
	return dst, nil
}

// maxMessageSize is PQ_LARGE_MESSAGE_LIMIT, MaxAllocSize - 1.
const maxMessageSize = 0x3fffffff - 1

// smallMessageSize is PQ_SMALL_MESSAGE_LIMIT, which SocketBackend() holds
// Describe, Close, Execute, Flush, Sync, Terminate and CopyDone to.
const smallMessageSize = 10000
