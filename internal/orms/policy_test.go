package orms_test

import (
	"strings"

	"github.com/pgseal/pgseal/policy"
)

// sealedColumns are the columns that the policy seals, by table, and where a row's
// org comes from. Columns that a program adds later are among them.
var sealedColumns = []struct {
	table       string
	org         policy.OrgSource
	definitions string
}{
	{"authors", policy.OrgSource{Kind: policy.OrgFromSetting, Value: "pgseal.org"}, "bio text, motto text"},
	{"notes", policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org"}, "body text, doc jsonb, raw bytea, code varchar(20), at timestamptz, day date, n integer, big bigint, f double precision, amount numeric(10;2), uid uuid, ok boolean"},
}

func testPolicy() *policy.Policy {
	p := &policy.Policy{}
	for _, table := range sealedColumns {
		var columns []policy.Column
		for _, definition := range strings.Split(table.definitions, ", ") {
			name, text, _ := strings.Cut(definition, " ")
			kind, err := policy.ParseType(strings.ReplaceAll(text, ";", ","))
			if err != nil {
				panic(err)
			}
			columns = append(columns, policy.Column{Name: name, Type: kind})
		}
		p.Tables = append(p.Tables, policy.NewTable("public", table.table, table.org, columns...))
	}
	return p
}
