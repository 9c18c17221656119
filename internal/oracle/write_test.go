package oracle_test

import (
	"fmt"
	"strings"

	"github.com/pgseal/pgseal/policy"
)

// write is a way to write all values of a type, each to a row of its own.
type write struct {
	name string
	send func(s *script, l *logical)
	only func(l *logical) bool // nil: for all types
}

// writes are all ways.
func writes() []write {
	var list []write
	for _, ways := range [][]write{literalWrites, paramWrites, preparedWrites, copyWrites, updateWrites, fromWrites} {
		list = append(list, ways...)
	}
	return list
}

// literalOr is a literal in one of the forms, or NULL.
func literalOr(null bool, literal string) string {
	if null {
		return "NULL"
	}
	return literal
}

// typed is a literal that is cast to the type, in one of three forms.
func typed(l *logical, row int, value string) string {
	switch row % 3 {
	case 0:
		return quoted(value) + "::" + l.sql
	case 1:
		return "CAST(" + quoted(value) + " AS " + l.sql + ")"
	}
	if strings.HasSuffix(l.sql, "[]") { // has no such form
		return "(" + quoted(value) + "::" + l.sql + ")"
	}
	return l.sql + " " + quoted(value)
}

// values is a VALUES list of all rows.
func (l *logical) valuesList() string {
	var rows []string
	l.rows(func(row int, value string, null bool) {
		rows = append(rows, fmt.Sprintf("(%d, '%s', %s)", row, org(row), literalOr(null, quoted(value))))
	})
	return strings.Join(rows, ", ")
}

// seed makes the rows, without values.
func (l *logical) seed(s *script) {
	var rows []string
	l.rows(func(row int, _ string, _ bool) { rows = append(rows, fmt.Sprintf("(%d, '%s')", row, org(row))) })
	s.query("INSERT INTO %s (id, org_id) VALUES %s", l.table(), strings.Join(rows, ", "))
}

// eachLiteral sends a statement for each row: the pattern's verbs are the table, the
// row, its org and the value as SQL.
func eachLiteral(pattern string, form func(l *logical, row int, value string) string) func(*script, *logical) {
	return func(s *script, l *logical) {
		l.rows(func(row int, value string, null bool) {
			s.query("%s", fmt.Sprintf(pattern, l.table(), row, org(row), literalOr(null, form(l, row, value))))
		})
	}
}

func inQuotes(_ *logical, _ int, value string) string { return quoted(value) }

// inForms is a literal in one of the forms that need no cast.
func inForms(_ *logical, row int, value string) string {
	switch row % 3 {
	case 0:
		return escaped(value)
	case 1:
		return unicode(value)
	}
	return dollars(value)
}

// cutByCasts are the types that a cast cuts the values of.
func cutByCasts(l *logical) bool {
	t := l.policyType()
	return (t.Kind == policy.Varchar || t.Kind == policy.Char) && len(t.Mods) > 0
}

const insertRow = "INSERT INTO %[1]s (id, org_id, v) VALUES (%[2]d, '%[3]s', %[4]s)"

var literalWrites = []write{
	{name: "literal", send: eachLiteral(insertRow, inQuotes)},
	{name: "literal-typed", send: eachLiteral(insertRow, typed)},
	{name: "literal-cut", only: cutByCasts, send: func(s *script, l *logical) {
		long := "abcdefghijklmnopqrstuvwxyz"
		if l.policyType().Array {
			long = "{" + long + ",NULL,\"x y  z       \",日本語日本語}"
		}
		cast := quoted(long) + "::" + l.sql
		s.query(insertRow, l.table(), 1, "acme", cast)
		s.query(insertRow+" RETURNING v", l.table(), 2, "acme", "CAST("+quoted(long)+" AS "+l.base()+")") // which cuts nothing
		s.query("INSERT INTO %s (id, org_id, v) SELECT i, 'globex', w FROM (VALUES (3, %s), (4, NULL)) x (i, w)", l.table(), cast)
		s.query("UPDATE %s SET v = %s WHERE org_id = 'globex' AND id = 4", l.table(), cast)
		s.query("PREPARE ins AS INSERT INTO %s (id, org_id, v) VALUES ($1, 'acme', $2)", l.table())
		s.query("EXECUTE ins (5, %s)", cast)
		s.execute(fmt.Sprintf("INSERT INTO %s (id, org_id, v) VALUES (6, 'acme', $1::%s) RETURNING v", l.table(), l.sql), 0, textParam(long))
	}},
	{name: "literal-forms", send: eachLiteral(insertRow, inForms)},
	{name: "literal-bpchar", only: func(l *logical) bool { return !l.policyType().Array }, send: func(s *script, l *logical) {
		l.rows(func(row int, value string, null bool) {
			if null || strings.ContainsAny(value, "\n\t") {
				return
			}
			form := []string{"N", "n", "char ", "bpchar "}[row%4] + quoted(value+strings.Repeat(" ", row%3))
			s.query(insertRow+" RETURNING v", l.table(), row, org(row), form)
			s.query("UPDATE %s SET v = %s::bpchar WHERE id = %d AND org_id = '%s'", l.table(), quoted(value), row, org(row))
		})
	}},
	{name: "literal-columns-turned", send: eachLiteral("INSERT INTO %[1]s AS t (v, note, org_id, id) VALUES (%[4]s, upper('n'), '%[3]s', %[2]d)", inQuotes)},
	{name: "literal-no-columns", send: eachLiteral("INSERT INTO public.%[1]s VALUES (%[2]d, '%[3]s', (%[4]s))", inQuotes)},
	{name: "literal-returning", send: eachLiteral(insertRow+" RETURNING v, id", inQuotes)},
	{name: "literal-cte", send: eachLiteral("WITH i AS ("+insertRow+" RETURNING id, v) SELECT * FROM i", inQuotes)},
	{name: "literal-transaction", send: func(s *script, l *logical) {
		s.query("BEGIN; SAVEPOINT a")
		s.query("INSERT INTO %s (id, org_id, v) VALUES %s", l.table(), l.valuesList())
		s.query("ROLLBACK TO a")
		s.query("SELECT count(v) FROM %s", l.table())
		s.query("INSERT INTO %s (id, org_id, v) VALUES %s", l.table(), l.valuesList())
		s.query("COMMIT")
	}},
	{name: "literal-extended", send: func(s *script, l *logical) {
		l.rows(func(row int, value string, null bool) {
			s.execute(fmt.Sprintf(insertRow+" RETURNING v", l.table(), row, org(row), literalOr(null, quoted(value))), row%2)
		})
	}},
	{name: "rows", send: func(s *script, l *logical) {
		s.query("INSERT INTO %s (id, org_id, v) VALUES %s", l.table(), l.valuesList())
	}},
	{name: "rows-returning", send: func(s *script, l *logical) {
		s.execute(fmt.Sprintf("INSERT INTO %s (id, org_id, v) VALUES %s RETURNING *", l.table(), l.valuesList()), 1)
	}},
	{name: "statements", send: func(s *script, l *logical) {
		var all []string
		l.rows(func(row int, value string, null bool) {
			all = append(all, fmt.Sprintf(insertRow, l.table(), row, org(row), literalOr(null, quoted(value))))
		})
		s.query("%s", strings.Join(all, "; "))
	}},
	{name: "numbers", only: func(l *logical) bool { return len(l.numbers) > 0 }, send: func(s *script, l *logical) {
		for i, number := range l.numbers {
			s.query(insertRow, l.table(), i+1, org(i+1), number)
			s.query(insertRow+" RETURNING v", l.table(), i+101, org(i), "("+number+")::"+l.sql)
			if c := number[0]; c >= '0' && c <= '9' {
				s.query(insertRow+" RETURNING v", l.table(), i+201, org(i), "+"+number)
			}
		}
	}},
	{name: "default", send: func(s *script, l *logical) {
		s.query("INSERT INTO %s (id, org_id, v) VALUES (1, 'acme', DEFAULT), (2, 'globex', NULL), (3, 'acme', %s)", l.table(), quoted(l.values[0]))
		s.query("INSERT INTO %s (id, org_id) VALUES (4, 'acme')", l.table())
		s.query("UPDATE %s SET v = DEFAULT WHERE org_id = 'acme' AND id = 3", l.table())
		s.query("INSERT INTO %s (id, org_id, v) VALUES (5, 'acme', %s)", l.table(), quoted(l.values[len(l.values)-1]))
	}},
}

// eachParam sends a statement with parameters for each row, which RETURNING shows.
func eachParam(pattern string, format int, declared bool) func(*script, *logical) {
	return func(s *script, l *logical) {
		var oid uint32
		if declared {
			oid = l.policyType().OID()
		}
		for _, row := range l.params(format, oid) {
			s.execute(fmt.Sprintf(pattern, l.table(), l.sql), format, row...)
		}
	}
}

var paramWrites = []write{
	{name: "text", send: eachParam("INSERT INTO %[1]s (id, org_id, v) VALUES ($1, $2, $3)", 0, false)},
	{name: "text-declared", send: eachParam("INSERT INTO %[1]s (id, org_id, v) VALUES ($1, $2, $3) RETURNING v", 0, true)},
	{name: "text-cast", send: eachParam("INSERT INTO %[1]s (id, org_id, v) VALUES ($1, $2, $3::%[2]s)", 0, false)},
	{name: "binary", send: eachParam("INSERT INTO %[1]s (id, org_id, v) VALUES ($1, $2, $3)", 1, false)},
	{name: "binary-declared", send: eachParam("INSERT INTO %[1]s (id, org_id, v) VALUES ($1, $2, $3) RETURNING v, id", 1, true)},
	{name: "binary-cast", send: eachParam("INSERT INTO %[1]s (id, org_id, v) VALUES ($1, $2, CAST($3 AS %[2]s)) RETURNING *", 1, false)},
	{name: "pipeline", send: func(s *script, l *logical) {
		for _, row := range l.params(1, 0) {
			s.parse("_", fmt.Sprintf("INSERT INTO %s (id, org_id, v) VALUES ($1, $2, $3)", l.table()), row...)
			s.bind("_", 0, row...)
		}
		s.line("S\nwait Z")
	}},
	{name: "bound-often", send: func(s *script, l *logical) {
		texts, binaries := l.params(0, 0), l.params(1, 0)
		s.parse("ins", fmt.Sprintf("INSERT INTO %s (id, org_id, v) VALUES ($1, $2, $3) RETURNING v", l.table()), texts[0]...)
		s.line("D S ins\nS\nwait Z")
		for i := range texts {
			row := texts[i]
			if i%2 == 1 {
				row = binaries[i]
			}
			s.bind("ins", i%2, row...)
			s.line("S\nwait Z")
		}
		s.line("C S ins\nS\nwait Z")
	}},
	{name: "rows-of-params", send: func(s *script, l *logical) {
		var rows []string
		var params []param
		for i, row := range l.params(0, 0) {
			rows = append(rows, fmt.Sprintf("($%d, $%d, $%d)", 3*i+1, 3*i+2, 3*i+3))
			params = append(params, row...)
		}
		s.execute(fmt.Sprintf("INSERT INTO %s (id, org_id, v) VALUES %s", l.table(), strings.Join(rows, ", ")), 0, params...)
	}},
}

var preparedWrites = []write{
	{name: "prepare", send: func(s *script, l *logical) {
		s.query("PREPARE ins AS INSERT INTO %s (id, org_id, v) VALUES ($1, $2, $3)", l.table())
		l.rows(func(row int, value string, null bool) {
			s.query("EXECUTE ins (%d, '%s', %s)", row, org(row), literalOr(null, inForms(l, row, value)))
		})
		s.query("DEALLOCATE ins")
	}},
	{name: "prepare-typed", send: func(s *script, l *logical) {
		s.query("PREPARE ins (int, text, %s) AS INSERT INTO %s (id, org_id, v) VALUES ($1, $2, $3) RETURNING id, v", l.sql, l.table())
		l.rows(func(row int, value string, null bool) {
			s.query("EXECUTE ins (%d, '%s', %s)", row, org(row), literalOr(null, typed(l, row, value)))
		})
	}},
	{name: "prepare-of-literals", send: func(s *script, l *logical) {
		l.rows(func(row int, value string, null bool) {
			s.query("PREPARE one AS "+insertRow, l.table(), row, org(row), literalOr(null, quoted(value)))
			s.execute("EXECUTE one", 0)
			s.query("DEALLOCATE one")
		})
	}},
}
