package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/config"
	"github.com/pgseal/pgseal/internal/scram"
	"github.com/pgseal/pgseal/proxy"
)

// checkLogins looks at what the configuration says of TLS and authentication
// together.
func checkLogins(f *findings, c *config.Config) {
	mode := proxy.AuthMode(c.Auth.Mode)
	bothTLS := c.TLS.Mode != "disable" && c.Upstream.TLS.Mode != "disable"
	if mode == proxy.AuthPassthrough && bothTLS {
		f.warn("auth.mode: passthrough, with TLS on both sides of pgseal: clients that come over TLS and know channel binding, as libpq does, cannot log in by SCRAM; say scram, unless the database asks them for nothing or for something else")
	}
	if mode != proxy.AuthSCRAM {
		return
	}
	if cert, err := serverTLS(c.TLS); err == nil && cert != nil { // an error is told already
		if _, err := scram.Binding(cert.Certificates[0].Leaf); err != nil {
			f.warn("tls.cert: %v: clients that insist on channel binding (channel_binding=require) cannot log in; have it signed by RSA or ECDSA", err)
		}
	}
}

// checkPasswords runs auth.query once, for the user who runs it.
func checkPasswords(ctx context.Context, f *findings, c config.Auth) {
	auth, err := newAuth(c)
	if err != nil {
		f.fail("%v", err)
		return
	}
	if auth.Passwords == nil {
		return
	}
	defer auth.Passwords.Close()
	login, err := pgconn.ParseConfig(c.DSN.Reveal())
	if err != nil {
		f.fail("auth.dsn: cannot be read")
		return
	}
	stored, err := auth.Passwords.Fresh(ctx, login.User, "")
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused) && refused.Code == "42501":
		f.fail("%v: no client can log in; give the login of auth.dsn the right to it, or name a function that has it (docs/configuration.md shows one)", err)
	case err != nil:
		f.fail("%v: no client can log in; see that the login of auth.dsn and the query are right", err)
	case stored.Missing != "":
		f.ok("auth.query: runs; for %s, whose login it is, it gives no password that can be used (%s)", login.User, stored.Missing)
	default:
		stored.Zero()
		f.ok("auth.query: runs, and gives a password that can be used for %s, whose login it is", login.User)
	}
}
