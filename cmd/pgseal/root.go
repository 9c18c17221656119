package main

import (
	"os"

	"github.com/spf13/cobra"
)

const rootHelp = `pgseal stands between an application and its Postgres database. It seals
(encrypts) configured columns on their way in and opens them on their way out,
with keys that belong to each row's organisation. An organisation turns its key
off in its KMS, and its data is unreadable: on disk, in backups, and through
pgseal.

The first steps, with a database that is there and a configuration file
(config.example.yaml shows every key):

  pgseal init     # once: makes the keystore and the type pgseal.sealed
  pgseal keys add --org acme --name "Acme's key" --arn arn:aws:kms:…
  pgseal check    # is all well, and what to do if not
  pgseal serve

Exit codes: 0 all went well, 1 something failed, 2 the command line or the
configuration file is wrong.`

// newRoot makes the command with all its subcommands.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "pgseal",
		Short:         "Seal columns of a Postgres database, with a key for each organisation",
		Long:          rootHelp,
		Args:          cobra.NoArgs,
		SilenceErrors: true, // report prints them
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	file := os.Getenv("PGSEAL_CONFIG")
	if file == "" {
		file = "config.yaml"
	}
	root.PersistentFlags().StringVarP(&a.configFile, "config", "c", file, "configuration `file`; the environment variable PGSEAL_CONFIG gives the default")
	root.AddCommand(
		newDemo(a),
		newServe(a),
		newInit(a),
		newKeys(a),
		newAudit(a),
		newCheck(a),
		newPolicy(a),
		newVersion(a),
	)
	return root
}
