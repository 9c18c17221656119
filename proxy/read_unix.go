//go:build unix

package proxy

import (
	"io"
	"syscall"
)

const canAwait = true

// attempt is a read of a socket that takes its buffer when it succeeds.
type attempt struct {
	try func(fd uintptr) (done bool) // for syscall.RawConn.Read; made once, so that a read allocates nothing
	p   *[]byte
	n   int
	err error
}

func newAttempt() *attempt {
	a := &attempt{}
	a.try = a.read
	return a
}

// read tries once. When there is nothing to read it is called again when there is.
func (a *attempt) read(fd uintptr) bool {
	a.p, a.n, a.err = buffers.Get().(*[]byte), 0, nil
	for {
		n, err := syscall.Read(int(fd), *a.p)
		switch {
		case err == syscall.EINTR:
			continue
		case n > 0:
			a.n = n
			return true
		}
		buffers.Put(a.p)
		a.p = nil
		if err == syscall.EAGAIN {
			return false
		}
		if a.err = err; err == nil {
			a.err = io.EOF
		}
		return true
	}
}

// result is what the last read has given.
func (a *attempt) result() (p *[]byte, n int, err error) {
	p, a.p = a.p, nil
	return p, a.n, a.err
}
