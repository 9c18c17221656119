package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/internal/kmsserver"
)

func TestAudit(t *testing.T) {
	k := keysOn(t, "")
	audit := func(args ...string) result {
		return pgseal(t, append(append([]string{"audit"}, args...), "-c", k.file)...)
	}
	audit("list").want(t, exitOK, "There are no such entries.\n", "")
	audit("verify").has(t, exitOK, "The audit log is whole: 0 entries.\nIts head is 0000")
	arn := createKey(t, k.server, kmsserver.KeyOptions{})
	for _, org := range []string{"acme", "globex"} {
		k.run("add", "--org", org, "--arn", arn).has(t, exitOK)
	}
	k.run("disable", "--org", "acme").has(t, exitOK)

	r := audit("list")
	r.has(t, exitOK, "ID  TIME", "add key", "set key disabled", "arn="+arn)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[1], "3 ") || !strings.HasPrefix(lines[3], "1 ") {
		t.Errorf("the newest is not first:\n%s", r.stdout)
	}
	for args, want := range map[string]int{
		"": 3, "--org acme": 2, "--org globex --since 1h": 1, "--since 2199-01-01": 0, "--limit 1": 1, "--limit 0": 3, "--user nobody": 0, "--since 2020-01-01T00:00:00+01:00": 3,
	} {
		var list []entryJSON
		r := audit(append([]string{"list", "--json"}, strings.Fields(args)...)...)
		if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || len(list) != want {
			t.Errorf("%s: %v, %d entries, want %d", args, err, len(list), want)
		}
	}
	audit("list", "--since", "yesterday").has(t, exitFailed, `--since: "yesterday" is neither`)

	r = audit("verify")
	r.has(t, exitOK, "The audit log is whole: 3 entries.\n")
	head := regexp.MustCompile("[0-9a-f]{64}").FindString(r.stdout)
	var list []entryJSON
	if err := json.Unmarshal([]byte(audit("list", "--json").stdout), &list); err != nil || list[0].Hash != head || list[0].Prev != list[1].Hash {
		t.Errorf("%v: %+v, head %s", err, list, head)
	}
	audit("verify", "--head", head).has(t, exitOK)
	audit("verify", "--head", "abc").has(t, exitFailed, "--head: not the hash of an entry")

	execute(t, k.dsn, `ALTER TABLE pgseal.audit_log DISABLE TRIGGER ALL; DELETE FROM pgseal.audit_log WHERE id = 3;
		UPDATE pgseal.audit_head SET (id, hash) = (SELECT id, hash FROM pgseal.audit_log WHERE id = 2)`)
	audit("verify").has(t, exitOK, "2 entries")
	audit("verify", "--head", head).want(t, exitFailed,
		"The audit log is broken: no entry has the hash "+head+": the end was cut off, or entries were written anew (truncated).\nUp to entry 2 it is as pgseal wrote it.\n", "")
	execute(t, k.dsn, "UPDATE pgseal.audit_log SET actor = E'\\e[31m' WHERE id = 1")
	var v verificationJSON
	r = audit("verify", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || r.code != exitFailed || v.Whole || v.Break == nil || v.Break.ID != 1 || v.Break.Kind != "altered" {
		t.Errorf("%+v, %d, %v", v, r.code, err)
	}
	if r := audit("list"); strings.Contains(r.stdout, "\x1b") {
		t.Error("what is not printable reaches the terminal")
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	for s, want := range map[string]string{
		"": "0001-01-01T00:00:00Z", "24h": "2026-02-28T09:30:00Z", "1h30m": "2026-03-01T08:00:00Z", "2026-02-01": "2026-02-01T00:00:00Z",
		"2026-02-01T10:00:00+02:00": "2026-02-01T08:00:00Z", "-1h": "", "7d": "", "x": "",
	} {
		got, err := parseSince(s, now)
		if (err != nil) != (want == "") || err == nil && got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %s, %v, want %s", s, got, err, want)
		}
	}
}
