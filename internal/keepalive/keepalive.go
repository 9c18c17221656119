// Package keepalive notices TCP peers that are gone without a word: a machine
// that lost its power, a NAT that has forgotten the connection.
//
// Files: keepalive.go has the options and sets keepalive probes, usertimeout_*.go
// sets TCP_USER_TIMEOUT where the system has it.
package keepalive

import (
	"fmt"
	"net"
	"syscall"
	"time"
)

// Options are those of a connection, as Postgres's tcp_keepalives_idle,
// tcp_keepalives_interval, tcp_keepalives_count and tcp_user_timeout. Zero
// leaves a value to the system, but for UserTimeout, where it means none.
type Options struct {
	Idle     time.Duration // without a word before the first probe
	Interval time.Duration // between probes
	Count    int           // probes without an answer that end the connection
	// UserTimeout is how long what was sent may stay unacknowledged, and how long
	// a peer may leave its window shut: a peer that reads slowly is cut off too.
	// Linux only.
	UserTimeout time.Duration
}

// config is o in the form of package net, in which zero has a meaning of its
// own and -1 leaves a value to the system.
func (o Options) config() net.KeepAliveConfig {
	c := net.KeepAliveConfig{Enable: true, Idle: o.Idle, Interval: o.Interval, Count: o.Count}
	if c.Idle == 0 {
		c.Idle = -1
	}
	if c.Interval == 0 {
		c.Interval = -1
	}
	if c.Count == 0 {
		c.Count = -1
	}
	return c
}

// Dialer makes connections with these options. A connection attempt may take
// timeout; zero: as long as the system lets it.
func (o Options) Dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout: timeout, KeepAliveConfig: o.config(),
		Control: func(network, _ string, raw syscall.RawConn) error {
			if network == "unix" {
				return nil
			}
			return o.userTimeout(raw)
		},
	}
}

// Apply sets the options on a connection that was accepted. Others than TCP's
// have none.
func (o Options) Apply(conn net.Conn) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	if err := tcp.SetKeepAliveConfig(o.config()); err != nil {
		return fmt.Errorf("set TCP keepalive: %w", err)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return fmt.Errorf("set TCP_USER_TIMEOUT: %w", err)
	}
	return o.userTimeout(raw)
}
