package main

import (
	"context"

	"github.com/pgseal/pgseal/internal/config"
)

// checkHosts connects to each server that sessions may be passed on to.
func checkHosts(ctx context.Context, f *findings, c config.Upstream) {
	dialer, err := newDialer(c)
	if err != nil {
		f.fail("%v", err)
		return
	}
	for _, h := range dialer.Hosts() {
		conn, err := dialer.DialHost(ctx, h)
		if err != nil {
			f.fail("upstream.address: %v: clients' sessions could not be passed on; see that the database runs there", err)
			continue
		}
		secured := "without TLS"
		if conn.TLS() != nil {
			secured = "over TLS"
		}
		_ = conn.Close() // nothing was said on it
		f.ok("upstream.address: %s accepts connections, %s", h, secured)
	}
}
