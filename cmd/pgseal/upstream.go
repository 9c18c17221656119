package main

import (
	"github.com/pgseal/pgseal/internal/config"
	"github.com/pgseal/pgseal/internal/keepalive"
	"github.com/pgseal/pgseal/internal/upstream"
)

// newDialer makes what sessions are connected to the database with.
func newDialer(c config.Upstream) (*upstream.Dialer, error) {
	return upstream.New(upstream.Options{
		Addresses:      c.Address,
		ConnectTimeout: c.ConnectTimeout,
		TLS:            upstream.TLS{Mode: upstream.Mode(c.TLS.Mode), CA: c.TLS.CA, Cert: c.TLS.Cert, Key: c.TLS.Key},
		Keepalive:      newKeepalive(c.Keepalive),
		ReadWrite:      c.TargetSessionAttrs == "read-write",
		DSN:            c.DSN,
	})
}

func newKeepalive(c config.Keepalive) keepalive.Options {
	return keepalive.Options{Idle: c.Idle, Interval: c.Interval, Count: c.Count, UserTimeout: c.UserTimeout}
}
