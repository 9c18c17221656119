package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/pgseal/pgseal/internal/config"
	"github.com/pgseal/pgseal/internal/upstream"
	"github.com/pgseal/pgseal/proxy"
)

// reloading reads the certificates of both sides again on each SIGHUP, until ctx
// ends. Connections that are there keep theirs.
func reloading(ctx context.Context, c config.TLS, server *proxy.Server, dialer *upstream.Dialer, log *slog.Logger) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGHUP)
	defer signal.Stop(asked)
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked:
			reload(c, server, dialer, log)
		}
	}
}

// reload replaces the certificates of each side whose files are well. Those of a
// side whose files are not stay in use: there is nobody but the log to tell.
func reload(c config.TLS, server *proxy.Server, dialer *upstream.Dialer, log *slog.Logger) {
	const kept = "certificates were not read again; the old ones stay in use"
	cert, err := serverTLS(c)
	if err != nil {
		log.Error(kept, "side", "clients", "reason", err)
	} else {
		server.SetTLS(cert)
	}
	if upstreamErr := dialer.Reload(); upstreamErr != nil {
		log.Error(kept, "side", "database", "reason", upstreamErr)
	} else if err == nil {
		log.Info("certificates were read again")
	}
}
