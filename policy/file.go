package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// File is the policy as the configuration has it. Each problem that Policy
// finds in it names its place by the keys that lead to it.
type File struct {
	Tables []FileTable  `yaml:"tables"` // a mapping in the file; in its order
	Access []FileAccess `yaml:"access"`
	Raw    FileRaw      `yaml:"raw"`

	OrgsWithoutKey string `yaml:"orgs_without_key"` // refuse (or nothing) or default_key
}

// FileRaw is policy.raw.
type FileRaw struct {
	Users []string `yaml:"users"`
}

// FileTable is an entry of policy.tables. The tag ",key" stands for the entry's
// own key in the mapping.
type FileTable struct {
	Name    string       `yaml:",key"`
	Org     FileOrg      `yaml:"org"`
	Columns []FileColumn `yaml:"columns"`
}

// FileOrg tells where the org of a table's rows comes from: exactly one is set.
type FileOrg struct {
	Column  string `yaml:"column"`
	Setting string `yaml:"setting"`
	Value   string `yaml:"value"`
}

// FileColumn is an entry of a table's columns.
type FileColumn struct {
	Name         string  `yaml:",key"`
	Type         string  `yaml:"type"`
	Searchable   bool    `yaml:"searchable"` // false is all there is
	Compress     *bool   `yaml:"compress"`
	OnUnreadable string  `yaml:"on_unreadable"`
	Mask         *string `yaml:"mask"`
	Context      string  `yaml:"context"`
}

// FileAccess is an entry of policy.access.
type FileAccess struct {
	User string   `yaml:"user"`
	Orgs []string `yaml:"orgs"`
}

// Problem is one thing wrong with a File. Path are the keys that lead to it.
type Problem struct {
	Path    []string
	Message string
}

// Error is the path with dots, and the message.
func (p Problem) Error() string { return strings.Join(p.Path, ".") + ": " + p.Message }

// Problems is the error that Policy returns: all that is wrong, in the order of
// the file.
type Problems []Problem

// Error is a line a problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Bounds of what associated data and audit entries are made of, in bytes.
const (
	maxOrg     = 255
	maxContext = 255
)

// Policy validates the file. The error is Problems. It refuses what leaves any
// doubt about what is to be sealed, and a policy that seals nothing.
func (f *File) Policy() (*Policy, error) {
	c := &checker{contexts: map[string]string{}}
	p := &Policy{}
	if len(f.Tables) == 0 {
		c.add([]string{"policy", "tables"}, "no table is named, so nothing would be sealed: name one")
	}
	seen := map[string]string{}
	for i := range f.Tables {
		path := []string{"policy", "tables", f.Tables[i].Name}
		t := c.table(path, &f.Tables[i])
		if t == nil {
			continue
		}
		if first, twice := seen[t.QualifiedName()]; twice {
			c.add(path, "the same table as %s", first)
			continue
		}
		seen[t.QualifiedName()] = f.Tables[i].Name
		p.Tables = append(p.Tables, t)
	}
	p.Access = c.access(f.Access)
	p.RawUsers = c.raw(f.Raw)
	switch f.OrgsWithoutKey {
	case "", RefuseWrites.String():
	case UseDefaultKey.String():
		p.OrgsWithoutKey = UseDefaultKey
	default:
		c.add([]string{"policy", "orgs_without_key"}, "%q is not one of %s, %s", f.OrgsWithoutKey, RefuseWrites, UseDefaultKey)
	}
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	slices.SortFunc(p.Tables, func(a, b *Table) int { return strings.Compare(a.QualifiedName(), b.QualifiedName()) })
	return p, nil
}

// checker gathers problems, and what must be unique in the whole policy.
type checker struct {
	problems Problems
	contexts map[string]string // context -> the column that has it
}

func (c *checker) add(path []string, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: slices.Clone(path), Message: fmt.Sprintf(format, args...)})
}

// table gives nil when the table's own name can't be read.
func (c *checker) table(path []string, f *FileTable) *Table {
	schema, name, err := parseTableName(f.Name)
	if err != nil {
		c.add(path, "%v", err)
		return nil
	}
	at := func(keys ...string) []string { return append(slices.Clone(path), keys...) }

	org := c.org(at("org"), f.Org)
	if len(f.Columns) == 0 {
		c.add(at("columns"), "no column is named: name what is to be sealed, or take the table out")
	}
	var columns []Column
	var keys []string // the columns' names as the file writes them
	seen := map[string]bool{}
	for i := range f.Columns {
		where := at("columns", f.Columns[i].Name)
		column, ok := c.column(where, &f.Columns[i])
		if !ok {
			continue
		}
		if seen[column.Name] {
			c.add(where, "the same column is named twice")
			continue
		}
		seen[column.Name] = true
		if org.Kind == OrgFromColumn && org.Value == column.Name {
			c.add(where, "this column tells the row's org, so it can't be sealed: it is needed to find the key")
		}
		columns = append(columns, column)
		keys = append(keys, f.Columns[i].Name)
	}
	t := NewTable(schema, name, org, columns...)
	for i, column := range t.Columns {
		where := at("columns", keys[i])
		if first, twice := c.contexts[column.Context]; twice {
			c.add(where, "the context %q is also that of %s: a value could be moved from one to the other unseen", column.Context, first)
			continue
		}
		c.contexts[column.Context] = column.QualifiedName()
	}
	return t
}

func (c *checker) org(path []string, f FileOrg) OrgSource {
	var sources []OrgSource
	var err error
	if f.Column != "" {
		var name string
		name, err = parseColumnName(f.Column)
		sources = append(sources, OrgSource{OrgFromColumn, name})
	}
	if f.Setting != "" {
		err = checkSetting(f.Setting)
		sources = append(sources, OrgSource{OrgFromSetting, f.Setting})
	}
	if f.Value != "" {
		err = CheckOrg(f.Value)
		sources = append(sources, OrgSource{OrgFixed, f.Value})
	}
	switch {
	case len(sources) == 0:
		c.add(path, "missing: say where a row's org comes from, as {column: org_id}, {setting: pgseal.org} or {value: acme}")
		return OrgSource{}
	case len(sources) > 1:
		c.add(path, "only one of column, setting and value can be given")
		return OrgSource{}
	case err != nil:
		c.add(path, "%v", err)
		return OrgSource{}
	}
	return sources[0]
}

func (c *checker) column(path []string, f *FileColumn) (Column, bool) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	name, err := parseColumnName(f.Name)
	if err != nil {
		c.add(path, "%v", err)
		return Column{}, false
	}
	column := Column{Name: name, Context: f.Context, Uncompressed: f.Compress != nil && !*f.Compress}

	typeKnown := false
	if f.Type == "" {
		c.add(at("type"), "missing: give the type that the application sees, such as text or jsonb")
	} else if column.Type, err = ParseType(f.Type); err != nil {
		c.add(at("type"), "%v", err)
	} else {
		typeKnown = true
	}
	if f.Searchable {
		c.add(at("searchable"), "true is not possible: the database has only sealed bytes, which can't be searched, sorted or compared; take the key out or say false")
	}
	switch f.OnUnreadable {
	case "", OnUnreadableError.String():
	case OnUnreadableNull.String():
		column.OnUnreadable = OnUnreadableNull
	case OnUnreadableMask.String():
		column.OnUnreadable = OnUnreadableMask
	default:
		c.add(at("on_unreadable"), "%q is not one of error, null, mask", f.OnUnreadable)
	}
	switch {
	case column.OnUnreadable == OnUnreadableMask && f.Mask == nil:
		c.add(at("mask"), "missing: on_unreadable is mask, so say what is to be shown")
	case column.OnUnreadable != OnUnreadableMask && f.Mask != nil:
		c.add(at("mask"), "given, but on_unreadable is not mask")
	case f.Mask != nil:
		column.Mask = *f.Mask
		if typeKnown {
			if err := checkMask(column.Type, *f.Mask); err != nil {
				c.add(at("mask"), "%v", err)
			}
		}
	}
	if len(f.Context) > maxContext || !utf8.ValidString(f.Context) {
		c.add(at("context"), "must be UTF-8 of at most %d bytes", maxContext)
	}
	return column, true
}

// checkMask holds a mask to its column's type. Only types whose every text (or,
// for JSON, every document) says plainly that it is no real value have masks: a
// masked number or date would be read as one.
func checkMask(t Type, mask string) error {
	if !utf8.ValidString(mask) || strings.ContainsRune(mask, 0) {
		return fmt.Errorf("must be UTF-8 without NUL")
	}
	switch {
	case t.Array:
	case t.Kind == JSON, t.Kind == JSONB:
		if !json.Valid([]byte(mask)) {
			return fmt.Errorf(`not valid JSON, which a mask for %s must be; write a JSON string as '"[sealed]"'`, t)
		}
		return nil
	case t.Kind == Text:
		return nil
	case t.Kind == Varchar, t.Kind == Char:
		most := 0
		if len(t.Mods) > 0 {
			most = t.Mods[0]
		} else if t.Kind == Char {
			most = 1
		}
		if n := utf8.RuneCountInString(mask); most > 0 && n > most {
			return fmt.Errorf("%d characters do not fit %s", n, t)
		}
		return nil
	}
	return fmt.Errorf("a column of type %s can't have one: text, character types, json and jsonb can; use on_unreadable: null", t)
}

func (c *checker) access(entries []FileAccess) []Access {
	if entries != nil && len(entries) == 0 {
		c.add([]string{"policy", "access"}, "empty, which could mean all or none: take the key out to let every user open every org")
	}
	var list []Access
	for i, e := range entries {
		path := []string{"policy", "access", fmt.Sprintf("[%d]", i)}
		at := func(key string) []string { return append(slices.Clone(path), key) }
		if e.User == "" {
			c.add(at("user"), `missing: name a database user, or "*" for all of them`)
		}
		if len(e.Orgs) == 0 {
			c.add(at("orgs"), `missing: name the orgs that the user may open, or "*" for all of them`)
		}
		for _, org := range e.Orgs {
			if err := CheckOrg(org); err != nil {
				c.add(at("orgs"), "%v", err)
			}
		}
		list = append(list, Access(e))
	}
	return list
}

func (c *checker) raw(f FileRaw) []string {
	path := []string{"policy", "raw", "users"}
	for _, user := range f.Users {
		if user == "" || user == "*" {
			c.add(path, "%q is no database user: name each one that may read and write sealed values as they are stored", user)
		}
	}
	return f.Users
}

// CheckOrg holds an org's name to what every part of pgseal can carry.
func CheckOrg(s string) error {
	if s == "" || len(s) > maxOrg || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return fmt.Errorf("%q is not an org: one has 1 to %d bytes of UTF-8 without NUL", s, maxOrg)
	}
	return nil
}
