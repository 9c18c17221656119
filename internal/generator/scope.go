package generator

import (
	"fmt"
	"strings"
)

// field is a column that an expression can name, or that a query returns.
type field struct {
	name   string
	kind   *kind // nil: it is only handed on
	sealed *column
	steps  bool // a value computed of a sealed one
}

// source is an item of FROM.
type source struct {
	alias  string
	fields []*field
	keys   []string // names of fields that no two rows share; nil: rows may be the same
	bare   bool     // its columns may be named without the alias
}

func (s *source) field(name string) *field {
	for _, f := range s.fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

// scope is what can be named at a place.
type scope struct {
	sources []*source
	outer   *scope
	merged  []*field // what * stands for, where it is not all sources' fields in order
	joined  bool     // by USING or NATURAL
}

// all are the fields that * stands for.
func (sc *scope) all() []*field {
	if sc.joined {
		return sc.merged
	}
	var out []*field
	for _, s := range sc.sources {
		out = append(out, s.fields...)
	}
	return out
}

// named is a field by the name that it has at a place.
type named struct {
	*field
	sql string
}

// fieldsOf lists the fields that satisfy a condition, of all levels, the nearest first.
func (g *gen) fieldsOf(sc *scope, fits func(*field) bool) []named {
	var out []named
	for ; sc != nil; sc = sc.outer {
		for _, s := range sc.sources {
			for _, f := range s.fields {
				if fits(f) {
					out = append(out, named{f, g.reference(sc, s, f)})
				}
			}
		}
	}
	return out
}

// reference names a field, without its alias where nothing else has the name.
func (g *gen) reference(sc *scope, s *source, f *field) string {
	count := 0
	for _, other := range sc.sources {
		for _, o := range other.fields {
			if o.name == f.name {
				count++
			}
		}
	}
	if count == 1 && sc.outer == nil && !sc.joined && (s.bare || g.d.oneIn(2)) {
		return g.ident(f.name)
	}
	return g.ident(s.alias) + "." + g.ident(f.name)
}

// newAlias makes a name that nothing else in the statement has.
func (g *gen) newAlias() string {
	g.aliases++
	if g.d.oneIn(10) {
		return fmt.Sprintf("T%d x", g.aliases)
	}
	return fmt.Sprintf("t%d", g.aliases)
}

// fieldsOfRelation are a relation's columns as fields.
func fieldsOfRelation(r *relation) []*field {
	var out []*field
	for _, c := range r.columns {
		f := &field{name: c.name, kind: c.kind}
		if c.sealed {
			f.sealed = c
		}
		out = append(out, f)
	}
	return out
}

// table puts a relation into FROM.
func (g *gen) table(sc *scope) (sql string, s *source) {
	r := schema[g.d.n(len(schema))]
	s = &source{fields: fieldsOfRelation(r), keys: r.keys}
	sql = g.name(r)
	if g.d.oneIn(10) && r.view == "" {
		sql = "ONLY " + sql
	}
	switch g.d.n(6) {
	case 4:
		s.alias = g.newAlias()
		sql += pick(g.d, " AS ", " ") + quoted(s.alias)
	case 5: // with a list of columns, of the first ones at least
		s.alias = g.newAlias()
		var list []string
		keys := append([]string{}, s.keys...)
		for i := range s.fields[:1+g.d.n(len(s.fields))] {
			renamed := *s.fields[i]
			renamed.name = fmt.Sprintf("c%d_%d", g.aliases, i)
			for j, k := range keys {
				if k == s.fields[i].name {
					keys[j] = renamed.name
				}
			}
			list = append(list, renamed.name)
			s.fields[i] = &renamed
		}
		s.keys = keys
		sql += " AS " + quoted(s.alias) + " (" + strings.Join(list, ", ") + ")"
	default:
		s.alias = r.name
		if sc.has(r.name) {
			s.alias = g.newAlias()
			sql += " " + quoted(s.alias)
		}
	}
	return sql, s
}

// has tells whether a name is an alias already, at any level.
func (sc *scope) has(name string) bool {
	for ; sc != nil; sc = sc.outer {
		for _, s := range sc.sources {
			if s.alias == name {
				return true
			}
		}
	}
	return false
}
