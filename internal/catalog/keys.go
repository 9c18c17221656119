package catalog

import "slices"

// keysQuery lists the columns of the primary keys and unique constraints of relations
// with sealed columns: ON CONFLICT ON CONSTRAINT names one of them.
const keysQuery = `
SELECT c.conrelid::text, c.conname, a.attname
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
WHERE c.contype IN ('p', 'u') AND EXISTS (
	SELECT FROM pg_catalog.pg_attribute s
	JOIN pg_catalog.pg_type t ON t.oid = s.atttypid
	JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
	WHERE s.attrelid = c.conrelid AND NOT s.attisdropped AND n.nspname = 'pgseal' AND t.typname = 'sealed'
)
ORDER BY c.oid, a.attnum`

// addKeys sets the relations' keys from keysQuery's rows.
func addKeys(rows [][]string, byOID map[string]*Relation) {
	for _, row := range rows {
		r := byOID[row[0]]
		if r == nil {
			continue
		}
		if r.Keys == nil {
			r.Keys = make(map[string][]string)
		}
		r.Keys[row[1]] = append(r.Keys[row[1]], row[2])
	}
}

// Key tells whether a primary key or unique constraint of that name has a column, and
// whether there is one of that name.
func (r *Relation) Key(name, column string) (has, known bool) {
	columns, known := r.Keys[name]
	return slices.Contains(columns, column), known
}
