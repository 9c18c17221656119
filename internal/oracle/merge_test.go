package oracle_test

import "fmt"

// The first versions with MERGE, and with its RETURNING and BY SOURCE.
const (
	mergeVersion          = 15
	mergeReturningVersion = 17
)

// mergeScripts write by MERGE, each kind of action in turn.
func mergeScripts(l *logical, add func(since int, name string, fill func(*script))) {
	first, last := l.values[0], l.values[len(l.values)-1]
	table := l.table()
	add(mergeVersion, "merge,literals", func(s *script) {
		s.query("MERGE INTO %s t USING (VALUES (1), (2)) x (i) ON t.id = x.i WHEN NOT MATCHED THEN INSERT (id, org_id, v) VALUES (i, 'acme', %s)", table, quoted(first))
		s.query("MERGE INTO %s AS t USING plain p ON t.id = p.id AND t.org_id = 'acme' AND p.id < 4 WHEN MATCHED AND p.id = 2 THEN UPDATE SET v = %s, note = p.v WHEN NOT MATCHED AND p.id = 3 THEN INSERT VALUES (p.id, 'globex', %s, upper(p.v)) WHEN NOT MATCHED THEN DO NOTHING",
			table, typed(l, 0, last), escaped(last))
		readAll(s, l)
		s.query("MERGE INTO %s t USING plain p ON t.id = p.id AND t.org_id = 'acme' WHEN MATCHED AND p.id = 1 THEN DO NOTHING WHEN MATCHED AND t.v IS NOT NULL THEN UPDATE SET v = NULL WHEN NOT MATCHED AND p.id = 9 THEN INSERT (id, org_id) VALUES (9, 'acme')", table)
		s.query("MERGE INTO %s t USING plain p ON t.id = p.id WHEN MATCHED AND p.id = 3 THEN DELETE WHEN MATCHED THEN DO NOTHING", table)
		readAll(s, l)
		s.query("MERGE INTO %s t USING plain p ON t.id = p.id AND t.org_id = 'acme' WHEN MATCHED THEN UPDATE SET v = DEFAULT WHEN NOT MATCHED AND p.id = 4 THEN INSERT (id, org_id, v) VALUES (p.id, 'acme', DEFAULT)", table)
		s.query("MERGE INTO %s t USING plain p ON t.id = p.id WHEN MATCHED THEN DELETE", table)
		readAll(s, l)
	})
	add(mergeVersion, "merge,lists", func(s *script) {
		list := fmt.Sprintf("(VALUES %s) x (i, o, w)", l.valuesList())
		merge := fmt.Sprintf("MERGE INTO %[1]s t USING %[2]s ON t.id = x.i AND t.org_id = x.o WHEN MATCHED THEN UPDATE SET v = w::%[3]s, note = 'again' WHEN NOT MATCHED THEN INSERT (id, org_id, v) VALUES (i, o, w::%[3]s)", table, list, l.sql)
		s.query("%s", merge)
		readAll(s, l)
		s.execute(merge, 0)
		s.query("EXPLAIN (COSTS off, ANALYZE, TIMING off, SUMMARY off, BUFFERS off) MERGE INTO %s t USING plain p ON t.id = p.id WHEN MATCHED THEN DO NOTHING", table)
		readAll(s, l)
	})
	add(mergeVersion, "merge,parameters", func(s *script) {
		merge := fmt.Sprintf("MERGE INTO %s t USING (SELECT $1::int AS i) x ON t.id = x.i AND t.org_id = $2 WHEN MATCHED THEN UPDATE SET v = $3 WHEN NOT MATCHED THEN INSERT (id, org_id, v) VALUES (x.i, $2, $3)", table)
		for format := range 2 {
			for _, row := range l.params(format, 0) {
				s.execute(merge, 0, row...)
			}
		}
		readAll(s, l)
		s.query("PREPARE m AS MERGE INTO %s t USING plain p ON t.id = p.id AND t.org_id = 'globex' AND p.id = 1 WHEN MATCHED THEN UPDATE SET v = $1", table)
		s.query("EXECUTE m (%s)", quoted(last))
		s.query("EXECUTE m (NULL)")
	})
	if bads := literals(l.bad); len(bads) > 0 {
		bad := bads[0]
		add(mergeVersion, "merge,bad", func(s *script) {
			s.query("MERGE INTO %s t USING plain p ON t.id = p.id WHEN NOT MATCHED AND p.id = 1 THEN INSERT (id, org_id, v) VALUES (p.id, 'acme', %s)", table, quoted(bad))
			s.query("MERGE INTO %s t USING plain p ON t.id = p.id AND t.org_id = 'acme' WHEN MATCHED THEN UPDATE SET v = %s", table, quoted(bad))
			s.query("MERGE INTO %s t USING (VALUES (1, %s), (2, %s)) x (i, w) ON t.id = x.i AND t.org_id = 'acme' WHEN NOT MATCHED THEN INSERT (id, org_id, v) VALUES (i, 'acme', w::%s)", table, quoted(first), quoted(bad), l.sql)
			readAll(s, l)
		})
	}
	add(mergeReturningVersion, "merge,by-source", func(s *script) {
		s.query("INSERT INTO %s (id, org_id, v) VALUES %s", table, l.valuesList())
		s.query("MERGE INTO %s t USING plain p ON t.id = p.id AND p.id = 1 WHEN NOT MATCHED BY SOURCE AND t.org_id = 'acme' AND t.id = 2 THEN UPDATE SET v = %s WHEN NOT MATCHED BY SOURCE AND t.id = 3 THEN DELETE WHEN NOT MATCHED BY SOURCE THEN DO NOTHING WHEN NOT MATCHED BY TARGET AND p.id = 20 THEN INSERT (id, org_id, v) VALUES (p.id, 'globex', %s)",
			table, quoted(first), quoted(last))
		readAll(s, l)
		s.execute(fmt.Sprintf("MERGE INTO %s t USING plain p ON t.id = p.id AND p.id = 2 AND t.org_id = 'acme' WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED BY SOURCE AND t.org_id = $1 THEN UPDATE SET v = $2, note = 'left'", table), 0, textParam("globex"), textParam(last))
		readAll(s, l)
	})
	add(mergeReturningVersion, "merge,returning", func(s *script) {
		for i, how := range readers {
			how.send(s, fmt.Sprintf("MERGE INTO %s t USING plain p ON t.id = p.id AND t.org_id = 'acme' AND p.id = %d WHEN NOT MATCHED AND p.id = %[2]d THEN INSERT (id, org_id, v) VALUES (p.id, 'acme', %s) RETURNING merge_action(), t.*, p.v AS label", table, i+1, quoted(first)))
			how.send(s, fmt.Sprintf("MERGE INTO %s t USING plain p ON t.id = p.id AND t.org_id = 'acme' AND p.id = %d WHEN MATCHED THEN UPDATE SET v = %s RETURNING t.v, merge_action() AS done, t.id, t.v IS NULL", table, i+1, quoted(last)))
			how.send(s, fmt.Sprintf("WITH m AS (MERGE INTO %s t USING plain p ON t.id = p.id AND t.org_id = 'acme' WHEN MATCHED AND p.id = %d THEN DELETE RETURNING p.id AS nr, merge_action(), t.v AS value) SELECT value, nr, merge_action FROM m ORDER BY nr", table, i+1))
		}
		s.query("COPY (MERGE INTO %s t USING plain p ON t.id = p.id WHEN NOT MATCHED AND p.id = 5 THEN INSERT (id, org_id, v) VALUES (5, 'globex', %s) RETURNING t.id, t.v) TO STDOUT", table, quoted(first))
		s.query("%s", l.fill(fmt.Sprintf("MERGE INTO <V> t USING plain p ON t.nr = p.id AND t.org_id = 'globex' WHEN MATCHED THEN UPDATE SET value = %s RETURNING t.value, t.nr", quoted(last))))
		readAll(s, l)
	})
}

// readAll reads the table's rows.
func readAll(s *script, l *logical) { s.query("SELECT * FROM %s ORDER BY id", l.table()) }
