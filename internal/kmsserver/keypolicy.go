package kmsserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path"
	"strings"
)

// Key policies (developer guide, key-policies; IAM user guide,
// reference_policies_evaluation-logic): a statement that denies wins, else one that
// allows is needed. Of the language there is Effect, Principal (AWS), Action,
// Resource (accepted and ignored: in a key policy it means this key) and, of
// conditions, StringEquals on kms:EncryptionContext:…; anything else is refused as
// malformed instead of being passed over.

type keyPolicy struct {
	text       string
	statements []statement
}

type statement struct {
	deny       bool
	principals []string
	actions    []string
	context    map[string]oneOrMore // encryption context pairs that must be there
}

// oneOrMore is a string or a list of them.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte(`"`)) {
		*o = make(oneOrMore, 1)
		return json.Unmarshal(text, &(*o)[0])
	}
	return json.Unmarshal(text, (*[]string)(o))
}

// defaultKeyPolicy gives the account's IAM all power over the key (developer guide,
// key-policy-default).
func defaultKeyPolicy(account string) string {
	return `{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions",` +
		`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"kms:*","Resource":"*"}]}`
}

func parseKeyPolicy(text string) (*keyPolicy, error) {
	policy, err := readKeyPolicy(text)
	if err != nil {
		return nil, failure("MalformedPolicyDocumentException", "%v", err)
	}
	return policy, nil
}

func readKeyPolicy(text string) (*keyPolicy, error) {
	var document struct {
		Version, Id string
		Statement   []struct {
			Sid, Effect      string
			Principal        json.RawMessage
			Action, Resource oneOrMore
			Condition        map[string]map[string]oneOrMore
		}
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&document); err != nil {
		return nil, errors.New("the policy is not JSON, or has an element that this loopback KMS does not know")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the policy")
	}
	policy := &keyPolicy{text: text}
	for _, in := range document.Statement {
		out := statement{deny: in.Effect == "Deny", actions: in.Action, context: map[string]oneOrMore{}}
		if (!out.deny && in.Effect != "Allow") || len(in.Action) == 0 || len(in.Resource) == 0 {
			return nil, errors.New("a statement lacks Effect, Action or Resource")
		}
		var err error
		if out.principals, err = readPrincipals(in.Principal); err != nil {
			return nil, err
		}
		for operator, pairs := range in.Condition {
			for name, values := range pairs {
				member, ok := strings.CutPrefix(name, "kms:EncryptionContext:")
				if !ok || operator != "StringEquals" {
					return nil, errors.New("this loopback KMS knows no condition but StringEquals on kms:EncryptionContext:…")
				}
				out.context[member] = values
			}
		}
		policy.statements = append(policy.statements, out)
	}
	return policy, nil
}

func readPrincipals(text json.RawMessage) ([]string, error) {
	var all string
	if json.Unmarshal(text, &all) == nil && all == "*" {
		return []string{"*"}, nil
	}
	var named struct{ AWS oneOrMore }
	if err := json.Unmarshal(text, &named); err != nil || len(named.AWS) == 0 {
		return nil, errors.New("a statement's Principal names no AWS principal")
	}
	return named.AWS, nil
}

func (p *keyPolicy) allows(who *principal, action string, context map[string]string) bool {
	allowed := false
	for _, st := range p.statements {
		if !st.applies(who, action, context) {
			continue
		}
		if st.deny {
			return false
		}
		allowed = true
	}
	return allowed
}

func (st statement) applies(who *principal, action string, context map[string]string) bool {
	return anyOf(st.principals, who.is) &&
		anyOf(st.actions, func(pattern string) bool { return actionMatches(pattern, action) }) &&
		st.contextMatches(context)
}

func (st statement) contextMatches(context map[string]string) bool {
	for name, values := range st.context {
		value, ok := context[name]
		if !ok || !anyOf(values, func(v string) bool { return v == value }) {
			return false
		}
	}
	return true
}

// is tells whether a Principal element means this principal: itself, the role whose
// session it is, its account (by root ARN or number), or everybody (IAM user guide,
// reference_policies_elements_principal).
func (p *principal) is(element string) bool {
	return element == "*" || p.role != "" && element == p.role || element == p.arn || element == p.account || element == "arn:aws:iam::"+p.account+":root"
}

// actionMatches: actions have wildcards and are case-insensitive.
func actionMatches(pattern, action string) bool {
	ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(action))
	return err == nil && ok || pattern == "*"
}

func anyOf(list []string, is func(string) bool) bool {
	for _, element := range list {
		if is(element) {
			return true
		}
	}
	return false
}

func (s *Server) authorize(c *call, k *key, action string, context map[string]string) error {
	if k.denied["kms:*"] || k.denied[action] || !k.policy.allows(c.who, action, context) {
		return errDenied(c, action, k.arn())
	}
	return nil
}

// API_GetKeyPolicy.
func (s *Server) opGetKeyPolicy(c *call) (any, error) {
	in, err := decode[struct{ KeyId string }](c)
	if err != nil {
		return nil, err
	}
	k, err := s.lookupManaged(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	return map[string]string{"Policy": k.policy.text, "PolicyName": "default"}, nil
}

// API_PutKeyPolicy: a policy under which the caller could not put another one is
// refused, unless BypassPolicyLockoutSafetyCheck.
func (s *Server) opPutKeyPolicy(c *call) (any, error) {
	in, err := decode[struct {
		KeyId, PolicyName, Policy      string
		BypassPolicyLockoutSafetyCheck bool
	}](c)
	if err != nil {
		return nil, err
	}
	k, err := s.lookupManaged(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	if in.PolicyName != "" && in.PolicyName != "default" {
		return nil, failure("ValidationException", "the only policy name is default")
	}
	policy, err := parseKeyPolicy(in.Policy)
	if err != nil {
		return nil, err
	}
	if !in.BypassPolicyLockoutSafetyCheck && !policy.allows(c.who, "kms:PutKeyPolicy", nil) {
		return nil, failure("MalformedPolicyDocumentException", "The new key policy will not allow you to update the key policy in the future.")
	}
	k.policy = policy
	return struct{}{}, nil
}
