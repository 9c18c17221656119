package main

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/pgseal/pgseal/internal/config"
	"github.com/pgseal/pgseal/internal/upstream"
)

// checkHosts connects to each server that sessions may be passed on to, and asks
// it whether it takes writes.
func checkHosts(ctx context.Context, f *findings, c config.Upstream) {
	dialer, err := newDialer(c)
	if err != nil {
		f.fail("%v", err)
		return
	}
	primaries := 0
	for _, h := range dialer.Hosts() {
		conn, err := dialer.DialHost(ctx, h)
		if err != nil {
			f.fail("upstream.address: %v: clients' sessions could not be passed on; see that the database runs there", err)
			continue
		}
		state := conn.TLS()
		_ = conn.Close() // nothing was said on it
		secured := "without TLS"
		if state != nil {
			secured = "over " + tls.VersionName(state.Version)
		}
		switch err := dialer.TakesWrites(ctx, h); {
		case err == nil:
			primaries++
			f.ok("upstream.address: %s accepts connections, %s, and takes writes", h, secured)
		case errors.Is(err, upstream.ErrReadOnly):
			f.ok("upstream.address: %s accepts connections, %s, and is read-only", h, secured)
		default:
			f.warn("upstream.address: %s accepts connections, %s, but pgseal's own login cannot ask it whether it takes writes: %v", h, secured, err)
		}
		if state != nil {
			checkCertificate(f, "upstream.address: the certificate of "+h.String(), state.PeerCertificates[0])
		}
	}
	if c.TargetSessionAttrs == "read-write" && primaries == 0 {
		f.fail("upstream.target_session_attrs: read-write, and no server takes writes: clients are refused")
	}
	if mode := upstream.Mode(c.TLS.Mode); mode == upstream.ModePrefer {
		f.warn("upstream.tls.mode: prefer: somebody in between can keep TLS from being used; say verify-full")
	}
}
