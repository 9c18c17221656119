package rewrite

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/pgexpr"
	"github.com/pgseal/pgseal/policy"
)

// value is what pgseal knows of an expression that is a bare column, or NULL.
// The zero value is anything that is not sealed.
type value struct {
	column        *policy.Column // the sealed column, nil when there is none
	misconfigured bool           // column is not of the sealed type in the database
	whole         bool           // it is a whole row that has column in it
	doubtful      bool           // it may as well be another column that is not known
	orphan        bool           // it is a sealed column that the policy does not name; column is nil
	null          bool           // the literal NULL
	wanted        bool           // column holds what the statement itself seals: see seen.go
	otherType     bool           // and Postgres has it of another type than column's
	cells         *cell          // where the values stand in the text, nil when they cannot be seen
	steps         []pgexpr.Step  // what is computed of column after opening; then it is another value
	array         bool           // it is an array of such values
	unmodified    bool           // Postgres gives its type no modifier
	origin        *origin        // the row that the sealed column is of, nil when that is not known
	orgOf         []*origin      // the rows whose org this is
	location      int32          // of the reference, in the text
}

// logicalType is the type that the client sees of a sealed value.
func (v *value) logicalType() policy.Type {
	t := v.column.Type
	if n := len(v.steps); n > 0 {
		t = v.steps[n-1].Type()
	}
	if v.array || v.unmodified && t.Kind != policy.Char { // char without a modifier is char(1): see Output.NoModifier
		t = policy.Type{Kind: t.Kind, Array: t.Array || v.array}
	}
	return t
}

// isColumn tells whether a sealed value is the column's own, and nothing made of it.
func (v *value) isColumn() bool { return len(v.steps) == 0 && !v.array }

// madeOtherwise tells whether two values of one column are not of one type and meaning.
func (v *value) madeOtherwise(other *value) bool {
	return v.array != other.array || !pgexpr.Equal(v.steps, other.steps)
}

// origin is the row of a range-table entry that sealed columns and an org are of.
type origin struct {
	table   *policy.Table
	typeOID uint32    // the org column's type, zero without one
	org     OrgRef    // as far as the statement demands one
	sameAs  []*origin // rows that the statement demands to have the same org
}

// field is a column of a FROM item or of a result.
type field struct {
	name string
	value
}

// result is what a query returns.
type result struct {
	fields []field
	open   bool // there may be more columns, anywhere, that are not known; none is sealed
}

// sealed finds a sealed field, nil when there is none.
func (r *result) sealed() *field { return sealedField(r.fields) }

func sealedField(fields []field) *field {
	for i := range fields {
		if fields[i].column != nil {
			return &fields[i]
		}
	}
	return nil
}

// entry is what a qualified name can begin with.
type entry struct {
	name     string
	schema   string            // set when schema.name also stands for it
	relation *catalog.Relation // nil for all but relations
	result
}

// item is a FROM item: what its columns are when unqualified, and the entries
// in it.
type item struct {
	entries []*entry
	result
}

// scope is what names can stand for at one level of a statement.
type scope struct {
	parent *scope
	items  []*item
	ctes   *ctes
}

// inner is a scope for a query within this one.
func (s *scope) inner() *scope { return &scope{parent: s, ctes: s.ctes} }

// systemColumns are those that every table has (SystemAttributeByName).
var systemColumns = map[string]bool{"ctid": true, "xmin": true, "xmax": true, "cmin": true, "cmax": true, "tableoid": true}

// column resolves a reference as transformColumnRef does: a column of the
// nearest level that has one of that name, else a whole row. A misconfigured
// column is refused here.
func (r *resolver) column(ref *pg.ColumnRef, sc *scope) value {
	v, row := r.lookUpColumn(ref, sc)
	if row != nil {
		r.readsRow(row, ref)
	}
	if v.column != nil && v.misconfigured && !r.inView {
		r.refuseMisconfigured(v.column, ref.Location)
	}
	return v
}

// lookUpColumn finds what a reference stands for, and the entry if that is its whole
// row.
func (r *resolver) lookUpColumn(ref *pg.ColumnRef, sc *scope) (v value, row *entry) {
	names := make([]string, 0, 4)
	star := false
	for _, f := range ref.Fields {
		if s := f.GetString_(); s != nil {
			names = append(names, s.Sval)
		} else {
			star = true
		}
	}
	switch {
	case star:
		v = wholeOf(sc.entry(names))
	case len(names) == 1:
		v, row = r.unqualified(names[0], sc)
	case len(names) > 1:
		v = r.qualified(names, sc)
	}
	v.location = ref.Location
	return v, row
}

func (r *resolver) refuseMisconfigured(c *policy.Column, location int32) {
	r.refuseColumn(misconfiguredColumn, location, c, "is not sealed in the database",
		"The policy names it, but the database has it with another type than pgseal.sealed, so its values would be stored in plain.",
		"Seal the column first, or take it out of the policy; \"pgseal check\" tells what is wrong.")
}

// unqualified finds a column by its name alone, else the entry whose whole row it
// stands for.
func (r *resolver) unqualified(name string, sc *scope) (v value, row *entry) {
	open := false
	for s := sc; s != nil; s = s.parent {
		found := false
		var v value
		for _, it := range s.items {
			for i := range it.fields {
				if it.fields[i].name != name {
					continue
				}
				if !found || v.column == nil && (it.fields[i].column != nil || !v.orphan) {
					v = it.fields[i].value
				}
				found = true
			}
		}
		if found {
			v.doubtful = v.doubtful || open
			return v, nil
		}
		for _, it := range s.items {
			open = open || it.open
		}
	}
	if systemColumns[name] {
		return value{}, nil
	}
	if e := sc.entry([]string{name}); e != nil {
		return wholeOf(e), e
	}
	if !open {
		r.missing(sc)
	}
	return value{}, nil
}

// qualified finds table.column, schema.table.column or database.schema.table.column.
func (r *resolver) qualified(names []string, sc *scope) value {
	name := names[len(names)-1]
	e := sc.entry(names[:len(names)-1])
	if e == nil {
		// column.field of a composite column, which needs brackets in SQL: an error there.
		return value{}
	}
	for i := range e.fields {
		if e.fields[i].name == name {
			return e.fields[i].value
		}
	}
	if e.open || systemColumns[name] {
		return value{}
	}
	if v := wholeOf(e); v.column != nil {
		r.needCatalog()
		return v // t.f may call a function f of the row
	}
	r.missing(sc)
	return value{}
}

// entry finds the nearest entry that a qualifier stands for.
func (s *scope) entry(names []string) *entry {
	if len(names) > 2 {
		names = names[len(names)-2:]
	}
	for ; s != nil; s = s.parent {
		for _, it := range s.items {
			for _, e := range it.entries {
				switch {
				case len(names) == 1 && e.name == names[0]:
					return e
				case len(names) == 2 && e.name == names[1] && e.schema == names[0] && e.schema != "":
					return e
				}
			}
		}
	}
	return nil
}

// wholeOf is the value of a whole row.
func wholeOf(e *entry) value {
	if e == nil {
		return value{}
	}
	f := e.sealed()
	if f == nil {
		return value{}
	}
	v := f.value
	v.whole = true
	return v
}

// missing is told of a name that stands for nothing known. Where a sealed
// relation is near it may be a column that the snapshot does not have yet.
func (r *resolver) missing(sc *scope) {
	for s := sc; s != nil; s = s.parent {
		for _, it := range s.items {
			if it.sealed() != nil {
				r.needCatalog()
				return
			}
		}
	}
}

// clone gives the fields of a query that can be read several times: their rows
// are others each time.
func clone(fields []field, location int32) []field {
	origins := make(map[*origin]*origin)
	fresh := func(o *origin) *origin {
		if o == nil {
			return nil
		}
		if origins[o] == nil {
			c := *o
			origins[o] = &c
		}
		return origins[o]
	}
	out := make([]field, len(fields))
	for i, f := range fields {
		f.origin = fresh(f.origin)
		f.location = location
		if len(f.orgOf) > 0 {
			of := make([]*origin, len(f.orgOf))
			for j, o := range f.orgOf {
				of[j] = fresh(o)
			}
			f.orgOf = of
		}
		f.cells = f.cells.with(func(c *cell) { c.row = fresh(c.row) })
		out[i] = f
	}
	return out
}

// renamed gives fields the names of an alias' column list.
func renamed(fields []field, names []*pg.Node) []field {
	for i := range names {
		if i < len(fields) {
			fields[i].name = names[i].GetString_().GetSval()
		}
	}
	return fields
}
