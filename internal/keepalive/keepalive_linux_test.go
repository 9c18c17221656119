package keepalive

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFact46KeepaliveOnBothLegs asks the kernel what is set on a connection that
// was made with the options, and on one that was accepted.
func TestFact46KeepaliveOnBothLegs(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	o := Options{Idle: 61 * time.Second, Interval: 13 * time.Second, Count: 5, UserTimeout: 77 * time.Second}
	dialed, err := o.Dialer(time.Minute).Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dialed.Close() }()
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = accepted.Close() }()
	if err := o.Apply(accepted); err != nil {
		t.Fatal(err)
	}
	for name, conn := range map[string]net.Conn{"dialed": dialed, "accepted": accepted} {
		for option, want := range map[int]int{
			unix.TCP_KEEPIDLE: 61, unix.TCP_KEEPINTVL: 13, unix.TCP_KEEPCNT: 5, unix.TCP_USER_TIMEOUT: 77_000,
		} {
			if got := sockopt(t, conn, unix.IPPROTO_TCP, option); got != want {
				t.Errorf("%s: TCP option %d is %d, want %d", name, option, got, want)
			}
		}
		if got := sockopt(t, conn, unix.SOL_SOCKET, unix.SO_KEEPALIVE); got != 1 {
			t.Errorf("%s: SO_KEEPALIVE is %d", name, got)
		}
	}
}

// TestSystemDefaults: what is zero is left to the system.
func TestSystemDefaults(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	plain, err := (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: -1, Interval: -1, Count: -1}}).Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	ours, err := Options{}.Dialer(0).Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ours.Close() }()
	for _, option := range []int{unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT, unix.TCP_USER_TIMEOUT} {
		if got, want := sockopt(t, ours, unix.IPPROTO_TCP, option), sockopt(t, plain, unix.IPPROTO_TCP, option); got != want {
			t.Errorf("TCP option %d is %d, the system's is %d", option, got, want)
		}
	}
}

func sockopt(t *testing.T, conn net.Conn, level, option int) int {
	t.Helper()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var value int
	var failed error
	if err := raw.Control(func(fd uintptr) { value, failed = unix.GetsockoptInt(int(fd), level, option) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return value
}
