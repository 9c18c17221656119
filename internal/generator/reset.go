package generator

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Reset are the messages that give a session back its settings and the tables the
// rows that scripts begin with: keys 1 to 4, the odd ones of each table's first org.
func Reset() []string {
	return []string{
		"Q ROLLBACK", "Q DISCARD ALL", "Q SET pgseal.org = 'acme'", "Q " + text(resetRows),
	}
}

var resetRows = makeResetRows()

func makeResetRows() string {
	g := newGen(0)
	g.d = &draws{random: rand.New(rand.NewPCG(1, 2))}
	var texts []string
	for _, r := range schema {
		if r.view != "" {
			continue
		}
		if r.root == nil {
			texts = append(texts, fmt.Sprintf("DELETE FROM %s.%s", r.schema, quoted(r.name)))
		}
		if strings.HasPrefix(r.name, "parted_") {
			continue
		}
		var names, rows []string
		for _, c := range r.columns {
			names = append(names, quoted(c.name))
		}
		for key := 1; key <= 4; key++ {
			var values []string
			for _, c := range r.columns {
				switch {
				case c.name == r.keys[0] && r.root != nil: // a child has keys of its own
					values = append(values, fmt.Sprint(10+key))
				case c.name == r.keys[0]:
					values = append(values, fmt.Sprint(key))
				case c.name == "part":
					values = append(values, fmt.Sprint(1+key%2))
				case r.org == orgColumn && c.name == r.orgValue:
					values = append(values, "'"+r.orgs[(key+1)%2]+"'")
				case g.d.oneIn(5):
					values = append(values, "NULL")
				default:
					values = append(values, "'"+strings.ReplaceAll(c.kind.make(g, c.sealed).text, "'", "''")+"'")
				}
			}
			rows = append(rows, "("+list(values)+")")
		}
		texts = append(texts, fmt.Sprintf("INSERT INTO %s.%s (%s) VALUES %s", r.schema, quoted(r.name), list(names), list(rows)))
	}
	return strings.Join(texts, ";\n")
}

// State are the messages that read all rows of all tables, in order.
func State() []string {
	lines := []string{"Q ROLLBACK", "Q RESET ALL", "Q SET pgseal.org = 'acme'"}
	for _, r := range schema {
		if r.view != "" || r.root != nil && r.name != "child" {
			continue
		}
		lines = append(lines, "Q "+text(fmt.Sprintf("SELECT tableoid::regclass::text, * FROM %s.%s ORDER BY %s, 1", r.schema, quoted(r.name), quoted(r.keys[0]))))
	}
	return lines
}

// Unsealed is a query, for the server itself, of the number of values in sealed columns
// that are not sealed.
func Unsealed() string {
	var counts []string
	for _, r := range schema {
		for _, c := range r.columns {
			if c.sealed && r.view == "" && r.root == nil {
				counts = append(counts, fmt.Sprintf(`SELECT count(*) FROM %s.%s WHERE substr(%s::bytea, 1, 4) NOT IN ('\x5ea10100', '\x5ea10101')`, r.schema, quoted(r.name), quoted(c.name)))
			}
		}
	}
	return "SELECT sum(count)::int FROM (" + strings.Join(counts, " UNION ALL ") + ") AS each"
}
