package keepalive

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

func (o Options) userTimeout(raw syscall.RawConn) error {
	if o.UserTimeout == 0 {
		return nil
	}
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(o.UserTimeout.Milliseconds()))
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("set TCP_USER_TIMEOUT: %w", err)
	}
	return nil
}
