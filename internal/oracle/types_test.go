package oracle_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/policy"
)

// logical is a type of sealed columns, with the values that it is tried with.
type logical struct {
	sql     string   // "varchar(5)"
	values  []string // texts that Postgres takes, whatever the settings
	numbers []string // literals without quotes that it takes
	bad     []string // texts that it refuses
	badBare []string // literals without quotes that it refuses, or that do not fit
	// badBinary are binary forms that it refuses.
	badBinary []string
	// settings are values that are looked at in each of the session's settings that
	// concern the type; values when nil.
	settings []string

	few bool // every fourth script of writing and reading is enough: it is much like another type

	binary [][]byte // of values, as Postgres itself sends them
}

// all is every type.
func all() []*logical {
	var list []*logical
	for _, types := range [][]*logical{textTypes, jsonTypes, numberTypes, dateTypes, timeTypes, netTypes, arrayTypes} {
		list = append(list, types...)
	}
	return list
}

// id is the type's name in identifiers.
func (l *logical) id() string {
	return strings.Trim(strings.NewReplacer("(", "_", ")", "", ",", "_", "[]", "_array", " ", "_").Replace(l.sql), "_")
}

// table is the table of the type's own.
func (l *logical) table() string { return "t_" + l.id() }

// policyType is the type as the policy has it.
func (l *logical) policyType() policy.Type {
	t, err := policy.ParseType(l.sql)
	if err != nil {
		panic(err)
	}
	return t
}

// base is the type without modifiers, as SQL.
func (l *logical) base() string {
	t := l.policyType()
	if t.Kind == policy.Char {
		return "bpchar" + strings.Repeat("[]", strings.Count(l.sql, "[]"))
	}
	t.Mods = nil
	return t.String()
}

// createTable makes the type's table.
func (l *logical) createTable() string {
	return fmt.Sprintf("CREATE TABLE %s (id int PRIMARY KEY, org_id text NOT NULL, v %s, note text);\n", l.table(), l.sql)
}

// createViews make a view on it, and one on that.
func (l *logical) createViews() []string {
	return []string{
		l.fill("CREATE VIEW <V> AS SELECT id AS nr, v AS value, org_id FROM <T>"),
		l.fill("CREATE VIEW <W> AS SELECT x.value AS again, x.nr FROM <V> x JOIN plain p ON p.id = x.nr"),
	}
}

// corpusPolicy seals column v of each type's table.
func corpusPolicy(types []*logical) *policy.Policy {
	org := policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org_id"}
	p := &policy.Policy{}
	for _, l := range types {
		p.Tables = append(p.Tables, policy.NewTable("public", l.table(), org, policy.Column{Name: "v", Type: l.policyType()}))
	}
	return p
}

// learnBinary asks Postgres for the binary form of all values. Modifiers are left
// away: a client does not know them.
func (l *logical) learnBinary(t *testing.T, conn *pgconn.PgConn) {
	t.Helper()
	for _, value := range l.values {
		sql := fmt.Sprintf("SELECT %s::%s", quoted(value), l.base())
		r := conn.ExecParams(t.Context(), sql, nil, nil, nil, []int16{1}).Read()
		if r.Err != nil {
			t.Fatalf("%s is no value of %s for Postgres: %v", value, l.base(), r.Err)
		}
		l.binary = append(l.binary, r.Rows[0][0])
	}
}

// org is the org of a row.
func org(row int) string { return []string{"acme", "globex"}[row%2] }

// rows calls do for each value, with the number of its row, and at last for NULL,
// whose literal is NULL.
func (l *logical) rows(do func(row int, value string, null bool)) {
	for i, value := range l.values {
		do(i+1, value, false)
	}
	do(len(l.values)+1, "", true)
}

// params are the parameters (id, org, value) of each row.
func (l *logical) params(format int, oid uint32) (rows [][]param) {
	for i, value := range l.values {
		v := param{value: []byte(value), format: format, oid: oid}
		if format == 1 {
			v.value = l.binary[i]
		}
		rows = append(rows, []param{textParam(fmt.Sprint(i + 1)), textParam(org(i + 1)), v})
	}
	n := len(l.values) + 1
	return append(rows, []param{textParam(fmt.Sprint(n)), textParam(org(n)), {format: format, oid: oid}})
}
