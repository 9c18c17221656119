package catalog_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/policy"
)

// load is catalog.Load over pgseal's own connection, which must succeed.
func load(t *testing.T, q catalog.Querier, p *policy.Policy, previous *catalog.Snapshot) *catalog.Snapshot {
	t.Helper()
	s, err := catalog.Load(t.Context(), q, p, previous, true)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// describe writes a relation down: its kind, the table of the policy that it
// falls under, and each column with its attnum; ! is sealed, * is in the policy,
// = is generated.
func describe(r *catalog.Relation) string {
	if r == nil {
		return "none"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%c", r.Kind)
	if r.Temporary {
		b.WriteString(" temporary")
	}
	if r.Policy != nil {
		b.WriteString(" as " + r.Policy.QualifiedName())
	}
	b.WriteString(":")
	for _, c := range r.Columns {
		fmt.Fprintf(&b, " %s %d", c.Name, c.Num)
		if c.Sealed {
			b.WriteString("!")
		}
		if c.Policy != nil {
			b.WriteString("*")
		}
		if c.Generated {
			b.WriteString("=")
		}
	}
	return b.String()
}

func TestLoad(t *testing.T) {
	dsn := database(t)
	connect(t, dsn, "public").exec(`
CREATE TABLE spans (id int PRIMARY KEY, org_id text, gone text, attributes pgseal.sealed, note text, len int GENERATED ALWAYS AS (id * 2) STORED);
ALTER TABLE spans DROP COLUMN gone;
CREATE TABLE heir (extra int, more pgseal.sealed) INHERITS (spans);
CREATE TABLE events (org_id text, payload pgseal.sealed, day date) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events DEFAULT PARTITION BY LIST (day);
CREATE TABLE events_1_a PARTITION OF events_1 DEFAULT;
CREATE TABLE loose (dropped int, day date, payload pgseal.sealed, org_id text);
ALTER TABLE loose DROP COLUMN dropped;
ALTER TABLE events ATTACH PARTITION loose FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE SCHEMA audit;
CREATE TABLE audit."My Log" (org_id text, "Body" pgseal.sealed, body text);
CREATE SCHEMA other;
CREATE TABLE other.spans (attributes jsonb, note pgseal.sealed);
CREATE TABLE other.ordinary (id int);
CREATE TABLE other.nothing ();
CREATE VIEW span_view AS SELECT id, attributes AS attrs FROM spans;
CREATE MATERIALIZED VIEW span_copy AS SELECT attributes FROM spans;
CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w;
CREATE FOREIGN TABLE far_away (payload pgseal.sealed) SERVER far`)
	temporary := connect(t, dsn, "public")
	temporary.exec("CREATE TEMP TABLE scratch (id int, payload pgseal.sealed)")

	s := load(t, connect(t, dsn, ""), testPolicy(), nil)
	if s.Version != 1 {
		t.Errorf("version %d", s.Version)
	}
	relations := []struct{ schema, name, want string }{
		{"public", "spans", "r as public.spans: id 1 org_id 2 attributes 4!* note 5* len 6="},
		{"public", "heir", "r as public.spans: id 1 org_id 2 attributes 3!* note 4* len 5= extra 6 more 7!"},
		{"public", "events", "p as public.events: org_id 1 payload 2!* day 3"},
		{"public", "events_1", "p as public.events: org_id 1 payload 2!* day 3"},
		{"public", "events_1_a", "r as public.events: org_id 1 payload 2!* day 3"},
		{"public", "loose", "r as public.events: day 2 payload 3!* org_id 4"},
		{"audit", "My Log", `r as audit.My Log: org_id 1 Body 2!* body 3`},
		{"audit", "my log", "none"},
		{"other", "spans", "r: attributes 1 note 2!"},
		{"other", "nothing", "r:"},
		{"public", "span_view", "v: id 1 attrs 2!"},
		{"public", "span_copy", "m: attributes 1!"},
		{"public", "far_away", "f: payload 1!"},
		{"public", "spans_pkey", "none"},
		{"public", "planned", "none"},
	}
	for _, test := range relations {
		r := s.Relation(test.schema, test.name)
		if got := describe(r); got != test.want {
			t.Errorf("%s.%s: %s\nwant %s", test.schema, test.name, got, test.want)
		}
		if r != nil && s.ByOID(r.OID) != r {
			t.Errorf("%s.%s is not found by its OID", test.schema, test.name)
		}
	}
	scratch := s.Relations("scratch")
	if len(scratch) != 1 || describe(scratch[0]) != "r temporary: id 1 payload 2!" {
		t.Errorf("%d relations are called scratch", len(scratch))
	}
	if s.Relation("pg_catalog", "pg_class").CarriesSealed() {
		t.Error("pg_class carries sealed columns")
	}
	types := connect(t, dsn, "").exec("SELECT 'pgseal.sealed'::pg_catalog.regtype::oid")
	if fmt.Sprint(s.SealedOID) != types[0][0] || s.SealedOID != s.Relation("public", "spans").Column("attributes").TypeOID {
		t.Errorf("the type's OID is %d, want %s", s.SealedOID, types[0][0])
	}
	for name, want := range map[string]bool{
		"spans": true, "heir": true, "events": true, "events_1": true, "events_1_a": true, "loose": true, "my log": true,
		"span_view": true, "span_copy": true, "far_away": true, "scratch": true, "planned": true,
		"ordinary": false, "nothing": false, "pg_class": false, "sealed": false,
	} {
		if got := s.NamesSealed([]byte(name)); got != want {
			t.Errorf("%s: names something sealed: %v", name, got)
		}
	}
}

// Where pgseal init was not run there is no type, and every column of the policy
// is misconfigured.
func TestLoadWithoutTheType(t *testing.T) {
	dsn := pgtest.Database(t)
	connect(t, dsn, "public").exec("CREATE TABLE spans (org_id text, attributes bytea)")
	q := connect(t, dsn, "")
	s := load(t, q, testPolicy(), nil)
	if got := describe(s.Relation("public", "spans")); got != "r as public.spans: org_id 1 attributes 2*" || s.SealedOID != 0 {
		t.Errorf("%s, type %d", got, s.SealedOID)
	}
	migrate(t, dsn)
	next := load(t, q, testPolicy(), s)
	if next.SealedOID == 0 || next.Relation("public", "spans").Column("attributes").Sealed {
		t.Errorf("type %d; a bytea column is taken for sealed", next.SealedOID)
	}
}

// A view's definition is qualified whatever the view's maker had for a
// search_path.
func TestLoadReadsDefinitions(t *testing.T) {
	dsn := database(t)
	connect(t, dsn, "public").exec(`
CREATE TABLE spans (org_id text, attributes pgseal.sealed, note pgseal.sealed);
CREATE VIEW span_view AS SELECT s.attributes AS attrs FROM spans s;
CREATE MATERIALIZED VIEW span_copy AS SELECT attributes FROM spans`)
	s := load(t, connect(t, dsn, ""), testPolicy(), nil)
	definition := s.Relation("public", "span_view").Definition
	if strings.Join(strings.Fields(definition), " ") != "SELECT attributes AS attrs FROM public.spans s;" &&
		strings.Join(strings.Fields(definition), " ") != "SELECT s.attributes AS attrs FROM public.spans s;" { // before version 16
		t.Errorf("definition %q", definition)
	}
	for _, r := range []*catalog.Relation{s.Relation("public", "spans"), s.Relation("public", "span_copy"), s.Relation("pg_catalog", "pg_views")} {
		if r.Definition != "" {
			t.Errorf("%s has a definition", r.Name)
		}
	}
}

// Each step is one change, or none, to the database.
func TestLoadVersions(t *testing.T) {
	dsn := database(t)
	ddl, q, p := connect(t, dsn, "public"), connect(t, dsn, ""), testPolicy()
	ddl.exec(`
CREATE TABLE spans (org_id text, attributes pgseal.sealed, note pgseal.sealed, old int);
CREATE TABLE events (org_id text, payload pgseal.sealed, day date) PARTITION BY LIST (day);
CREATE TABLE events_1 PARTITION OF events DEFAULT;
CREATE VIEW span_view AS SELECT attributes AS x FROM spans`)
	s := load(t, q, p, nil)
	steps := []struct {
		sql     string
		changed bool
		check   func(s *catalog.Snapshot) bool
	}{
		{"SELECT 1", false, nil},
		{"INSERT INTO spans (org_id) VALUES ('acme')", false, nil},
		{"CREATE INDEX ON spans (org_id)", false, nil},
		{"GRANT SELECT ON spans TO PUBLIC", false, nil},
		{"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", false, nil},
		{"CREATE TABLE planned (body pgseal.sealed)", true, func(s *catalog.Snapshot) bool {
			return s.Relation("public", "planned").Column("body").Policy != nil
		}},
		{"ALTER TABLE spans DROP COLUMN old", true, func(s *catalog.Snapshot) bool {
			return s.Relation("public", "spans").Column("old") == nil
		}},
		{"ALTER TABLE spans RENAME COLUMN note TO remark", true, func(s *catalog.Snapshot) bool {
			c := s.Relation("public", "spans").Column("remark")
			return c.Sealed && c.Policy == nil
		}},
		{"ALTER TABLE spans ADD COLUMN note text", true, func(s *catalog.Snapshot) bool {
			c := s.Relation("public", "spans").Column("note")
			return !c.Sealed && c.Policy != nil
		}},
		{"ALTER TABLE spans ALTER COLUMN note TYPE pgseal.sealed USING NULL", true, func(s *catalog.Snapshot) bool {
			return s.Relation("public", "spans").Column("note").Sealed
		}},
		{"CREATE OR REPLACE VIEW span_view AS SELECT remark AS x FROM spans", true, func(s *catalog.Snapshot) bool {
			return strings.Contains(s.Relation("public", "span_view").Definition, "remark")
		}},
		{"ALTER TABLE events DETACH PARTITION events_1", true, func(s *catalog.Snapshot) bool {
			r := s.Relation("public", "events_1")
			return r.Policy == nil && r.Column("payload").Policy == nil && r.CarriesSealed()
		}},
		{"ALTER TABLE events ATTACH PARTITION events_1 DEFAULT", true, func(s *catalog.Snapshot) bool {
			return s.Relation("public", "events_1").Column("payload").Policy != nil
		}},
		{"CREATE SCHEMA old; ALTER TABLE spans SET SCHEMA old", true, func(s *catalog.Snapshot) bool {
			return s.Relation("public", "spans") == nil && s.Relation("old", "spans").Policy == nil && s.NamesSealed([]byte("spans"))
		}},
		{"ALTER TABLE old.spans RENAME TO spans_2", true, func(s *catalog.Snapshot) bool {
			return s.NamesSealed([]byte("spans_2")) && s.NamesSealed([]byte("spans"))
		}},
		{"DROP TABLE old.spans_2 CASCADE", true, func(s *catalog.Snapshot) bool {
			return s.Relations("span_view") == nil && !s.NamesSealed([]byte("spans_2")) && !s.NamesSealed([]byte("span_view"))
		}},
	}
	for _, step := range steps {
		ddl.exec(step.sql)
		next := load(t, q, p, s)
		want := s.Version
		if step.changed {
			want++
		}
		if (next == s) == step.changed || next.Version != want {
			t.Errorf("%s: version %d after %d, the same snapshot: %v", step.sql, next.Version, s.Version, next == s)
		}
		if step.check != nil && !step.check(next) {
			t.Errorf("%s: the snapshot does not show it", step.sql)
		}
		s = next
	}
	if next := load(t, q, testPolicy(), s); next == s || next.Version != s.Version+1 {
		t.Error("another policy gives the same snapshot")
	}
}

// A client's transaction sees its own DDL. Definitions are those that pgseal's
// own connection read, since the client's search_path leaves names unqualified.
func TestLoadInAClientsTransaction(t *testing.T) {
	dsn := database(t)
	client, q, p := connect(t, dsn, "public"), connect(t, dsn, ""), testPolicy()
	client.exec(`
CREATE TABLE spans (org_id text, attributes pgseal.sealed);
CREATE VIEW span_view AS SELECT attributes AS x FROM spans`)
	shared := load(t, q, p, nil)
	client.exec(`BEGIN; CREATE TABLE planned (body pgseal.sealed); CREATE VIEW new_view AS SELECT body FROM planned`)
	private, err := catalog.Load(t.Context(), client, p, shared, false)
	if err != nil {
		t.Fatal(err)
	}
	if private.Version != shared.Version+1 {
		t.Errorf("version %d after %d", private.Version, shared.Version)
	}
	definition := shared.Relation("public", "span_view").Definition
	if got := private.Relation("public", "span_view").Definition; got != definition || !strings.Contains(got, "public.spans") {
		t.Errorf("definition %q, want %q", got, definition)
	}
	for _, name := range []string{"planned", "new_view"} {
		if r := private.Relation("public", name); r == nil || r.Definition != "" || !private.NamesSealed([]byte(name)) {
			t.Errorf("%s is not there, or has a definition", name)
		}
	}
	again, err := catalog.Load(t.Context(), client, p, private, false)
	if err != nil || again != private {
		t.Errorf("an unchanged catalog gives another snapshot (%v)", err)
	}
	if got := load(t, q, p, shared); got != shared {
		t.Error("others see what is not committed")
	}
}

func TestLoadErrors(t *testing.T) {
	dsn := database(t)
	closed := connect(t, dsn, "")
	if err := closed.conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	inError := connect(t, dsn, "")
	if _, err := inError.Query(t.Context(), "BEGIN; SELECT 1/0"); err == nil {
		t.Fatal("no error")
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		q    catalog.Querier
	}{
		{"closed connection", t.Context(), closed},
		{"aborted transaction", t.Context(), inError},
		{"cancelled", cancelled, connect(t, dsn, "")},
	}
	for _, test := range tests {
		s, err := catalog.Load(test.ctx, test.q, testPolicy(), nil, true)
		if s != nil || err == nil || !strings.HasPrefix(err.Error(), "read catalog (server): ") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
