package catalog

// shadowsQuery lists the functions and operators of users that may be meant where a
// statement names one of pg_catalog's that pgseal computes itself, or knows to hand a
// value on: those of the same name for a type of pg_catalog.
const shadowsQuery = `
SELECT p.proname::text FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_type t ON t.oid = p.proargtypes[0]
WHERE p.proname IN ('length', 'char_length', 'character_length', 'octet_length', 'left', 'right', 'substr', 'substring', 'array_agg',
                    'first_value', 'last_value', 'nth_value', 'lag', 'lead')
  AND p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace AND t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
UNION
SELECT o.oprname::text FROM pg_catalog.pg_operator o
JOIN pg_catalog.pg_type t ON t.oid = o.oprleft
WHERE o.oprname IN ('->', '->>', '#>', '#>>')
  AND o.oprnamespace <> 'pg_catalog'::pg_catalog.regnamespace AND t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
ORDER BY 1`

// Shadows tells whether a function or operator of that name, of those that pgseal
// knows the result of, may be a user's where its schema is not given.
func (s *Snapshot) Shadows(name string) bool { return s.shadows[name] }
