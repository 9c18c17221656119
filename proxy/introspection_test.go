package proxy_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
	"github.com/pgseal/pgseal/policy"
)

// shownTypes are the types of the sealed columns c1, c2, … of table shown.
var shownTypes = []string{
	"text", "varchar", "varchar(20)", "char", "char(5)", "json", "jsonb", "bytea", "bool", "int2", "int4", "int8", "float4", "float8",
	"numeric", "numeric(10,2)", "uuid", "date", "timestamp", "timestamp(3)", "timestamptz", "timestamptz(0)",
	"time", "time(2)", "timetz", "interval", "interval(3)", "inet", "cidr", "macaddr", "text[]", "varchar(5)[]", "int2[]", "float8[]", "timestamptz(1)[]", "uuid[]", "bool[]",
}

func shownPolicy(t *testing.T) *policy.Policy {
	t.Helper()
	var columns []policy.Column
	for i, name := range shownTypes {
		typ, err := policy.ParseType(name)
		if err != nil {
			t.Fatal(err)
		}
		columns = append(columns, policy.Column{Name: fmt.Sprintf("c%d", i+1), Type: typ})
	}
	text := policy.Column{Name: `na"me's ä`, Type: policy.Type{Kind: policy.Text}}
	org := policy.OrgSource{Kind: policy.OrgFixed, Value: "acme"}
	return &policy.Policy{Tables: []*policy.Table{
		policy.NewTable("public", "shown", org, columns...), policy.NewTable("public", "parts", org, policy.Column{Name: "c1", Type: policy.Type{Kind: policy.Int4}}),
		policy.NewTable("Other", `T "1"`, org, text),
	}}
}

// makeShown makes what the queries below look at.
func makeShown(t *testing.T, dsn string) {
	t.Helper()
	var b strings.Builder
	b.WriteString(`CREATE SCHEMA "Other";; CREATE TABLE shown (id int PRIMARY KEY DEFAULT 7, plain varchar(7) NOT NULL`)
	for i, name := range shownTypes {
		more := [...]string{"", " NOT NULL", " DEFAULT NULL", ` COLLATE "default"`}[i%4]
		if strings.Contains(name, "(") || name[0] == 'c' || i%4 == 3 && name != "text" && name != "varchar" {
			more = "" // Postgres keeps a NULL that is cast to a type with modifiers
		}
		fmt.Fprintf(&b, ", c%d %s%s", i+1, name, more)
	}
	b.WriteString(`);;
		COMMENT ON COLUMN shown.c1 IS 'a comment';;
		CREATE TABLE "Other"."T ""1""" ("na""me's ä" text, b text);;
		CREATE TABLE parts (id int, c1 int, d date) PARTITION BY LIST (d);;
		CREATE TABLE parts_1 PARTITION OF parts DEFAULT PARTITION BY LIST (id);;
		CREATE TABLE parts_1_1 PARTITION OF parts_1 DEFAULT;;
		CREATE TABLE child (extra text) INHERITS (shown);;
		CREATE INDEX ON shown (plain, id);;
		CREATE VIEW shown_view AS SELECT c1, id AS number, c3 AS renamed, c16 FROM shown;;
		CREATE VIEW shown_again AS SELECT renamed, c16 AS c16again FROM shown_view;;
		GRANT SELECT (id, c2, c5) ON shown TO pg_monitor`)
	for _, sql := range strings.Split(b.String(), ";;") {
		proxytest.Exec(t, dsn, sql)
	}
}

// shownQueries are what clients and their frameworks ask, in the way that they do.
var shownQueries = map[string]string{
	"attributes": `SELECT c.relname, a.attname, a.atttypid, a.atttypmod, a.attlen, a.attbyval, a.attalign, a.attstorage, a.attcollation, CASE WHEN c.relname = 'shown' THEN a.attndims END AS attndims, a.attnotnull,
		format_type(a.atttypid, a.atttypmod), a.atttypid::regtype, t.typname
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
		WHERE c.relname IN ('shown', 'parts', 'parts_1', 'parts_1_1', 'child', 'shown_view', 'shown_again', 'T "1"') AND a.attnum > 0 ORDER BY 1, a.attnum`,
	"types":  `SELECT a.attname, a.attlen = t.typlen, a.attbyval = t.typbyval, a.attalign = t.typalign, a.attcollation = t.typcollation FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = 'shown'::regclass AND attnum > 0 ORDER BY attnum`,
	"bare":   `SELECT atttypid::regtype, attname FROM pg_attribute WHERE attrelid = 'shown'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
	"row":    `SELECT information_schema._pg_truetypid(a.*, t.*)::regtype, information_schema._pg_char_max_length(information_schema._pg_truetypid(a, t), information_schema._pg_truetypmod(a, t)), (a).attname, a IS NULL FROM pg_attribute a JOIN pg_type t ON a.atttypid = t.oid WHERE attrelid = 'shown'::regclass AND attnum > 0 ORDER BY attnum`,
	"system": `SELECT a.tableoid::regclass, a.atttypid::regtype, a.xmin IS NULL, a.ctid IS NULL FROM pg_catalog.pg_attribute AS a WHERE attrelid = 'shown'::regclass AND attnum > 0 ORDER BY attnum`,
	"schema": `SELECT pg_catalog.pg_attribute.attname, pg_attribute.atttypid FROM pg_catalog.pg_attribute WHERE pg_catalog.pg_attribute.attrelid = 'shown'::regclass AND attnum > 0 ORDER BY pg_catalog.pg_attribute.attnum`,
	"outer":  `SELECT c.relname, a.attname, a.atttypid::regtype FROM pg_class c LEFT JOIN ONLY (pg_attribute) a ON a.attrelid = c.oid AND a.attname = 'c3' WHERE c.relname IN ('shown', 'plain', 'parts') ORDER BY 1`,
	"table":  `WITH a AS (TABLE pg_attribute) SELECT atttypid::regtype FROM a WHERE attrelid = 'shown'::regclass AND attnum > 0 ORDER BY attnum`,

	"columns": `SELECT table_schema, table_name, column_name, ordinal_position, column_default, is_nullable, data_type, character_maximum_length, character_octet_length, numeric_precision,
		numeric_precision_radix, numeric_scale, datetime_precision, collation_name, domain_schema, domain_name, udt_schema, udt_name, dtd_identifier, is_updatable
		FROM information_schema.columns WHERE table_schema IN ('public', 'Other') ORDER BY 1, 2, 4`,
	"columns quoted":  `SELECT "information_schema"."columns"."column_name", columns.data_type FROM "information_schema"."columns" WHERE "information_schema"."columns"."table_name" = 'shown' ORDER BY ordinal_position`,
	"columns starred": `SELECT i.*, i.table_catalog IS NULL AS x FROM (SELECT * FROM information_schema.columns WHERE table_name = 'shown_again') i WHERE i.table_catalog IS NULL ORDER BY ordinal_position`,
	"domains":         `SELECT column_name, domain_name FROM information_schema.column_domain_usage WHERE table_schema = 'public'`,
	"udts":            `SELECT udt_schema, udt_name, table_name, column_name FROM information_schema.column_udt_usage WHERE table_schema IN ('public', 'Other') ORDER BY 3, 4`,
	"elements":        `SELECT object_name, collection_type_identifier, data_type FROM information_schema.element_types WHERE object_schema = 'public' ORDER BY 1, 2`,
	"constraints":     `SELECT constraint_name, table_name, column_name FROM information_schema.key_column_usage WHERE table_name = 'shown'`,

	// pgjdbc 42.7, PgDatabaseMetaData.getColumns
	"pgjdbc": `SELECT * FROM (SELECT current_database() IS NULL AS current_database, n.nspname,c.relname,a.attname,a.atttypid,a.attnotnull OR (t.typtype = 'd' AND t.typnotnull) AS attnotnull,a.atttypmod,a.attlen,t.typtypmod,row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) AS attnum, nullif(a.attidentity, '') as attidentity,nullif(a.attgenerated, '') as attgenerated,pg_catalog.pg_get_expr(def.adbin, def.adrelid) AS adsrc,dsc.description,t.typbasetype,t.typtype FROM pg_catalog.pg_namespace n  JOIN pg_catalog.pg_class c ON (c.relnamespace = n.oid)  JOIN pg_catalog.pg_attribute a ON (a.attrelid=c.oid)  JOIN pg_catalog.pg_type t ON (a.atttypid = t.oid)  LEFT JOIN pg_catalog.pg_attrdef def ON (a.attrelid=def.adrelid AND a.attnum = def.adnum)  LEFT JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid)  LEFT JOIN pg_catalog.pg_class dc ON (dc.oid=dsc.classoid AND dc.relname='pg_class')  LEFT JOIN pg_catalog.pg_namespace dn ON (dc.relnamespace=dn.oid AND dn.nspname='pg_catalog')  WHERE c.relkind in ('r','p','v','f','m') and a.attnum > 0 AND NOT a.attisdropped  AND n.nspname LIKE 'public' AND c.relname LIKE 'shown%') c WHERE true  ORDER BY nspname,c.relname,attnum`,
	// asyncpg, introspection of types: composites of tables
	"composites": `SELECT t.typname, (SELECT array_agg(ia.attname ORDER BY ia.attnum) FROM pg_attribute ia INNER JOIN pg_class c ON (ia.attrelid = c.oid) WHERE ia.attnum > 0 AND NOT ia.attisdropped AND c.reltype = t.oid), (SELECT array_agg(ia.atttypid::regtype ORDER BY ia.attnum) FROM pg_attribute ia INNER JOIN pg_class c ON (ia.attrelid = c.oid) WHERE ia.attnum > 0 AND NOT ia.attisdropped AND c.reltype = t.oid) FROM pg_type t WHERE t.typname IN ('shown', 'child')`,
}

// compareIntrospection compares what clients read of the catalog with what it is with
// ordinary columns.
func compareIntrospection(t *testing.T, server *postgres.Server) {
	direct := pgtest.DatabaseOn(t, server)
	f := proxytest.Start(t, proxytest.Options{Database: pgtest.DatabaseOn(t, server), Policy: shownPolicy(t)})
	makeShown(t, direct)
	makeShown(t, f.Through)
	want, got := proxytest.Connect(t, direct), proxytest.Connect(t, f.Through)
	for _, role := range []string{"none", "pg_monitor"} { // the second has few privileges
		for _, conn := range []*pgx.Conn{want, got} {
			if _, err := conn.Exec(t.Context(), "SET ROLE "+role); err != nil {
				t.Fatal(err)
			}
		}
		for name, query := range shownQueries {
			if diff := cmp.Diff(shownBy(t, want, query), shownBy(t, got, query)); diff != "" {
				t.Errorf("%s, role %s (-Postgres +pgseal):\n%s", name, role, diff)
			}
		}
	}
}

func TestIntrospection(t *testing.T) { compareIntrospection(t, pgtest.Server(t)) }

// shownBy gives a query's rows, and how they are described.
func shownBy(t *testing.T, conn *pgx.Conn, query string) string {
	t.Helper()
	rows, err := conn.Query(context.Background(), query, pgx.QueryExecModeDescribeExec)
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	var b strings.Builder
	for _, f := range rows.FieldDescriptions() {
		fmt.Fprintf(&b, "%s %d %d %d\n", f.Name, f.DataTypeOID, f.DataTypeSize, f.TypeModifier)
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, values...)
	}
	if err := rows.Err(); err != nil {
		return err.Error()
	}
	return b.String()
}

// describeScript is psql's own introspection.
const describeScript = `
\d shown
\d+ shown
\d+ "Other".*
\d parts
\d+ parts_1
\d+ child
\d shown_view
\d+ shown_again
\dt
\dt+ shown
\dv
\di
\dp shown
\dd
\df
\dT public.*
\dD public.*
SELECT * FROM shown \gdesc
SELECT c1, renamed FROM shown_view, shown_again \gdesc
SELECT attname, nothing FROM pg_attribute WHERE atttypid = 5;
SELECT atttypid FROM pg_attribute a, pg_attribute b WHERE a.atttypid = nothing;
SELECT column_name, data_type FROM information_schema.columns AS c WHERE c.nothing = 1;
SELECT 'ä', a.atttypid::regtype FROM pg_catalog.pg_attribute a WHERE attname = 5 + '';
`

// TestDescribe: psql's \d and its kin print the same.
func TestDescribe(t *testing.T) {
	psql := tool(t, "psql")
	run := func(dsn string) string {
		cmd := exec.Command(psql, "-X", "-d", dsn)
		cmd.Stdin = strings.NewReader(describeScript)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("psql: %v\n%s", err, out)
		}
		return string(out)
	}
	direct := pgtest.Database(t)
	f := proxytest.Start(t, proxytest.Options{Policy: shownPolicy(t)})
	makeShown(t, direct)
	makeShown(t, f.Through)
	if diff := cmp.Diff(run(direct), run(f.Through)); diff != "" {
		t.Errorf("what psql prints (-Postgres +pgseal):\n%s", diff)
	}
}

// TestPreparedIntrospection: a prepared statement that reads the catalog goes on
// through DDL, and sees the types of tables that are made after it.
func TestPreparedIntrospection(t *testing.T) {
	f := proxytest.Start(t, proxytest.Options{})
	conn := proxytest.Connect(t, f.Through)
	types := func() string {
		t.Helper()
		rows, err := conn.Query(t.Context(), "SELECT table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'body' ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(columns, ", ")
	}
	if got := types(); got != "" {
		t.Errorf("before: %s", got)
	}
	proxytest.Exec(t, f.Through, proxytest.NotesTable)
	if got, want := types(), "notes.body text"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := conn.Exec(t.Context(), "CREATE VIEW note_view AS SELECT body FROM notes", pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	if got := types(); !strings.HasSuffix(got, "notes.body text") { // the view's as it is stored, until it is prepared again
		t.Errorf("with a view made since: %s", got)
	}
	if got, want := shownBy(t, conn, "SELECT atttypid::regtype::text FROM pg_attribute WHERE attrelid = 'note_view'::regclass"), "atttypid 25 -1 -1\ntext\n"; got != want {
		t.Errorf("the view's: %s, want %s", got, want)
	}
}

// TestRawIntrospection: in raw mode the catalog shows what is stored.
func TestRawIntrospection(t *testing.T) {
	f, dumper := startRaw(t, proxytest.Options{})
	conn := proxytest.Connect(t, dumper)
	const query = "SELECT atttypid::regtype::text FROM pg_attribute WHERE attrelid = 'notes'::regclass AND attname = 'body'"
	for _, step := range []struct{ set, want string }{{"off", "text"}, {"on", "pgseal.sealed"}, {"off", "text"}} {
		if _, err := conn.Exec(t.Context(), "SET pgseal.raw = "+step.set); err != nil {
			t.Fatal(err)
		}
		if got, want := shownBy(t, conn, query), "atttypid 25 -1 -1\n"+step.want+"\n"; got != want {
			t.Errorf("raw mode %s: %s, want %s", step.set, got, want)
		}
	}
	if got := shownBy(t, proxytest.Connect(t, f.Through), query); !strings.Contains(got, "\ntext\n") {
		t.Errorf("of another user: %s", got)
	}
}
