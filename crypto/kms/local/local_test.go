package local

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/crypto/kms"
)

func keyfile(t *testing.T, names ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	for _, name := range names {
		if arn, err := AddKey(path, name, "of "+name); err != nil || arn != "local:"+name {
			t.Fatal(arn, err)
		}
	}
	return path
}

func is(t *testing.T, err error, refused, damaged bool, reason string) {
	t.Helper()
	var e *kms.Error
	if !errors.As(err, &e) || e.Refused != refused || e.Damaged != damaged || e.Reason != reason {
		t.Errorf("got %v, want %s", err, reason)
	}
}

func TestProvider(t *testing.T) {
	path := keyfile(t, "acme", "globex")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
	p, err := New(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, ec := t.Context(), kms.EncryptionContext("acme", 7)
	state, steps, err := kms.Prove(ctx, p, kms.Key{ARN: "local:acme"}, "acme")
	if err != nil || len(steps) != 3 || state.State != "Enabled" || state.Description != "of acme" {
		t.Fatal(state, steps, err)
	}
	made, err := p.GenerateDataKey(ctx, kms.Key{ARN: "local:acme"}, ec)
	if err != nil || len(made.Plaintext) != 32 || made.KeyARN != "local:acme" || bytes.Contains(made.Wrapped, made.Plaintext) {
		t.Fatal(err)
	}
	opened, err := p.Decrypt(ctx, kms.Key{ARN: "local:acme"}, made.Wrapped, ec)
	if err != nil || !bytes.Equal(opened, made.Plaintext) {
		t.Fatal(err)
	}

	_, err = p.Decrypt(ctx, kms.Key{ARN: "local:globex"}, made.Wrapped, ec)
	is(t, err, false, true, "InvalidCiphertextException")
	_, err = p.Decrypt(ctx, kms.Key{ARN: "local:acme"}, made.Wrapped, kms.EncryptionContext("acme", 8))
	is(t, err, false, true, "InvalidCiphertextException")
	_, err = p.Decrypt(ctx, kms.Key{ARN: "local:acme"}, nil, ec)
	is(t, err, false, true, "InvalidCiphertextException")
	_, err = p.Check(ctx, kms.Key{ARN: "local:hooli"})
	is(t, err, true, false, "NotFoundException")
	_, err = p.Check(ctx, kms.Key{ARN: "arn:aws:kms:eu-central-1:1:key/1"})
	is(t, err, true, false, "InvalidArnException")

	// Disabled and enabled in the file, under a running provider.
	if err := SetEnabled(path, "acme", false); err != nil {
		t.Fatal(err)
	}
	state, err = p.Check(ctx, kms.Key{ARN: "local:acme"})
	is(t, err, true, false, "DisabledException")
	if state.State != "Disabled" {
		t.Error(state.State)
	}
	_, err = p.Decrypt(ctx, kms.Key{ARN: "local:acme"}, made.Wrapped, ec)
	is(t, err, true, false, "DisabledException")
	_, err = p.GenerateDataKey(ctx, kms.Key{ARN: "local:acme"}, ec)
	is(t, err, true, false, "DisabledException")
	if _, err := p.Check(ctx, kms.Key{ARN: "local:globex"}); err != nil {
		t.Error(err)
	}
	if err := SetEnabled(path, "acme", true); err != nil {
		t.Fatal(err)
	}
	if _, err = p.Decrypt(ctx, kms.Key{ARN: "local:acme"}, made.Wrapped, ec); err != nil {
		t.Error(err)
	}

	canceled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = p.Check(canceled, kms.Key{ARN: "local:acme"})
	is(t, err, false, false, kms.ReasonCanceled)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err = p.Check(ctx, kms.Key{ARN: "local:acme"})
	is(t, err, false, false, kms.ReasonNetwork)
}

func TestAddKeyRefuses(t *testing.T) {
	path := keyfile(t, "acme")
	if _, err := AddKey(path, "acme", ""); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	if _, err := AddKey(path, "", ""); err == nil {
		t.Error("a key without a name")
	}
	if err := SetEnabled(path, "hooli", true); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := New(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestModeIsHeld(t *testing.T) {
	path := keyfile(t, "acme")
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := New(path); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("%v: %v", mode, err)
		}
	}
	if _, err := New(filepath.Dir(path)); err == nil {
		t.Error("a folder is accepted")
	}
}

const goodKey = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="

// badFiles are also the fuzz target's seeds.
var badFiles = map[string]string{
	"":                                       "key file F: the JSON ends too early",
	"{":                                      "key file F: the JSON ends too early",
	`{"keys`:                                 "key file F: the JSON ends too early",
	`{"keyz": {}}`:                           `key file F: not of the form {"keys": {"NAME": {"key": …, "state": "enabled"}}}`,
	`{]`:                                     "key file F: not valid JSON at byte 2",
	`[]`:                                     `key file F: not of the form {"keys": {"NAME": {"key": …, "state": "enabled"}}}`,
	`{"keys": {"a": null}}`:                  `key file F: key "a": want 32 bytes in base64`,
	`{"keys": {"a": {"key": "c2hvcnQ="}}}`:   `key file F: key "a": want 32 bytes in base64`,
	`{"keys": {"a": {"key": "not base64"}}}`: `key file F: not of the form {"keys": {"NAME": {"key": …, "state": "enabled"}}}`,
	`{"keys": {"a": {"key": "` + goodKey + `"}}}`:                      `key file F: key "a": state must be "enabled" or "disabled"`,
	`{"keys": {"a": {"key": "` + goodKey + `", "state": "on"}}}`:       `key file F: key "a": state must be "enabled" or "disabled"`,
	`{"keys": {"": {"key": "` + goodKey + `", "state": "enabled"}}}`:   `key file F: a key has no name`,
	`{"keys": {"a": {"key": "` + goodKey + `", "state": "enabled"}}}x`: `key file F: something follows the JSON object at byte 92`,
}

func TestParseFileRefuses(t *testing.T) {
	for data, want := range badFiles {
		_, err := parseFile("F", []byte(data))
		if err == nil || err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", data, err, want)
		}
	}
	if f, err := parseFile("F", []byte("{}")); err != nil || f.Keys == nil {
		t.Error(err)
	}
}

func TestFuzzTargetHasSeeds(t *testing.T) {
	if len(badFiles) < 10 {
		t.Error("too few seeds")
	}
}

// FuzzParseFile: what parses has only whole keys, and errors show no key.
func FuzzParseFile(f *testing.F) {
	for data := range badFiles {
		f.Add([]byte(data))
	}
	f.Add([]byte(`{"keys": {"a": {"key": "` + goodKey + `", "state": "enabled", "description": "d"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parseFile("F", data)
		if err != nil {
			if strings.Contains(err.Error(), goodKey) {
				t.Fatal("the error shows a key")
			}
			return
		}
		for name, key := range file.Keys {
			if name == "" || len(key.Key) != 32 {
				t.Fatalf("key %q of %d bytes", name, len(key.Key))
			}
		}
	})
}
