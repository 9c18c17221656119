package aws

import (
	"strings"
	"testing"
)

func TestCheckRole(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/"
	for _, test := range []struct{ role, external, want string }{
		{role + "pgseal", "", ""},
		{role + "teams/data/pgseal+1", "7f3c9a", ""},
		{"arn:aws-us-gov:iam::111122223333:role/r", strings.Repeat("x", 1224), ""},
		{"pgseal", "", "is not the ARN of a role"},
		{"", "", "is not the ARN of a role"},
		{"arn:aws:iam::111122223333:user/pgseal", "", "is not the ARN of a role"},
		{"arn:aws:sts::111122223333:assumed-role/pgseal/x", "", "is not the ARN of a role"},
		{"arn:aws:iam::11112222333:role/pgseal", "", "is not the ARN of a role"},
		{"arn:amazon:iam::111122223333:role/pgseal", "", "is not the ARN of a role"},
		{role, "", "is not the ARN of a role"},
		{role + "a b", "", "is not the ARN of a role"},
		{role + "r", "x", "the external id is not one that AWS takes"},
		{role + "r", strings.Repeat("x", 1225), "the external id is not one that AWS takes"},
		{role + "r", "söd", "the external id is not one that AWS takes"},
	} {
		err := CheckRole(test.role, test.external)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s, %d characters: %v", test.role, len(test.external), err)
		}
	}
}
