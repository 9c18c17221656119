package catalog_test

import (
	"slices"
	"testing"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
)

const sealedOID = 90000

func TestNew(t *testing.T) {
	p := testPolicy()
	spans := &catalog.Relation{OID: 1, Schema: "public", Name: "spans", Kind: 'r', Columns: []*catalog.Column{
		{Name: "id", Num: 1, TypeOID: 23},
		{Name: "attributes", Num: 2, TypeOID: sealedOID, Sealed: true},
		{Name: "note", Num: 3, TypeOID: 25}, // misconfigured
	}}
	elsewhere := &catalog.Relation{OID: 2, Schema: "other", Name: "spans", Kind: 'r', Columns: []*catalog.Column{{Name: "attributes", Num: 1, TypeOID: 3802}}}
	partition := &catalog.Relation{OID: 3, Schema: "public", Name: "events_1", Kind: 'r', Policy: p.Table("public", "events"),
		Columns: []*catalog.Column{{Name: "payload", Num: 1, TypeOID: sealedOID, Sealed: true}}}
	view := &catalog.Relation{OID: 4, Schema: "public", Name: "Span View", Kind: 'v', Columns: []*catalog.Column{{Name: "attrs", Num: 1, TypeOID: sealedOID, Sealed: true}}}
	s := catalog.New(7, sealedOID, p, []*catalog.Relation{spans, elsewhere, partition, view})

	if s.Version != 7 || s.SealedOID != sealedOID || s.Policy() != p {
		t.Errorf("version %d, type %d, policy %p", s.Version, s.SealedOID, s.Policy())
	}
	columns := []struct {
		relation *catalog.Relation
		column   string
		want     *policy.Column
	}{
		{spans, "id", nil},
		{spans, "attributes", p.Table("public", "spans").Column("attributes")},
		{spans, "note", p.Table("public", "spans").Column("note")},
		{elsewhere, "attributes", nil},
		{partition, "payload", p.Table("public", "events").Column("payload")},
		{view, "attrs", nil},
	}
	for _, test := range columns {
		if got := test.relation.Column(test.column).Policy; got != test.want {
			t.Errorf("%s.%s: policy %v, want %v", test.relation.Name, test.column, got, test.want)
		}
	}
	if spans.Column("gone") != nil {
		t.Error("a column that is not there is found")
	}
	for relation, carries := range map[*catalog.Relation]bool{spans: true, elsewhere: false, partition: true, view: true} {
		if relation.CarriesSealed() != carries {
			t.Errorf("%s.%s: carries sealed columns: %v", relation.Schema, relation.Name, !carries)
		}
		if relation.IsView() != (relation == view) {
			t.Errorf("%s.%s: view: %v", relation.Schema, relation.Name, relation.IsView())
		}
		if s.ByOID(relation.OID) != relation || s.Relation(relation.Schema, relation.Name) != relation {
			t.Errorf("%s.%s is not found", relation.Schema, relation.Name)
		}
	}
	if got := s.Relations("spans"); !slices.Equal(got, []*catalog.Relation{spans, elsewhere}) {
		t.Errorf("%d relations are called spans", len(got))
	}
	if s.ByOID(99) != nil || s.Relation("public", "Spans") != nil || s.Relation("other", "events_1") != nil || s.Relations("none") != nil {
		t.Error("what is not there is found")
	}
}

func TestNamesSealed(t *testing.T) {
	sealed := func(name string) *catalog.Relation {
		return &catalog.Relation{Schema: "public", Name: name, Kind: 'r', Columns: []*catalog.Column{{Name: "x", Num: 1, TypeOID: sealedOID, Sealed: true}}}
	}
	plain := func(schema, name string) *catalog.Relation {
		return &catalog.Relation{Schema: schema, Name: name, Kind: 'r', Columns: []*catalog.Column{{Name: "x", Num: 1, TypeOID: 25}}}
	}
	s := catalog.New(1, sealedOID, testPolicy(), []*catalog.Relation{sealed("left the policy"), sealed("ÄPFEL"), sealed("Twice"), sealed("twice"), plain("public", "users"), plain("other", "spans")})
	for name, want := range map[string]bool{
		"left the policy": true, "äpfel": true, "twice": true, "my log": true, "events": true, "planned": true,
		"spans": true, // a table of the policy that is not in the database; another schema's has the name
		"users": false, "My Log": false, "ÄPFEL": false, "": false,
	} {
		if got := s.NamesSealed([]byte(name)); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	want := []string{"events", "left the policy", "my log", "planned", "spans", "twice", "äpfel"}
	if got := slices.Sorted(s.SealedNames()); !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
}

// TestViewsThatHideSealedColumns: a view whose column is no pgseal.sealed may hand out
// sealed values all the same.
func TestViewsThatHideSealedColumns(t *testing.T) {
	spans := &catalog.Relation{OID: 1, Schema: "public", Name: "spans", Kind: 'r', Columns: []*catalog.Column{{Name: "attributes", Num: 1, TypeOID: sealedOID, Sealed: true}}}
	relations := []*catalog.Relation{spans}
	want := map[string]bool{}
	for _, v := range []struct {
		name, definition string
		typeOID          uint32
		carries          bool
	}{
		{"above", "SELECT c FROM public.hides", 17, true},
		{"hides", "SELECT COALESCE(spans.attributes, NULL::bytea) AS c FROM public.spans", 17, true},
		{"list", "SELECT array_agg(Spans.attributes) AS c FROM public.spans", sealedOID + 1, true},
		{"bytes", "SELECT '\\x00'::bytea AS c FROM public.spans", 1001, true}, // may be
		{"unread", "", 17, true},
		{"counts", "SELECT count(spans.attributes) AS c FROM public.spans", 20, false},
		{"plain", "SELECT other.c FROM public.other", 17, false},
		{"unread_count", "", 20, false},
	} {
		want[v.name] = v.carries
		relations = append(relations, &catalog.Relation{
			OID: uint32(len(relations) + 1), Schema: "public", Name: v.name, Kind: 'v', Definition: v.definition,
			Columns: []*catalog.Column{{Name: "c", Num: 1, TypeOID: v.typeOID}},
		})
	}
	s := catalog.New(1, sealedOID, testPolicy(), relations)
	for name, carries := range want {
		if got := s.Relation("public", name).CarriesSealed(); got != carries {
			t.Errorf("%s: carries sealed columns: %v, want %v", name, got, carries)
		}
		if got := s.NamesSealed([]byte(name)); got != carries {
			t.Errorf("%s: its name is of something sealed: %v, want %v", name, got, carries)
		}
	}
}
