package oracle_test

import (
	"fmt"
	"strings"

	"github.com/pgseal/pgseal/policy"
)

// scalars are the types that arrays of their values can be unnested of; bpchar, as which
// the elements of char arrays come, is refused.
func scalars(l *logical) bool { return !l.policyType().Array && l.policyType().Kind != policy.Char }

// arrayOf is the text of an array of all values, and NULL.
func (l *logical) arrayOf() string {
	elements := make([]string, 0, len(l.values)+1)
	for _, value := range l.values {
		elements = append(elements, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value)+`"`)
	}
	return "{" + strings.Join(append(elements, "NULL"), ",") + "}"
}

// ids and orgs are arrays of the rows' numbers and orgs, beside arrayOf's.
func (l *logical) idsAndOrgs() (ids, orgs string) {
	var i, o []string
	l.rows(func(row int, _ string, _ bool) { i, o = append(i, fmt.Sprint(row)), append(o, org(row)) })
	return "{" + strings.Join(i, ",") + "}", "{" + strings.Join(o, ",") + "}"
}

// listOf is a VALUES list of (row, value) of an org's rows.
func (l *logical) listOf(orgs string) string {
	var rows []string
	l.rows(func(row int, value string, null bool) {
		if org(row) == orgs {
			rows = append(rows, fmt.Sprintf("(%d, %s)", row, literalOr(null, quoted(value))))
		}
	})
	return strings.Join(rows, ", ")
}

// fromWrites write what a query returns.
var fromWrites = []write{
	{name: "select-literals", send: eachLiteral("INSERT INTO %[1]s (id, org_id, v) SELECT %[2]d, '%[3]s', %[4]s RETURNING v", inForms)},
	{name: "select-params", send: eachParam("INSERT INTO %[1]s (id, org_id, v) SELECT $1::int, $2, $3::%[2]s", 0, false)},
	{name: "select-binary-params", send: eachParam("INSERT INTO %[1]s (id, org_id, v) SELECT $1::int, $2, $3 WHERE true", 1, true)},
	{name: "select-from-values", send: func(s *script, l *logical) {
		s.query("INSERT INTO %s (id, org_id, v) SELECT x.a, x.b, x.c::%s FROM (VALUES %s) x (a, b, c)", l.table(), l.sql, l.valuesList())
	}},
	{name: "select-from-cte", send: func(s *script, l *logical) {
		s.query("WITH x (a, b, c) AS (VALUES %s) INSERT INTO %s (id, org_id, v) SELECT a, b, c::%s FROM x", l.valuesList(), l.table(), l.sql)
	}},
	{name: "select-unnest", only: scalars, send: func(s *script, l *logical) {
		ids, orgs := l.idsAndOrgs()
		oid := policy.Type{Kind: l.policyType().Kind, Array: true}.OID()
		s.execute(fmt.Sprintf("INSERT INTO %s (id, org_id, v) SELECT * FROM unnest($1::int[], $2::text[], $3::%s[])", l.table(), l.base()), 0,
			textParam(ids), textParam(orgs), param{value: []byte(l.arrayOf()), oid: oid})
	}},
	{name: "select-itself", send: func(s *script, l *logical) {
		s.query("INSERT INTO %s (id, org_id, v) VALUES %s", l.table(), l.valuesList())
		s.query("INSERT INTO %s (id, org_id, v) SELECT id + 100, org_id, v FROM %s WHERE org_id = 'acme'", l.table(), l.table())
	}},
	{name: "update-case", send: func(s *script, l *logical) {
		l.seed(s)
		for _, o := range []string{"acme", "globex"} {
			var whens []string
			l.rows(func(row int, value string, null bool) {
				if org(row) == o {
					whens = append(whens, fmt.Sprintf("WHEN %d THEN %s::%s", row, literalOr(null, quoted(value)), l.sql))
				}
			})
			s.query("UPDATE %s SET v = CASE id %s END WHERE org_id = '%s'", l.table(), strings.Join(whens, " "), o)
		}
	}},
	{name: "update-coalesce", send: func(s *script, l *logical) {
		l.seed(s)
		s.execute(fmt.Sprintf("UPDATE %s SET v = COALESCE($1, v) WHERE org_id = $2 AND id = 1", l.table()), 0, textParam(l.values[0]), textParam("globex"))
		s.execute(fmt.Sprintf("UPDATE %s SET v = COALESCE($1, v) WHERE org_id = $2", l.table()), 0, param{}, textParam("globex"))
	}},
	{name: "update-from-values", send: func(s *script, l *logical) {
		l.seed(s)
		for _, o := range []string{"acme", "globex"} {
			s.query("UPDATE %s t SET v = x.c::%s FROM (VALUES %s) x (i, c) WHERE x.i = t.id AND t.org_id = '%s'", l.table(), l.sql, l.listOf(o), o)
		}
	}},
	{name: "view-insert", send: func(s *script, l *logical) {
		l.rows(func(row int, value string, null bool) {
			s.query("%s", l.fill(fmt.Sprintf("INSERT INTO <V> (nr, org_id, value) VALUES (%d, '%s', %s) RETURNING value", row, org(row), literalOr(null, quoted(value)))))
		})
	}},
	{name: "view-update", send: func(s *script, l *logical) {
		l.seed(s)
		for i, row := range l.params(1, 0) {
			s.execute(l.fill("UPDATE <V> SET value = $3 WHERE nr = $1 AND org_id = $2"), i%2, row...)
		}
	}},
	{name: "current-of", send: func(s *script, l *logical) {
		l.seed(s)
		s.query("BEGIN")
		s.query("DECLARE c CURSOR FOR SELECT id FROM %s WHERE org_id = 'globex' ORDER BY id FOR UPDATE", l.table())
		s.query("FETCH c")
		s.query("UPDATE %s SET v = %s WHERE CURRENT OF c AND org_id = 'globex'", l.table(), quoted(l.values[0]))
		s.query("ROLLBACK")
	}},
}
