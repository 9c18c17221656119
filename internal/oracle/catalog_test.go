package oracle_test

// catalogScripts read what the catalog tells of the type's table and views. Results are
// computed, since columns of what stands in for pg_attribute and information_schema are
// of no table (docs/types.md). Each query comes in one of the ways of reading, which move
// on from type to type.
func catalogScripts(l *logical, add func(string, func(*script))) {
	if l.few {
		return
	}
	add("catalog", func(s *script) {
		for i, query := range []string{
			`SELECT c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.atttypid::regtype, a.atttypmod::text, a.attlen::int, a.attbyval::text,
					a.attalign::text, a.attstorage::text, a.attcollation::regcollation, a.attnotnull, a.atthasdef, a.attidentity, a.attgenerated
					FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relname IN ('<T>', '<V>', '<W>') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, 3`,
			// as drivers find a type's name, its elements and its category
			`SELECT t.typname::text, e.typname::text, t.typcategory::text, t.typtype::text, t.typrelid::text FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
					LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem WHERE a.attrelid = '<T>'::regclass AND a.attname = 'v'`,
			`SELECT attname, atttypid::regtype::text FROM pg_attribute WHERE attrelid = 'public.<V>'::regclass AND attnum > 0 ORDER BY attnum`,
			`SELECT table_name::text, column_name::text, ordinal_position::int, is_nullable::text, data_type::text, character_maximum_length::int, character_octet_length::int,
					numeric_precision::int, numeric_precision_radix::int, numeric_scale::int, datetime_precision::int, interval_type::text, collation_name::text, domain_name::text,
					udt_schema::text, udt_name::text, dtd_identifier::text, column_default::text, is_updatable::text, is_generated::text
					FROM information_schema.columns WHERE table_name IN ('<T>', '<V>', '<W>') ORDER BY 1, 3`,
			`SELECT object_name::text, collection_type_identifier::text, data_type::text FROM information_schema.element_types WHERE object_name IN ('<T>', '<V>', '<W>') ORDER BY 1, 2`,
			`SELECT udt_name::text, column_name::text FROM information_schema.column_udt_usage WHERE table_name = '<T>' ORDER BY 2`,
			`SELECT count(*) FROM information_schema.column_domain_usage WHERE table_name IN ('<T>', '<V>')`,
			`SELECT table_name::text, column_name::text FROM information_schema.view_column_usage WHERE view_name = '<V>' ORDER BY 2`,
			`SELECT privilege_type::text FROM information_schema.column_privileges WHERE table_name = '<T>' AND column_name = 'v' ORDER BY 1`,
		} {
			readers[(i+len(l.sql))%len(readers)].send(s, l.fill(query))
		}
	})
}
