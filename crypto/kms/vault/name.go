package vault

import (
	"fmt"
	"strings"
)

// Prefix begins a key's name.
const Prefix = "vault:"

// keyName is where a key lies: the engine's mount, with the namespaces before it,
// and the key's name in the engine.
type keyName struct{ mount, name string }

// path is the path of what the engine does with the key: keys, encrypt, decrypt.
func (k keyName) path(what string) string { return k.mount + "/" + what + "/" + k.name }

// CheckName tells what is wrong with a key's name.
func CheckName(name string) error {
	_, err := parseName(name)
	return err
}

// Policy is the policy, in Vault's own language, that lets a token use a key.
func Policy(name string) (string, error) {
	k, err := parseName(name)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`path %q { capabilities = ["read"] }
path %q { capabilities = ["update"] }
path %q { capabilities = ["update"] }
`, k.path("keys"), k.path("encrypt"), k.path("decrypt")), nil
}

// parseName reads vault:MOUNT/NAME. Segments are held to what needs no escape in
// a URL; Vault allows keys no more.
func parseName(s string) (keyName, error) {
	rest, ok := strings.CutPrefix(s, Prefix)
	slash := strings.LastIndexByte(rest, '/')
	if !ok || slash < 0 {
		return keyName{}, fmt.Errorf("%q is not a key of Vault's transit engine: it looks like %sMOUNT/NAME, such as %stransit/acme", s, Prefix, Prefix)
	}
	for segment := range strings.SplitSeq(rest, "/") {
		if strings.Trim(segment, ".") == "" || strings.ContainsFunc(segment, special) {
			return keyName{}, fmt.Errorf("%q is not a key of Vault's transit engine: mount and name are of letters, digits, _, - and . between slashes", s)
		}
	}
	return keyName{rest[:slash], rest[slash+1:]}, nil
}

func special(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '.':
		return false
	}
	return true
}
