package sqlcorpus

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFormat(t *testing.T) {
	text := "of Django 3.2, Postgres 15\n" +
		"relation public.authors r org=setting:pgseal.org id:20 bio!text\n" +
		"relation public.notes r org=column:org id:20 org:1043 code!character_varying(20) at!timestamp_with_time_zone\n" +
		"relation pg_catalog.pg_class r oid:26\n" +
		"\n=== read extended\nSELECT body\n\nFROM notes\n" +
		"\n=== raw SQL\nBEGIN\n" +
		"\n=== searches extended refused\nSELECT 1\n"
	c, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(c.Format()); got != text {
		t.Errorf("got:\n%s\nwant:\n%s", got, text)
	}
	want := []Statement{
		{At: "read", Extended: true, Text: "SELECT body\n\nFROM notes"}, {At: "raw SQL", Text: "BEGIN"}, {At: "searches", Extended: true, Refused: true, Text: "SELECT 1"},
	}
	if diff := cmp.Diff(want, c.Statements); diff != "" {
		t.Error(diff)
	}
	snapshot := Snapshot(c)
	if r := snapshot.Relation("public", "notes"); r == nil || !r.CarriesSealed() || r.Columns[2].Policy.QualifiedName() != "public.notes.code" || r.Policy.Org.Value != "org" {
		t.Errorf("public.notes: %+v", r)
	}
	if r := snapshot.Relation("pg_catalog", "pg_class"); r == nil || r.CarriesSealed() {
		t.Errorf("pg_catalog.pg_class: %+v", r)
	}
	for _, bad := range []string{"SELECT 1", "relation notes r", "relation public.notes", "relation public.notes r id:x", "relation public.notes r org=row:x id:20", "relation public.notes r id!thing"} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("no error: %s", bad)
		}
	}
}

func TestReadLog(t *testing.T) {
	log := "a|LOG:  statement: SET x = 1\n" +
		"b|LOG:  statement: SELECT 2\n" +
		"a|LOG:  statement: SELECT 'playing: read'\n" +
		"a|LOG:  execute stmt_1: SELECT 1,\n\t\t2 -- LOG:  statement: SELECT\n\n" +
		"a|DETAIL:  parameters: $1 = '1'\n\tx\n" +
		"|LOG:  statement: SELECT 3\n" +
		"a|LOG:  execute <unnamed>: SELECT 'a: b'\n" +
		"a|ERROR:  no\na|STATEMENT:  SELECT 'a: b'\n"
	want := []Statement{
		{Text: "SET x = 1"}, {At: "read", Extended: true, Text: "SELECT 1,\n\t2 -- LOG:  statement: SELECT"}, {At: "read", Extended: true, Text: "SELECT 'a: b'"},
	}
	if diff := cmp.Diff(want, ReadLog(log, "a")); diff != "" {
		t.Error(diff)
	}
}

func TestDistinct(t *testing.T) {
	all := []Statement{
		{Text: "SELECT 1"}, {Text: "SELECT  2"}, {Text: "SELECT 1", Extended: true}, {Text: "SELECT 1, a"},
		{Text: `DECLARE "_django_curs_139_sync_7" CURSOR FOR SELECT 1`}, {Text: `DECLARE "_django_curs_140_sync_2" CURSOR FOR SELECT 1`},
		{Text: "not of the grammar"}, {Text: "not of the grammar"},
	}
	want := []Statement{all[0], all[2], all[3], {Text: `DECLARE "_django_curs_1_sync_1" CURSOR FOR SELECT 1`}, all[6]}
	if diff := cmp.Diff(want, Distinct(all)); diff != "" {
		t.Error(diff)
	}
}
