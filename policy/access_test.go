package policy

import "testing"

func TestMayRaw(t *testing.T) {
	p := &Policy{RawUsers: []string{"dumper"}, Access: []Access{{User: "*", Orgs: []string{"*"}}}}
	for user, want := range map[string]bool{"dumper": true, "DUMPER": false, "other": false, "": false, "*": false} {
		if got := p.MayRaw(user); got != want {
			t.Errorf("%q: %v", user, got)
		}
	}
}

func TestMayUse(t *testing.T) {
	open := &Policy{}
	ruled := &Policy{Access: []Access{
		{User: "reader", Orgs: []string{"acme", "globex"}},
		{User: "reader", Orgs: []string{"initech"}},
		{User: "admin", Orgs: []string{"*"}},
		{User: "*", Orgs: []string{"demo"}},
	}}
	tests := []struct {
		p         *Policy
		user, org string
		want      bool
	}{
		{open, "anyone", "acme", true},
		{ruled, "reader", "acme", true},
		{ruled, "reader", "initech", true}, // the union of its rules
		{ruled, "reader", "demo", true},    // and of those for all users
		{ruled, "reader", "hooli", false},
		{ruled, "admin", "hooli", true},
		{ruled, "other", "acme", false},
		{ruled, "other", "demo", true},
		{ruled, "other", "*", false}, // an org of that name is nothing special
		{ruled, "", "acme", false},
	}
	for org, want := range map[string]bool{"acme": true, "demo": true, "hooli": false, "*": false, "": false} {
		if got := ruled.NamesOrg(org); got != want {
			t.Errorf("a rule names %q: %v", org, got)
		}
	}
	for _, test := range tests {
		if got := test.p.MayUse(test.user, test.org); got != test.want {
			t.Errorf("user %q, org %q: %v", test.user, test.org, got)
		}
	}
}
