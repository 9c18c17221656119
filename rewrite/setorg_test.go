package rewrite

import (
	"fmt"
	"testing"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
)

// withAccess plans under a policy that has access rules, and a table whose org is in a
// setting of the application's own.
func withAccess() *Rewriter {
	return New(catalog.New(1, sealedOID, &policy.Policy{
		Tables: []*policy.Table{policy.NewTable("public", "tokens", policy.OrgSource{Kind: policy.OrgFromSetting, Value: "app.tenant.id"},
			policy.Column{Name: "secret", Type: policy.Type{Kind: policy.Text}})},
		Access: []policy.Access{{User: "a", Orgs: []string{"acme"}}},
	}, nil), Limits{MaxNesting: 1000})
}

func TestSetsOrg(t *testing.T) {
	r := withAccess()
	for _, c := range []struct{ text, want string }{
		{"SET pgseal.org = 'acme'", "acme@18"},
		{"set Session PGSEAL.Org to acme", "acme@27"},
		{"SET LOCAL pgseal.org = 5", "5@24"},
		{`SET "pgseal"."org" = 'acme'`, "acme@22"},
		{"SET app.tenant.id = 'acme'", "acme@21"},
		{"SET app.tenant = 'acme'", ""},
		{"SET search_path = 'acme'", ""},
		{"SET pgseal.org = ''", ""},
		{"SET pgseal.org TO DEFAULT", ""},
		{"RESET pgseal.org", ""},
		{"SELECT 'SET pgseal.org = acme'", ""},
		{"SELECT set_config('pgseal.org', 'acme', true)", "acme@33"},
		{"SELECT pg_catalog.set_config('PGSEAL.ORG'::text, 'acme'::text, true), 1", "acme@50"},
		{"SELECT set_config('pgseal.org', $1, true)", "$1@33"},
		{"SELECT set_config('pgseal.org', $2::text, $1)", "$2@33"},
		{"SELECT set_config('pgseal.org', 'ac' || 'me', true)", ""}, // seen where it is used
		{"SELECT set_config('pgseal.org', NULL, true)", ""},
		{"SELECT mine.set_config('pgseal.org', 'acme', true)", ""},
		{"SELECT 1 WHERE set_config('pgseal.org', 'acme', true) = 'x'", "acme@41"},
		{"WITH s AS (SELECT set_config('pgseal.org', 'acme', true)) SELECT * FROM s", "acme@44"},
		{"PREPARE p AS SELECT set_config('pgseal.org', 'acme', true)", "acme@46"},
		{"BEGIN; SET LOCAL pgseal.org = 'acme'; SET pgseal.org = 'globex'", "acme@31 globex@56"},
	} {
		plan := r.Plan(c.text, Env{StandardStrings: true, UTF8: true, NewNumbers: true})
		got := ""
		for i := range plan.Statements {
			for _, s := range plan.Statements[i].SetsOrg {
				if got != "" {
					got += " "
				}
				if s.Param > 0 {
					got += fmt.Sprintf("$%d@%d", s.Param, s.Position)
				} else {
					got += fmt.Sprintf("%s@%d", s.Org, s.Position)
				}
			}
		}
		if got != c.want || plan.Refusal != nil {
			t.Errorf("%s: %q, want %q (%v)", c.text, got, c.want, plan.Refusal)
		}
		if must, _ := r.Scan([]byte(c.text)); c.want != "" && !must {
			t.Errorf("%s: is not planned", c.text)
		}
	}
	// What cannot set it, and what nobody is kept from, passes after the scan.
	for _, text := range []string{"SELECT pgseal, org FROM t", "SELECT current_setting('pgseal.org')", "UPDATE t SET org = 'pgseal'"} {
		if must, _ := r.Scan([]byte(text)); must {
			t.Errorf("%s: is planned", text)
		}
	}
	if must, _ := New(fixture(), Limits{MaxNesting: 1000}).Scan([]byte("SET pgseal.org = 'acme'")); must {
		t.Error("without access rules a SET is planned")
	}
}
