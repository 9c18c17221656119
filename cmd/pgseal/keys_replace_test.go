package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/crypto/keystore"
	"github.com/pgseal/pgseal/crypto/rewrap"
	"github.com/pgseal/pgseal/internal/kmsserver"
)

const proven = "kms:DescribeKey      ok\nkms:GenerateDataKey  ok\nkms:Decrypt          ok\nfrom the old key  ok\n"

// TestReplace is a change of keys from beginning to end.
func TestReplace(t *testing.T) {
	k := keysOn(t, "")
	old, next := createKey(t, k.server, kmsserver.KeyOptions{}), createKey(t, k.server, kmsserver.KeyOptions{})
	k.run("add", "--org", "acme", "--arn", old).has(t, exitOK)
	k.mint("acme", 3)
	k.run("replace", "--org", "acme", "--complete").has(t, exitFailed, "no change of the key of org \"acme\" is under way")
	k.run("replace", "--org", "acme", "--undo").has(t, exitFailed, "no change of the key of org \"acme\" is under way that could be undone")
	k.run("replace", "--org", "acme", "--arn", old).has(t, exitFailed, "has this key already", "pgseal keys rewrap --org acme")

	k.run("replace", "--org", "acme", "--arn", next, "--name", "new").want(t, exitOK, proven+
		"Org acme is sealed with "+next+" from now on, in place of "+old+". Running processes use it within a second.\n"+
		"All 3 data keys of org acme are wrapped under "+next+", and under "+old+" still.\n"+
		"pgseal keys replace --org acme --complete ends the change: the old key is needed until then.\n", "")
	k.run("replace", "--org", "acme", "--arn", next).has(t, exitFailed, "this change is under way: pgseal keys rewrap --org acme goes on with it")
	third := createKey(t, k.server, kmsserver.KeyOptions{})
	k.run("replace", "--org", "acme", "--arn", third).has(t, exitFailed, "another change is under way, from "+old+" to "+next)
	k.run("rewrap", "--org", "acme").want(t, exitOK, "All 3 data keys of org acme are wrapped under "+next+", and under "+old+" still.\n"+
		"pgseal keys replace --org acme --complete ends the change: the old key is needed until then.\n", "")
	k.run("show", "--org", "acme").has(t, exitOK, "name         new\n", "3 of 3 data keys")

	k.run("replace", "--org", "acme", "--complete").has(t, exitOK,
		"The change is complete. All 3 data keys of org acme are wrapped under "+next+" alone.\n"+old+" can be deleted now. A backup of the keystore from before opens with it only.\n")
	if err := k.server.Delete(old); err != nil {
		t.Fatal(err)
	}
	k.run("rewrap", "--org", "acme").want(t, exitOK, "All 3 data keys of org acme are wrapped under "+next+".\n", "")
}

// TestReplaceUndone goes back to the old key, which another org has too.
func TestReplaceUndone(t *testing.T) {
	k := keysOn(t, "")
	old, next := createKey(t, k.server, kmsserver.KeyOptions{}), createKey(t, k.server, kmsserver.KeyOptions{})
	k.run("add", "--org", "acme", "--arn", old).has(t, exitOK)
	k.run("add", "--org", "globex", "--arn", next).has(t, exitOK)
	k.mint("acme", 1)
	k.run("replace", "--org", "acme", "--arn", next, "--no-wait").has(t, exitOK, "Its data keys are wrapped anew in the background: pgseal keys show --org acme tells how far that is")
	k.run("replace", "--org", "acme", "--complete").has(t, exitFailed, "1 data key is not wrapped under "+next+" yet, and the change was not completed: pgseal keys rewrap --org acme")
	k.mint("acme", 2)
	k.run("replace", "--org", "acme", "--undo").has(t, exitOK, "Org acme is sealed with "+old+" from now on, in place of "+next, "All 3 data keys of org acme are wrapped under "+old)
	k.run("replace", "--org", "acme", "--complete").has(t, exitOK, "It needs "+next+" no more, which org globex needs still.\n")
	// An org without data keys has nothing that could hang on its old key.
	k.run("replace", "--org", "globex", "--arn", old).has(t, exitOK, "There were no data keys to be wrapped anew: "+next+" is needed no more.\n")
}

// TestReplaceIsTried: what either key lacks is told before anything is changed.
func TestReplaceIsTried(t *testing.T) {
	k := keysOn(t, "")
	old, next := createKey(t, k.server, kmsserver.KeyOptions{}), createKey(t, k.server, kmsserver.KeyOptions{})
	k.run("add", "--org", "acme", "--arn", old).has(t, exitOK)
	k.mint("acme", 2)
	replace := func(more ...string) result {
		return k.run(append([]string{"replace", "--org", "acme", "--arn", next}, more...)...)
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	replace("--undo").has(t, exitUsage, "none of the others can be")
	k.run("replace", "--org", "acme").has(t, exitUsage, "at least one of the flags in the group [arn complete undo] is required")
	k.run("replace", "--org", "hooli", "--arn", next).has(t, exitFailed, "org \"hooli\" has no key")
	k.run("replace", "--org", "acme", "--arn", "nonsense").has(t, exitFailed, "keys replace: --arn: \"nonsense\" is not a key")

	do(k.server.Deny(next, "kms:GenerateDataKey"))
	replace().has(t, exitFailed, "kms:GenerateDataKey  FAIL", "\"kms:ReEncryptTo\"", "key "+next+" cannot be used, and nothing was changed")
	do(k.server.Allow(next))
	do(k.server.Deny(next, "kms:Encrypt", "kms:ReEncryptTo"))
	replace().has(t, exitFailed, "kms:Decrypt          ok", "kms:Encrypt  FAIL", "\"kms:ReEncryptTo\"", "key "+next+" can't take over, and nothing was changed")
	do(k.server.Allow(next))
	do(k.server.Deny(old, "kms:Decrypt", "kms:ReEncryptFrom"))
	replace().has(t, exitFailed, "from the old key  FAIL", "\"kms:ReEncryptFrom\"", "the old key "+old+" does not open what it has wrapped, and nothing was changed", "--force")
	k.run("show", "--org", "acme").has(t, exitOK, "ARN          "+old+"\n")

	replace("--force").has(t, exitFailed, "Org acme is sealed with "+next, "2 data keys stay under "+old+" alone, which KMS refuses (AccessDeniedException)", "0 of 2 data keys are wrapped under "+next)
	var state rewrapJSON
	r := k.run("rewrap", "--org", "acme", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &state); err != nil || r.code != exitFailed || state.Org != "acme" || state.ARN != next || state.PreviousARN != old ||
		state.DataKeys != 2 || state.Wrapped != 0 || state.Remaining != 2 || len(state.Refused) != 1 || state.Refused[0] != (refusalJSON{old, "AccessDeniedException", 2}) {
		t.Errorf("%v: %s", err, r.stdout)
	}
	do(k.server.Allow(old))
	r = k.run("rewrap", "--org", "acme", "--json")
	state = rewrapJSON{}
	if err := json.Unmarshal([]byte(r.stdout), &state); err != nil || r.code != exitOK || state.Wrapped != 2 || state.Remaining != 0 {
		t.Errorf("%v: %s", err, r.stdout)
	}

	do(k.server.Disable(next))
	k.run("replace", "--org", "acme", "--complete").has(t, exitFailed, "key "+next+" cannot be used now, and the change was not completed: both keys are needed still")
	do(k.server.Enable(next))
	k.run("disable", "--org", "acme").has(t, exitOK)
	k.run("rewrap", "--org", "acme").has(t, exitFailed, "pgseal keys enable")
	k.run("replace", "--org", "acme", "--complete").has(t, exitFailed, "pgseal keys enable --org acme first")
	k.run("enable", "--org", "acme").has(t, exitOK)
	r = k.run("replace", "--org", "acme", "--complete", "--json")
	state = rewrapJSON{}
	if err := json.Unmarshal([]byte(r.stdout), &state); err != nil || r.code != exitOK || state.PreviousARN != "" || state.DataKeys != 2 || state.Remaining != 0 {
		t.Errorf("%v: %s", err, r.stdout)
	}
}

// TestReplaceInterrupted: Ctrl-C leaves what is done, and a process that serves goes on.
func TestReplaceInterrupted(t *testing.T) {
	k := keysOn(t, onFreePorts)
	old, next := createKey(t, k.server, kmsserver.KeyOptions{}), createKey(t, k.server, kmsserver.KeyOptions{})
	k.run("add", "--org", "acme", "--arn", old).has(t, exitOK)
	k.mint("acme", 4)
	k.run("replace", "--org", "acme", "--arn", next, "--no-wait").has(t, exitOK)

	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	hang := k.server.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Key: old})
	var stderr output
	ended := make(chan int)
	go func() {
		ended <- run(ctx, []string{"keys", "rewrap", "--org", "acme", "-c", k.file}, strings.NewReader(""), &bytes.Buffer{}, &stderr)
	}()
	until(t, &stderr, func() bool { return hang.Waiting() > 0 })
	interrupt()
	if code := <-ended; code != exitFailed || !strings.Contains(stderr.String(), "interrupted: 0 of 4 data keys are wrapped under "+next+"; pgseal keys rewrap --org acme goes on, and so does every running pgseal serve\n") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}

	// A process that serves has it now, and is waited for.
	s := startServe(t, k.file)
	until(t, s.log, func() bool { return hang.Waiting() > 0 })
	var stdout output
	go func() {
		ended <- run(t.Context(), []string{"keys", "rewrap", "--org", "acme", "-c", k.file}, strings.NewReader(""), &stdout, &stderr)
	}()
	until(t, s.log, func() bool {
		return strings.Contains(stdout.String(), processName()+" does so already: waiting for it.\n")
	})
	hang.Remove()
	if code := <-ended; code != exitOK || !strings.Contains(stdout.String(), "All 4 data keys of org acme are wrapped under "+next) {
		t.Errorf("exit code %d: %s", code, stdout.String())
	}
	until(t, s.log, func() bool {
		return strings.Contains(s.log.String(), "all data keys are wrapped under the org's new key")
	})
}

// TestRewrapKilled: a process that is killed in the middle leaves what is done, and
// no lock.
func TestRewrapKilled(t *testing.T) {
	k := keysOn(t, "")
	old, next := createKey(t, k.server, kmsserver.KeyOptions{}), createKey(t, k.server, kmsserver.KeyOptions{})
	k.run("add", "--org", "acme", "--arn", old).has(t, exitOK)
	k.mint("acme", 12)
	k.run("replace", "--org", "acme", "--arn", next, "--no-wait").has(t, exitOK)
	hang := k.server.Inject(kmsserver.Fault{Kind: kmsserver.Hang, Op: "ReEncrypt", After: 3})
	process := exec.Command(os.Args[0], "keys", "rewrap", "--org", "acme", "-c", k.file)
	process.Env = append(os.Environ(), asProcess+"=1")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = process.Process.Kill() }() // it has ended, but for a test that failed
	wrapped := func() int {
		var shown keyJSON
		k.json(&shown, "show", "--org", "acme")
		return *shown.Replacement.Wrapped
	}
	until(t, &output{}, func() bool { return hang.Waiting() > 0 && wrapped() == 3 })
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = process.Wait() // it was killed
	hang.Remove()
	if n := wrapped(); n != 3 {
		t.Errorf("%d are wrapped", n)
	}
	k.run("rewrap", "--org", "acme").has(t, exitOK, "All 12 data keys of org acme are wrapped under "+next)
	if n := wrapped(); n != 12 {
		t.Errorf("%d are wrapped", n)
	}
}

// TestRewrapAfterAliasMoved: the key that the alias stood for can be deleted in the
// end.
func TestRewrapAfterAliasMoved(t *testing.T) {
	k := keysOn(t, "")
	first, second := createKey(t, k.server, kmsserver.KeyOptions{Alias: "alias/acme"}), createKey(t, k.server, kmsserver.KeyOptions{})
	alias := first[:strings.LastIndex(first, ":")+1] + "alias/acme"
	k.run("add", "--org", "acme", "--arn", alias).has(t, exitOK)
	k.mint("acme", 2)
	if err := k.server.MoveAlias("alias/acme", second); err != nil {
		t.Fatal(err)
	}
	k.run("rewrap", "--org", "acme").want(t, exitOK, "All 2 data keys of org acme are wrapped under "+alias+".\n", "")
	k.run("replace", "--org", "acme", "--complete").has(t, exitOK, "All 2 data keys of org acme are wrapped under "+alias+" alone.\n")
	store, err := keystore.Open(t.Context(), k.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if n, err := store.Counts(t.Context(), "acme", []string{second}); err != nil || n.Wrapped != 2 {
		t.Errorf("%+v, %v", n, err)
	}
}

// TestProgressLine: written over on a terminal.
func TestProgressLine(t *testing.T) {
	keyboard, terminal := openTerminal(t)
	l := (&app{stderr: terminal}).newProgressLine()
	l.show(progressOf(4, 10_000, 1))
	l.end()
	want := "\r4 of 10000 data keys wrapped anew, 1 in vain\x1b[K\r\x1b[K"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(keyboard, got); err != nil || string(got) != want {
		t.Errorf("%v: %q, want %q", err, got, want)
	}
	var plain bytes.Buffer
	l = (&app{stderr: &plain}).newProgressLine()
	l.show(progressOf(4, 10_000, 0))
	l.last = l.last.Add(-l.every)
	l.show(progressOf(5, 10_000, 0))
	l.end()
	if want := "5 of 10000 data keys wrapped anew\n"; plain.String() != want {
		t.Errorf("%q, want %q", plain.String(), want)
	}
}

func progressOf(wrapped, dataKeys, failed int) rewrap.Progress {
	return rewrap.Progress{DataKeys: dataKeys, Wrapped: wrapped, Failed: failed}
}
