package generator

import (
	"fmt"
	"strings"
)

// preparedStatement is what is known of one, of the protocol or of SQL.
type preparedStatement struct {
	name   string
	params []parameter
	step   *Step
}

// again binds the prepared statement s1 of the protocol once more, with other values.
func (g *gen) again() {
	st := g.st
	st.Kind, st.extended = "again", true
	if g.named == nil {
		st.Unordered = true
		g.send("select", g.query(nil, false).sql)
		return
	}
	st.Unordered, st.Opaque, st.Deserved, st.Control = g.named.step.Unordered, g.named.step.Opaque, g.named.step.Deserved, true
	st.Faults = g.named.step.Faults
	params := append([]parameter{}, g.named.params...)
	for i := range params {
		p := &params[i]
		if p.again == nil {
			continue
		}
		if p.value = p.again(); p.value.binary == nil || g.d.oneIn(2) {
			p.format = 0
		} else {
			p.format = 1
		}
	}
	values, formats := boundValues(params)
	for range 1 + g.d.n(2) {
		st.Lines = append(st.Lines, fmt.Sprintf("B _ s1 | %s| %s| %s", values, formats, pick(g.d, "", "1", "0")), "E _ 0")
		if g.d.oneIn(2) {
			break
		}
	}
	st.Lines = append(st.Lines, "S")
}

// newName makes a name that the script has not used.
func (g *gen) newName(prefix string) string {
	g.names++
	return fmt.Sprintf("%s%d", prefix, g.names)
}

// prepare sends SQL's PREPARE, and EXECUTE later.
func (g *gen) prepare() {
	st := g.st
	st.Control = true
	st.extended = true // so that it has parameters
	p := &preparedStatement{name: g.newName("q"), step: &Step{}}
	var sql, kind string
	switch g.d.n(4) {
	case 0:
		q := g.query(nil, false)
		p.step.Unordered, sql, kind = !q.ordered, q.sql, "select"
	case 1:
		sql, kind = g.insert(), "insert"
	case 2:
		sql, kind = g.update(), "update"
	default:
		sql, kind = g.delete(), "delete"
	}
	p.params, p.step.Deserved, p.step.Faults = st.params, st.Deserved, st.Faults
	p.step.Unordered = p.step.Unordered || st.Unordered || kind != "select"
	types := ""
	if len(st.params) > 0 && g.d.oneIn(2) {
		var names []string
		for i := range st.params {
			names = append(names, pick(g.d, "unknown", st.params[i].typ))
		}
		types = " (" + list(names) + ")"
	}
	st.params, st.extended = nil, g.d.oneIn(3)
	g.send("prepare", "PREPARE "+p.name+types+" AS "+sql)
	for range 1 + g.d.n(2) {
		g.pending = append(g.pending, func(g *gen) { g.execute(p) })
	}
}

// execute sends EXECUTE.
func (g *gen) execute(p *preparedStatement) {
	st := g.st
	st.extended, st.Control = g.d.oneIn(3), true
	st.Unordered, st.Deserved, st.Faults = p.step.Unordered, p.step.Deserved, p.step.Faults
	var args []string
	for i := range p.params {
		each := &p.params[i]
		if g.d.oneIn(15) {
			args = append(args, "NULL")
			continue
		}
		args = append(args, g.literal(each.again(), each.typ))
	}
	sql := "EXECUTE " + g.ident(p.name)
	if len(args) > 0 {
		sql += pick(g.d, " (", "(") + list(args) + ")"
	}
	if g.d.oneIn(8) {
		st.Opaque = true
		sql = "EXPLAIN " + sql
	}
	g.send("execute", sql)
}

// cursors sends DECLARE, and what goes with a cursor later.
func (g *gen) cursors() {
	if !g.inBlock {
		g.st.extended, g.st.Control = false, true
		g.inBlock = true
		g.pending = append([]func(*gen){(*gen).declare}, g.pending...)
		g.send("transaction", "BEGIN")
		return
	}
	g.declare()
}

func (g *gen) declare() {
	st := g.st
	st.Control = true
	extended := st.extended
	st.extended = false
	q := g.query(nil, false)
	st.extended = extended && len(st.params) == 0
	name := g.newName("c")
	scroll := pick(g.d, "", " SCROLL", " NO SCROLL", " BINARY", " INSENSITIVE")
	g.send("cursor", "DECLARE "+name+scroll+" CURSOR "+pick(g.d, "", "WITH HOLD ")+"FOR "+q.sql)
	unordered := !q.ordered
	if g.d.oneIn(4) {
		g.pending = append(g.pending, (*gen).currentOf)
	}
	for range 1 + g.d.n(3) {
		g.pending = append(g.pending, func(g *gen) {
			g.st.Control, g.st.Unordered = true, unordered
			g.st.extended = g.d.oneIn(2)
			what := "ALL"
			if !unordered {
				what = pick(g.d, "ALL", "2", "NEXT", "FORWARD 1", "0")
				if scroll == " SCROLL" { // without, it depends on the plan
					what = pick(g.d, what, "BACKWARD 1", "LAST", "ABSOLUTE 2", "PRIOR")
				}
			}
			g.send("cursor", pick(g.d, "FETCH ", "FETCH ", "MOVE ")+what+" FROM "+name)
		})
	}
	g.pending = append(g.pending, func(g *gen) {
		g.st.Control = true
		g.send("cursor", "CLOSE "+name)
	})
}

// currentOf opens a cursor over a table and updates or deletes the row that it stands at.
func (g *gen) currentOf() {
	r := g.target()
	for r.view != "" || r.tail != "" {
		r = schema[0]
	}
	name, cursor := g.name(r), g.newName("c")
	g.st.Control, g.st.extended = true, false
	g.send("cursor", "DECLARE "+cursor+" CURSOR FOR SELECT * FROM "+name+" WHERE "+quoted(r.keys[0])+pick(g.d, " = 1", " = 2", " = 3")+" FOR UPDATE")
	g.pending = append([]func(*gen){
		func(g *gen) {
			g.st.Control, g.st.extended, g.st.Unordered = true, false, true
			g.send("cursor", "FETCH 1 FROM "+cursor)
		},
		func(g *gen) {
			g.st.Control = true
			if g.d.oneIn(3) {
				g.send("delete", "DELETE FROM "+name+" WHERE CURRENT OF "+cursor)
				return
			}
			var sets string
			var seals bool
			if r.org == orgColumn && r.hasSealed() && g.d.oneIn(3) {
				sets = g.move(r)
			} else {
				sets, seals = g.sets(r, r.name, &scope{})
			}
			if seals && r.org == orgColumn {
				g.st.Deserved = true // CURRENT OF leaves no room for the org
			}
			g.send("update", "UPDATE "+name+" SET "+sets+" WHERE CURRENT OF "+cursor)
		},
	}, g.pending...)
}

// temporary makes a temporary view or table, which is used later.
func (g *gen) temporary() {
	st := g.st
	st.Control, st.extended = true, st.extended && g.d.oneIn(2)
	if g.d.oneIn(3) {
		// In the way of the table's name: its columns take plain text.
		g.moved = true
		g.send("temporary", pick(g.d, "CREATE TEMP TABLE notes (id int PRIMARY KEY, org_id text, body text)",
			"CREATE TEMP TABLE plain (id int PRIMARY KEY, v text)", "DROP TABLE IF EXISTS pg_temp.notes"))
		return
	}
	extended := st.extended
	st.extended = false
	q := g.query(nil, true)
	st.extended = extended
	name := g.newName("v")
	g.send("temporary", "CREATE TEMP VIEW "+name+" AS "+q.sql)
	for range 1 + g.d.n(2) {
		g.pending = append(g.pending, func(g *gen) {
			g.st.Unordered = true
			g.st.ambiguous = true // where the view was refused, its name means nothing that is sealed
			s := &source{alias: name, fields: q.fields, keys: q.keys}
			sc := &scope{sources: []*source{s}}
			items := g.outputs(sc, &query{}, false)
			g.send("select", "SELECT "+items+" FROM "+name+g.where(sc))
		})
	}
}

// copyIn sends COPY FROM STDIN and its data.
func (g *gen) copyIn() {
	st := g.st
	st.Kind = "copy in"
	st.extended = false
	r := g.target()
	name := g.name(r)
	columns := g.insertColumns(r)
	csv := g.d.oneIn(3)
	var names []string
	for _, c := range columns {
		names = append(names, g.ident(c.name))
	}
	sql := "COPY " + name + " (" + list(names) + ") FROM STDIN"
	if csv {
		sql += " (FORMAT csv)"
	}
	st.Lines = []string{"Q " + text(sql)}
	for range 1 + g.d.n(3) {
		g.key++
		var fields []string
		for _, c := range columns {
			fields = append(fields, copyField(g.copyValue(r, c), csv))
		}
		separator := "\t"
		if csv {
			separator = ","
		}
		st.Lines = append(st.Lines, "d "+dataLine(strings.Join(fields, separator)+"\n"))
	}
	st.Lines = append(st.Lines, pick(g.d, "c", "c", "c", "f enough"))
	st.Kind = "copy"
	st.Control = true // it cannot be tried: a refused COPY leaves data behind
}

// copyValue is a column's value in a row of COPY, nil for NULL.
func (g *gen) copyValue(r *relation, c *column) *string {
	var v string
	switch {
	case c.name == r.keys[0]:
		v = fmt.Sprint(g.key)
	case c.name == "part":
		v = fmt.Sprint(g.partOf(r))
	case r.org == orgColumn && c.name == r.orgValue:
		v = g.orgOf(r)
	case g.d.oneIn(8):
		return nil
	default:
		v = c.kind.make(g, c.sealed && !g.st.ambiguous).text
	}
	return &v
}

func copyField(v *string, csv bool) string {
	switch {
	case v == nil && csv:
		return ""
	case v == nil:
		return `\N`
	case csv:
		return `"` + strings.ReplaceAll(*v, `"`, `""`) + `"`
	}
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(*v)
}

// dataLine gives COPY data as a script's line has it.
func dataLine(data string) string {
	q := fmt.Sprintf("%q", data)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
