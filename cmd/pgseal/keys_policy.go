package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/pgseal/pgseal/crypto/kms"
	"github.com/pgseal/pgseal/crypto/kms/vault"
)

// The policies that let pgseal use a key of AWS KMS. A key in another account needs
// both the key policy and an IAM policy of pgseal's own
// (https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html);
// for one in pgseal's account the key policy does.

// policyDocument is an IAM policy as a whole, or a role's trust policy
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html).
type policyDocument struct {
	Version   string
	Statement []statement
}

// statement is a statement of a key policy or another one
// (https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html).
type statement struct {
	Sid       string
	Effect    string
	Principal map[string]string `json:",omitempty"`
	Action    oneOrMore
	Resource  oneOrMore                    `json:",omitempty"`
	Condition map[string]map[string]string `json:",omitempty"`
}

// oneOrMore is written as AWS's own examples write it: a list of one without its
// brackets.
type oneOrMore []string

// MarshalJSON implements json.Marshaler.
func (o oneOrMore) MarshalJSON() ([]byte, error) {
	if len(o) == 1 {
		return json.Marshal(o[0])
	}
	return json.Marshal([]string(o))
}

// pgsealRole stands for the role that pgseal runs as, which its operator knows.
const pgsealRole = "arn:aws:iam::111122223333:role/the-role-that-pgseal-runs-as"

// uses is what pgseal does with a key, by the name of a statement. The last two are
// for a change of keys alone: from a key by ReEncryptFrom, or Decrypt, to a key by
// ReEncryptTo, or Encrypt.
var (
	looks   = oneOrMore{"kms:DescribeKey"}
	uses    = oneOrMore{"kms:GenerateDataKey", "kms:Decrypt"}
	changes = oneOrMore{"kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"}
)

// keyPolicy allows a principal what pgseal does with a key, for one org only, or
// for all when org is empty, as the default key needs it: what uses the key carries
// the org in its encryption context, DescribeKey has none.
func keyPolicy(org, principal string) []statement {
	who := map[string]string{"AWS": principal}
	var condition map[string]map[string]string
	if org != "" {
		condition = map[string]map[string]string{"StringEquals": {"kms:EncryptionContext:pgseal:org": org}}
	}
	all := oneOrMore{"*"} // in a key policy: this key
	return []statement{
		{Sid: "PgsealLooksAtTheKey", Effect: "Allow", Principal: who, Action: looks, Resource: all},
		{Sid: "PgsealUsesTheKey", Effect: "Allow", Principal: who, Action: uses, Resource: all, Condition: condition},
		{Sid: "PgsealChangesTheKey", Effect: "Allow", Principal: who, Action: changes, Resource: all, Condition: condition},
	}
}

// iamPolicy allows whoever has it what pgseal does with keys.
func iamPolicy(keys ...string) policyDocument {
	return policyDocument{"2012-10-17", []statement{
		{Sid: "UseKeys", Effect: "Allow", Action: slices.Concat(looks, uses, changes), Resource: keys},
	}}
}

// assumePolicy allows whoever has it to assume a role.
func assumePolicy(role string) policyDocument {
	return policyDocument{"2012-10-17", []statement{
		{Sid: "AssumeRole", Effect: "Allow", Action: oneOrMore{"sts:AssumeRole"}, Resource: oneOrMore{role}},
	}}
}

// trustPolicy lets pgseal assume a role, by its external id if there is one
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html).
func trustPolicy(external string) policyDocument {
	s := statement{Sid: "PgsealAssumesTheRole", Effect: "Allow", Principal: map[string]string{"AWS": pgsealRole}, Action: oneOrMore{"sts:AssumeRole"}}
	if external != "" {
		s.Condition = map[string]map[string]string{"StringEquals": {"sts:ExternalId": external}}
	}
	return policyDocument{"2012-10-17", []statement{s}}
}

// hasPolicies tells whether printPolicies knows what a key's KMS needs.
func hasPolicies(key string) bool { return arn.IsARN(key) || strings.HasPrefix(key, vault.Prefix) }

// printPolicies prints all that lets pgseal use a key, as far as the key is known.
func (a *app) printPolicies(org string, key kms.Key) error {
	if strings.HasPrefix(key.ARN, vault.Prefix) {
		policy, err := vault.Policy(key.ARN)
		if err != nil {
			return fmt.Errorf("--arn: %w", err)
		}
		_, err = fmt.Fprintf(a.stdout, "Into a policy of the token that pgseal has of Vault:\n%s", policy)
		return err
	}
	user := pgsealRole
	if key.RoleARN != "" {
		user = key.RoleARN
	}
	statements := make([]any, 0, 3)
	for _, s := range keyPolicy(org, user) {
		statements = append(statements, s)
	}
	keys := iamResources(key)
	if err := a.printPolicy("Into the key's policy (the last statement is for pgseal keys replace alone):", statements...); err != nil {
		return err
	}
	if key.RoleARN == "" {
		return a.printPolicy("\nIAM policy of the role that pgseal runs as, where the key is in another account:", iamPolicy(keys...))
	}
	if err := a.printPolicy("\nIAM policy of the role "+key.RoleARN+", where the key is in another account:", iamPolicy(keys...)); err != nil {
		return err
	}
	if err := a.printPolicy("\nTrust policy of that role:", trustPolicy(key.ExternalID)); err != nil {
		return err
	}
	return a.printPolicy("\nIAM policy of the role that pgseal runs as:", assumePolicy(key.RoleARN))
}

// iamResources are what an IAM policy names a key by: its key ARN, in each Region;
// for an alias, which it can't name, any key there.
func iamResources(key kms.Key) []string {
	parsed, err := arn.Parse(key.ARN)
	if err != nil {
		return []string{"arn:aws:kms:eu-central-1:444455556666:key/*"}
	}
	if !strings.HasPrefix(parsed.Resource, "key/") {
		parsed.Resource = "key/*"
	}
	return append([]string{parsed.String()}, key.Replicas...)
}

// printPolicy prints a title and what stands below it, as a list's elements.
func (a *app) printPolicy(title string, parts ...any) error {
	var texts []string
	for _, p := range parts {
		text, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			return err
		}
		texts = append(texts, string(text))
	}
	_, err := fmt.Fprintf(a.stdout, "%s\n%s\n", title, strings.Join(texts, ",\n"))
	return err
}
