package rewrite

import (
	"fmt"
	"strings"
	"testing"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/pgerr"
)

// chains are texts whose tree grows with n: each would overflow the parser's
// stack if it were let through.
var chains = map[string]func(n int) string{
	"plus":          func(n int) string { return "SELECT 1" + strings.Repeat("+1", n) },
	"concat":        func(n int) string { return "SELECT 'a'" + strings.Repeat("||'a'", n) },
	"operator":      func(n int) string { return "SELECT 1" + strings.Repeat(" OPERATOR(pg_catalog.+) 1", n) },
	"minus":         func(n int) string { return "SELECT " + strings.Repeat("- ", n) + "x" },
	"prefix":        func(n int) string { return "SELECT " + strings.Repeat("@ ", n) + "x" },
	"not":           func(n int) string { return "SELECT " + strings.Repeat("NOT ", n) + "true" },
	"brackets":      func(n int) string { return "SELECT " + strings.Repeat("(", n) + "1" + strings.Repeat(")", n) },
	"brackets plus": func(n int) string { return "SELECT " + strings.Repeat("(1+", n) + "1" + strings.Repeat(")", n) },
	"left brackets": func(n int) string { return "SELECT " + strings.Repeat("(", n) + "1" + strings.Repeat("+1)", n) },
	"wide brackets": func(n int) string {
		return "SELECT " + strings.Repeat("(", n/40) + "1" + strings.Repeat(strings.Repeat("+1", 40)+")", n/40)
	},
	"open":          func(n int) string { return "SELECT " + strings.Repeat("(", n) },
	"calls":         func(n int) string { return "SELECT " + strings.Repeat("f(", n) + "1" + strings.Repeat(")", n) },
	"calls, commas": func(n int) string { return "SELECT " + strings.Repeat("f(1, ", n) + "1" + strings.Repeat(")", n) },
	"casts":         func(n int) string { return "SELECT 1" + strings.Repeat("::int", n) },
	"arrays":        func(n int) string { return "SELECT ARRAY" + strings.Repeat("[", n) + "1" + strings.Repeat("]", n) },
	"is null":       func(n int) string { return "SELECT 1" + strings.Repeat(" IS NULL", n) },
	"isnull":        func(n int) string { return "SELECT 1" + strings.Repeat(" ISNULL", n) },
	"collate":       func(n int) string { return "SELECT 'a'" + strings.Repeat(` COLLATE "C"`, n) },
	"at time zone":  func(n int) string { return "SELECT x" + strings.Repeat(" AT TIME ZONE 'UTC'", n) },
	"case": func(n int) string {
		return "SELECT " + strings.Repeat("CASE WHEN true THEN ", n) + "1" + strings.Repeat(" END", n)
	},
	"case else": func(n int) string {
		return "SELECT " + strings.Repeat("CASE WHEN true THEN 1 ELSE ", n) + "1" + strings.Repeat(" END", n)
	},
	"case and": func(n int) string {
		return "SELECT " + strings.Repeat("CASE WHEN a AND b THEN 1+", n) + "1" + strings.Repeat(" END", n)
	},
	"join":       func(n int) string { return "SELECT 1 FROM a" + strings.Repeat(" JOIN a ON true", n) },
	"cross join": func(n int) string { return "SELECT 1 FROM a" + strings.Repeat(" CROSS JOIN a", n) },
	"nested join": func(n int) string {
		return "SELECT 1 FROM " + strings.Repeat("a JOIN ", n) + "a" + strings.Repeat(" ON true", n)
	},
	"union":         func(n int) string { return "SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", n) },
	"union, commas": func(n int) string { return "SELECT 1, 2" + strings.Repeat(" UNION SELECT 1, 2", n) },
	"except":        func(n int) string { return "SELECT 1" + strings.Repeat(" EXCEPT SELECT 1", n) },
	"subqueries":    func(n int) string { return "SELECT " + strings.Repeat("(SELECT ", n) + "1" + strings.Repeat(")", n) },
	"derived": func(n int) string {
		return "SELECT 1 FROM " + strings.Repeat("(SELECT * FROM ", n) + "a" + strings.Repeat(") x", n)
	},
	"exists": func(n int) string {
		return "SELECT 1 WHERE " + strings.Repeat("EXISTS (SELECT 1 WHERE ", n) + "true" + strings.Repeat(")", n)
	},
	"with": func(n int) string {
		return strings.Repeat("WITH a AS (", n) + "SELECT 1" + strings.Repeat(") SELECT 1", n)
	},
	"like":         func(n int) string { return "SELECT 'a'" + strings.Repeat(" || 'a' || b", n/2) },
	"subscripts":   func(n int) string { return "SELECT " + strings.Repeat("a[", n) + "1" + strings.Repeat("]", n) },
	"colon equals": func(n int) string { return "SELECT " + strings.Repeat("f(a => ", n) + "1" + strings.Repeat(")", n) },
	"row":          func(n int) string { return "SELECT " + strings.Repeat("ROW(", n) + "1" + strings.Repeat(")", n) },
	"explain":      func(n int) string { return strings.Repeat("EXPLAIN ", n) + "SELECT 1" },
	"in":           func(n int) string { return "SELECT 1" + strings.Repeat(" IN (1)", n) },
	"json":         func(n int) string { return "SELECT x" + strings.Repeat("->'a'", n) },
	"comparison": func(n int) string {
		return "SELECT 1 WHERE " + strings.Repeat("a = (b = ", n) + "c" + strings.Repeat(")", n)
	},
	"set of updates": func(n int) string { return "SELECT 1 FROM spans WHERE x" + strings.Repeat("*1", n) },
}

func TestTooDeep(t *testing.T) {
	r := New(fixture(), Limits{})
	for name, text := range chains {
		p := r.Plan(text(24000)+" -- spans", env)
		if p.Refusal == nil || p.Refusal.Code != pgerr.StatementTooComplex {
			t.Errorf("%s: %s", name, render("", p))
		}
	}
}

var env = Env{StandardStrings: true, UTF8: true, SearchPath: []string{"pg_catalog", "public"}}

// What the guard lets through must parse without harm, so the tree of a text at
// the limit is read; what it refuses below 100,000 terms might be let through.
func TestGuardAtItsLimit(t *testing.T) {
	for name, text := range chains {
		low, high := 1, 24000
		for low < high { // the longest chain that passes
			n := (low + high + 1) / 2
			scanned, err := pg.Scan(text(n))
			if err != nil {
				t.Fatal(name, err)
			}
			if nesting(scanned.Tokens) <= DefaultMaxNesting {
				low = n
			} else {
				high = n - 1
			}
		}
		if low < DefaultMaxNesting/5 {
			t.Errorf("%s: only %d terms pass", name, low)
		}
		// A syntax error is fine (Postgres's own bound on brackets), a crash is not.
		_, _ = pg.Parse(text(low))
	}
}

func TestFlatTextsPass(t *testing.T) {
	rows := make([]string, 10000)
	for i := range rows {
		rows[i] = fmt.Sprintf("(%d, 'acme', 'n', '{}', 'x')", i)
	}
	wide := func(item string) string { return strings.TrimSuffix(strings.Repeat(item+", ", 5000), ", ") }
	for name, text := range map[string]string{
		"rows":    "INSERT INTO spans (id, org_id, name, attributes, note) VALUES " + strings.Join(rows, ", "),
		"list":    "SELECT id FROM spans WHERE id IN (" + wide("1") + ")",
		"or":      "SELECT id FROM spans WHERE id = 1" + strings.Repeat(" OR id = 1", 5000),
		"and":     "SELECT id FROM spans WHERE id = 1" + strings.Repeat(" AND id + 1 = 2", 5000),
		"and or":  "SELECT id FROM spans WHERE (id = 1 AND name = 'x')" + strings.Repeat(" OR (id = 1 AND name = 'x')", 5000),
		"outputs": "SELECT " + wide("id + 1 - 2 AS x") + " FROM spans",
		"from":    "SELECT 1 FROM " + wide("spans"),
		"many":    strings.Repeat("SELECT id + 1 FROM spans JOIN users USING (id); ", 1000),
		"cases":   "SELECT " + wide("CASE WHEN id = 1 THEN 2 ELSE 3 END") + " FROM spans",
		"joins":   "SELECT 1 FROM spans" + strings.Repeat(" JOIN users USING (id)", 200),
	} {
		p := New(fixture(), Limits{}).Plan(text, env)
		if p.Refusal != nil {
			t.Errorf("%s: %v", name, p.Refusal)
		}
		for i := range p.Statements {
			if p.Statements[i].Refusal != nil {
				t.Errorf("%s: %v", name, p.Statements[i].Refusal)
			}
		}
	}
}
