//go:build !linux

package keepalive

import "syscall"

func (o Options) userTimeout(syscall.RawConn) error { return nil }
