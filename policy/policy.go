// Package policy is the model of what pgseal seals: which columns, of which
// logical type, where the org of a row is found, and who may open which org.
//
// It is pure: it reads no file, knows no key and no catalog, and imports
// nothing of pgseal's. What the policy says is never searched or computed on;
// package rewrite enforces that, statement by statement.
//
// Files: policy.go has the model, types.go the logical types, file.go the form
// in the configuration and its validation, names.go the names in it, access.go
// who may open which org.
package policy

import "strings"

// Policy is a validated policy. It is immutable.
type Policy struct {
	Tables []*Table // in the order of their names
	Access []Access // in the order of the file; empty: every user may open every org
	// RawUsers are the database users that may give and take sealed values as they
	// are stored.
	RawUsers []string
	// OrgsWithoutKey is what becomes of writes for an org that has no key of its own.
	OrgsWithoutKey OrgsWithoutKey
}

// Table is a table with sealed columns.
type Table struct {
	Schema, Name string // as the catalog has them: case preserved, unquoted
	Org          OrgSource
	Columns      []*Column // in the order of the file
}

// QualifiedName is schema.table, for messages.
func (t *Table) QualifiedName() string { return t.Schema + "." + t.Name }

// Column is a sealed column.
type Column struct {
	Table        *Table
	Name         string
	Type         Type
	Context      string // the associated data's context; schema.table.column unless the policy names another
	Uncompressed bool   // values are sealed as they are: how long they are then tells of their length alone
	OnUnreadable OnUnreadable
	Mask         string // what OnUnreadableMask shows, in the text form of Type
}

// QualifiedName is schema.table.column, for messages.
func (c *Column) QualifiedName() string { return c.Table.QualifiedName() + "." + c.Name }

// OrgKind tells where the org of a row comes from.
type OrgKind int

const (
	OrgFromColumn  OrgKind = iota + 1 // the value of a column of the same row
	OrgFromSetting                    // a session setting
	OrgFixed                          // one value for the whole table
)

// OrgSource tells where the org of a table's rows comes from. Value is the
// column's name, the setting's name, or the org itself.
type OrgSource struct {
	Kind  OrgKind
	Value string
}

// String describes the source: "column org_id".
func (o OrgSource) String() string {
	switch o.Kind {
	case OrgFromColumn:
		return "column " + o.Value
	case OrgFromSetting:
		return "setting " + o.Value
	case OrgFixed:
		return "value " + o.Value
	}
	return "unset"
}

// OnUnreadable tells what a reader gets for a value whose key is unavailable.
// A value that is damaged or moved (PS003) is an error whatever is set here.
type OnUnreadable int

const (
	OnUnreadableError OnUnreadable = iota // the statement fails with PS001, PS002 or PS004
	OnUnreadableNull                      // the value reads as NULL
	OnUnreadableMask                      // the value reads as Column.Mask
)

// String is the word the policy file uses.
func (u OnUnreadable) String() string {
	return [...]string{"error", "null", "mask"}[u]
}

// OrgsWithoutKey tells what becomes of writes for an org that has no key.
type OrgsWithoutKey int

const (
	RefuseWrites  OrgsWithoutKey = iota // they fail with PS004
	UseDefaultKey                       // they are sealed under the platform's default key
)

// String is the word the policy file uses.
func (o OrgsWithoutKey) String() string { return [...]string{"refuse", "default_key"}[o] }

// Table finds a table by its names, nil when the policy has none such.
func (p *Policy) Table(schema, name string) *Table {
	for _, t := range p.Tables {
		if t.Schema == schema && t.Name == name {
			return t
		}
	}
	return nil
}

// Column finds a sealed column of t by its name, nil when it is not sealed.
func (t *Table) Column(name string) *Column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// NewTable makes a table with its columns pointing back at it and the default
// context where a column names none.
func NewTable(schema, name string, org OrgSource, columns ...Column) *Table {
	t := &Table{Schema: schema, Name: name, Org: org}
	for _, c := range columns {
		c.Table = t
		if c.Context == "" {
			c.Context = strings.Join([]string{schema, name, c.Name}, ".")
		}
		t.Columns = append(t.Columns, &c)
	}
	return t
}
