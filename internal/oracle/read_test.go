package oracle_test

import (
	"fmt"
	"strings"
)

// read is a way to read all values of a type. How says how the result comes.
type read struct {
	name string
	send func(s *script, l *logical, how reader)
}

// sql is a read by one statement. In it T is the type's table, V its view, W the
// view on the view.
func sql(name, statement string) read {
	return read{name, func(s *script, l *logical, how reader) { how.send(s, l.fill(statement)) }}
}

// fill puts the names of the type's relations into a statement.
func (l *logical) fill(statement string) string {
	id := l.id()
	return strings.NewReplacer("<T>", "t_"+id, "<V>", "v_"+id, "<W>", "w_"+id).Replace(statement)
}

var reads = []read{
	sql("bare", "SELECT id, v FROM <T> ORDER BY id"),
	sql("alias", `SELECT t.v AS "The Value", t.id FROM public.<T> AS t ORDER BY t.id`),
	sql("star", "SELECT * FROM <T> ORDER BY id"),
	sql("table-star", "SELECT t.*, 1 AS one, t.v FROM <T> t ORDER BY id"),
	sql("column-aliases", "SELECT x.c, x.a FROM <T> AS x (a, b, c) ORDER BY x.a"),
	sql("subquery", "SELECT s.w, s.org_id FROM (SELECT id, org_id, v AS w FROM <T>) s ORDER BY s.id"),
	sql("subqueries", "SELECT * FROM (SELECT * FROM (SELECT v, id, org_id FROM <T>) a WHERE id > 0) b ORDER BY id LIMIT 50 OFFSET 1"),
	sql("cte", "WITH c (nr, val) AS (SELECT id, v FROM <T>) SELECT val, nr FROM c ORDER BY nr"),
	sql("ctes", "WITH a AS MATERIALIZED (SELECT * FROM <T>), b AS (SELECT v, id FROM a WHERE id < 100) SELECT v FROM b ORDER BY id"),
	sql("view", "SELECT value, nr FROM <V> ORDER BY nr"),
	sql("view-on-view", "SELECT * FROM <W> ORDER BY nr"),
	sql("join", "SELECT p.v AS label, t.v FROM plain p JOIN <T> t ON t.id = p.id ORDER BY p.id"),
	sql("join-using", "SELECT id, t.v, p.v FROM <T> t JOIN plain p USING (id) ORDER BY id"),
	sql("left-join", "SELECT p.id, t.v, t.org_id FROM plain p LEFT JOIN <T> t ON t.id = p.id AND t.id % 2 = 0 ORDER BY p.id"),
	sql("self-join", "SELECT a.id, a.v, b.v FROM <T> a FULL JOIN <T> b ON a.id = b.id + 1 ORDER BY a.id, b.id"),
	sql("lateral", "SELECT p.id, x.v FROM plain p, LATERAL (SELECT t.v FROM <T> t WHERE t.id = p.id) x ORDER BY p.id"),
	sql("union-all", "SELECT id, v FROM <T> WHERE id < 4 UNION ALL SELECT id + 500, NULL FROM plain WHERE id < 3 UNION ALL SELECT id, v FROM <T> WHERE id >= 4 ORDER BY id"),
	sql("distinct-on", "SELECT DISTINCT ON (org_id) org_id, id, v FROM <T> ORDER BY org_id, id"),
	sql("window", "SELECT v, row_number() OVER (PARTITION BY org_id ORDER BY id), sum(id) OVER w FROM <T> WINDOW w AS (ORDER BY id) ORDER BY id"),
	sql("scalar-subquery", "SELECT p.id, (SELECT t.v FROM <T> t WHERE t.id = p.id) FROM plain p ORDER BY p.id"),
	sql("null-tests", "SELECT id, v IS NULL, v IS NOT NULL AS there FROM <T> WHERE v IS NOT NULL OR v IS NULL ORDER BY id"),
	sql("not-null", "SELECT v FROM <T> WHERE v IS NOT NULL AND org_id = 'acme' ORDER BY id DESC"),
	sql("counts", "SELECT org_id, count(v), count(*) FROM <T> GROUP BY org_id HAVING count(v) >= 0 ORDER BY org_id"),
	sql("exists", "SELECT p.id FROM plain p WHERE EXISTS (SELECT t.v FROM <T> t WHERE t.id = p.id AND t.v IS NULL) ORDER BY p.id"),
	sql("locking", "SELECT v FROM <T> WHERE id IN (SELECT id FROM plain) ORDER BY id FOR UPDATE"),
	sql("values-join", "SELECT x.n, t.v FROM (VALUES (1, 'one'), (2, 'two'), (99, 'none')) x (id, n) LEFT JOIN <T> t ON t.id = x.id ORDER BY x.id"),
	sql("recursive", "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) SELECT i, v FROM n JOIN <T> ON id = i ORDER BY i"),
	{"parameters", func(s *script, l *logical, how reader) {
		if how.name == "simple" {
			s.query("PREPARE sel AS SELECT v, id FROM %s WHERE id > $1 ORDER BY id", l.table())
			s.query("EXECUTE sel (1)")
			return
		}
		format := map[string]int{"text": 0, "binary": 1}[how.name]
		s.execute(fmt.Sprintf("SELECT v, id FROM %s WHERE id > $1 AND org_id = $2 ORDER BY id", l.table()), format, textParam("1"), textParam("globex"))
	}},
	{"cursor", func(s *script, l *logical, how reader) {
		s.query("BEGIN")
		binary := ""
		if how.name == "binary" {
			binary = "BINARY "
		}
		s.query("DECLARE c %sSCROLL CURSOR FOR SELECT v, id FROM %s ORDER BY id", binary, l.table())
		how.send(s, "FETCH 2 FROM c")
		how.send(s, "FETCH BACKWARD ALL FROM c")
		how.send(s, "FETCH ALL FROM c")
		s.query("CLOSE c; COMMIT")
	}},
	{"portal", func(s *script, l *logical, how reader) {
		format := 0
		if how.name == "binary" {
			format = 1
		}
		s.line("P _ | SELECT id, v, v FROM %s ORDER BY id", l.table())
		s.line("B _ _ | | | 0 %d %d", format, 1-format)
		s.line("D P _\nE _ 2\nE _ 1\nE _\nS\nwait Z")
	}},
	{"copy-to", func(s *script, l *logical, how reader) {
		format := map[string]string{"simple": "text", "text": "csv, HEADER", "binary": "binary"}[how.name]
		s.query("COPY (SELECT v, id FROM %s ORDER BY id) TO STDOUT (FORMAT %s)", l.table(), format)
	}},
	{"copy-table", func(s *script, l *logical, how reader) {
		options := map[string]string{"simple": "", "text": "WITH (FORMAT csv, FORCE_QUOTE *, NULL 'none')", "binary": "BINARY"}[how.name]
		s.query("CLUSTER %s USING %s_pkey", l.table(), l.table()) // else the rows come as they lie
		s.query("COPY %s (id, org_id, v) TO STDOUT %s", l.table(), options)
	}},
}

// computed are reads that compute on opened values, each for the types that it says. A
// value that it has no result for gives Postgres's error.
var computed = []struct {
	name  string
	kinds string // of types, separated by blanks; empty: all
	exprs []string
}{
	{"text", "", []string{"v::text", "CAST(v AS text)", "v::varchar(3)", "v::char(4)", "v::bpchar"}},
	{"array_agg", "", []string{"array_agg(v ORDER BY id)", "count(v)"}},
	{"case", "", []string{"CASE WHEN id % 2 = 0 THEN v END", "COALESCE(v, v)", "COALESCE(v, NULL)", "CASE WHEN id > 0 THEN v ELSE NULL END", "CASE id WHEN 1 THEN NULL ELSE v END AS other", "lag(v) OVER (ORDER BY id)"}},
	{"length", "text varchar bpchar", []string{"length(v)", "octet_length(v)", "left(v, 3)", "left(v, -2)", "right(v, 2)", "substr(v, 2)", "substr(v, 2, 3)", "substring(v FROM 2 FOR 2)", "substring(v FOR 2)", "substring(v FOR 3 FROM 2)", "substring((v) FOR (-1))", "char_length(v)", "length(v::bpchar)"}},
	{"length-of-bytes", "bytea", []string{"length(v)", "octet_length(v)", "substr(v, 2)", "substr(v, 2, 3)", "substring(v FROM 2 FOR 2)", "substring(v FOR 2)", "v::int2", "v::int4", "v::int8"}},
	{"scalars", "jsonb", []string{"v::int4", "v::numeric", "v::bool", "v::float8", "(v -> 'a')::int8", "(v -> 'none')::int8"}},
	{"json", "json jsonb", []string{"v -> 'a'", "v ->> 'a'", "v -> 0", "v ->> -1", "v #> '{a,0}'", "v #>> '{a,1}'", "v::jsonb", "v::json", "(v -> 'a' -> 1)::text"}},
	{"numbers", "int2 int4 int8 float4 float8 numeric", []string{"v::int4", "v::int8", "v::numeric", "v::numeric(12,1)", "v::float8", "v::float4", "v::int2", "v::numeric(3,-2)", "v::numeric(2,4)", "v::bytea"}},
	{"truth", "bool int4", []string{"v::int", "v::bool"}},
	{"times", "date timestamp timestamptz", []string{"v::date", "v::timestamp", "v::timestamptz", "v::timestamp(0)", "v::time"}},
	{"strings", "text varchar", []string{"v::int", "v::date", "v::jsonb", "v::bytea", "v::uuid"}},
	{"nets", "inet cidr", []string{"v::inet", "v::cidr", "v::varchar"}},
	{"intervals", "interval time", []string{"v::interval", "v::time", "v::interval(0)"}},
}

// computedScripts read each value by itself, so that one that fails hides no other.
func computedScripts(l *logical, add func(string, func(*script))) {
	for _, c := range computed {
		if c.kinds != "" && (!concerns(c.kinds, l.policyType().Kind) || l.policyType().Array) {
			continue
		}
		if c.name == "array_agg" && l.policyType().Array { // of more dimensions
			continue
		}
		if l.few && c.kinds == "" && c.name != "array_agg" {
			continue
		}
		add("computed,"+c.name, func(s *script) {
			s.query("INSERT INTO %s (id, org_id, v) VALUES %s", l.table(), l.valuesList())
			for i, expr := range c.exprs {
				if c.name == "array_agg" || c.name == "case" {
					for _, how := range readers {
						order := ""
						if c.name == "case" {
							order = " ORDER BY id"
						}
						how.send(s, fmt.Sprintf("SELECT %s FROM %s%s", expr, l.table(), order))
					}
					continue
				}
				l.rows(func(row int, _ string, _ bool) {
					readers[(row+i)%len(readers)].send(s, fmt.Sprintf("SELECT %s, id FROM %s WHERE id = %d", expr, l.table(), row))
				})
			}
		})
	}
}
