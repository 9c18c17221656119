package proxy_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pgseal/pgseal/internal/keepalive"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/proxy"
)

// keepingListener keeps the connections that it has accepted.
type keepingListener struct {
	net.Listener
	mu    sync.Mutex
	conns []*net.TCPConn
}

func (l *keepingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.conns = append(l.conns, conn.(*net.TCPConn))
	}
	return conn, err
}

// TestFact46KeepaliveOfClients asks the kernel what is set on a client's
// connection. (Package upstream asks about the other leg.)
func TestFact46KeepaliveOfClients(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{Change: func(c *proxy.Config) {
		c.Keepalive = keepalive.Options{Idle: 61 * time.Second, Interval: 13 * time.Second, Count: 5, UserTimeout: 77 * time.Second}
	}})
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := &keepingListener{Listener: tcp}
	served := make(chan error, 1)
	go func() { served <- f.Server.Serve(t.Context(), listener) }()
	defer func() {
		_ = listener.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	conn := proxytest.Connect(t, withHost(t, f.Through, tcp.Addr().String()))
	var one int
	if err := conn.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil {
		t.Fatal(err)
	}
	raw, err := listener.conns[0].SyscallConn()
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
