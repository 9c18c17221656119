package vault

import (
	"strings"
	"testing"
)

var goodNames = map[string]string{
	"vault:transit/acme":            "transit/keys/acme",
	"vault:team/a/transit/acme-1.x": "team/a/transit/keys/acme-1.x",
	"vault:T_1/K":                   "T_1/keys/K",
}

var badNames = []string{
	"", "vault:", "vault:acme", "vault:/acme", "vault:transit/", "vault:transit//acme", "transit/acme", "Vault:transit/acme", "vault:../sys/acme",
	"vault:transit/./acme", "vault:transit/..", "vault:transit/a b", "vault:transit/a%2fb", "vault:transit/a?x=1", "vault:transit/a#", "vault:transit/é", "vault:transit/a\n",
	"vault:transit\\acme", " vault:transit/acme",
}

func TestNames(t *testing.T) {
	for name, path := range goodNames {
		if k, err := parseName(name); err != nil || k.path("keys") != path {
			t.Errorf("%s: %s, %v", name, k.path("keys"), err)
		}
	}
	for _, name := range badNames {
		if err := CheckName(name); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

func TestPolicy(t *testing.T) {
	want := `path "team/transit/keys/acme" { capabilities = ["read"] }
path "team/transit/encrypt/acme" { capabilities = ["update"] }
path "team/transit/decrypt/acme" { capabilities = ["update"] }
`
	if got, err := Policy("vault:team/transit/acme"); err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := Policy("vault:transit/a\" {}"); err == nil {
		t.Error("a name that is none has a policy")
	}
}

func TestFuzzTargetHasSeeds(t *testing.T) {
	if len(goodNames)+len(badNames) < 20 {
		t.Error("too few seeds")
	}
}

// FuzzName: a name that is accepted gives a path of Vault's API that is below its
// mount, without an escape or a parameter.
func FuzzName(f *testing.F) {
	for name := range goodNames {
		f.Add(name)
	}
	for _, name := range badNames {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		k, err := parseName(name)
		if err != nil {
			return
		}
		if Prefix+k.mount+"/"+k.name != name {
			t.Fatalf("%q is read as %+v", name, k)
		}
		for segment := range strings.SplitSeq(k.path("keys"), "/") {
			if segment == "" || segment == "." || segment == ".." || strings.ContainsAny(segment, "?#%\\ \t\r\n") {
				t.Fatalf("%q gives %q", name, k.path("keys"))
			}
		}
	})
}
