package main

import (
	"fmt"

	"github.com/pgseal/pgseal/internal/authquery"
	"github.com/pgseal/pgseal/internal/config"
	"github.com/pgseal/pgseal/proxy"
)

// newAuth makes what clients are authenticated by. The caller closes its
// Passwords, which may be nil.
func newAuth(c config.Auth) (proxy.Auth, error) {
	auth := proxy.Auth{Mode: proxy.AuthMode(c.Mode)}
	if auth.Mode != proxy.AuthSCRAM {
		return auth, nil
	}
	passwords, err := authquery.New(authquery.Config{DSN: c.DSN.Reveal(), Query: c.Query, TTL: c.CacheTTL, Timeout: c.Timeout})
	if err != nil {
		return auth, fmt.Errorf("auth.dsn: %w", err)
	}
	auth.Passwords = passwords
	return auth, nil
}
