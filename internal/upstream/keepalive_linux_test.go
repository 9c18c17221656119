package upstream

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgseal/pgseal/internal/keepalive"
	"github.com/pgseal/pgseal/internal/pgtest"
)

// TestFact46KeepaliveOfServers asks the kernel what is set on a connection to a
// server.
func TestFact46KeepaliveOfServers(t *testing.T) {
	d, err := New(Options{
		Addresses: []string{addressOf(pgtest.Server(t))},
		Keepalive: keepalive.Options{Idle: 61 * time.Second, Interval: 13 * time.Second, Count: 5, UserTimeout: 77 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := d.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for option, want := range map[int]int{unix.TCP_KEEPIDLE: 61, unix.TCP_KEEPINTVL: 13, unix.TCP_KEEPCNT: 5, unix.TCP_USER_TIMEOUT: 77_000} {
		var got int
		var failed error
		if err := raw.Control(func(fd uintptr) { got, failed = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option) }); err != nil || failed != nil {
			t.Fatal(err, failed)
		}
		if got != want {
			t.Errorf("TCP option %d is %d, want %d", option, got, want)
		}
	}
}
