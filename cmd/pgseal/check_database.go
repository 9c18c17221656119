package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/internal/catalog"
	"github.com/pgseal/pgseal/internal/config"
	"github.com/pgseal/pgseal/policy"
)

// Versions of Postgres, as in server_version_num.
const (
	oldestVersion = 13_00_00 // the oldest with all that the catalog queries ask for
	newestTried   = 18_99_99
)

// rows runs a query without parameters over pgseal's own connection; it is
// catalog.Querier.
type rows pgconn.PgConn

// Query implements catalog.Querier.
func (c *rows) Query(ctx context.Context, sql string) ([][]string, error) {
	results, err := (*pgconn.PgConn)(c).Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var list [][]string
	for _, result := range results {
		for _, raw := range result.Rows {
			row := make([]string, len(raw))
			for i, field := range raw {
				row[i] = string(field)
			}
			list = append(list, row)
		}
	}
	return list, nil
}

// checkTime is how long check looks at the database: a catalog that is locked is told of.
const checkTime = 30 * time.Second

// checkDatabase looks at the upstream database and at the policy's tables in it.
func checkDatabase(ctx context.Context, f *findings, c *config.Config) {
	checkHosts(ctx, f, c.Upstream)
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	settings, err := pgconn.ParseConfig(c.Upstream.DSN.Reveal())
	if err != nil {
		f.fail("upstream.dsn: cannot be read")
		return
	}
	settings.RuntimeParams["search_path"] = "" // so that names are printed with their schema
	settings.RuntimeParams["application_name"] = "pgseal check"
	settings.ConnectTimeout = c.Upstream.ConnectTimeout
	db, err := pgconn.ConnectConfig(ctx, settings)
	if err != nil {
		f.fail("upstream.dsn: %v: see that the database runs, and that the login and the database's name are right", err)
		return
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }() // it was only read from
	q := (*rows)(db)

	if err := checkServer(ctx, f, q, settings.Database); err != nil {
		f.fail("upstream.dsn: %v", err)
		return
	}
	snapshot, err := catalog.Load(ctx, q, c.Policy, nil, true)
	if err != nil {
		f.fail("upstream.dsn: %v", err)
		return
	}
	if snapshot.SealedOID == 0 {
		f.fail("the type pgseal.sealed is not there: run pgseal init")
	}
	f.in("policy", func() { err = checkPolicy(ctx, f, q, snapshot, c.Policy) })
	if err != nil {
		f.fail("%v", err)
	}
}

// checkServer looks at the server and at the domain's wall.
func checkServer(ctx context.Context, f *findings, q *rows, database string) error {
	list, err := q.Query(ctx, `SELECT pg_catalog.current_setting('server_version'), pg_catalog.current_setting('server_version_num')`)
	if err != nil {
		return err
	}
	version, err := strconv.Atoi(list[0][1])
	if err != nil {
		return fmt.Errorf("the server tells its version as %q", list[0][1])
	}
	switch {
	case version < oldestVersion:
		f.fail("PostgreSQL %s is too old: 13 or later is needed", list[0][0])
	case version > newestTried:
		f.warn("PostgreSQL %s, database %s: newer than any that this pgseal was tried with", list[0][0], database)
	default:
		f.ok("PostgreSQL %s, database %s", list[0][0], database)
	}
	list, err = q.Query(ctx, `
SELECT t.typbasetype = 'pg_catalog.bytea'::pg_catalog.regtype,
       EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.contypid = t.oid AND c.contype = 'c' AND c.convalidated),
       pg_catalog.has_schema_privilege('public', n.oid, 'USAGE') AND pg_catalog.has_type_privilege('public', t.oid, 'USAGE')
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = 'pgseal' AND t.typname = 'sealed' AND t.typtype = 'd'`)
	if err != nil || len(list) == 0 { // checkDatabase tells that it is not there
		return err
	}
	based, checked, usable := list[0][0] == "t", list[0][1] == "t", list[0][2] == "t"
	switch {
	case !based || !checked:
		f.fail("the type pgseal.sealed is not the one that pgseal init makes: it must be a domain over bytea with a CHECK, which keeps plaintext out")
	case !usable:
		f.warn("not every login may use the type pgseal.sealed: GRANT USAGE ON SCHEMA pgseal TO PUBLIC; GRANT USAGE ON TYPE pgseal.sealed TO PUBLIC")
	default:
		f.ok("the type pgseal.sealed keeps plaintext out of sealed columns")
	}
	return nil
}

// checkPolicy compares the policy with the catalog.
func checkPolicy(ctx context.Context, f *findings, q *rows, snapshot *catalog.Snapshot, p *policy.Policy) error {
	for _, t := range p.Tables {
		r := snapshot.Relation(t.Schema, t.Name)
		name := quoted(t.Schema, t.Name)
		if r == nil {
			f.fail("table %s is not in the database: create it (through pgseal, or with columns of the type pgseal.sealed), or take it out of the policy", name)
			continue
		}
		if r.Kind != 'r' && r.Kind != 'p' {
			f.fail("%s is no table but %s: name the table that it takes its rows from", name, kindOf(r.Kind))
			continue
		}
		well := true
		if t.Org.Kind == policy.OrgFromColumn && r.Column(t.Org.Value) == nil {
			f.fail("table %s has no column %s, which the policy finds a row's org in", name, quoted(t.Org.Value))
			well = false
		}
		for _, c := range t.Columns {
			ok, err := checkColumn(ctx, f, q, r, c, name)
			if err != nil {
				return err
			}
			well = well && ok
		}
		if well {
			f.ok("table %s: %s sealed", name, count(len(t.Columns), "column"))
		}
	}
	return checkStrays(ctx, f, q, snapshot, p)
}

func checkColumn(ctx context.Context, f *findings, q *rows, r *catalog.Relation, c *policy.Column, table string) (bool, error) {
	name := quoted(c.Name)
	column := r.Column(c.Name)
	if column == nil {
		f.fail("table %s has no column %s: ALTER TABLE %s ADD COLUMN %s pgseal.sealed", table, name, table, name)
		return false, nil
	}
	if column.Generated {
		f.fail("column %s.%s is generated: the database would have to compute what it cannot read", table, name)
		return false, nil
	}
	if column.Sealed {
		return true, nil
	}
	list, err := q.Query(ctx, fmt.Sprintf("SELECT pg_catalog.format_type(%d, NULL)", column.TypeOID))
	if err != nil {
		return false, err
	}
	f.fail("column %s.%s has the type %s, so its values lie in the database as they are, and pgseal refuses statements that use it: it must have the type pgseal.sealed. Add one (ALTER TABLE %s ADD COLUMN … pgseal.sealed), copy the values through pgseal, drop the old one and give the new one its name",
		table, name, list[0][0], table)
	return false, nil
}

// checkStrays looks for columns of the type pgseal.sealed that no policy names.
func checkStrays(ctx context.Context, f *findings, q *rows, snapshot *catalog.Snapshot, p *policy.Policy) error {
	list, err := q.Query(ctx, fmt.Sprintf(`
SELECT n.nspname, c.relname, a.attname
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE a.atttypid = %d AND a.atttypid <> 0 AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY 1, 2, 3`, snapshot.SealedOID))
	if err != nil {
		return err
	}
	for _, row := range list {
		relation := snapshot.Relation(row[0], row[1])
		if relation != nil && relation.Policy != nil && relation.Policy.Column(row[2]) != nil {
			continue
		}
		f.warn("column %s has the type pgseal.sealed, but the policy does not name it: it is handed out as it is stored", quoted(row...))
	}
	return nil
}

// quoted writes names as SQL needs them: in double quotes where they need some.
func quoted(names ...string) string {
	s := ""
	for i, name := range names {
		if i > 0 {
			s += "."
		}
		if plain(name) {
			s += name
		} else {
			s += pgx.Identifier{name}.Sanitize()
		}
	}
	return s
}

func plain(name string) bool {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// kindOf is a word for pg_class.relkind.
func kindOf(kind byte) string {
	switch kind {
	case 'v':
		return "a view"
	case 'm':
		return "a materialized view"
	case 'f':
		return "a foreign table"
	}
	return "something else"
}

// count is a number with a word in its plural where it needs it.
func count(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return strconv.Itoa(n) + " " + word
}
