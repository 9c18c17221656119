package generator

import (
	"fmt"
	"strings"
)

// assigned writes a value for a column: a parameter, a literal in one of its forms,
// NULL or DEFAULT.
func (g *gen) assigned(c *column) string {
	switch g.d.n(14) {
	case 12:
		return "NULL"
	case 13:
		return "DEFAULT"
	}
	return g.written(c.kind, c.sealed && !g.st.ambiguous, c.typ)
}

// written writes a value of a kind: secret, a canary. Typ is what it may be cast to.
func (g *gen) written(k *kind, secret bool, typ string) string {
	v := k.make(g, secret)
	if len(k.bad) > 0 && g.d.oneIn(60) {
		v = value{text: pick(g.d, k.bad...)}
		g.st.Faults++
	}
	if g.st.extended && g.d.oneIn(2) {
		p := parameter{value: v, typ: typ, again: func() value { return k.make(g, secret) }}
		if v.binary != nil && g.d.oneIn(2) {
			p.format = 1
		}
		if g.d.oneIn(3) {
			p.oid = k.oid
		}
		g.st.params = append(g.st.params, p)
		number := fmt.Sprintf("$%d", len(g.st.params))
		if g.d.oneIn(5) {
			return number + "::" + typ
		}
		return number
	}
	return g.literal(v, typ)
}

// literal writes a value as a literal.
func (g *gen) literal(v value, typ string) string {
	if v.bare && g.d.oneIn(3) && !strings.HasPrefix(v.text, "-") && !strings.Contains(typ, "char") {
		return v.text
	}
	plain := "'" + strings.ReplaceAll(v.text, "'", "''") + "'"
	switch g.d.n(20) {
	case 10:
		return "E'" + strings.NewReplacer("'", `\'`, `\`, `\\`, "\n", `\n`).Replace(v.text) + "'"
	case 11:
		if !strings.Contains(v.text, "$") {
			return "$$" + v.text + "$$"
		}
	case 12:
		if !strings.Contains(v.text, "$q") {
			return "$q$" + v.text + "$q$"
		}
	case 13:
		return "U&'" + strings.NewReplacer("'", "''", `\`, `\\`, "c", `\0063`).Replace(v.text) + "'"
	case 14:
		if i := len(v.text) / 2; i > 0 && !strings.ContainsAny(v.text, "'äöü€ß") {
			return "'" + v.text[:i] + "'\n'" + v.text[i:] + "'"
		}
	case 15:
		return plain + "::" + typ
	case 16:
		return "CAST(" + plain + " AS " + typ + ")"
	case 17:
		return "(" + plain + ")"
	case 18:
		if typ == "text" || typ == "date" || typ == "jsonb" || typ == "uuid" {
			return typ + " " + plain
		}
	case 19:
		return "(" + plain + "::" + typ + ")"
	}
	return plain
}
