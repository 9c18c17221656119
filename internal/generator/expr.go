package generator

import (
	"fmt"
	"strings"
)

var (
	textKind = kinds["text"]
	intKind  = kinds["int4"]
)

// isText and isInt find fields that expressions compute on freely.
func isText(f *field) bool {
	return f.sealed == nil && f.kind != nil && (f.kind.name == "text" || f.kind.name == "varchar")
}
func isInt(f *field) bool { return f.sealed == nil && f.kind == intKind }

func isSealed(f *field) bool { return f.sealed != nil }

// spend tells whether the statement may still grow.
func (g *gen) spend() bool {
	if g.st.size <= 0 {
		return false
	}
	g.st.size--
	return true
}

// number writes an integer.
func (g *gen) number(sc *scope) string {
	if fields := g.fieldsOf(sc, isInt); len(fields) > 0 && !g.d.oneIn(4) {
		return fields[g.d.n(len(fields))].sql
	}
	if !g.spend() {
		return fmt.Sprint(g.d.n(5))
	}
	switch g.d.n(8) {
	case 0, 1:
		return fmt.Sprint(g.d.n(5))
	case 2:
		return "(" + g.number(sc) + pick(g.d, " + ", " - ", " * ") + fmt.Sprint(1+g.d.n(3)) + ")"
	case 3:
		return "length(" + g.string(sc) + ")"
	case 4:
		return "CASE WHEN " + g.condition(sc) + " THEN " + g.number(sc) + " ELSE " + fmt.Sprint(g.d.n(9)) + " END"
	case 5:
		return "coalesce(" + g.number(sc) + ", 0)"
	case 6:
		sub := &scope{outer: sc}
		from, s := g.table(sub)
		sub.sources = []*source{s}
		what := "*"
		if fields := g.fieldsOf(&scope{sources: sub.sources, outer: sub.outer}, isSealed); len(fields) > 0 && g.d.oneIn(2) {
			if n := fields[g.d.n(len(fields))]; s.field(n.name) == n.field { // of an outer query it would be its aggregate
				what = n.sql
			}
		}
		return "(SELECT count(" + what + ") FROM " + from + g.where(sub) + ")::int"
	}
	return g.written(intKind, false, "int4") + "::int"
}

// string writes a text.
func (g *gen) string(sc *scope) string {
	if fields := g.fieldsOf(sc, isText); len(fields) > 0 && !g.d.oneIn(3) {
		return fields[g.d.n(len(fields))].sql
	}
	if !g.spend() {
		return pick(g.d, "'a'::text", "'one'::text", "''::text")
	}
	switch g.d.n(6) {
	case 0:
		return pick(g.d, "'a'::text", "'one'::text", "NULL::text")
	case 1:
		return "upper(" + g.string(sc) + ")"
	case 2:
		return "(" + g.string(sc) + " || " + g.string(sc) + ")"
	case 3:
		return g.number(sc) + "::text"
	case 4:
		return "CASE WHEN " + g.condition(sc) + " THEN " + g.string(sc) + " END"
	}
	return "coalesce(" + g.string(sc) + ", 'none')"
}

// condition writes a boolean. Once in a while it searches a sealed column.
func (g *gen) condition(sc *scope) string {
	if g.d.oneIn(40) {
		if sin := g.search(sc); sin != "" {
			return sin
		}
	}
	if !g.spend() {
		return g.number(sc) + pick(g.d, " = ", " < ", " >= ", " <> ") + fmt.Sprint(g.d.n(4))
	}
	switch g.d.n(11) {
	case 0, 1:
		return g.number(sc) + pick(g.d, " = ", " < ", " >= ", " <> ") + g.number(sc)
	case 2:
		left := g.string(sc) + pick(g.d, " = ", " <> ", " LIKE ")
		if g.d.oneIn(3) {
			return left + g.string(sc)
		}
		return left + pick(g.d, "'a'", "'%o%'")
	case 3, 4:
		if fields := g.fieldsOf(sc, isSealed); len(fields) > 0 {
			n := fields[g.d.n(len(fields))]
			g.st.Deserved = g.st.Deserved || n.steps // what is computed may be NULL where the column is not
			return n.sql + pick(g.d, " IS NOT NULL", " IS NULL")
		}
		return g.string(sc) + " IS NULL"
	case 5:
		return "(" + g.condition(sc) + pick(g.d, " AND ", " OR ") + g.condition(sc) + ")"
	case 6:
		return "NOT (" + g.condition(sc) + ")"
	case 7:
		return g.number(sc) + pick(g.d, " IN (1, 2, 3)", " = ANY (ARRAY[1, 3])", " BETWEEN 1 AND 3", " = ANY ('{2,4}'::int[])")
	case 8:
		sub := &scope{outer: sc}
		from, s := g.table(sub)
		sub.sources = []*source{s}
		return "EXISTS (SELECT " + pick(g.d, "1", "*") + " FROM " + from + g.where(sub) + ")"
	case 9:
		sub := &scope{outer: sc}
		from, s := g.table(sub)
		sub.sources = []*source{s}
		return g.number(sc) + pick(g.d, " IN ", " NOT IN ") + "(SELECT " + g.number(&scope{sources: sub.sources}) + " FROM " + from + g.where(sub) + ")"
	}
	return "(" + g.number(sc) + ", " + g.string(sc) + ") = (" + g.number(sc) + ", " + g.string(sc) + ")"
}

// search writes a condition on a sealed column, which is refused.
func (g *gen) search(sc *scope) string {
	fields := g.fieldsOf(sc, isSealed)
	if len(fields) == 0 {
		return ""
	}
	g.st.Deserved = true
	f := fields[g.d.n(len(fields))]
	if g.d.oneIn(8) && !g.st.ambiguous {
		return f.sql + "::text LIKE '%" + g.canary() + "%'"
	}
	v := g.written(f.sealed.kind, !g.st.ambiguous, f.sealed.typ)
	return pick(g.d,
		f.sql+" = "+v, v+" = "+f.sql, f.sql+" IN ("+v+")", f.sql+" IS DISTINCT FROM "+v,
		"coalesce("+f.sql+", "+v+") IS NULL", "("+f.sql+", 1) = ("+v+", 1)", f.sql+" = ANY (ARRAY["+v+"])")
}

// where writes a WHERE clause, or none.
func (g *gen) where(sc *scope) string {
	if g.d.oneIn(3) {
		return " WHERE " + g.condition(sc)
	}
	return ""
}

// list joins.
func list(items []string) string { return strings.Join(items, ", ") }
