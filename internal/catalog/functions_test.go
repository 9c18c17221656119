package catalog_test

import "testing"

func TestLoadFunctions(t *testing.T) {
	dsn := database(t)
	connect(t, dsn, "public").exec(`
CREATE TABLE spans (org_id text, attributes pgseal.sealed);
CREATE TABLE plain (org_id text);
CREATE VIEW span_view AS SELECT attributes FROM spans;
CREATE SCHEMA other;
CREATE FUNCTION list_spans() RETURNS SETOF spans LANGUAGE sql AS 'SELECT * FROM public.spans';
CREATE FUNCTION list_spans(int) RETURNS spans LANGUAGE sql AS 'SELECT * FROM public.spans LIMIT 1';
CREATE FUNCTION other.list_spans() RETURNS SETOF plain LANGUAGE sql AS 'SELECT * FROM public.plain';
CREATE FUNCTION viewed() RETURNS SETOF span_view LANGUAGE sql AS 'SELECT * FROM public.span_view';
CREATE FUNCTION mixed() RETURNS SETOF spans LANGUAGE sql AS 'SELECT * FROM public.spans';
CREATE FUNCTION mixed(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION ordinary() RETURNS SETOF plain LANGUAGE sql AS 'SELECT * FROM public.plain'`)
	s := load(t, connect(t, dsn, ""), testPolicy(), nil)
	for name, want := range map[string]map[string]string{
		"list_spans": {"public": "spans", "other": ""},
		"viewed":     {"public": "span_view"},
		"mixed":      {"public": ""},
		"ordinary":   nil,
	} {
		functions := s.Functions(name)
		if len(functions) != len(want) {
			t.Errorf("%d functions %s, want %d", len(functions), name, len(want))
		}
		for _, f := range functions {
			relation := ""
			if f.Relation != nil {
				relation = f.Relation.Name
			}
			if w, ok := want[f.Schema]; !ok || w != relation {
				t.Errorf("%s.%s returns rows of %q, want %q", f.Schema, name, relation, w)
			}
		}
		if got := s.NamesSealed([]byte(name)); got != (want != nil) {
			t.Errorf("%s: names something sealed: %v", name, got)
		}
	}
}
