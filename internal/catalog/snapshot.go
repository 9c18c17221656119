// Package catalog holds what pgseal knows of the upstream database's catalog:
// an immutable snapshot of its relations and columns, joined with the policy.
//
// The snapshot is what package rewrite resolves names against. It is loaded
// over a connection of pgseal's own, again after each DDL statement that goes
// through this process, and at an interval for DDL that does not.
//
// Files: snapshot.go has the model and the look-ups (pure), load.go the queries,
// views.go the definitions of views, functions.go the functions that return sealed rows,
// shadows.go those that hide pg_catalog's own, keys.go the keys that ON CONFLICT names,
// watcher.go the current snapshot and when it is loaded again.
package catalog

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/pgseal/pgseal/policy"
)

// Snapshot is the catalog at one moment. It is immutable.
type Snapshot struct {
	Version   uint64 // grows by one with each load that differs
	SealedOID uint32 // of the domain pgseal.sealed; zero when it is not there
	// ServerVersion is server_version_num: 150004 for 15.4.
	ServerVersion int

	all    []*Relation            // in the order of their OIDs
	byName map[string][]*Relation // relation name -> relations, in any schema
	byOID  map[uint32]*Relation
	// functions are those whose name is that of one which returns rows of a relation
	// with sealed columns, by name, in any schema.
	functions map[string][]*Function
	shadows   map[string]bool // see Shadows
	named     map[string]bool // lower-cased names of relations that carry sealed columns, and of functions
	policy    *policy.Policy

	hash uint64 // of the rows that it was loaded from
}

// Relation is a table, view, materialized view, partitioned or foreign table.
type Relation struct {
	OID          uint32
	Schema, Name string
	Kind         byte // pg_class.relkind
	Temporary    bool // in a session's pg_temp schema: another session's or this one's
	Columns      []*Column
	// Keys are the columns of its primary key and unique constraints, by the
	// constraint's name, when it has sealed columns.
	Keys map[string][]string
	// Definition is a view's query, every name schema-qualified but those of
	// pg_catalog; empty for the rest, for a view whose query could not be read, and
	// for the system's own views but those that ShowsTypes names.
	Definition string
	mayCarry   bool   // a view that may hand out sealed values under another type
	rule       string // which version of the view's rule the definition is from
	// Redirected: a view with rules or INSTEAD OF triggers, which decide where a write
	// goes.
	Redirected bool
	// Policy is the policy's table: of this relation itself, or, for a
	// partition or an inheritance child, of the ancestor that the policy names.
	Policy *policy.Table
	// Below are the relations that inherit from this one and have sealed columns that it
	// does not show: an UPDATE of it changes their rows too. Of a view, those below what
	// its definition mentions.
	Below []*Relation
	// OrgColumn is the column that tells a row's org, nil when the policy has it from
	// elsewhere or the relation lacks it.
	OrgColumn *Column
	// Base is the table that a view is written through to. Package rewrite makes such
	// relations; in a snapshot it is nil.
	Base *Relation
}

// Column is an attribute that was not dropped, in attnum order.
type Column struct {
	Name    string
	Num     int16 // pg_attribute.attnum
	TypeOID uint32
	Sealed  bool // its type is the domain pgseal.sealed
	// Policy is the policy's column, nil when the policy names none. A column
	// with a Policy that is not Sealed in the database is misconfigured: its
	// plaintext would reach the disk, so package rewrite refuses to touch it. A
	// column that is Sealed without a Policy (a view's, or one that left the
	// policy) is handed out as it is stored unless a view's definition leads to
	// a column that has one.
	Policy    *policy.Column
	Generated bool
}

// IsView tells whether the relation is a plain view.
func (r *Relation) IsView() bool { return r.Kind == 'v' }

// CarriesSealed tells whether the relation has a sealed column, or one that the
// policy says should be; of a view, whether it may have one.
func (r *Relation) CarriesSealed() bool {
	if r.mayCarry {
		return true
	}
	for _, c := range r.Columns {
		if c.Sealed || c.Policy != nil {
			return true
		}
	}
	return false
}

// Column finds a column by its name, nil when there is none such.
func (r *Relation) Column(name string) *Column {
	for _, c := range r.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// New builds a snapshot of the given relations. Columns' Policy need not be
// set: it is filled in from p by the relation's, or its Policy table's, names.
func New(version uint64, sealedOID uint32, p *policy.Policy, relations []*Relation, functions ...*Function) *Snapshot {
	s := &Snapshot{
		Version: version, SealedOID: sealedOID, policy: p, all: relations,
		byName: make(map[string][]*Relation, len(relations)),
		byOID:  make(map[uint32]*Relation, len(relations)),
		named:  make(map[string]bool),

		functions: make(map[string][]*Function),
		shadows:   make(map[string]bool),
	}
	for _, r := range relations {
		if r.Policy == nil {
			r.Policy = p.Table(r.Schema, r.Name)
		}
		if r.Policy != nil {
			for _, c := range r.Columns {
				c.Policy = r.Policy.Column(c.Name)
				if r.Policy.Org.Kind == policy.OrgFromColumn && r.Policy.Org.Value == c.Name {
					r.OrgColumn = c
				}
			}
		}
		s.byName[r.Name] = append(s.byName[r.Name], r)
		s.byOID[r.OID] = r
	}
	markViews(p, relations)
	for _, r := range relations {
		if r.CarriesSealed() {
			s.named[strings.ToLower(r.Name)] = true
		}
	}
	for _, f := range functions {
		s.functions[f.Name] = append(s.functions[f.Name], f)
		s.named[strings.ToLower(f.Name)] = true
	}
	// A table of the policy that is not there yet may be created by the next
	// statement, or may have been created since the snapshot was taken.
	for _, t := range p.Tables {
		s.named[strings.ToLower(t.Name)] = true
	}
	s.nameViews()
	return s
}

// addBelow tells relations what inherits from them with a policy of its own.
func (s *Snapshot) addBelow(parents map[*Relation][]*Relation) {
	for _, r := range s.all {
		if r.OrgColumn == nil || !r.CarriesSealed() {
			continue
		}
		above := slices.Clone(parents[r])
		for i := 0; i < len(above); i++ {
			if a := above[i]; a.Policy != r.Policy && !slices.Contains(a.Below, r) {
				a.Below = append(a.Below, r)
				s.named[strings.ToLower(a.Name)] = true
			}
			above = append(above, parents[above[i]]...)
		}
	}
	for again := true; again; { // views of views
		again = false
		for _, view := range s.all {
			if !view.IsView() || len(view.Below) > 0 {
				continue
			}
			for _, r := range s.all {
				if len(r.Below) > 0 && strings.Contains(view.Definition, quoted(r.Name)) {
					view.Below, again = r.Below, true
					s.named[strings.ToLower(view.Name)] = true
					break
				}
			}
		}
	}
}

// nameViews names the views through which a row's org may be written although they
// hand out no sealed column: those whose definition mentions a table that has one and
// its org column, or another such view.
func (s *Snapshot) nameViews() {
	type source struct{ relation, column string }
	var sources []source
	for _, t := range s.policy.Tables {
		if t.Org.Kind == policy.OrgFromColumn {
			sources = append(sources, source{quoted(t.Name), quoted(t.Org.Value)})
		}
	}
	for len(sources) > 0 {
		var more []source
		for _, r := range s.all {
			if !r.IsView() || s.named[strings.ToLower(r.Name)] {
				continue
			}
			mentions := func(of source) bool {
				return strings.Contains(r.Definition, of.relation) && strings.Contains(r.Definition, of.column)
			}
			if slices.ContainsFunc(sources, mentions) {
				s.named[strings.ToLower(r.Name)] = true
				more = append(more, source{relation: quoted(r.Name)})
			}
		}
		sources = more
	}
}

// quoted is a name as it stands between quotes.
func quoted(name string) string { return strings.ReplaceAll(name, `"`, `""`) }

// Relations gives the relations of that name (case preserved) in every schema.
func (s *Snapshot) Relations(name string) []*Relation { return s.byName[name] }

// Relation finds a relation by schema and name, nil when there is none such.
func (s *Snapshot) Relation(schema, name string) *Relation {
	for _, r := range s.byName[name] {
		if r.Schema == schema {
			return r
		}
	}
	return nil
}

// All gives all relations, in the order of their OIDs.
func (s *Snapshot) All() iter.Seq[*Relation] { return slices.Values(s.all) }

// ByOID finds a relation by its OID, nil when there is none such.
func (s *Snapshot) ByOID(oid uint32) *Relation { return s.byOID[oid] }

// Functions gives the functions of that name (case preserved) in every schema, if one
// of them returns rows of a relation that carries sealed columns.
func (s *Snapshot) Functions(name string) []*Function { return s.functions[name] }

// NamesSealed tells whether a relation that carries sealed columns, a function that
// returns its rows, or a table of the policy, has this name in some schema. The name
// is in lower case.
func (s *Snapshot) NamesSealed(lower []byte) bool { return s.named[string(lower)] }

// SealedNames gives the names that NamesSealed knows, each once, in no order.
func (s *Snapshot) SealedNames() iter.Seq[string] { return maps.Keys(s.named) }

// Policy is the policy that the snapshot was joined with.
func (s *Snapshot) Policy() *policy.Policy { return s.policy }
