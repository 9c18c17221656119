package rewrite

import (
	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/policy"
)

const sealedOID = 90000

// fixture is the catalog that the tests plan against, and the SQL that makes it
// (the oracle test runs it). Columns are name:type, with ! for sealed and ~ for
// one that the policy names but the database has as something else.
func fixture() *catalog.Snapshot {
	text := policy.Type{Kind: policy.Text}
	jsonb := policy.Type{Kind: policy.JSONB}
	p := &policy.Policy{Tables: []*policy.Table{
		policy.NewTable("public", "spans", policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org_id"},
			policy.Column{Name: "attributes", Type: jsonb}, policy.Column{Name: "note", Type: text}),
		policy.NewTable("public", "logs", policy.OrgSource{Kind: policy.OrgFromSetting, Value: "pgseal.org"},
			policy.Column{Name: "body", Type: policy.Type{Kind: policy.Bytea}}, policy.Column{Name: "size", Type: policy.Type{Kind: policy.Int4}},
			policy.Column{Name: "code", Type: policy.Type{Kind: policy.Varchar, Mods: []int{20}}}, policy.Column{Name: "ok", Type: policy.Type{Kind: policy.Bool}},
			policy.Column{Name: "at", Type: policy.Type{Kind: policy.TimestampTZ}}, policy.Column{Name: "price", Type: policy.Type{Kind: policy.Numeric}}),
		policy.NewTable("public", "notes", policy.OrgSource{Kind: policy.OrgFixed, Value: "acme"}, policy.Column{Name: "secret", Type: text}),
		policy.NewTable("public", "events", policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org_id"}, policy.Column{Name: "payload", Type: text}),
		policy.NewTable("audit", "My Log", policy.OrgSource{Kind: policy.OrgFromColumn, Value: "tenant"}, policy.Column{Name: "Body", Type: text}),
		policy.NewTable("public", "numbered", policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org_no"}, policy.Column{Name: "secret", Type: text}),
		policy.NewTable("public", "broken", policy.OrgSource{Kind: policy.OrgFixed, Value: "acme"}, policy.Column{Name: "plain", Type: text}, policy.Column{Name: "good", Type: text}),
		policy.NewTable("public", "planned", policy.OrgSource{Kind: policy.OrgFromColumn, Value: "org_id"},
			policy.Column{Name: "body", Type: policy.Type{Kind: policy.Varchar, Mods: []int{20}}}, policy.Column{Name: "tags", Type: policy.Type{Kind: policy.Text, Array: true}},
			policy.Column{Name: "at", Type: policy.Type{Kind: policy.TimestampTZ}}, policy.Column{Name: "n", Type: policy.Type{Kind: policy.Numeric, Mods: []int{10, 2}}}),
	}}
	var oid uint32 = 16400
	rel := func(schema, name string, kind byte, columns ...*catalog.Column) *catalog.Relation {
		oid++
		for i, c := range columns {
			c.Num = int16(i + 1)
		}
		return &catalog.Relation{OID: oid, Schema: schema, Name: name, Kind: kind, Columns: columns}
	}
	col := func(name string, typ uint32) *catalog.Column { return &catalog.Column{Name: name, TypeOID: typ} }
	sealed := func(name string) *catalog.Column {
		return &catalog.Column{Name: name, TypeOID: sealedOID, Sealed: true}
	}
	generated := func(name string, typ uint32) *catalog.Column {
		return &catalog.Column{Name: name, TypeOID: typ, Generated: true}
	}
	view := func(schema, name, definition string, columns ...*catalog.Column) *catalog.Relation {
		v := rel(schema, name, 'v', columns...)
		v.Definition = definition
		return v
	}
	events := rel("public", "events", 'p', col("id", 23), col("org_id", oidText), sealed("payload"), col("day", 1082))
	partition := rel("public", "events_1", 'r', col("id", 23), col("org_id", oidText), sealed("payload"), col("day", 1082))
	partition.Policy = p.Table("public", "events")
	redirected := view("public", "by_trigger", " SELECT spans.id,\n    spans.org_id,\n    spans.note\n   FROM public.spans;", col("id", 23), col("org_id", oidText), sealed("note"))
	redirected.Redirected = true
	scratch := rel("pg_temp_3", "scratch", 'r', col("id", 23))
	scratch.Temporary = true
	spans := rel("public", "spans", 'r', col("id", 23), col("org_id", oidText), col("name", oidText), sealed("attributes"), sealed("note"), generated("len", 23))
	spans.Keys = map[string][]string{"spans_pkey": {"id"}, "spans_key": {"id", "org_id"}}
	relations := []*catalog.Relation{
		spans,
		rel("public", "logs", 'r', col("id", 23), sealed("body"), sealed("size"), sealed("code"), sealed("ok"), sealed("at"), sealed("price")),
		rel("public", "notes", 'r', col("id", 23), sealed("secret"), col("plain", oidText)),
		events, partition,
		rel("audit", "My Log", 'r', col("tenant", oidText), sealed("Body")),
		rel("public", "numbered", 'r', col("id", 23), col("org_no", oidInt4), sealed("secret")),
		rel("public", "broken", 'r', col("id", 23), col("plain", oidText), sealed("good")),
		rel("public", "users", 'r', col("id", 23), col("org_id", oidText), col("name", oidText), col("body", 17)),
		rel("public", "orphans", 'r', col("id", 23), sealed("left_policy")),
		rel("other", "spans", 'r', col("id", 23), col("attributes", 3802)),
		rel("other", "notes", 'r', col("id", 23), col("secret", oidText)),
		scratch,
		rel("pg_catalog", "pg_class", 'r', col("oid", 26), col("relname", 19)),
		rel("pg_catalog", "pg_type", 'r', col("oid", 26), col("typname", 19)),
		rel("pg_catalog", "pg_attribute", 'r', col("attrelid", 26), col("attname", 19), col("atttypid", 26), col("attstattarget", 23), col("attlen", 21),
			col("attnum", 21), col("attndims", 23), col("atttypmod", 23), col("attbyval", 16), col("attalign", 18), col("attstorage", 18),
			col("attcompression", 18), col("attnotnull", 16), col("atthasdef", 16), col("atthasmissing", 16), col("attidentity", 18),
			col("attgenerated", 18), col("attisdropped", 16), col("attislocal", 16), col("attinhcount", 23), col("attcollation", 26),
			col("attacl", 1034), col("attoptions", 1009), col("attfdwoptions", 1009), col("attmissingval", 2277)),
		view("information_schema", "columns", ` SELECT (c.relname)::information_schema.sql_identifier AS table_name,
    (a.attname)::information_schema.sql_identifier AS column_name,
    (information_schema._pg_char_max_length(information_schema._pg_truetypid(a.*, t.*), information_schema._pg_truetypmod(a.*, t.*)))::information_schema.cardinal_number AS character_maximum_length
   FROM ((pg_attribute a
     JOIN pg_class c ON ((a.attrelid = c.oid)))
     JOIN pg_type t ON ((a.atttypid = t.oid)));`, col("table_name", 19), col("column_name", 19), col("character_maximum_length", 23)),
		view("public", "span_view", " SELECT s.id,\n    s.org_id,\n    s.attributes AS attrs\n   FROM public.spans s\n  WHERE (s.attributes IS NOT NULL);",
			col("id", 23), col("org_id", oidText), sealed("attrs")),
		view("public", "view_of_view", " SELECT v.attrs,\n    v.org_id\n   FROM public.span_view v;", sealed("attrs"), col("org_id", oidText)),
		view("public", "acme_notes", " SELECT spans.id AS \"Key\",\n    spans.note AS \"Note\",\n    upper(spans.name) AS upped\n   FROM public.spans\n  WHERE (spans.org_id = 'acme'::text);",
			col("Key", 23), sealed("Note"), col("upped", oidText)),
		view("public", "span_orgs", " SELECT spans.id,\n    spans.org_id AS whose\n   FROM public.spans;", col("id", 23), col("whose", oidText)),
		view("public", "span_orgs_2", " SELECT span_orgs.whose\n   FROM public.span_orgs;", col("whose", oidText)),
		view("public", "twice", " SELECT spans.note,\n    spans.org_id AS a,\n    spans.org_id AS b\n   FROM public.spans;", sealed("note"), col("a", oidText), col("b", oidText)),
		view("public", "twice_plain", " SELECT spans.org_id AS a,\n    spans.org_id AS b\n   FROM public.spans;", col("a", oidText), col("b", oidText)),
		view("public", "joined", " SELECT s.note,\n    u.name\n   FROM (public.spans s\n     JOIN public.users u ON ((u.id = s.id)));", sealed("note"), col("name", oidText)),
		view("public", "log_view", " SELECT logs.id,\n    logs.body,\n    logs.size AS n\n   FROM public.logs;", col("id", 23), sealed("body"), sealed("n")),
		redirected,
		view("public", "span_names", " SELECT spans.id,\n    spans.name\n   FROM public.spans;", col("id", 23), col("name", oidText)),
		view("public", "bad_view", " SELECT spans.note,\n    length((spans.attributes)::bytea) AS n\n   FROM public.spans;", sealed("note"), col("n", 23)),
		view("public", "loop_view", " SELECT loop_view.x\n   FROM public.loop_view;", sealed("x")),
	}
	return catalog.New(1, sealedOID, p, relations,
		&catalog.Function{Schema: "public", Name: "list_spans", Relation: relations[0]},
		&catalog.Function{Schema: "public", Name: "list_notes", Relation: relations[2]},
		&catalog.Function{Schema: "other", Name: "list_notes"},
	)
}

// fixtureSQL makes the fixture in a database, but for what Postgres itself would
// not make so.
const fixtureSQL = `
CREATE SCHEMA pgseal;
CREATE DOMAIN pgseal.sealed AS bytea CHECK (VALUE IS NULL OR substring(VALUE FROM 1 FOR 2) = '\x5ea1');
CREATE SCHEMA audit;
CREATE SCHEMA other;
CREATE TABLE public.spans (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, org_id text, name text, attributes pgseal.sealed, note pgseal.sealed, len int GENERATED ALWAYS AS (id * 2) STORED, CONSTRAINT spans_key UNIQUE (id, org_id));
CREATE TABLE public.logs (id int, body pgseal.sealed, size pgseal.sealed, code pgseal.sealed, ok pgseal.sealed, at pgseal.sealed, price pgseal.sealed);
CREATE TABLE public.notes (id int, secret pgseal.sealed, plain text);
CREATE TABLE public.events (id int, org_id text, payload pgseal.sealed, day date) PARTITION BY LIST (day);
CREATE TABLE public.events_1 PARTITION OF public.events DEFAULT;
CREATE TABLE audit."My Log" (tenant text, "Body" pgseal.sealed);
CREATE TABLE public.numbered (id int, org_no int, secret pgseal.sealed);
CREATE TABLE public.broken (id int, plain text, good pgseal.sealed);
CREATE TABLE public.users (id int, org_id text, name text, body bytea);
CREATE TABLE public.orphans (id int, left_policy pgseal.sealed);
CREATE TABLE other.spans (id int, attributes jsonb);
CREATE TABLE other.notes (id int, secret text);
CREATE TEMP TABLE scratch (id int);
CREATE VIEW public.span_view AS SELECT s.id, s.org_id, s.attributes AS attrs FROM public.spans s WHERE s.attributes IS NOT NULL;
CREATE VIEW public.view_of_view AS SELECT v.attrs, v.org_id FROM public.span_view v;
CREATE VIEW public.acme_notes AS SELECT id AS "Key", note AS "Note", upper(name) AS upped FROM public.spans WHERE org_id = 'acme';
CREATE VIEW public.span_orgs AS SELECT id, org_id AS whose FROM public.spans;
CREATE VIEW public.span_orgs_2 AS SELECT whose FROM public.span_orgs;
CREATE VIEW public.twice AS SELECT note, org_id AS a, org_id AS b FROM public.spans;
CREATE VIEW public.twice_plain AS SELECT org_id AS a, org_id AS b FROM public.spans;
CREATE VIEW public.joined AS SELECT s.note, u.name FROM public.spans s JOIN public.users u ON u.id = s.id;
CREATE VIEW public.log_view AS SELECT id, body, size AS n FROM public.logs;
CREATE VIEW public.by_trigger AS SELECT id, org_id, note FROM public.spans;
CREATE VIEW public.span_names AS SELECT id, name FROM public.spans;
CREATE FUNCTION public.list_spans(org text DEFAULT '') RETURNS SETOF public.spans LANGUAGE sql AS 'SELECT * FROM public.spans WHERE org_id = org';
CREATE FUNCTION public.list_notes() RETURNS SETOF public.notes LANGUAGE sql AS 'SELECT * FROM public.notes';
CREATE FUNCTION other.list_notes() RETURNS int LANGUAGE sql AS 'SELECT 1';
`

// snapshotOf is a catalog of one sealed table.
func snapshotOf(name string) *catalog.Snapshot {
	p := &policy.Policy{Tables: []*policy.Table{
		policy.NewTable("public", name, policy.OrgSource{Kind: policy.OrgFixed, Value: "acme"}, policy.Column{Name: "secret", Type: policy.Type{Kind: policy.Text}}),
	}}
	return catalog.New(1, sealedOID, p, []*catalog.Relation{
		{OID: 16400, Schema: "public", Name: name, Kind: 'r', Columns: []*catalog.Column{{Name: "secret", Num: 1, TypeOID: sealedOID, Sealed: true}}},
	})
}
