//go:build !unix

package proxy

const canAwait = false

// attempt is not used here: see read_unix.go.
type attempt struct{ try func(fd uintptr) bool }

func newAttempt() *attempt { return nil }

func (*attempt) result() (p *[]byte, n int, err error) { return nil, 0, nil }
