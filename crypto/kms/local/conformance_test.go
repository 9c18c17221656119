package local

import (
	"os"
	"testing"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/kmstest"
)

func TestConformance(t *testing.T) {
	kmstest.Run(t, func(t *testing.T) *kmstest.Subject {
		path := keyfile(t, "acme", "globex")
		p, err := New(path)
		must(t, err)
		elsewhere := path + ".elsewhere"
		var secrets []string
		f, err := readFile(path)
		must(t, err)
		for _, key := range f.Keys {
			secrets = append(secrets, string(key.Key))
		}
		return &kmstest.Subject{
			Provider: p, Key: kms.Key{ARN: "local:acme"}, Other: kms.Key{ARN: "local:globex"}, Missing: kms.Key{ARN: "local:hooli"},
			BadNames: []string{"acme", "LOCAL:acme", "arn:aws:kms:eu-central-1:1:key/1", "local:"}, State: "Enabled", Secrets: secrets,
			Switches: []kmstest.Switch{{
				Name: "disabled", Described: true,
				Off: func() { must(t, SetEnabled(path, "acme", false)) },
				On:  func() { must(t, SetEnabled(path, "acme", true)) },
			}},
			Delete: func() {
				f, err := readFile(path)
				must(t, err)
				delete(f.Keys, "acme")
				must(t, writeFile(path, f))
			},
			Silences: []kmstest.Silence{
				{Name: "no file", Begin: func() { must(t, os.Rename(path, elsewhere)) }, End: func() { must(t, os.Rename(elsewhere, path)) }},
				{Name: "readable by all", Begin: func() { must(t, os.Chmod(path, 0o644)) }, End: func() { must(t, os.Chmod(path, 0o600)) }},
			},
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
