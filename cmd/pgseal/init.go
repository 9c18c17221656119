package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms/local"
	"github.com/pgseal/pgseal/internal/config"
	"github.com/pgseal/pgseal/internal/secret"
)

const initHelp = `Make what pgseal needs in the database, in the schema pgseal: the type
pgseal.sealed in the database of upstream.dsn, and the keystore's tables in that
of keystore.dsn, which is the same one unless the configuration says otherwise.
With kms.provider: local, make the key file too.

It can be run again at any time: what is there already is left as it is, and a
keystore of an older pgseal is brought up to date. The login needs the right to
create a schema in its database.`

func newInit(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "init",
		Short:   "Make the keystore and the type pgseal.sealed in the database",
		Long:    initHelp,
		Example: "  pgseal init --config config.yaml",
		Args:    cobra.NoArgs,
		RunE:    runs(func(ctx context.Context, _ []string) error { return a.init(ctx) }),
	}
}

func (a *app) init(ctx context.Context) error {
	c, err := a.load()
	if err != nil {
		return err
	}
	if err := a.migrate(ctx, "upstream.dsn", c.Upstream.DSN, keystore.Domain); err != nil {
		return err
	}
	if err := a.migrate(ctx, "keystore.dsn", c.Keystore.DSN, keystore.Tables); err != nil {
		return err
	}
	if c.KMS.Has("local") {
		return a.makeKeyFile(c.KMS.Local)
	}
	return nil
}

// migrate brings one part of the schema up to date and says what it did. The
// key is where the DSN is from.
func (a *app) migrate(ctx context.Context, key string, dsn secret.Text, part keystore.Part) error {
	applied, err := keystore.Migrate(ctx, dsn.Reveal(), part)
	for _, name := range applied {
		_, _ = fmt.Fprintf(a.stdout, "%s: applied %s\n", key, name)
	}
	if err != nil {
		return fmt.Errorf("init: %s: %w%s", key, err, initAdvice(err))
	}
	if len(applied) == 0 {
		_, _ = fmt.Fprintf(a.stdout, "%s: %s is up to date\n", key, part)
	}
	return nil
}

// initAdvice says what to do about a migration that failed.
func initAdvice(err error) string {
	var server *pgconn.PgError
	switch {
	case errors.As(err, &server) && server.Code == "42501": // insufficient_privilege
		return ": let the login create the schema: GRANT CREATE ON DATABASE … TO …, or run pgseal init once with an owner's login"
	case connectFailed(err):
		return ": see that the database runs and that the DSN is right"
	}
	return ""
}

// connectFailed tells whether a database could not be reached or did not let
// pgseal in.
func connectFailed(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect)
}

// makeKeyFile makes the local provider's file with a first key.
func (a *app) makeKeyFile(c config.Local) error {
	if _, err := os.Stat(c.File); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			_, err = fmt.Fprintf(a.stdout, "kms.local.file: %s is there\n", c.File)
		}
		return err
	}
	arn, err := local.AddKey(c.File, "default", "made by pgseal init")
	if err != nil {
		return fmt.Errorf("init: kms.local.file: %w", err)
	}
	_, err = fmt.Fprintf(a.stdout, "kms.local.file: made %s with the key %s; for development only\n", c.File, arn)
	return err
}
