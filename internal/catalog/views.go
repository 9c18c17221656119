package catalog

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/policy"
)

// Reading a view's definition locks what the view reads (pg_get_viewdef,
// AcquireRewriteLocks), so it waits for a transaction that holds a lock as strong
// as TRUNCATE's or ALTER TABLE's. That transaction's session may itself wait for
// the catalog to be loaded, or leave the transaction open for an hour. So nothing
// is waited for: such a view keeps the definition that it had.

// impatient is put in front of a query, in one string with it: the implicit
// transaction ends the setting.
const impatient = "SET LOCAL lock_timeout = '100ms';"

// codeLockNotAvailable is the SQLSTATE of a statement that ran into it.
const codeLockNotAvailable = "55P03"

// InformationSchema is the schema of the standard's views of the catalog.
const InformationSchema = "information_schema"

// typeViews are the views of InformationSchema that show columns' types. (Those of
// pg_catalog show none.)
var typeViews = []string{"columns", "column_domain_usage", "column_udt_usage", "element_types"}

// ShowsTypes tells whether a view of InformationSchema shows columns' types.
func ShowsTypes(view string) bool { return slices.Contains(typeViews, view) }

// viewsFrom lists views and their rules, which a new definition replaces. Names in
// definitions are qualified as far as search_path makes it needed, so the
// connection must have it empty.
var viewsFrom = `
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_rewrite r ON r.ev_class = c.oid AND r.rulename = '_RETURN'
WHERE c.relkind = 'v' AND n.nspname <> 'pg_catalog' AND
      (n.nspname <> '` + InformationSchema + `' OR c.relname IN ('` + strings.Join(typeViews, "', '") + `'))
ORDER BY c.oid`

// redirected tells whether a view has other rules, or INSTEAD OF triggers
// (TRIGGER_TYPE_INSTEAD in pg_trigger.h).
const redirected = `(EXISTS (SELECT FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid AND w.ev_type <> '1') OR
       EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgtype & 64 <> 0))::text`

var viewsQuery = impatient + `
SELECT c.oid::text, pg_catalog.pg_get_viewdef(c.oid), r.oid::text || '/' || r.xmin::text, ` + redirected + viewsFrom

// freeViewsQuery leaves out the definitions of views that are locked, or read
// something that is.
var freeViewsQuery = impatient + `
WITH locked AS MATERIALIZED (
	SELECT l.relation FROM pg_catalog.pg_locks l
	JOIN pg_catalog.pg_database d ON d.oid = l.database AND d.datname = pg_catalog.current_database()
	WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
), held AS MATERIALIZED (
	SELECT relation FROM locked
	UNION
	SELECT r.ev_class FROM pg_catalog.pg_depend d
	JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
	JOIN locked ON locked.relation = d.refobjid
	WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
)
SELECT c.oid::text, CASE WHEN c.oid NOT IN (SELECT relation FROM held) THEN pg_catalog.pg_get_viewdef(c.oid) END,
       r.oid::text || '/' || r.xmin::text, ` + redirected + viewsFrom

// readViews gives each view's OID, definition and rule, and whether it is redirected. A definition that cannot be
// read for a lock is previous's, unless the view has another rule by now or any name
// has changed, which definitions hold: then it is empty, and what needs it asks
// again or is refused.
func readViews(ctx context.Context, q Querier, namesHash uint64, previous *Snapshot) ([][]string, error) {
	rows, err := q.Query(ctx, viewsQuery)
	for isLocked(err) && ctx.Err() == nil {
		rows, err = q.Query(ctx, freeViewsQuery)
	}
	if err != nil || previous == nil || previous.namesHash != namesHash {
		return rows, err
	}
	known := make(map[string]string) // rule -> definition
	for _, r := range previous.byOID {
		if r.rule != "" {
			known[r.rule] = r.Definition
		}
	}
	for _, row := range rows {
		if row[1] == "" {
			row[1] = known[row[2]]
		}
	}
	return rows, nil
}

func isLocked(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == codeLockNotAvailable
}

// firstUserOID is the first OID that is not of Postgres's own catalog
// (FirstNormalObjectId).
const firstUserOID = 16384

// hidesSealed tells whether a view's column may be sealed though its type is another:
// UNION with NULL, CASE and COALESCE give the domain's base type, array_agg an array, and
// a row is of its table's type.
func hidesSealed(c *Column) bool {
	const bytea, byteas = 17, 1001
	return c.TypeOID == bytea || c.TypeOID == byteas || c.TypeOID >= firstUserOID
}

// markViews marks the views that may hand out sealed values under another type: their
// definitions name a relation that carries some, or could not be read.
func markViews(p *policy.Policy, relations []*Relation) {
	names := make(map[string]bool)
	var views []*Relation
	for _, r := range relations {
		switch {
		case r.CarriesSealed():
			names[strings.ToLower(r.Name)] = true
		case r.IsView() && slices.ContainsFunc(r.Columns, hidesSealed):
			views = append(views, r)
		}
	}
	for _, t := range p.Tables {
		names[strings.ToLower(t.Name)] = true
	}
	for changed := true; changed; {
		changed = false
		for _, v := range views {
			if !v.mayCarry && (v.Definition == "" || namesAny(v.Definition, names)) {
				v.mayCarry, changed = true, true
				names[strings.ToLower(v.Name)] = true
			}
		}
	}
}

// namesAny tells whether a definition has one of the names in it, in lower case, be it as
// a part of a word.
func namesAny(definition string, names map[string]bool) bool {
	definition = strings.ToLower(definition)
	for name := range names {
		if strings.Contains(definition, strings.ReplaceAll(name, `"`, `""`)) {
			return true
		}
	}
	return false
}
