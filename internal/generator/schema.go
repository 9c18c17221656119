package generator

import (
	"fmt"
	"strings"

	"github.com/pgseal/pgseal/policy"
)

// column is a column of a relation of the schema.
type column struct {
	name   string
	typ    string // as it is declared
	kind   *kind
	sealed bool
	of     *relation // the table that a sealed column's values are sealed for
}

// orgSource tells how the org of a relation's rows is told.
type orgSource uint8

const (
	noOrg orgSource = iota
	orgColumn
	orgSetting
	orgFixed
)

// relation is a table or view of the schema.
type relation struct {
	schema, name string
	columns      []*column
	keys         []string // columns whose values no two rows share
	org          orgSource
	orgValue     string // the column, or the fixed org
	orgs         [2]string
	view         string    // its query
	tail         string    // of CREATE TABLE, behind the columns
	parts        string    // further statements
	readOnly     bool      // a view that takes no writes
	root         *relation // of a partition, child or view: the table that its rows are of
}

func (r *relation) column(name string) *column {
	for _, c := range r.columns {
		if c.name == name {
			return c
		}
	}
	return nil
}

// hasSealed tells whether any column is sealed.
func (r *relation) hasSealed() bool {
	for _, c := range r.columns {
		if c.sealed {
			return true
		}
	}
	return false
}

// columnsOf reads "name type" and "name type sealed".
func columnsOf(r *relation, list ...string) *relation {
	for _, item := range list {
		item, sealed := strings.CutSuffix(item, " sealed")
		name, typ, _ := strings.Cut(item, ": ")
		c := &column{name: name, typ: typ, kind: kindOf(typ), sealed: sealed, of: r}
		r.columns = append(r.columns, c)
	}
	return r
}

// viewOf is a view that hands on columns of a relation, by the names that it gives
// them: "name" or "name=new name".
func viewOf(name, query string, base *relation, columns ...string) *relation {
	v := &relation{schema: "public", name: name, view: query, keys: []string{}, org: base.org, orgValue: base.orgValue, orgs: base.orgs, root: base}
	for _, c := range columns {
		old, now, renamed := strings.Cut(c, "=")
		if !renamed {
			now = old
		}
		copied := *base.column(old)
		copied.name = now
		v.columns = append(v.columns, &copied)
		if old == base.keys[0] {
			v.keys = []string{now}
		}
		if old == base.orgValue {
			v.orgValue = now
		}
	}
	return v
}

// schema is all that statements are about, in an order in which it can be created.
var schema = makeSchema()

func makeSchema() []*relation {
	words, numbers := [2]string{"acme", "globex"}, [2]string{"7", "8"}
	notes := columnsOf(&relation{schema: "public", name: "notes", keys: []string{"id"}, org: orgColumn, orgValue: "org_id", orgs: words},
		"id: int4", "org_id: text", "title: text", "body: text sealed", "doc: jsonb sealed", "n: int4 sealed", "at: timestamptz sealed")
	plain := columnsOf(&relation{schema: "public", name: "plain", keys: []string{"id"}, orgs: words},
		"id: int4", "v: text", "n: int4", "org_id: text")
	mixed := columnsOf(&relation{schema: "public", name: "Mixed Case", keys: []string{"Id"}, org: orgColumn, orgValue: "Org", orgs: words},
		"Id: int4", "Org: varchar(20)", "plain: text", "Secret Text: text sealed", "select: numeric sealed")
	accounts := columnsOf(&relation{schema: "public", name: "accounts", keys: []string{"id"}, org: orgSetting, orgs: words},
		"id: int4", "label: text", "secret: text sealed", "balance: numeric(12,2) sealed")
	fixed := columnsOf(&relation{schema: "public", name: "fixed", keys: []string{"id"}, org: orgFixed, orgValue: "acme", orgs: words},
		"id: int4", "label: text", "code: char(5) sealed", "name: varchar(20) sealed", "raw: bytea sealed", "flag: bool sealed")
	otherNotes := columnsOf(&relation{schema: "other", name: "notes", keys: []string{"id"}, org: orgColumn, orgValue: "org_id", orgs: words},
		"id: int4", "org_id: text", "body: text", "remark: text sealed")
	otherPlain := columnsOf(&relation{schema: "other", name: "plain", keys: []string{"id"}, org: orgFixed, orgValue: "globex", orgs: words},
		"id: int4", "v: text sealed", "n: int4")
	parted := columnsOf(&relation{schema: "public", name: "parted", keys: []string{"id"}, org: orgColumn, orgValue: "org_no", orgs: numbers,
		tail: " PARTITION BY LIST (part)", parts: `;
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2)`},
		"id: int4", "part: int4", "org_no: int8", "secret: text sealed", "uid: uuid sealed")
	parent := columnsOf(&relation{schema: "public", name: "parent", keys: []string{"id"}, org: orgColumn, orgValue: "org_id", orgs: words,
		parts: ";\nCREATE TABLE child (extra text) INHERITS (parent)"},
		"id: int4", "org_id: text", "note: text sealed", "label: text")
	child := childOf("child", parent)
	child.columns = append(child.columns, &column{name: "extra", typ: "text", kind: kindOf("text")})
	everything := &relation{schema: "public", name: "everything", keys: []string{"id"}, org: orgColumn, orgValue: "org_id", orgs: words}
	list := []string{"id: int4", "org_id: text"}
	for _, t := range sealedTypes {
		list = append(list, "c_"+strings.NewReplacer("(", "_", ")", "", ",", "_", "[]", "_list").Replace(t)+": "+t+" sealed")
	}
	columnsOf(everything, list...)

	view := viewOf("notes_v", "SELECT id, org_id, body, title FROM notes", notes, "id", "org_id", "body", "title")
	second := viewOf("notes_vv", `SELECT id AS "Key", body AS "Text", title AS title FROM notes_v WHERE id > 1`, notes, "id=Key", "body=Text", "title")
	joined := viewOf("joined_v", "SELECT n.id, n.body, n.doc, p.v FROM notes n LEFT JOIN plain p ON p.id = n.id", notes, "id", "body", "doc")
	joined.columns = append(joined.columns, &column{name: "v", typ: "text", kind: kindOf("text")})
	joined.readOnly = true
	return []*relation{
		notes, plain, mixed, accounts, fixed, otherNotes, otherPlain, parted, childOf("parted_1", parted), childOf("parted_2", parted),
		parent, child, everything, view, second, joined,
	}
}

// childOf is a partition or a child of a table, which the table's own statements make.
func childOf(name string, parent *relation) *relation {
	c := *parent
	c.name, c.root, c.tail, c.parts = name, parent, "", ""
	c.columns = append([]*column{}, parent.columns...)
	return &c
}

// definition is the DDL of the whole schema.
func definition() string {
	b := &strings.Builder{}
	b.WriteString("CREATE SCHEMA other")
	for _, r := range schema {
		switch {
		case r.view != "":
			fmt.Fprintf(b, ";\nCREATE VIEW %s AS %s", quoted(r.name), r.view)
		case r.root == nil:
			fmt.Fprintf(b, ";\nCREATE TABLE %s.%s (", r.schema, quoted(r.name))
			for i, c := range r.columns {
				if i > 0 {
					b.WriteString(", ")
				}
				fmt.Fprintf(b, "%s %s", quoted(c.name), c.typ)
				if i == 0 && r.tail == "" {
					b.WriteString(" PRIMARY KEY")
				}
			}
			fmt.Fprintf(b, ")%s%s", r.tail, r.parts)
		}
	}
	return b.String()
}

// Definition is the DDL that makes the tables and views which scripts are about, as
// an application would write it. Which columns are sealed, only Policy knows.
func Definition() []string { return strings.Split(definition(), ";\n") }

// Policy seals what the schema says.
func Policy() (*policy.Policy, error) {
	p := &policy.Policy{}
	for _, r := range schema {
		if r.root != nil || !r.hasSealed() {
			continue
		}
		org := policy.OrgSource{Kind: policy.OrgFromColumn, Value: r.orgValue}
		switch r.org {
		case orgSetting:
			org = policy.OrgSource{Kind: policy.OrgFromSetting, Value: "pgseal.org"}
		case orgFixed:
			org.Kind = policy.OrgFixed
		}
		var columns []policy.Column
		for _, c := range r.columns {
			if c.sealed {
				t, err := policy.ParseType(c.typ)
				if err != nil {
					return nil, err
				}
				columns = append(columns, policy.Column{Name: c.name, Type: t})
			}
		}
		p.Tables = append(p.Tables, policy.NewTable(r.schema, r.name, org, columns...))
	}
	return p, nil
}
