package catalog

import (
	"fmt"
	"strconv"
)

// Function is what pgseal knows of the functions of one name in one schema.
type Function struct {
	Schema, Name string
	// Relation is the one whose rows all of them return; nil when they return
	// something else or differ.
	Relation *Relation
}

// functionsQuery lists the functions whose name is that of one which returns rows
// of a relation with sealed columns; the relation is NULL for all others.
const functionsQuery = `
WITH carriers AS MATERIALIZED (
	SELECT DISTINCT a.attrelid AS relation FROM pg_catalog.pg_attribute a
	JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
	JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
	WHERE n.nspname = 'pgseal' AND t.typname = 'sealed' AND NOT a.attisdropped
), named AS MATERIALIZED (
	SELECT DISTINCT p.proname FROM pg_catalog.pg_proc p
	JOIN pg_catalog.pg_type t ON t.oid = p.prorettype
	JOIN carriers ON carriers.relation = t.typrelid
	WHERE p.prokind = 'f'
)
SELECT n.nspname, p.proname,
       CASE WHEN pg_catalog.count(DISTINCT p.prorettype) = 1 AND pg_catalog.bool_and(p.prokind = 'f')
            THEN pg_catalog.max(carriers.relation)::text END
FROM pg_catalog.pg_proc p
JOIN named ON named.proname = p.proname
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_type t ON t.oid = p.prorettype
LEFT JOIN carriers ON carriers.relation = t.typrelid
GROUP BY n.nspname, p.proname
ORDER BY n.nspname, p.proname`

// buildFunctions makes the functions of functionsQuery's rows.
func buildFunctions(rows [][]string, byOID map[string]*Relation) ([]*Function, error) {
	functions := make([]*Function, len(rows))
	for i, row := range rows {
		f := &Function{Schema: row[0], Name: row[1]}
		if row[2] != "" {
			if _, err := strconv.ParseUint(row[2], 10, 32); err != nil {
				return nil, fmt.Errorf("read catalog (functions): %s.%s: %w", f.Schema, f.Name, err)
			}
			f.Relation = byOID[row[2]]
		}
		functions[i] = f
	}
	return functions, nil
}
