package vault

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/kmstest"
)

// provider makes a provider with a token of a file.
func provider(t *testing.T, address, token string) *Provider {
	t.Helper()
	p, err := New(Options{Address: address, Timeout: time.Minute, Login: Login{TokenFile: file(t, token)}})
	must(t, err)
	return p
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, []byte(content+"\n"), 0o600))
	return path
}

func key(name string) kms.Key { return kms.Key{ARN: "vault:transit/" + name} }

func is(t *testing.T, err error, refused, damaged bool, reason string) {
	t.Helper()
	var e *kms.Error
	if !errors.As(err, &e) || e.Refused != refused || e.Damaged != damaged || e.Reason != reason {
		t.Errorf("got %v, want %s", err, reason)
	}
}

func TestConformance(t *testing.T) {
	for name, options := range map[string]map[string]any{
		"AES-GCM":           {"type": "aes256-gcm96"},
		"ChaCha20-Poly1305": {"type": "chacha20-poly1305"},
		"Derived":           {"derived": true},
	} {
		t.Run(name, func(t *testing.T) {
			kmstest.Run(t, func(t *testing.T) *kmstest.Subject { return subject(t, options) })
		})
	}
}

func subject(t *testing.T, options map[string]any) *kmstest.Subject {
	s := vault(t)
	f := s.front(t)
	name, other, missing := s.createKey(t, options), s.createKey(t, options), unique("missing")
	policy := s.allow(t, use(name, other, missing))
	token := s.token(t, "1h", policy)
	answer := func(name string, handler http.HandlerFunc, reason string) kmstest.Silence {
		return kmstest.Silence{Name: name, Reason: reason, Begin: func() { f.set(handler) }, End: f.clear}
	}
	p := provider(t, f.url, token)
	p.client.SetMaxRetries(0) // TestRetries is for those
	return &kmstest.Subject{
		Provider: p, Key: key(name), Other: key(other), Missing: key(missing),
		BadNames: []string{"vault:", "vault:acme", "vault:transit/", "vault:transit/../acme", "transit/acme", "vault:transit/a?b", "vault:nowhere/" + name},
		State:    "Enabled", Secrets: []string{token, rootToken},
		Switches: []kmstest.Switch{
			{Name: "policy",
				Off: func() { must(t, s.root.Sys().PutPolicy(policy, use(other, missing))) },
				On:  func() { must(t, s.root.Sys().PutPolicy(policy, use(name, other, missing))) }},
			{Name: "use denied", CheckWorks: true,
				Off: func() {
					must(t, s.root.Sys().PutPolicy(policy, use(other, missing)+`path "transit/keys/`+name+`" { capabilities = ["read"] }`))
				},
				On: func() { must(t, s.root.Sys().PutPolicy(policy, use(name, other, missing))) }},
		},
		Delete: func() {
			s.write(t, "transit/keys/"+name+"/config", map[string]any{"deletion_allowed": true})
			_, err := s.root.Logical().Delete("transit/keys/" + name)
			must(t, err)
		},
		Silences: []kmstest.Silence{
			{Name: "sealed", Reason: "HTTP503",
				Begin: func() { must(t, s.root.Sys().Seal()) },
				End: func() {
					state, err := s.root.Sys().Unseal(s.unsealKey)
					if err != nil || state.Sealed {
						t.Fatal(state, err)
					}
					for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) { // until it is active
						if health, err := s.root.Sys().Health(); err == nil && health.Initialized && !health.Sealed && !health.Standby {
							return
						} else if time.Since(begun) > time.Minute {
							t.Fatal(health, err)
						}
					}
				}},
			answer("internal error", status(500, "1 error occurred:\n\t* internal error"), "HTTP500"),
			answer("rate limit", status(429, "request path \"transit/encrypt\": rate limit quota exceeded"), "HTTP429"),
			answer("standby", status(473), "HTTP473"),
			answer("a load balancer's 404", func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, "<html>no backend</html>") // the client has gone, else
			}, "HTTP404"),
			answer("garbage", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "<html>welcome</html>") // the client has gone, else
			}, kms.ReasonNetwork),
			answer("half an answer", status(200), kms.ReasonNetwork),
			answer("reset", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, kms.ReasonNetwork),
			{Name: "hangs", Hangs: true, Reason: kms.ReasonTimeout, Begin: func() { f.set(hang) }, End: f.clear},
		},
	}
}

// TestMakesNoKey: transit/encrypt makes a key that is missing for a token that has
// the capability create; pgseal's requests do not let it.
func TestMakesNoKey(t *testing.T) {
	s := vault(t)
	name := unique("missing")
	token := s.token(t, "1h", s.allow(t, strings.ReplaceAll(use(name), `"update"`, `"create", "update"`)))
	p := provider(t, s.address, token)
	_, err := p.GenerateDataKey(t.Context(), key(name), kms.EncryptionContext("acme", 7))
	is(t, err, true, false, reasonNotFound)
	_, err = p.Encrypt(t.Context(), key(name), make([]byte, 32), kms.EncryptionContext("acme", 7))
	is(t, err, true, false, reasonNotFound)
	_, err = p.Check(t.Context(), key(name))
	is(t, err, true, false, reasonNotFound)
	if found, err := s.root.Logical().Read("transit/keys/" + name); found != nil || err != nil {
		t.Errorf("the key was made: %v, %v", found, err)
	}
}

// TestRotation: a key's versions are its own affair, until min_decryption_version
// shuts old ones out. Then what is wrapped by them alone does not open, and the
// key works for all else.
func TestRotation(t *testing.T) {
	s := vault(t)
	name := s.createKey(t, map[string]any{"auto_rotate_period": "24h"})
	p := provider(t, s.address, s.token(t, "1h", s.allow(t, use(name))))
	ec := kms.EncryptionContext("acme", 7)
	old, err := p.GenerateDataKey(t.Context(), key(name), ec)
	must(t, err)
	state, err := p.Check(t.Context(), key(name))
	must(t, err)
	if r := state.Rotation; r.MaterialID != "v1" || !r.Automatic || !r.Last.IsZero() || r.Next.Before(time.Now().Add(23*time.Hour)) {
		t.Errorf("%+v", r)
	}
	s.write(t, "transit/keys/"+name+"/rotate", nil)
	if state, err = p.Check(t.Context(), key(name)); err != nil || state.Rotation.MaterialID != "v2" || time.Since(state.Rotation.Last) > time.Hour {
		t.Errorf("%+v, %v", state.Rotation, err)
	}
	made, err := p.GenerateDataKey(t.Context(), key(name), ec)
	if err != nil || !bytes.HasPrefix(made.Wrapped, []byte("vault:v2:")) {
		t.Errorf("%.10s, %v", made.Wrapped, err)
	}
	opened, err := p.Decrypt(t.Context(), key(name), old.Wrapped, ec)
	if err != nil || !bytes.Equal(opened, old.Plaintext) {
		t.Error(err)
	}
	s.write(t, "transit/keys/"+name+"/config", map[string]any{"min_decryption_version": 2})
	_, err = p.Decrypt(t.Context(), key(name), old.Wrapped, ec)
	is(t, err, false, true, reasonTooOld)
	if opened, err = p.Decrypt(t.Context(), key(name), made.Wrapped, ec); err != nil || !bytes.Equal(opened, made.Plaintext) {
		t.Error(err)
	}
}

// TestUnfitKeys: keys that can't do what pgseal needs are told by Check.
func TestUnfitKeys(t *testing.T) {
	s := vault(t)
	for reason, options := range map[string]map[string]any{
		"rsa-2048":             {"type": "rsa-2048"},
		"aes128-gcm96":         {"type": "aes128-gcm96"},
		"ed25519":              {"type": "ed25519"},
		"hmac":                 {"type": "hmac", "key_size": 32},
		"ConvergentEncryption": {"derived": true, "convergent_encryption": true},
	} {
		name := s.createKey(t, options)
		p := provider(t, s.address, s.token(t, "1h", s.allow(t, use(name))))
		state, err := p.Check(t.Context(), key(name))
		is(t, err, true, false, reason)
		if state.Spec == "" {
			t.Errorf("%s: no state", reason)
		}
	}
}

// TestLogin: by AppRole, and again when Vault does not know the token any more.
func TestLogin(t *testing.T) {
	s := vault(t)
	name := s.createKey(t, nil)
	policy := s.allow(t, use(name))
	mount := unique("approle")
	must(t, s.root.Sys().EnableAuth(mount, "approle", ""))
	s.write(t, "auth/"+mount+"/role/pgseal", map[string]any{"token_policies": policy, "token_ttl": "1h"})
	role, err := s.root.Logical().Read("auth/" + mount + "/role/pgseal/role-id")
	must(t, err)
	secretID := s.write(t, "auth/"+mount+"/role/pgseal/secret-id", nil)
	secretFile := file(t, secretID.Data["secret_id"].(string))
	f := s.front(t)
	login := Login{Method: "approle", Mount: mount, Role: role.Data["role_id"].(string), File: secretFile}
	p, err := New(Options{Address: f.url, Timeout: time.Minute, Login: login})
	must(t, err)
	ec := kms.EncryptionContext("acme", 7)
	made, err := p.GenerateDataKey(t.Context(), key(name), ec)
	must(t, err)
	for range 3 {
		_, err = p.Decrypt(t.Context(), key(name), made.Wrapped, ec)
		must(t, err)
	}
	if n := f.logins.Load(); n != 1 {
		t.Errorf("%d logins for 4 calls", n)
	}

	// The token is revoked: one more login, and nobody has noticed.
	must(t, s.root.Auth().Token().RevokeTree(p.client.Token()))
	_, err = p.Decrypt(t.Context(), key(name), made.Wrapped, ec)
	must(t, err)
	if n := f.logins.Load(); n != 2 {
		t.Errorf("%d logins after the token was revoked", n)
	}

	// A login that is due but gets no answer: the token is still good.
	p.login.due = time.Now()
	f.set(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/login") {
			status(503, "Vault is sealed")(w, r)
			return
		}
		f.clear()
		http.Redirect(w, r, s.address+r.URL.Path, http.StatusTemporaryRedirect)
	})
	_, err = p.Decrypt(t.Context(), key(name), made.Wrapped, ec)
	must(t, err)
	f.clear()

	// Pgseal's own credentials are withdrawn: that is not the organisation's doing.
	must(t, os.WriteFile(secretFile, []byte("nonsense"), 0o600))
	must(t, s.root.Auth().Token().RevokeTree(p.client.Token()))
	_, err = p.Decrypt(t.Context(), key(name), made.Wrapped, ec)
	is(t, err, false, false, kms.ReasonCredentials)
	must(t, os.Remove(secretFile))
	_, err = p.Check(t.Context(), key(name))
	is(t, err, false, false, kms.ReasonCredentials)
}

// TestTokenOfTheEnvironment: it is looked up, and renewed at half of its time; one
// that is revoked or missing is pgseal's own trouble.
func TestTokenOfTheEnvironment(t *testing.T) {
	s := vault(t)
	name := s.createKey(t, nil)
	token := s.token(t, "1h", s.allow(t, use(name)))
	t.Setenv("VAULT_TOKEN", token)
	t.Setenv("VAULT_ADDR", s.address)
	p, err := New(Options{Timeout: time.Minute})
	must(t, err)
	_, err = p.Check(t.Context(), key(name))
	must(t, err)
	if left := time.Until(p.login.due); left < 20*time.Minute || left > 31*time.Minute {
		t.Errorf("renewed in %v", left)
	}
	p.login.due = time.Now()
	_, err = p.Check(t.Context(), key(name))
	must(t, err)
	if left := time.Until(p.login.due); left < 20*time.Minute {
		t.Errorf("renewed: next in %v", left)
	}
	must(t, s.root.Auth().Token().RevokeTree(token))
	_, err = p.Check(t.Context(), key(name))
	is(t, err, false, false, kms.ReasonCredentials)

	t.Setenv("VAULT_TOKEN", "")
	p, err = New(Options{Timeout: time.Minute})
	must(t, err)
	_, err = p.Check(t.Context(), key(name))
	is(t, err, false, false, kms.ReasonCredentials)
}

// TestRetries: a moment's trouble is not noticed.
func TestRetries(t *testing.T) {
	s := vault(t)
	f := s.front(t)
	name := s.createKey(t, nil)
	p := provider(t, f.url, s.token(t, "1h", s.allow(t, use(name))))
	for _, trouble := range []http.HandlerFunc{status(500, "internal error"), status(503, "Vault is sealed"), status(429, "rate limit quota exceeded"),
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }} {
		f.set(func(w http.ResponseWriter, r *http.Request) {
			f.clear()
			trouble(w, r)
		})
		if _, err := p.Encrypt(t.Context(), key(name), make([]byte, 32), nil); err != nil {
			t.Error(err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	p := provider(t, "http://127.0.0.1:1", "token")
	_, err := p.Check(t.Context(), key("acme"))
	is(t, err, false, false, kms.ReasonNetwork)
}
