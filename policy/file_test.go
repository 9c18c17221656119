package policy

import (
	"errors"
	"strings"
	"testing"
)

func ptr[T any](v T) *T { return &v }

// spans is a table of a file that is right in all but what a test changes.
func spans(columns ...FileColumn) *File {
	return &File{Tables: []FileTable{{Name: "spans", Org: FileOrg{Column: "org_id"}, Columns: columns}}}
}

func TestPolicyOfAFile(t *testing.T) {
	f := &File{
		Tables: []FileTable{
			{Name: "spans", Org: FileOrg{Column: "org_id"}, Columns: []FileColumn{
				{Name: "events", Type: "jsonb", Compress: ptr(true)},
				{Name: "attributes", Type: "jsonb", OnUnreadable: "mask", Mask: ptr(`"[sealed]"`), Context: "spans.attrs"},
			}},
			{Name: `audit."Call Log"`, Org: FileOrg{Setting: "pgseal.org"}, Columns: []FileColumn{
				{Name: `"Body"`, Type: "varchar(20)", OnUnreadable: "null", Compress: ptr(false)},
			}},
			{Name: "public.one", Org: FileOrg{Value: "acme"}, Columns: []FileColumn{{Name: "a", Type: "int", OnUnreadable: "error"}}},
		},
		Access: []FileAccess{{User: "acme_reader", Orgs: []string{"acme"}}},
	}
	p, err := f.Policy()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, table := range p.Tables {
		for _, c := range table.Columns {
			if c.Table != table {
				t.Errorf("%s does not point at its table", c.QualifiedName())
			}
			got = append(got, strings.Join([]string{c.QualifiedName(), c.Type.String(), table.Org.String(), c.OnUnreadable.String(), c.Mask, c.Context}, "|"))
			if c.Uncompressed != (c.Name == "Body") {
				t.Errorf("%s: uncompressed: %v", c.QualifiedName(), c.Uncompressed)
			}
		}
	}
	want := []string{
		`audit.Call Log.Body|character varying(20)|setting pgseal.org|null||audit.Call Log.Body`,
		`public.one.a|integer|value acme|error||public.one.a`,
		`public.spans.events|jsonb|column org_id|error||public.spans.events`,
		`public.spans.attributes|jsonb|column org_id|mask|"[sealed]"|spans.attrs`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if p.Table("audit", "Call Log").Column("Body") == nil || p.Table("public", "nope") != nil || p.Table("public", "one").Column("b") != nil {
		t.Error("look-ups by name find the wrong things")
	}
	if p.OrgsWithoutKey != RefuseWrites {
		t.Error("orgs without a key are not refused by default")
	}
	f.OrgsWithoutKey = "default_key"
	if q, err := f.Policy(); err != nil || q.OrgsWithoutKey != UseDefaultKey {
		t.Errorf("orgs_without_key: %v, %v", q, err)
	}
	if len(p.Access) != 1 || !p.MayUse("acme_reader", "acme") || p.MayUse("acme_reader", "globex") || p.MayUse("other", "acme") {
		t.Errorf("access: %+v", p.Access)
	}
}

func TestPolicyRefuses(t *testing.T) {
	const in = "policy.tables.spans"
	long := strings.Repeat("x", 64)
	tests := map[string]struct {
		file *File
		want string // the whole error
	}{
		"no tables":  {&File{}, "policy.tables: no table is named, so nothing would be sealed: name one"},
		"no columns": {spans(), in + ".columns: no column is named: name what is to be sealed, or take the table out"},
		"no org": {&File{Tables: []FileTable{{Name: "spans", Columns: []FileColumn{{Name: "a", Type: "text"}}}}},
			in + ".org: missing: say where a row's org comes from, as {column: org_id}, {setting: pgseal.org} or {value: acme}"},
		"two orgs": {&File{Tables: []FileTable{{Name: "spans", Org: FileOrg{Column: "a", Value: "acme"}, Columns: []FileColumn{{Name: "b", Type: "text"}}}}},
			in + ".org: only one of column, setting and value can be given"},
		"org setting without prefix": {&File{Tables: []FileTable{{Name: "spans", Org: FileOrg{Setting: "org"}, Columns: []FileColumn{{Name: "b", Type: "text"}}}}},
			in + `.org: "org" is not a setting that a session can make up: it needs a prefix and a dot, such as pgseal.org`},
		"org setting with SQL in it": {&File{Tables: []FileTable{{Name: "spans", Org: FileOrg{Setting: "a.b';--"}, Columns: []FileColumn{{Name: "b", Type: "text"}}}}},
			in + `.org: "a.b';--" is not the name of a setting: write words of letters and digits with a dot between them, such as pgseal.org`},
		"org column that is no name": {&File{Tables: []FileTable{{Name: "spans", Org: FileOrg{Column: "t.org"}, Columns: []FileColumn{{Name: "b", Type: "text"}}}}},
			in + `.org: "t.org" is not a column's name: write it without the table, in double quotes if it has special characters`},
		"org too long": {&File{Tables: []FileTable{{Name: "spans", Org: FileOrg{Value: strings.Repeat("o", 256)}, Columns: []FileColumn{{Name: "b", Type: "text"}}}}},
			in + `.org: "` + strings.Repeat("o", 256) + `" is not an org: one has 1 to 255 bytes of UTF-8 without NUL`},
		"org column sealed": {spans(FileColumn{Name: "org_id", Type: "text"}),
			in + ".columns.org_id: this column tells the row's org, so it can't be sealed: it is needed to find the key"},
		"no type":      {spans(FileColumn{Name: "a"}), in + ".columns.a.type: missing: give the type that the application sees, such as text or jsonb"},
		"unknown type": {spans(FileColumn{Name: "a", Type: "jsnob"}), in + `.columns.a.type: type "jsnob": not one that pgseal can seal; it knows ` + KnownTypes()},
		"type modifier": {spans(FileColumn{Name: "a", Type: "varchar(0)"}),
			in + `.columns.a.type: type "varchar(0)": 0 is not between 1 and 10485760`},
		"searchable": {spans(FileColumn{Name: "a", Type: "text", Searchable: true}),
			in + ".columns.a.searchable: true is not possible: the database has only sealed bytes, which can't be searched, sorted or compared; take the key out or say false"},
		"on_unreadable":     {spans(FileColumn{Name: "a", Type: "text", OnUnreadable: "hide"}), in + `.columns.a.on_unreadable: "hide" is not one of error, null, mask`},
		"mask missing":      {spans(FileColumn{Name: "a", Type: "text", OnUnreadable: "mask"}), in + ".columns.a.mask: missing: on_unreadable is mask, so say what is to be shown"},
		"mask unused":       {spans(FileColumn{Name: "a", Type: "text", Mask: ptr("x")}), in + ".columns.a.mask: given, but on_unreadable is not mask"},
		"mask not JSON":     {spans(FileColumn{Name: "a", Type: "jsonb", OnUnreadable: "mask", Mask: ptr("sealed")}), in + `.columns.a.mask: not valid JSON, which a mask for jsonb must be; write a JSON string as '"[sealed]"'`},
		"mask too long":     {spans(FileColumn{Name: "a", Type: "varchar(3)", OnUnreadable: "mask", Mask: ptr("äöüß")}), in + ".columns.a.mask: 4 characters do not fit character varying(3)"},
		"mask for char":     {spans(FileColumn{Name: "a", Type: "char", OnUnreadable: "mask", Mask: ptr("xx")}), in + ".columns.a.mask: 2 characters do not fit character"},
		"mask for a number": {spans(FileColumn{Name: "a", Type: "int", OnUnreadable: "mask", Mask: ptr("0")}), in + ".columns.a.mask: a column of type integer can't have one: text, character types, json and jsonb can; use on_unreadable: null"},
		"mask for an array": {spans(FileColumn{Name: "a", Type: "text[]", OnUnreadable: "mask", Mask: ptr("{}")}), in + ".columns.a.mask: a column of type text[] can't have one: text, character types, json and jsonb can; use on_unreadable: null"},
		"mask with NUL":     {spans(FileColumn{Name: "a", Type: "text", OnUnreadable: "mask", Mask: ptr("a\x00")}), in + ".columns.a.mask: must be UTF-8 without NUL"},
		"same context": {spans(FileColumn{Name: "a", Type: "text", Context: "c"}, FileColumn{Name: `"B"`, Type: "text", Context: "c"}),
			in + `.columns."B": the context "c" is also that of public.spans.a: a value could be moved from one to the other unseen`},
		"context of another's default": {spans(FileColumn{Name: "a", Type: "text"}, FileColumn{Name: "b", Type: "text", Context: "public.spans.a"}),
			in + `.columns.b: the context "public.spans.a" is also that of public.spans.a: a value could be moved from one to the other unseen`},
		"context too long": {spans(FileColumn{Name: "a", Type: "text", Context: strings.Repeat("c", 256)}), in + ".columns.a.context: must be UTF-8 of at most 255 bytes"},
		"same column":      {spans(FileColumn{Name: "a", Type: "text"}, FileColumn{Name: `"a"`, Type: "text"}), in + `.columns."a": the same column is named twice`},
		"same table": {&File{Tables: append(spans(FileColumn{Name: "a", Type: "text"}).Tables, FileTable{Name: "public.spans", Org: FileOrg{Value: "x"}, Columns: []FileColumn{{Name: "b", Type: "text"}}})},
			"policy.tables.public.spans: the same table as spans"},
		"table in capitals": {&File{Tables: []FileTable{{Name: "public.Spans"}}}, `policy.tables.public.Spans: "Spans" has capitals, which Postgres reads as spans: write it so, or as '"Spans"' for a name that really has them`},
		"three names":       {&File{Tables: []FileTable{{Name: "a.b.c"}}}, `policy.tables.a.b.c: "a.b.c" is not schema.table: nothing may follow the table's name`},
		"a blank":           {&File{Tables: []FileTable{{Name: "a b"}}}, `policy.tables.a b: "a b" is not a name: a dot is expected before " b"`},
		"open quote":        {&File{Tables: []FileTable{{Name: `a."b`}}}, `policy.tables.a."b: "b is not a name: the double quote is not closed`},
		"empty quotes":      {&File{Tables: []FileTable{{Name: `""`}}}, `policy.tables."": "" is not a name: it is empty`},
		"no name":           {&File{Tables: []FileTable{{Name: "."}}}, `policy.tables..: "." is not a name: one begins with a letter or an underscore, or stands in double quotes`},
		"name too long":     {&File{Tables: []FileTable{{Name: long}}}, "policy.tables." + long + `: "` + long + `" is longer than the 63 bytes that Postgres keeps of a name`},
		"column in capitals": {spans(FileColumn{Name: "Note", Type: "text"}),
			in + `.columns.Note: "Note" has capitals, which Postgres reads as note: write it so, or as '"Note"' for a name that really has them`},
		"access empty": {&File{Tables: spans(FileColumn{Name: "a", Type: "text"}).Tables, Access: []FileAccess{}},
			"policy.access: empty, which could mean all or none: take the key out to let every user open every org"},
		"orgs without key": {&File{Tables: spans(FileColumn{Name: "a", Type: "text"}).Tables, OrgsWithoutKey: "default"},
			`policy.orgs_without_key: "default" is not one of refuse, default_key`},
		"raw for all": {&File{Tables: spans(FileColumn{Name: "a", Type: "text"}).Tables, Raw: FileRaw{Users: []string{"dumper", "*"}}},
			`policy.raw.users: "*" is no database user: name each one that may read and write sealed values as they are stored`},
		"access without user": {&File{Tables: spans(FileColumn{Name: "a", Type: "text"}).Tables, Access: []FileAccess{{Orgs: []string{"acme"}}}},
			`policy.access.[0].user: missing: name a database user, or "*" for all of them`},
		"access without orgs": {&File{Tables: spans(FileColumn{Name: "a", Type: "text"}).Tables, Access: []FileAccess{{User: "u", Orgs: []string{"*"}}, {User: "v"}}},
			`policy.access.[1].orgs: missing: name the orgs that the user may open, or "*" for all of them`},
		"access to an empty org": {&File{Tables: spans(FileColumn{Name: "a", Type: "text"}).Tables, Access: []FileAccess{{User: "u", Orgs: []string{""}}}},
			`policy.access.[0].orgs: "" is not an org: one has 1 to 255 bytes of UTF-8 without NUL`},
		"several": {spans(FileColumn{Name: "a", Type: "text", Searchable: true}, FileColumn{Name: "b"}),
			in + ".columns.a.searchable: true is not possible: the database has only sealed bytes, which can't be searched, sorted or compared; take the key out or say false\n" +
				in + ".columns.b.type: missing: give the type that the application sees, such as text or jsonb"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := test.file.Policy()
			if p != nil || err == nil {
				t.Fatalf("got a policy %+v, error %v", p, err)
			}
			if err.Error() != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", err, test.want)
			}
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Errorf("the error is no Problems but %T", err)
			}
		})
	}
}

func TestMasksThatSuit(t *testing.T) {
	for typ, mask := range map[string]string{
		"text": "", "varchar": "[sealed]", "varchar(4)": "äöüß", "char": "*", "char(8)": "sealed", "json": `{"sealed":true}`, "jsonb": "null",
	} {
		f := spans(FileColumn{Name: "a", Type: typ, OnUnreadable: "mask", Mask: ptr(mask)})
		p, err := f.Policy()
		if err != nil {
			t.Errorf("%s: %v", typ, err)
		} else if c := p.Tables[0].Columns[0]; c.Mask != mask || c.OnUnreadable != OnUnreadableMask {
			t.Errorf("%s: mask %q, %s", typ, c.Mask, c.OnUnreadable)
		}
	}
}
