package proxytest

import (
	"fmt"

	"github.com/pgseal/pgseal/policy"
)

// WirePolicy is NotesPolicy, and seals each column of the table kinds, which scripts
// create when they need it, but id and org_id: the column is named after what its type
// shows.
func WirePolicy() *policy.Policy {
	p := NotesPolicy()
	var columns []policy.Column
	for _, c := range []struct{ name, kind string }{
		{"t", "time"}, {"t0", "time(0)"}, {"tz", "timetz"}, {"iv", "interval"}, {"iv3", "interval(3)"}, {"d", "date"}, {"ts3", "timestamp(3)"},
		{"ip", "inet"}, {"net", "cidr"}, {"mac", "macaddr"}, {"vc5", "varchar(5)"}, {"c5", "char(5)"}, {"num", "numeric(6,2)"},
		{"i2", "smallint"}, {"i4", "int"}, {"f4", "real"}, {"f8", "float8"}, {"j", "json"}, {"bin", "bytea"},
		{"ints", "int4[]"}, {"texts", "text[]"}, {"vcs", "varchar(5)[]"}, {"tss", "timestamptz[]"}, {"docs", "jsonb[]"}, {"bins", "bytea[]"}, {"ips", "inet[]"}, {"ivs", "interval[]"},
	} {
		t, err := policy.ParseType(c.kind)
		if err != nil {
			panic(fmt.Sprintf("internal error: %v", err))
		}
		columns = append(columns, policy.Column{Name: c.name, Type: t})
	}
	org := policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org_id"}
	p.Tables = append(p.Tables, policy.NewTable("public", "kinds", org, columns...))
	return p
}
