package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/crypto/keyring"
	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/internal/kmsserver"
)

// mint makes data keys of an org, each as a pgseal process of its own would.
func (k *keysTest) mint(org string, n int) { k.t.Helper(); k.mintWith(org, n, keyring.Options{}) }

// mintDefault makes a data key of an org that has no key, under the default key.
func (k *keysTest) mintDefault(org, arn string) {
	k.t.Helper()
	k.mintWith(org, 1, keyring.Options{DefaultKey: &kms.Key{ARN: arn}})
}

func (k *keysTest) mintWith(org string, n int, o keyring.Options) {
	k.t.Helper()
	store, provider := k.store(), providerOf(k.t, k.file)
	for range n {
		ring, err := keyring.New(store, provider, o, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			k.t.Fatal(err)
		}
		_, err = ring.ForSeal(k.t.Context(), org)
		ring.Close()
		if err != nil {
			k.t.Fatal(err)
		}
	}
}

func TestDestroy(t *testing.T) {
	k := keysOn(t, "")
	arn := createKey(t, k.server, kmsserver.KeyOptions{})
	k.run("add", "--org", "acme", "--arn", arn).has(t, exitOK)
	k.mint("acme", 2)
	k.run("remove", "--org", "acme").want(t, exitFailed, "", "pgseal: keys remove: org \"acme\" has 2 data keys, and without its key nothing that was sealed with them could be read: "+
		"pgseal keys disable --org acme takes the key out of use, pgseal keys replace --org acme --arn … exchanges it, pgseal keys destroy --org acme makes all unreadable for good\n")

	// Nothing is destroyed by mistake.
	k.run("destroy", "--org", "acme").want(t, exitFailed, "", "pgseal: keys destroy: there is no terminal to ask on: give --confirm acme if all that was sealed for it is to be unreadable for good; nothing was destroyed\n")
	k.run("destroy", "--org", "acme", "--confirm", "Acme").want(t, exitFailed, "", "pgseal: keys destroy: --confirm \"Acme\" is not the org of --org, \"acme\": nothing was destroyed\n")
	k.run("destroy", "--org", "acme", "--confirm=").has(t, exitFailed, "there is no terminal to ask on")
	k.run("show", "--org", "acme").has(t, exitOK, "state        enabled\n", "data keys    2\n")

	k.run("destroy", "--org", "acme", "--confirm", "acme").want(t, exitOK, "The 2 data keys of org acme were destroyed. Running processes forget what they have opened within a second.\n"+
		"Backups of the keystore from before still have them wrapped: delete those, or the key in KMS.\n", "")
	k.run("show", "--org", "acme").has(t, exitOK, "state        destroyed\n", "data keys    0, and 2 destroyed\n", "destroy data keys")
	k.run("list").has(t, exitOK, "acme  acme  destroyed  own     0")
	const gone = `the data keys of org "acme" were destroyed, and nothing brings them back: pgseal keys show --org acme tells when, pgseal keys add --org acme --arn … lets it start afresh` + "\n"
	for _, line := range []string{"destroy --confirm acme", "enable", "disable", "set --name x"} {
		k.run(append(strings.Fields(line), "--org", "acme")...).has(t, exitFailed, gone)
	}
	k.run("remove", "--org", "acme").has(t, exitFailed, "its entry stays, so that what was sealed with them is told from what is damaged")

	k.run("add", "--org", "acme", "--arn", arn).has(t, exitOK, "What it had sealed before its data keys were destroyed stays unreadable.\n")
	k.mint("acme", 1)
	k.run("show", "--org", "acme").has(t, exitOK, "state        enabled\n", "data keys    1, and 2 destroyed\n")
}

// TestDestroyAsks: on a terminal, the org's name has to be typed.
func TestDestroyAsks(t *testing.T) {
	k := keysOn(t, "")
	k.run("add", "--org", "acme", "--name", "Acme Inc.", "--arn", createKey(t, k.server, kmsserver.KeyOptions{})).has(t, exitOK)
	k.mint("acme", 1)
	destroy := func(typed string) result {
		t.Helper()
		keyboard, terminal := openTerminal(t)
		if _, err := keyboard.WriteString(typed); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"keys", "destroy", "--org", "acme", "-c", k.file}, terminal, &stdout, &stderr)
		return result{code, stdout.String(), stderr.String()}
	}
	destroy("no\n").has(t, exitFailed, "Org acme (Acme Inc.) has 1 data key. When it is destroyed, all that was sealed for it is unreadable for good",
		"Type the org's name to go on: ", "pgseal: keys destroy: that is not its name: nothing was destroyed\n")
	destroy("\n").has(t, exitFailed, "that is not its name: nothing was destroyed\n")
	destroy("\x04").has(t, exitFailed, "nothing was typed: nothing was destroyed\n") // Ctrl-D

	// Ctrl-C in place of an answer.
	_, terminal := openTerminal(t)
	ctx, interrupt := context.WithCancel(t.Context())
	stderr, code := &output{}, make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"keys", "destroy", "--org", "acme", "-c", k.file}, terminal, io.Discard, stderr)
	}()
	until(t, stderr, func() bool { return strings.Contains(stderr.String(), "Type the org's name") })
	interrupt()
	if <-code != exitFailed || !strings.HasSuffix(stderr.String(), "pgseal: keys destroy: interrupted: nothing was destroyed\n") {
		t.Error(stderr)
	}

	k.run("show", "--org", "acme").has(t, exitOK, "state        enabled\n", "data keys    1\n")
	destroy("acme\n").has(t, exitOK, "The 1 data key of org acme was destroyed.")
	k.run("show", "--org", "acme").has(t, exitOK, "state        destroyed\n")
}
