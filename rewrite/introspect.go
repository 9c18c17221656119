package rewrite

import (
	"maps"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
)

// What a client reads of the catalog shows sealed columns with their logical
// types: a reference to pg_attribute, or to a view of information_schema that
// shows types, is replaced by a derived table of the same columns (introspectsql.go
// has its text) under the name that the statement knows it by.
//
// It is left alone where a derived table cannot stand or would mean something
// else: in definitions, which outlive the policy; under FOR UPDATE; in TABLESAMPLE;
// where it is written to. The client sees pgseal.sealed there. So it does where a
// search_path with information_schema lets its views be named alone.

// catalogWords are the words of which a text has one that reads what is replaced.
var catalogWords = []string{"pg_attribute", catalog.InformationSchema}

// typeColumns are the columns of pg_attribute that another type changes.
var typeColumns = []string{"atttypid", "atttypmod", "attlen", "attbyval", "attalign", "attstorage", "attcollation", "attndims"}

// catalogReads is what a statement reads of the catalog.
type catalogReads struct {
	refs  []catalogRef
	rows  []span // references to a whole row of pg_attribute
	stars bool   // a * stands for columns
	// kept: what is read is not to be replaced.
	kept bool
	// path: pg_attribute is named, and which relation that is depends on search_path.
	path bool
}

// catalogRef is a reference to a relation that is replaced.
type catalogRef struct {
	span
	relation  *catalog.Relation
	aliased   bool
	renamed   bool // its columns too
	command   bool // the range is a TABLE command's
	qualified bool
}

func isAttributes(rel *catalog.Relation) bool {
	return rel != nil && rel.Name == "pg_attribute" && rel.Schema == "pg_catalog"
}

// readsCatalog notes a relation of a FROM clause that is to be replaced.
func (r *resolver) readsCatalog(rel *catalog.Relation, v *pg.RangeVar) {
	if rel == nil {
		r.reads.path = r.reads.path || v.Relname == "pg_attribute"
		return
	}
	if r.qualifies && v.Schemaname == "" && !isAttributes(rel) {
		at := int(v.Location)
		r.st.Edits = append(r.st.Edits, Edit{Start: at, End: at, Text: rel.Schema + "."})
	}
	view := rel.Schema == catalog.InformationSchema && v.Schemaname != "" && catalog.ShowsTypes(rel.Name)
	if !view && !isAttributes(rel) || v.Catalogname != "" {
		return
	}
	at, ok := r.relationSpan(v)
	if !ok {
		return
	}
	ref := catalogRef{span: at, relation: rel, aliased: v.Alias != nil, renamed: len(v.Alias.GetColnames()) > 0, qualified: v.Schemaname != ""}
	if before, t := r.previous(r.tokenAt(int32(at.start))); t == pg.Token_TABLE {
		ref.command, ref.start = true, int(r.tokens[before].Start)
	}
	r.reads.refs = append(r.reads.refs, ref)
}

// relationSpan is the range of a relation's name in FROM, with the ONLY or * that
// belongs to it. Not ok: its name is written in a way that pgseal does not read.
func (r *resolver) relationSpan(v *pg.RangeVar) (span, bool) {
	first := r.tokenAt(v.Location)
	if first < 0 {
		return span{}, false
	}
	last := first
	if v.Schemaname != "" {
		dot, t := r.next(first)
		if t != pg.Token_ASCII_46 || !r.isName(first, v.Schemaname) {
			return span{}, false
		}
		last, _ = r.next(dot)
	}
	if !r.isName(last, v.Relname) {
		return span{}, false
	}
	if v.Inh {
		if after, t := r.next(last); t == pg.Token_ASCII_42 { // pg_attribute *
			last = after
		}
		return r.between(first, last), true
	}
	before, t := r.previous(first)
	if t == pg.Token_ASCII_40 { // ONLY (pg_attribute)
		before, t = r.previous(before)
		last, _ = r.next(last)
	}
	if t != pg.Token_ONLY || last >= len(r.tokens) {
		return span{}, false
	}
	return r.between(before, last), true
}

// isName tells whether a token is a name, as Postgres keeps it. Names with escapes
// are not read.
func (r *resolver) isName(token int, name string) bool {
	if token < 0 || token >= len(r.tokens) {
		return false
	}
	word := r.text[r.tokens[token].Start:r.tokens[token].End]
	if strings.HasPrefix(word, `"`) {
		return word == `"`+name+`"`
	}
	return strings.EqualFold(word, name)
}

// readsRow notes a reference to a whole row of pg_attribute: functions that take
// one want the type itself.
func (r *resolver) readsRow(e *entry, ref *pg.ColumnRef) {
	if e == nil || !isAttributes(e.relation) {
		return
	}
	last := r.tokenAt(ref.Location)
	if last < 0 {
		return
	}
	for range ref.Fields[1:] {
		last, _ = r.next(last)
		last, _ = r.next(last)
	}
	if last < len(r.tokens) {
		at := int(r.tokens[last].End)
		r.reads.rows = append(r.reads.rows, span{at, at})
	}
}

// readsRows notes the rows that a function is called with: f(a.*).
func (r *resolver) readsRows(args []*pg.Node, sc *scope) {
	for _, n := range args {
		ref := n.GetColumnRef()
		if ref == nil || !isStar(ref) || len(ref.Fields) < 2 {
			continue
		}
		names := make([]string, 0, 3)
		for _, f := range ref.Fields[:len(ref.Fields)-1] {
			names = append(names, f.GetString_().GetSval())
		}
		r.readsRow(sc.entry(names), ref)
	}
}

// showTypes replaces what the statement reads of the catalog.
func (r *resolver) showTypes(texts func() *logicalTypes) {
	reads := &r.reads
	if len(reads.refs) == 0 || reads.kept {
		return
	}
	types := texts()
	if types == nil {
		return
	}
	system := r.named(slices.Sorted(maps.Keys(systemColumns)))
	// Most queries on keys and constraints want names alone: they stay as they are.
	shown := reads.stars || len(reads.rows) > 0 || len(r.named(typeColumns)) > 0
	for _, ref := range reads.refs {
		var text string
		switch {
		case !isAttributes(ref.relation):
			text = types.views[ref.relation.OID]
		case !shown && !ref.renamed:
		case len(system) == 0:
			text = types.attributes
		case !reads.stars && len(reads.rows) == 0:
			text = types.attributesWith(system)
		}
		if text == "" {
			continue
		}
		if !ref.aliased {
			text += " AS " + ref.relation.Name
		}
		if ref.command {
			text = "SELECT * FROM " + text
		}
		r.st.Edits = append(r.st.Edits, Edit{Start: ref.start, End: ref.end, Text: text})
		r.st.ShowsTypes = append(r.st.ShowsTypes, ref.start)
		if ref.qualified && !ref.aliased {
			r.unqualify(ref.relation)
		}
	}
	if len(r.st.ShowsTypes) == 0 {
		return
	}
	for _, row := range reads.rows {
		r.st.Edits = append(r.st.Edits, Edit{Start: row.start, End: row.end, Text: "::pg_catalog.pg_attribute"})
	}
}

// unqualify takes the schema away where columns are named with it: an alias has
// none.
func (r *resolver) unqualify(rel *catalog.Relation) {
	for i := range r.tokens {
		if int(r.tokens[i].Start) < r.st.Start || int(r.tokens[i].End) > r.st.End || !r.isName(i, rel.Schema) {
			continue
		}
		dot, t := r.next(i)
		if t != pg.Token_ASCII_46 {
			continue
		}
		name, _ := r.next(dot)
		if !r.isName(name, rel.Name) {
			continue
		}
		if _, t := r.next(name); t != pg.Token_ASCII_46 {
			continue
		}
		e := Edit{Start: int(r.tokens[i].Start), End: int(r.tokens[name].Start)}
		if !slices.Contains(r.st.Edits, e) {
			r.st.Edits = append(r.st.Edits, e)
		}
	}
}

// named are those names that the statement's words may be.
func (r *resolver) named(names []string) []string {
	var found []string
	for _, name := range names {
		for i, t := range r.tokens {
			if int(t.Start) >= r.st.Start && int(t.End) <= r.st.End && (t.Token == pg.Token_UIDENT || r.isName(i, name)) {
				found = append(found, name)
				break
			}
		}
	}
	return found
}
