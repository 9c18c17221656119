package proxy_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// pipelineGen makes random wire scripts. Most of what it sends makes sense: a
// statement is bound with values that suit it, a portal that is executed was
// bound. Some of it does not, in every way that the protocol knows.
//
// What pgseal is known to refuse where Postgres does not (README.md, Limits) is
// left out, with a comment where it is.
type pipelineGen struct {
	r     *rand.Rand
	lines []string

	statements, portals map[string]*sqlTemplate // last made under the name, whether or not the server took it
	cleanup             map[string]bool         // statements that the end of the script needs
}

// sqlTemplate is a statement with parameters $1, $2, ….
type sqlTemplate struct {
	sql    string
	params []valueKind
	kind   sqlKind
	copies string // of COPY FROM: text, csv or binary; and the table
}

type sqlKind uint8

const (
	sqlPlain       sqlKind = iota
	sqlSealed              // touches sealed columns
	sqlTime                // touches one of type timestamptz
	sqlSet                 // changes settings
	sqlDDL                 // changes the catalog
	sqlCopyIn              // COPY FROM STDIN
	sqlUnscannable         // fails the scanner, which pgseal lets see the whole text first, the server as far as it parses
	sqlPrepares            // SQL's own PREPARE and what goes with it
)

// generatePipeline makes the script of a number: the same number, the same script.
func generatePipeline(seed uint64) string {
	g := &pipelineGen{
		r:          rand.New(rand.NewPCG(seed, 0)),
		statements: map[string]*sqlTemplate{}, portals: map[string]*sqlTemplate{}, cleanup: map[string]bool{},
	}
	g.add("Q DISCARD ALL")
	g.add("Q TRUNCATE notes, plain") // so that the rows come in one order, without ORDER BY too
	g.add("Q INSERT INTO notes (id, org_id, title, body, n, at) VALUES (1, 'acme', 'first', 'one', 1, '2020-01-01 00:00Z'), (2, 'globex', NULL, NULL, NULL, NULL), (3, 'acme', '', '', -3, '2020-07-01 12:00Z')")
	g.add("Q INSERT INTO plain VALUES (1, 'one'), (2, NULL), (3, '')")
	for range 1 + g.r.IntN(8) {
		g.unit()
		if g.r.IntN(6) == 0 {
			g.add("pause")
		}
	}
	// Whatever the state is, this ends it: CopyFail a COPY, Sync the skipping,
	// ROLLBACK a transaction.
	g.add("f the end")
	g.add("S")
	g.add("Q ROLLBACK")
	for _, sql := range slices.Sorted(maps.Keys(g.cleanup)) {
		g.add("Q %s", sql)
	}
	g.add("Q SELECT 'the end'")
	g.add(`wait D "the end"`)
	g.add("wait Z")
	return strings.Join(g.lines, "\n") + "\n"
}

func (g *pipelineGen) add(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if line == "S" && syncBehindData(append(g.lines, line)) {
		g.lines = append(g.lines, "c")
	}
	g.lines = append(g.lines, strings.Split(line, "\n")...)
}

// syncBehindData tells whether a script has a Sync right behind CopyData. Such a
// Sync is ignored, or not, by whether the data failed; and when more data follows
// before the server has said so, pgseal cannot tell (copyin.go, duringCopy).
func syncBehindData(lines []string) bool {
	data := false
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, "d "):
			data = true
		case line == "S" && data:
			return true
		case line != "H" && line != "pause":
			data = false
		}
	}
	return false
}

func pick[T any](g *pipelineGen, from ...T) T { return from[g.r.IntN(len(from))] }

// oneIn is true once in n times.
func (g *pipelineGen) oneIn(n int) bool { return g.r.IntN(n) == 0 }

// unit adds a few messages that belong together, or one that belongs to nothing.
func (g *pipelineGen) unit() {
	switch n := g.r.IntN(100); {
	case n < 20:
		g.query()
	case n < 55:
		g.parseBindExecute()
	case n < 65:
		g.executeAgain()
	case n < 72:
		g.copyIn()
	case n < 76:
		g.functionCall()
	default:
		for range 1 + g.r.IntN(5) {
			g.message()
		}
	}
	if g.oneIn(3) {
		g.add("S")
	}
}

// message adds one message without regard to what came before.
func (g *pipelineGen) message() {
	switch g.r.IntN(13) {
	case 0, 1:
		g.parse(g.statementName(), g.template())
	case 2, 3:
		g.bind(g.portalName(), g.statementName())
	case 4:
		g.add("D %s", g.target())
	case 5, 6:
		g.execute(g.portalName())
	case 7:
		g.add("C %s", g.target())
	case 8:
		g.add("H")
	case 9:
		g.add("S")
	case 10:
		g.query()
	case 11:
		g.data(pick(g, "text notes", "csv notes", "text plain", "binary notes"))
	case 12:
		g.add("%s", pick(g, "c", "f nothing to fail", "pause"))
	}
}

func (g *pipelineGen) statementName() string { return pick(g, "_", "_", "s1", "s2", "q1") }
func (g *pipelineGen) portalName() string    { return pick(g, "_", "_", "p1", "p2") }

func (g *pipelineGen) target() string {
	if g.oneIn(20) {
		return pick(g, "X s1", "S", "P")
	}
	if g.oneIn(2) {
		return "S " + g.statementName()
	}
	return "P " + g.portalName()
}

// parseBindExecute adds the usual sequence, with something missing at times.
func (g *pipelineGen) parseBindExecute() {
	s, p := g.statementName(), g.portalName()
	t := g.template()
	if s != "_" && g.oneIn(2) {
		g.add("C S %s", s)
	}
	g.parse(s, t)
	if g.oneIn(4) {
		g.add("D S %s", s)
	}
	if g.oneIn(8) {
		g.add("%s", pick(g, "H", "pause", "S"))
	}
	for range 1 + g.r.IntN(2) {
		if p != "_" && g.oneIn(2) {
			g.add("C P %s", p)
		}
		g.bind(p, s)
		if g.oneIn(2) {
			g.add("D P %s", p)
		}
		g.execute(p)
	}
}

// executeAgain goes on with what was made before.
func (g *pipelineGen) executeAgain() {
	s, p := g.statementName(), g.portalName()
	if g.oneIn(2) {
		g.bind(p, s)
	}
	g.execute(p)
	if g.oneIn(3) {
		g.execute(p)
	}
}

func (g *pipelineGen) parse(name string, t *sqlTemplate) {
	g.statements[name] = t
	sql := t.sql
	if g.oneIn(5) { // literals in the place of parameters
		sql, t = g.literal(t), &sqlTemplate{kind: t.kind, copies: t.copies}
		g.statements[name] = t
	}
	oids := ""
	// PREPARE is told no types: pgseal binds no values to it (prepared.go).
	if g.oneIn(6) && t.kind != sqlPrepares {
		for _, k := range t.params {
			oids += " " + pick(g, "0", strconv.Itoa(int(k.oid())))
		}
	}
	g.add("P %s | %s |%s", name, sql, oids)
}

func (g *pipelineGen) bind(portal, statement string) {
	t := g.statements[statement]
	if t == nil {
		t = &sqlTemplate{}
	}
	g.portals[portal] = t
	n := len(t.params)
	formats := make([]int, n)
	codes := ""
	switch g.r.IntN(6) {
	case 0: // all binary
		for i := range formats {
			formats[i] = 1
		}
		codes = "1"
		if n == 0 {
			codes = ""
		}
	case 1: // each its own
		for i := range formats {
			formats[i] = g.r.IntN(2)
			codes += strconv.Itoa(formats[i]) + " "
		}
	}
	var values []string
	for i, k := range t.params {
		values = append(values, k.bound(g, formats[i]))
	}
	switch g.r.IntN(40) {
	case 0:
		codes = "0 1 0 1 0 1 0"
	case 1:
		values = append(values, "'one too many'")
	case 2:
		values = values[:max(0, len(values)-1)]
	case 3:
		codes = "2"
	}
	results := pick(g, "", "", "0", "1", "1")
	if g.oneIn(8) {
		results = pick(g, "0 1", "1 0 1", "0 0 0 0 0", "1 0", "3")
	}
	g.add("B %s %s | %s | %s | %s", portal, statement, strings.Join(values, " "), codes, results)
}

func (g *pipelineGen) execute(portal string) {
	t, rows := g.portals[portal], pick(g, 0, 0, 0, 1, 2)
	if t != nil && strings.Contains(t.sql, "RETURNING") {
		// A write that is suspended is not visible to what follows in its segment
		// until another Parse (exec_parse_message's CommandCounterIncrement), and a
		// Parse of pgseal's own counts.
		rows = 0
	}
	g.add("E %s %d", portal, rows)
	if t != nil && t.kind == sqlCopyIn {
		if g.oneIn(4) {
			g.add("S") // ignored, and never answered
		}
		g.copyData(t.copies)
	}
}

func (g *pipelineGen) functionCall() {
	// int4pl and textcat
	g.add("F %s", pick(g, "177 | '1' '2'", "177 | x'00000001' x'00000002' | 1 | 1", "177 | 'x' '2'", "177 | NULL '2'", "177 | '1'", "1258 | 'a' 'b'", "4294967295 |"))
}

// query adds a simple Query of one statement or several.
func (g *pipelineGen) query() {
	if !g.oneIn(4) {
		t := g.template()
		g.add("Q %s", g.literal(t))
		if t.kind == sqlCopyIn {
			g.copyData(t.copies)
		}
		return
	}
	var texts, copies []string
	before := map[sqlKind]bool{}
	for len(texts) < 2+g.r.IntN(3) {
		t := g.template()
		// pgseal learns of what a string's statements changed when all are done,
		// and refuses what depends on it (README.md); DDL too.
		sealed := t.kind == sqlSealed || t.kind == sqlCopyIn
		if sealed && (before[sqlSet] || before[sqlPrepares]) || t.kind == sqlTime && len(texts) > 0 || t.kind == sqlDDL || t.kind == sqlUnscannable {
			continue
		}
		before[t.kind] = true
		texts = append(texts, g.literal(t))
		if t.kind == sqlCopyIn {
			copies = append(copies, t.copies)
		}
	}
	g.add("Q %s", strings.Join(texts, "; "))
	for _, c := range copies {
		g.copyData(c)
	}
}

var parameter = regexp.MustCompile(`\$\d+`)

// literal puts literals in the place of a template's parameters.
func (g *pipelineGen) literal(t *sqlTemplate) string {
	return parameter.ReplaceAllStringFunc(t.sql, func(p string) string {
		n, _ := strconv.Atoi(p[1:])
		kind := t.params[n-1]
		if t.kind == sqlSealed || t.kind == sqlTime {
			// Of two literals that do not read, a sealed column's is the one that
			// the client hears of.
			for kind == aKey || kind == anID {
				value := kind.literal(g)
				_, bad := kind.texts()
				if !slices.Contains(bad, strings.Trim(value, "'")) {
					return value
				}
			}
		}
		return kind.literal(g)
	})
}

// copyIn adds a COPY FROM STDIN and its data.
func (g *pipelineGen) copyIn() {
	t := g.copyTemplate()
	if g.oneIn(2) {
		g.add("Q %s", t.sql)
		g.copyData(t.copies)
	} else {
		g.parse("_", t)
		g.bind("_", "_")
		g.execute("_")
	}
}

// copyData adds the data of a COPY, which ends well, badly, or not at all.
func (g *pipelineGen) copyData(copies string) {
	if g.oneIn(4) {
		g.add("pause")
	}
	for range g.r.IntN(4) {
		g.data(copies)
		if g.oneIn(8) {
			g.add("%s", pick(g, "H", "pause"))
		}
	}
	if copies == "binary notes" && !g.oneIn(4) {
		g.add(`d \xff\xff`)
	}
	switch g.r.IntN(24) {
	case 0: // an end to the connection, if the COPY goes on
		g.add("%s", pick(g, "Q SELECT 1", "P _ | SELECT 1 |", "F 177 | '1' '2'"))
	case 1, 2, 3:
		g.add("f the client gives up")
	default:
		g.add("c")
	}
}

// data adds CopyData of a row, or of part of one.
func (g *pipelineGen) data(copies string) {
	id := 4 + g.r.IntN(6)
	switch copies {
	case "text notes":
		// A line with too few fields is refused by pgseal before the server can
		// find a field in it that is wrong.
		g.add("%s", pick(g,
			fmt.Sprintf(`d %d\tacme\tcopied\t%d\n`, id, id), fmt.Sprintf(`d %d\tglobex\t\\N\t\\N\n`, id),
			fmt.Sprintf(`d %d\tacme\ta \\\\ and \\t and \\n\t0\n`, id),
			fmt.Sprintf(`d %d\tacme\tin two `, id)+"\n"+`d  pieces\t1\n`,
			fmt.Sprintf(`d %d\tacme\tno number\tx\n`, id),
			fmt.Sprintf(`d 1\tacme\tthere already\t%d\n`, id), `d `, `d \\.\n`))
	case "csv notes":
		g.add("%s", pick(g,
			fmt.Sprintf(`d %d,acme,copied,%d\n`, id, id), fmt.Sprintf(`d %d,globex,,\n`, id),
			fmt.Sprintf(`d %d,acme,"with "" and, and\nlines",0\n`, id), fmt.Sprintf(`d %d,acme,"in two `, id)+"\n"+`d  pieces",1\n`,
			fmt.Sprintf(`d %d,acme,"no end,0\n`, id), fmt.Sprintf(`d %d,acme,no number,x\n`, id), fmt.Sprintf(`d 1,acme,there already,%d\n`, id)))
	case "binary notes":
		header := `PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00`
		row := fmt.Sprintf(`\x00\x04\x00\x00\x00\x04\x00\x00\x00\x%02x\x00\x00\x00\x04acme\x00\x00\x00\x06binary\x00\x00\x00\x04\x00\x00\x00\x07`, id)
		g.add("d %s", pick(g, header+row, header+row, header, row, header+`\x00\x03`, header+row+`\x00`))
	default:
		g.add("%s", pick(g,
			fmt.Sprintf(`d %d\tcopied\n`, id), fmt.Sprintf(`d %d\t\\N\n`, id), `d 1\tthere already\n`, `d x\tno number\n`,
			`d \n`, `d half a li`, fmt.Sprintf(`d ne\n%d\tx\n`, id)))
	}
}
