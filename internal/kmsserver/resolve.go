package kmsserver

import (
	"regexp"
	"strings"
)

// How an operation may name a key (developer guide, concepts: key identifiers): key
// id, key ARN, alias name, alias ARN; those that manage a key take no alias.

var (
	keyID         = regexp.MustCompile(`^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$`)
	validAlias    = regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]+$`)
	accountNumber = regexp.MustCompile(`^[0-9]{12}$`)
)

// lookup finds the key of an operation that takes aliases too. Whether the caller
// may use it is another question: authorize.
func (s *Server) lookup(c *call, id string) (*key, error) {
	if id == "" {
		return nil, errMissing("keyId")
	}
	account, region, resource := c.who.account, c.region, id
	if strings.HasPrefix(id, "arn:") {
		var err error
		if account, region, resource, err = splitARN(c, id); err != nil {
			return nil, err
		}
	} else if !strings.HasPrefix(id, "alias/") {
		resource = "key/" + id
	}
	name := keyName{account, region, ""}
	if strings.HasPrefix(resource, "alias/") {
		alias := aliasName{account, region, resource}
		target, ok := s.aliases[alias]
		if !ok {
			return nil, notFound(c, account, alias.arn(), "Alias %s is not found.", alias.arn())
		}
		name = target
	} else if name.id = strings.TrimPrefix(resource, "key/"); !keyID.MatchString(name.id) {
		return nil, failure("NotFoundException", "Invalid keyId '%s'", name.id)
	}
	k := s.keys[name]
	if k == nil {
		return nil, notFound(c, account, name.arn(), "Key '%s' does not exist", name.arn())
	}
	return k, nil
}

// lookupManaged finds the key of an operation that takes a key id or key ARN only
// (API_DisableKey and its kin: "Specify the key ID or key ARN of the KMS key") and
// of the caller's own account ("Cross-account use: No").
func (s *Server) lookupManaged(c *call, id string) (*key, error) {
	k, err := s.lookupOfAnyAccount(c, id)
	if err == nil && k.account != c.who.account {
		return nil, errDenied(c, "kms:"+c.op, k.arn())
	}
	return k, err
}

// lookupOfAnyAccount is the same for GetKeyRotationStatus, whose page says
// "Cross-account use: Yes".
func (s *Server) lookupOfAnyAccount(c *call, id string) (*key, error) {
	if strings.HasPrefix(id, "alias/") {
		return nil, failure("NotFoundException", "Invalid keyId '%s'", id)
	}
	if strings.HasPrefix(id, "arn:") && strings.Contains(id, ":alias/") {
		return nil, failure("InvalidArnException", "%s is not a key ARN", id)
	}
	k, err := s.lookup(c, id)
	if err != nil {
		return nil, err
	}
	return k, s.authorize(c, k, "kms:"+c.op, nil)
}

// splitARN takes "arn:aws:kms:region:account:resource" apart. The cryptographic
// operations have no InvalidArnException (API_GenerateDataKey, Errors): there a
// wrong ARN is NotFoundException.
func splitARN(c *call, arn string) (account, region, resource string, err error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[1] != "aws" || parts[2] != "kms" || !accountNumber.MatchString(parts[4]) ||
		(!strings.HasPrefix(parts[5], "key/") && !strings.HasPrefix(parts[5], "alias/")) {
		code := "InvalidArnException"
		if cryptographic[c.op] {
			code = "NotFoundException"
		}
		return "", "", "", failure(code, "%s is not a valid ARN", arn)
	}
	if parts[3] != c.region {
		// A request goes to one Region and sees the keys of that one only.
		return "", "", "", failure("NotFoundException", "Invalid arn %s", parts[3])
	}
	return parts[4], parts[3], parts[5], nil
}

// notFound does not tell another account's principal what does not exist there.
func notFound(c *call, account, arn, format string, args ...any) error {
	if account != c.who.account {
		return errDenied(c, "kms:"+c.op, arn)
	}
	return failure("NotFoundException", format, args...)
}

// cryptographic operations (developer guide, kms-cryptography), of those served.
var cryptographic = map[string]bool{
	"Decrypt": true, "Encrypt": true, "GenerateDataKey": true, "GenerateDataKeyWithoutPlaintext": true, "ReEncrypt": true,
}
