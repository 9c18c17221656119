package vault

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoginOptions(t *testing.T) {
	for want, l := range map[string]Login{
		"there are token, approle and kubernetes": {Method: "ldap"},
		"approle needs a role":                    {Method: "approle", File: "f"},
		"kubernetes needs a role":                 {Method: "kubernetes"},
		"needs a file with the secret id":         {Method: "approle", Role: "r"},
	} {
		if _, err := New(Options{Login: l}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", l, err, want)
		}
	}
	for _, l := range []Login{{}, {Method: "token", TokenFile: "f"}, {Method: "approle", Role: "r", File: "f"}, {Method: "kubernetes", Role: "r"}} {
		if _, err := New(Options{Login: l}); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
	t.Setenv("VAULT_SKIP_VERIFY", "true")
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "VAULT_SKIP_VERIFY is set") {
		t.Error(err)
	}
	t.Setenv("VAULT_SKIP_VERIFY", "")
	if _, err := New(Options{CA: "/nowhere/ca.pem"}); err == nil || !strings.Contains(err.Error(), "/nowhere/ca.pem") {
		t.Error(err)
	}
}

func TestReadSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for content, good := range map[string]bool{"hvs.abc": true, " hvs.abc\n": true, "": false, "\n": false, "two words": false, "hvs.\x00": false, "hvs.é": false} {
		must(t, os.WriteFile(path, []byte(content), 0o600))
		word, err := readSecret(path)
		if good != (err == nil) || good && word != "hvs.abc" {
			t.Errorf("%q: %q, %v", content, word, err)
		}
		if err != nil && (!errors.Is(err, errNoCredentials) || strings.Contains(err.Error(), "hvs")) {
			t.Errorf("%q: %v", content, err)
		}
	}
	if _, err := readSecret(path + "x"); !errors.Is(err, errNoCredentials) || !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestLoginIsWaitedForNoLonger: who waits for another's login gives up in time.
func TestLoginIsWaitedForNoLonger(t *testing.T) {
	p, err := New(Options{Login: Login{Method: "kubernetes", Role: "r"}})
	must(t, err)
	p.login.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = p.Check(ctx, key("acme"))
	is(t, err, false, false, "canceled")
}
