package catalog

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgseal/pgseal/policy"
)

// Reading a view's definition locks what the view reads (pg_get_viewdef,
// AcquireRewriteLocks), and the tables whose row types it uses (load_typcache_tupdesc).
// So it waits for a transaction that holds a lock as strong as TRUNCATE's or ALTER
// TABLE's. That transaction's session may itself wait for the catalog to be loaded, or
// leave the transaction open for an hour. So no view is waited for but shortly, and none
// keeps another from being read: one that is locked keeps the definition that it had, or
// has none. How long all of them together may take is bounded, too.

// impatient is put in front of a query, in one string with it: the implicit
// transaction ends the setting.
const impatient = "SET LOCAL lock_timeout = '100ms';"

// sifting is the same where it is looked for which views are locked, and siftTime is how
// long that is done.
const (
	sifting  = "SET LOCAL lock_timeout = '10ms';"
	siftTime = time.Second
)

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

// heldViewsQuery is viewsQuery without definitions, which waits for nobody; with each
// view it tells whether it is locked, or reads something that is, as far as pg_locks and
// pg_depend tell.
var heldViewsQuery = `
WITH locked AS MATERIALIZED (
	SELECT l.relation FROM pg_catalog.pg_locks l
	WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND
	      l.database IN (0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))
), held AS MATERIALIZED (
	SELECT relation FROM locked
	UNION
	SELECT r.ev_class FROM pg_catalog.pg_depend d
	JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
	JOIN locked ON locked.relation = d.refobjid
	WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
)
SELECT c.oid::text, (c.oid IN (SELECT relation FROM held))::text, r.oid::text || '/' || r.xmin::text, ` + redirected + viewsFrom

// readViews gives each view's OID, definition and rule, and whether it is redirected. A
// definition that cannot be read for a lock is previous's of the same rule, if that
// holds still; else it is empty, and what needs it asks again or is refused.
func readViews(ctx context.Context, q Querier, previous *Snapshot, c *contents) ([][]string, error) {
	rows, err := q.Query(ctx, viewsQuery)
	if !isLocked(err) {
		return rows, err
	}
	if rows, err = q.Query(ctx, heldViewsQuery); err != nil {
		return nil, err
	}
	known := knownDefinitions(previous, c)
	var free [][]string
	for _, row := range rows {
		held := row[1] == "true"
		if row[1] = known[row[2]]; row[1] == "" && !held {
			free = append(free, row)
		}
	}
	return rows, sift(ctx, q, free, time.Now().Add(siftTime))
}

// sift reads the definitions of rows' views until a time, but of those that are locked:
// all at once, else by halves.
func sift(ctx context.Context, q Querier, rows [][]string, until time.Time) error {
	if len(rows) == 0 || time.Now().After(until) {
		return nil
	}
	oids := make([]string, len(rows))
	for i, row := range rows {
		oids[i] = row[0]
	}
	read, err := q.Query(ctx, sifting+"SELECT o.oid, pg_catalog.pg_get_viewdef(o.oid::pg_catalog.oid) FROM pg_catalog.unnest('{"+
		strings.Join(oids, ",")+"}'::text[]) o(oid)")
	switch {
	case isLocked(err) && len(rows) == 1:
		return nil
	case isLocked(err):
		half := len(rows) / 2
		if err := sift(ctx, q, rows[:half], until); err != nil {
			return err
		}
		return sift(ctx, q, rows[half:], until)
	case err != nil:
		return err
	}
	definitions := make(map[string]string, len(read))
	for _, row := range read {
		definitions[row[0]] = row[1] // "" of a view that was dropped meanwhile
	}
	for _, row := range rows {
		row[1] = definitions[row[0]]
	}
	return nil
}

// knownDefinitions are those that a snapshot has, by their rules: none when one of the
// names that they may hold has changed since. What has come to be since is in none.
func knownDefinitions(previous *Snapshot, c *contents) map[string]string {
	if previous == nil || renamed(previous, c) {
		return nil
	}
	known := make(map[string]string)
	for _, r := range previous.all {
		if r.rule != "" {
			known[r.rule] = r.Definition
		}
	}
	return known
}

// renamed tells whether a relation, column or function of the snapshot has another name
// in the rows that were read since, or is a function that is gone.
func renamed(previous *Snapshot, c *contents) bool {
	for _, row := range c.columns {
		oid, _ := strconv.ParseUint(row[0], 10, 32) // buildRelations tells of one that is no number
		old := previous.byOID[uint32(oid)]
		switch {
		case old == nil:
			continue
		case old.Schema != row[1] || old.Name != row[2]:
			return true
		}
		for _, column := range old.Columns {
			if strconv.Itoa(int(column.Num)) == row[6] && column.Name != row[5] {
				return true
			}
		}
	}
	functions := make(map[[2]string]bool, len(c.functions))
	for _, row := range c.functions {
		functions[[2]string{row[0], row[1]}] = true
	}
	for _, named := range previous.functions {
		for _, f := range named {
			if !functions[[2]string{f.Schema, f.Name}] {
				return true
			}
		}
	}
	return false
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
