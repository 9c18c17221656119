package rewrite

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
)

// logicalTypes are the texts that stand for catalog relations, made once a
// snapshot. They are ASCII, whatever names the policy has, so they read the same in
// every client_encoding.
type logicalTypes struct {
	attributes string            // of pg_attribute, in brackets
	views      map[uint32]string // of views of information_schema, by OID, likewise

	columns []string // what attributes selects
	from    string   // and all that follows
}

// attributesWith is attributes with system columns too.
func (t *logicalTypes) attributesWith(system []string) string {
	columns := slices.Clone(t.columns)
	for _, name := range system {
		columns = append(columns, "a."+name)
	}
	return "(SELECT " + strings.Join(columns, ", ") + t.from + ")"
}

// logicalTypes gives the texts, nil when there is nothing to show otherwise.
func (rw *Rewriter) logicalTypes() *logicalTypes {
	rw.typesOnce.Do(func() { rw.types = rw.makeLogicalTypes() })
	return rw.types
}

func (rw *Rewriter) makeLogicalTypes() *logicalTypes {
	attribute := rw.snapshot.Relation("pg_catalog", "pg_attribute")
	if attribute == nil || rw.snapshot.SealedOID == 0 {
		return nil
	}
	var kinds typeList
	t := &logicalTypes{views: make(map[uint32]string)}
	t.from = " FROM pg_catalog.pg_attribute a, LATERAL (SELECT CASE WHEN a.atttypid = " + strconv.FormatUint(uint64(rw.snapshot.SealedOID), 10) +
		" THEN COALESCE(" + rw.byName(&kinds) + rw.byOID(&kinds) + ") END AS i OFFSET 0) s"
	if len(kinds) == 0 {
		return nil
	}
	for _, c := range attribute.Columns {
		t.columns = append(t.columns, kinds.column(c))
	}
	t.attributes = t.attributesWith(nil)
	for rel := range rw.snapshot.All() {
		if rel.Schema == catalog.InformationSchema && catalog.ShowsTypes(rel.Name) {
			t.views[rel.OID] = rw.showing(rel, t)
		}
	}
	return t
}

// showing is a view's definition, in brackets, that shows logical types. Its
// relations are named with their schema: temporary ones go before. Empty: the
// definition could not be read.
func (rw *Rewriter) showing(rel *catalog.Relation, types *logicalTypes) string {
	tokens, tree, e := rw.parse(rel.Definition)
	if e != nil || len(tree.Stmts) != 1 {
		return ""
	}
	st := &Statement{End: len(strings.TrimRight(rel.Definition, "; \n"))}
	r := definitionResolver(rw, rel, tokens, st)
	r.qualifies = true
	r.query(tree.Stmts[0].Stmt, &scope{})
	if r.refusal != nil {
		return ""
	}
	r.showTypes(func() *logicalTypes { return types })
	slices.SortFunc(st.Edits, func(a, b Edit) int { return cmp.Compare(a.Start, b.Start) })
	text, err := Splice([]byte("("), rel.Definition, st, nil, nil)
	if err != nil {
		return ""
	}
	return string(append(text, ')'))
}

// byName finds the number of a column's type by the names that the policy has for
// it, of its relation or the nearest one that this is a partition or child of. So
// the text holds for tables that are made later, and a prepared statement too.
func (rw *Rewriter) byName(kinds *typeList) string {
	var rows []string
	for _, table := range rw.snapshot.Policy().Tables {
		for _, c := range table.Columns {
			rows = append(rows, fmt.Sprintf("(%s, %s, %s, %d)", quoted(table.Schema), quoted(table.Name), quoted(c.Name), kinds.number(c.Type)))
		}
	}
	return "(WITH RECURSIVE up(oid, level) AS (SELECT a.attrelid, 0 UNION ALL" +
		" SELECT h.inhparent, up.level + 1 FROM up JOIN pg_catalog.pg_inherits h ON h.inhrelid = up.oid)" +
		" SELECT p.i FROM up JOIN pg_catalog.pg_class c ON c.oid = up.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace" +
		" JOIN (VALUES " + strings.Join(rows, ", ") + ") p(s, t, c, i) ON p.s = n.nspname AND p.t = c.relname AND p.c = a.attname" +
		" ORDER BY up.level LIMIT 1)"
}

// byOID finds the number of the type of a view's column: which column it hands on,
// only its definition tells.
func (rw *Rewriter) byOID(kinds *typeList) string {
	var keys, numbers []string
	for rel := range rw.snapshot.All() {
		if !rel.IsView() || !rel.CarriesSealed() {
			continue
		}
		found := rw.viewResult(rel, nil)
		for i, c := range rel.Columns {
			if f := &found.fields[i]; c.Sealed && f.column != nil {
				keys = append(keys, strconv.FormatInt(int64(rel.OID)<<16|int64(c.Num), 10))
				numbers = append(numbers, strconv.Itoa(kinds.number(f.column.Type)))
			}
		}
	}
	if len(keys) == 0 {
		return ""
	}
	return ", ('{" + strings.Join(numbers, ",") + "}'::pg_catalog.int4[])[pg_catalog.array_position('{" + strings.Join(keys, ",") +
		"}'::pg_catalog.int8[], a.attrelid::pg_catalog.int8 * 65536 + a.attnum)]"
}

// typeList numbers types, from 1.
type typeList []policy.Type

func (l *typeList) number(t policy.Type) int {
	for i := range *l {
		if sameType((*l)[i], t) {
			return i + 1
		}
	}
	*l = append(*l, t)
	return len(*l)
}

// column is the expression for a column of pg_attribute.
func (l typeList) column(c *catalog.Column) string {
	array := func(typ string, of func(t policy.Type) any) string {
		values := make([]string, len(l))
		for i, t := range l {
			values[i] = fmt.Sprint(of(t))
		}
		return "('{" + strings.Join(values, ",") + "}'::pg_catalog." + typ + "[])[s.i]"
	}
	var logical string
	unless := "s.i IS NULL"
	switch c.Name {
	case "atttypid":
		logical = array("oid", func(t policy.Type) any { return t.OID() })
	case "atttypmod":
		logical = array("int4", func(t policy.Type) any { return t.Typmod() })
	case "attlen":
		logical = array("int2", func(t policy.Type) any { return t.Size() })
	case "attbyval":
		logical = array("bool", func(t policy.Type) any { return t.ByValue() })
	case "attalign":
		logical = array(`"char"`, func(t policy.Type) any { return string(t.Align()) })
	case "attstorage":
		logical = array(`"char"`, func(t policy.Type) any { return string(t.Storage()) })
		// pgseal's own, and the domain's. Another one is what was asked for.
		unless += " OR a.attstorage NOT IN ('e', 'x')"
	case "attcollation":
		logical = array("oid", func(t policy.Type) any { return t.Collation() })
	case "attndims":
		typ := "int4"
		if c.TypeOID == oidInt2 { // since version 16
			typ = "int2"
		}
		logical = array(typ, func(t policy.Type) any {
			if t.Array {
				return 1
			}
			return 0
		})
	default:
		return "a." + c.Name
	}
	return "CASE WHEN " + unless + " THEN a." + c.Name + " ELSE " + logical + " END AS " + c.Name
}

// quoted is a literal in ASCII. It needs standard_conforming_strings, as all that
// is rewritten does.
func quoted(s string) string {
	var b strings.Builder
	escapes := false
	for _, c := range s {
		switch {
		case c == '\'':
			b.WriteString("''")
		case c == '\\':
			escapes = true
			b.WriteString(`\\`)
		case c >= utf8.RuneSelf:
			escapes = true
			fmt.Fprintf(&b, `\+%06X`, c)
		default:
			b.WriteRune(c)
		}
	}
	if escapes {
		return "U&'" + b.String() + "'"
	}
	return "'" + b.String() + "'"
}
