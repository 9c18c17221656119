package generator

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgseal/pgseal/internal/canary"
)

// gen makes a script, statement by statement. It keeps in mind what the session has
// come to, taking for granted that every statement succeeds.
type gen struct {
	d       *draws
	secrets int // canaries made
	key     int // the last new key
	aliases int
	inBlock bool
	depth   int    // of savepoints
	org     string // pgseal.org, "" when it is not set
	path    []string
	moved   bool // search_path may be another than path
	cursor  string
	pending []func(*gen)
	named   *preparedStatement // what the prepared statement s1 of the protocol is
	names   int                // of prepared statements, cursors and views of the script

	st *statement
}

// statement is what is known of the statement that is being made.
type statement struct {
	Step
	extended  bool
	params    []parameter
	size      int  // how many clauses may still come
	ambiguous bool // a name may mean a table of another schema

	with       []*cte   // queries of WITH that can be named
	writes     int      // statements that write, within this one too
	returning  []*field // what the last of them returns
	mustReturn bool     // it returns something
}

func newGen(seed uint64) *gen {
	return &gen{secrets: int(seed*37) % canary.Limit, key: 100, org: "acme", path: []string{"public"}}
}

func (g *gen) canaryNumber() int {
	g.secrets++
	return g.secrets
}

func (g *gen) canary() string { return canary.Text(g.canaryNumber()) }

// step makes the next step.
func (g *gen) step() *Step {
	g.st = &statement{extended: g.d.oneIn(2), size: 2 + g.d.n(8)}
	g.aliases = 0
	if len(g.pending) > 0 && !g.d.oneIn(4) {
		next := g.pending[0]
		g.pending = g.pending[1:]
		next(g)
		return &g.st.Step
	}
	if g.inBlock && g.d.oneIn(4) { // blocks are short, since most of a failed one is lost
		g.transaction()
		return &g.st.Step
	}
	switch n := g.d.n(100); {
	case n < 34:
		g.selects()
	case n < 50:
		g.send("insert", g.insert())
	case n < 62:
		g.send("update", g.update())
	case n < 67:
		g.send("delete", g.delete())
	case n < 70:
		g.send("merge", g.mergeInto())
	case n < 74:
		g.transaction()
	case n < 77:
		g.several()
	case n < 80:
		g.faulty()
	case n < 84:
		g.again()
	case n < 87:
		g.prepare()
	case n < 90:
		g.cursors()
	case n < 94:
		g.copyIn()
	case n < 96:
		g.temporary()
	default:
		g.setting()
	}
	return &g.st.Step
}

// send makes the messages of a statement.
func (g *gen) send(kind, sql string) {
	st := g.st
	st.Kind = kind
	sql = g.dressed(sql)
	client, oracle := forClient(sql), forOracle(sql)
	st.Lines = g.messages(client, st.extended)
	if oracle != client {
		st.Oracle = st.Lines[:0:0]
		for _, line := range st.Lines {
			st.Oracle = append(st.Oracle, strings.Replace(line, text(client), text(oracle), 1))
		}
	}
	if !st.extended {
		st.Texts = []string{oracle}
	}
}

// messages sends a text in the simple or the extended protocol.
func (g *gen) messages(sql string, extended bool) []string {
	if !extended {
		return []string{"Q " + text(sql)}
	}
	name := pick(g.d, "_", "_", "s1")
	var lines []string
	if name != "_" {
		lines = append(lines, "C S s1")
		g.named = &preparedStatement{params: g.st.params, step: &g.st.Step}
	}
	oids := ""
	for i := range g.st.params {
		oids += fmt.Sprintf(" %d", g.st.params[i].oid)
	}
	values, formats := boundValues(g.st.params)
	lines = append(lines, fmt.Sprintf("P %s | %s |%s", name, text(sql), oids))
	if g.d.oneIn(3) {
		lines = append(lines, "D S "+name)
	}
	portal := pick(g.d, "_", "_", "p1")
	if portal != "_" {
		lines = append(lines, "C P p1")
	}
	lines = append(lines, fmt.Sprintf("B %s %s | %s| %s| %s", portal, name, values, formats, pick(g.d, "", "1", "0")))
	if !g.d.oneIn(4) {
		lines = append(lines, "D P "+portal)
	}
	rows := 0
	if g.st.Kind == "select" && !g.st.Unordered && g.d.oneIn(6) {
		rows = 2
	}
	lines = append(lines, fmt.Sprintf("E %s %d", portal, rows))
	if rows > 0 {
		lines = append(lines, fmt.Sprintf("E %s 0", portal))
	}
	return append(lines, "S")
}

// boundValues are parameters as a line of a Bind has them, and their formats.
func boundValues(params []parameter) (values, formats string) {
	for i := range params {
		values += params[i].String() + " "
		formats += fmt.Sprintf("%d ", params[i].format)
	}
	return values, formats
}

// dressed puts comments and odd white space around a text.
func (g *gen) dressed(sql string) string {
	switch g.d.n(12) {
	case 8:
		return "/* a 'comment' /* in one */ */ " + sql
	case 9:
		return sql + " -- the 'end"
	case 10:
		return "\n\t" + strings.Replace(sql, " ", "\n\t", 1)
	case 11:
		return sql + " ;"
	}
	return sql
}

// selects sends a query, as such or within another statement.
func (g *gen) selects() {
	st := g.st
	g.st.Kind = "select"
	switch g.d.n(16) {
	case 13:
		st.Opaque = true
		q := g.query(nil, false)
		g.send("explain", pick(g.d, "EXPLAIN ", "EXPLAIN (COSTS OFF) ", "EXPLAIN (VERBOSE, COSTS OFF) ")+q.sql)
		return
	case 14:
		st.extended = st.extended && g.d.oneIn(2)
		q := g.queryWithoutParameters()
		st.Unordered = !q.ordered
		g.send("copy", "COPY ("+q.sql+") TO STDOUT"+pick(g.d, "", " (FORMAT csv)", " (FORMAT csv, HEADER)"))
		return
	}
	q := g.query(nil, false)
	st.Unordered = !q.ordered
	g.send("select", q.sql)
}

// queryWithoutParameters is a query with literals, for statements of utilities.
func (g *gen) queryWithoutParameters() *query {
	extended := g.st.extended
	g.st.extended = false
	q := g.query(nil, false)
	g.st.extended = extended
	return q
}

// transaction sends what begins or ends one.
func (g *gen) transaction() {
	g.st.extended, g.st.Control = g.d.oneIn(4), true
	var sql string
	switch {
	case !g.inBlock:
		sql, g.inBlock, g.depth = pick(g.d, "BEGIN", "START TRANSACTION", "begin isolation level repeatable read"), true, 0
	case g.depth > 0 && g.d.oneIn(2):
		sql = pick(g.d, "ROLLBACK TO a", "RELEASE a")
		if sql == "RELEASE a" {
			g.depth--
		}
	case g.d.oneIn(3):
		sql, g.depth = "SAVEPOINT a", g.depth+1
	default:
		sql, g.inBlock, g.cursor = pick(g.d, "COMMIT", "ROLLBACK", "END"), false, ""
	}
	g.send("transaction", sql)
}

// several sends several statements in one simple Query.
func (g *gen) several() {
	st := g.st
	st.extended, st.Control, st.Kind = false, g.inBlock, "several"
	var texts []string
	for range 2 + g.d.n(2) {
		switch g.d.n(4) {
		case 0:
			q := g.query(nil, false)
			st.Unordered = st.Unordered || !q.ordered
			texts = append(texts, q.sql)
		case 1:
			texts = append(texts, g.insert())
		case 2:
			texts = append(texts, g.update())
		default:
			texts = append(texts, g.delete())
		}
	}
	all := strings.Join(texts, pick(g.d, "; ", ";", " ;\n"))
	st.Lines = []string{"Q " + text(forClient(all))}
	if forClient(all) != forOracle(all) {
		st.Oracle = []string{"Q " + text(forOracle(all))}
	}
	for _, t := range texts {
		st.Texts = append(st.Texts, forOracle(t))
	}
}

// setting sends SET and its kin.
func (g *gen) setting() {
	g.st.extended, g.st.Control = g.d.oneIn(4), true
	sql := pick(g.d,
		"SET search_path = public", "SET search_path = other, public", "SET search_path = public, other",
		"SET TimeZone = 'Europe/Berlin'", "SET DateStyle = 'SQL, DMY'", "RESET DateStyle", "SET bytea_output = 'hex'",
		"SET extra_float_digits = 1", "SHOW TimeZone", "SET LOCAL TimeZone = 'Asia/Tokyo'")
	if path, ok := strings.CutPrefix(sql, "SET search_path = "); ok {
		g.path, g.moved = strings.Split(path, ", "), true
	}
	g.send("setting", sql)
}

// faulty sends what Postgres refuses.
func (g *gen) faulty() {
	st := g.st
	st.Faults++
	st.Unordered = true
	if g.inBlock {
		g.pending = append(g.pending, (*gen).transaction)
	}
	r := g.target()
	name := g.name(r)
	c := r.columns[g.d.n(len(r.columns))]
	secret := func() string {
		return "'" + strings.ReplaceAll(c.kind.make(g, c.sealed && !st.ambiguous).text, "'", "''") + "'"
	}
	g.send("faulty", pick(g.d,
		fmt.Sprintf("SELECT nothing FROM %s", name),
		fmt.Sprintf("SELECT * FROM %s", quoted(r.name+" nowhere")),
		fmt.Sprintf("SELECT * FROM %s WHERE", name),
		fmt.Sprintf("INSERT INTO %s (nothing) VALUES (1)", name),
		fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s", name, quoted(c.name), secret()),
		fmt.Sprintf("UPDATE %s SET %s = %s WHERE nothing = 1", name, quoted(c.name), secret()),
		fmt.Sprintf("UPDATE %s SET nothing = 1", name),
		fmt.Sprintf("SELECT %s FROM %s GROUP BY 7", quoted(c.name), name),
		fmt.Sprintf("SELECT 1/0 FROM %s", name),
		"SELECT 1 FROM (SELECT 1)::int",
	))
}

// name gives a name of a relation that means it, for the search_path that the
// session is thought to have.
func (g *gen) name(r *relation) string {
	bare := g.ident(r.name)
	qualifiedName := g.ident(r.schema) + "." + bare
	twins := 0
	for _, other := range schema {
		if other.name == r.name {
			twins++
		}
	}
	if g.d.oneIn(4) || g.cteNamed(r.name) != nil {
		return qualifiedName
	}
	for _, s := range g.path {
		at := slices.IndexFunc(schema, func(o *relation) bool { return o.schema == s && o.name == r.name })
		if at < 0 {
			continue
		}
		if schema[at] != r {
			break
		}
		if twins > 1 && g.moved {
			g.st.ambiguous = true
			g.st.Faults += 2 // should it fail, it may do so at several places
		}
		return bare
	}
	return qualifiedName
}

// ident writes an identifier in one of the ways that there are.
func (g *gen) ident(name string) string {
	simple := simpleName(name)
	switch g.d.n(20) {
	case 17:
		return quoted(name)
	case 18:
		if simple {
			return strings.ToUpper(name)
		}
	case 19:
		return `U&"` + fmt.Sprintf(`\%04X`, name[0]) + name[1:] + `"`
	}
	if simple {
		return name
	}
	return quoted(name)
}

func simpleName(name string) bool {
	switch name {
	case "select", "case", "window", "null", "coalesce":
		return false
	}
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
