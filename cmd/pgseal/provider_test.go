package main

import (
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/kmsserver"
	"github.com/pgseal/pgseal/internal/pgtest"
)

// TestSeveralProviders: orgs of one pgseal have their keys in different KMSs.
func TestSeveralProviders(t *testing.T) {
	dsn := pgtest.Database(t)
	server, kms := startKMS(t)
	arn := createKey(t, server, kmsserver.KeyOptions{})
	file := writeConfig(t, dsn, strings.Replace(kms, "{", "{provider: [aws, local], ", 1)+policyText)
	pgseal(t, "init", "-c", file).has(t, exitOK, "with the key local:default")
	pgseal(t, "keys", "add", "-c", file, "--org", "acme", "--arn", arn).has(t, exitOK, "Org acme is sealed with "+arn)
	pgseal(t, "keys", "add", "-c", file, "--org", "globex", "--arn", "local:default").has(t, exitOK, "Org globex is sealed with local:default")
	pgseal(t, "keys", "add", "-c", file, "--org", "hooli", "--arn", "vault:transit/hooli").has(t, exitFailed,
		`--arn: "vault:transit/hooli" is not a key of kms.provider (aws, local): it looks like arn:aws:kms:`, " or local:NAME")
	pgseal(t, "keys", "add", "-c", file, "--org", "hooli").has(t, exitFailed, `--arn: "" is not a key of kms.provider`)

	// A provider that is taken out of the configuration takes its keys along.
	onlyAWS := writeConfig(t, dsn, kms+policyText)
	pgseal(t, "keys", "show", "-c", onlyAWS, "--org", "globex").has(t, exitOK, "no provider of kms.provider has such a key: the keys of the configured providers begin with arn: (aws)")
}
