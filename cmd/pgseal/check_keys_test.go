package main

import (
	"strings"
	"testing"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/kmsserver"
)

// store opens the keystore.
func (k *keysTest) store() *keystore.Store {
	k.t.Helper()
	store, err := keystore.Open(k.t.Context(), k.dsn)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(store.Close)
	return store
}

// replace has another key take an org's key's place.
func (k *keysTest) replace(org, arn string) {
	k.t.Helper()
	if err := k.store().ReplaceOrgKey(k.t.Context(), org, keystore.Replacement{Key: kms.Key{ARN: arn}}, keystore.Actor{Name: "test"}); err != nil {
		k.t.Fatal(err)
	}
}

// TestCheckOfKeys: what check says of a key in each part of its life.
func TestCheckOfKeys(t *testing.T) {
	k := keysOn(t, "")
	first, second := createKey(t, k.server, kmsserver.KeyOptions{}), createKey(t, k.server, kmsserver.KeyOptions{})
	check := func(parts ...string) { t.Helper(); pgseal(t, "check", "-c", k.file).has(t, exitFailed, parts...) } // the policy's table is not there

	// A replacement: under way, for long, with a previous key that is refused, done.
	k.run("add", "--org", "acme", "--arn", first).has(t, exitOK)
	k.mint("acme", 2)
	k.replace("acme", second)
	k.run("list").has(t, exitOK, "acme  acme  enabled  own     2          0 of 2")
	k.run("show", "--org", "acme").has(t, exitOK, "replaces     "+first+", since ", ": Enabled\n", "replaced     0 of 2 data keys\n")
	const goesOn = "0 of 2 data keys are wrapped anew; pgseal serve goes on with that, pgseal keys rewrap --org acme does it at once\n"
	check("ok    keys      org acme: "+second+" makes and opens data keys\n", "ok    keys      org acme: its key replaces "+first+" since ", goesOn)
	execute(t, k.dsn, "UPDATE pgseal.org_keys SET replacing = now() - interval '25 hours'")
	check("warn  keys      org acme: its key replaces "+first+" since ", goesOn)
	if err := k.server.Disable(first); err != nil {
		t.Fatal(err)
	}
	check("FAIL  keys      org acme: " + first + ", which is being replaced, has 2 data keys left that it wraps alone: the key is disabled: enable it in KMS\n")
	execute(t, k.dsn, "UPDATE pgseal.data_keys SET next_wrapped = wrapped, next_key_arn = '"+second+"'")
	check("and all its data keys are wrapped anew: pgseal keys replace --org acme --complete ends it\n")
	var list []keyJSON
	if k.json(&list, "list"); list[0].Replacement == nil || *list[0].Replacement.Wrapped != 2 || list[0].Replacement.PreviousARN != first {
		t.Errorf("%+v", list[0].Replacement)
	}

	// Keys that the configuration does not allow, or does no more.
	k.file = writeConfig(t, k.dsn, strings.Replace(k.kms, "kms: {", "kms: {allow: ['"+first+"'], ", 1)+policyText)
	check("FAIL  keys      org acme: " + second + ": kms:DescribeKey: the configuration does not allow this key: none of the patterns in kms.allow fits its ARN\n")

	k.run("destroy", "--org", "acme", "--confirm", "acme").has(t, exitOK)
	check("ok    keys      org acme: its data keys were destroyed on ", "; pgseal keys add lets it start afresh\n")
}

// TestCheckOfAnAlias: that it has moved to another key is told.
func TestCheckOfAnAlias(t *testing.T) {
	k := keysOn(t, "")
	first := createKey(t, k.server, kmsserver.KeyOptions{Alias: "alias/acme"})
	alias := first[:strings.Index(first, "key/")] + "alias/acme"
	k.run("add", "--org", "acme", "--arn", alias).has(t, exitOK)
	k.mint("acme", 1)
	check := func() string { return pgseal(t, "check", "-c", k.file).stdout }
	const moved = "warn  keys      org acme: 1 data key of 1 is wrapped by another key than "
	if out := check(); strings.Contains(out, moved) {
		t.Error(out)
	}
	if err := k.server.MoveAlias("alias/acme", createKey(t, k.server, kmsserver.KeyOptions{})); err != nil {
		t.Fatal(err)
	}
	if out := check(); !strings.Contains(out, moved+alias+" stands for now") {
		t.Error(out)
	}
}

// TestCheckOfTheDefaultKey: it is tried, and who is on it is told.
func TestCheckOfTheDefaultKey(t *testing.T) {
	k := keysOn(t, "")
	own, shared := createKey(t, k.server, kmsserver.KeyOptions{}), createKey(t, k.server, kmsserver.KeyOptions{})
	k.file = writeConfig(t, k.dsn, strings.Replace(k.kms, "kms: {", "kms: {default_key: {arn: '"+shared+"'}, ", 1)+policyText+"  orgs_without_key: default_key\n")
	check := func(parts ...string) { t.Helper(); pgseal(t, "check", "-c", k.file).has(t, exitFailed, parts...) }

	check("ok    keys      the default key: " + shared + " makes and opens data keys\n")
	k.mintDefault("acme", shared)
	check("warn  keys      1 org is on the default key, which they can't turn off: acme. pgseal keys add --org … gives an org its own\n")
	file := k.file
	k.file = writeConfig(t, k.dsn, strings.Replace(k.kms, "kms: {", "kms: {default_key: {arn: '"+own+"'}, ", 1)+policyText+"  orgs_without_key: default_key\n")
	check("warn  keys      org acme: on a default key, " + shared + ", that kms.default_key does not name any more: pgseal keys replace --org acme --arn … exchanges it\n")
	k.file = writeConfig(t, k.dsn, k.kms+policyText)
	check("warn  keys      org acme: on the default key, which policy.orgs_without_key does not allow any more: it can read what it has sealed, and write no more\n")
	k.file = file
	k.run("list").has(t, exitOK, "acme  ", "  enabled  default  1          -         ")
	k.run("add", "--org", "acme", "--arn", own).has(t, exitOK, "It was on the default key: what it sealed before stays readable, and its data keys are wrapped anew under its own key in the background.\n",
		"pgseal keys show --org acme tells how far that is; pgseal keys replace --org acme --complete ends it.\n")
	var shown keyJSON
	if k.json(&shown, "show", "--org", "acme"); shown.Origin != "own" || shown.ARN != own || shown.Replacement.PreviousARN != shared || shown.Replacement.KMS.State != "Enabled" {
		t.Errorf("%+v", shown)
	}

	if err := k.server.Disable(shared); err != nil {
		t.Fatal(err)
	}
	check("FAIL  keys      the default key: " + shared + ": kms:DescribeKey: the key is disabled: enable it in KMS\n")
}
