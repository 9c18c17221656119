package proxy_test

import (
	"fmt"
	"strings"
)

// valueKind is what a parameter of a template takes.
type valueKind uint8

const (
	aKey   valueKind = iota // of notes or plain, never NULL: the server's DETAIL of a violated NOT NULL shows the row as it is stored
	anID                    // an int to compare a key with
	aText                   // of a column that is not sealed
	aBody                   // of notes.body
	anInt                   // of notes.n
	aTime                   // of notes.at
	aBool                   // of notes.ok
	aJSON                   // of notes.doc
	aBytea                  // of notes.raw
)

func (k valueKind) oid() uint32 {
	return [...]uint32{23, 23, 25, 25, 23, 1184, 16, 3802, 17}[k]
}

// texts are values as the text format has them, the bad ones behind the good.
func (k valueKind) texts() (good, bad []string) {
	switch k {
	case aKey:
		return []string{"1", "2", "4", "5", "6", "7"}, []string{"x", "99999999999", ""}
	case anID:
		return []string{"1", "2", "3", "4"}, []string{"x", ""}
	case aText, aBody:
		return []string{"", "a", "some text", "äöü", strings.Repeat("long ", 40)}, nil
	case anInt:
		return []string{"0", "7", "-1", " 12 ", "2147483647"}, []string{"x", "2147483648", "", "1.5"}
	case aTime:
		return []string{"2020-01-02 03:04:05+00", "2020-07-01 12:00", "1999-12-31 23:59:59.5-08"}, []string{"x", "2020-13-01 00:00", ""}
	case aBool:
		return []string{"t", "false", "1", "off"}, []string{"x", ""}
	case aJSON:
		return []string{"null", "[1, 2]", `{"b":1,"a":"x"}`}, []string{"[", ""}
	}
	return []string{"", `\x`, `\x00ff`, `abc`}, []string{`\x0`, `\xzz`}
}

func (k valueKind) text(g *pipelineGen) string {
	good, bad := k.texts()
	if len(bad) > 0 && g.oneIn(10) {
		return pick(g, bad...)
	}
	return pick(g, good...)
}

// literal gives a value as an SQL literal.
func (k valueKind) literal(g *pipelineGen) string {
	if k != aKey && g.oneIn(8) {
		return "NULL"
	}
	value := "'" + k.text(g) + "'"
	if k == aKey || k == anID {
		return pick(g, value, "1", "2", "5", "8")
	}
	return value
}

// bound gives a value as a script's Bind has it.
func (k valueKind) bound(g *pipelineGen, format int) string {
	if k != aKey && g.oneIn(8) {
		return "NULL"
	}
	if format == 0 {
		if (k == aText || k == aBody) && g.oneIn(15) {
			return pick(g, "x'ff'", "x'6100'", "x'c3'")
		}
		return "'" + k.text(g) + "'"
	}
	if g.oneIn(15) {
		return pick(g, "x''", "x'00'", "x'ff00'", "x'000000000000000000'")
	}
	switch k {
	case aKey, anID, anInt:
		return fmt.Sprintf("x'%08x'", g.r.IntN(8))
	case aTime:
		return pick(g, "x'0000000000000000'", "x'7fffffffffffffff'", "x'8000000000000000'", "x'0000000012345678'")
	case aBool:
		return pick(g, "x'00'", "x'01'", "x'02'")
	case aJSON:
		return pick(g, "x'017b7d'", "x'015b5d'", "x'027b7d'", "x'017b'")
	case aBytea:
		return pick(g, "x''", "x'00ff'", "x'5c'")
	}
	return "'" + k.text(g) + "'"
}

// template picks a statement.
func (g *pipelineGen) template() *sqlTemplate {
	switch n := g.r.IntN(100); {
	case n < 30:
		return pick(g, sealedReads...)
	case n < 52:
		return pick(g, sealedWrites...)
	case n < 66:
		return pick(g, plainStatements...)
	case n < 80:
		return pick(g, transactionStatements...)
	case n < 86:
		return pick(g, settingStatements...)
	case n < 89:
		return pick(g, preparedStatements...)
	case n < 90:
		return g.ddl()
	case n < 93:
		return g.copyTemplate()
	}
	return pick(g, badStatements...)
}

// ddl picks a statement that changes the catalog, and has it undone at the end.
func (g *pipelineGen) ddl() *sqlTemplate {
	change := pick(g,
		[2]string{"CREATE TABLE extra (id int, v text)", "DROP TABLE IF EXISTS extra"},
		[2]string{"CREATE TEMP TABLE passing (id int)", ""},
		[2]string{"ALTER TABLE plain ADD COLUMN extra int", "ALTER TABLE plain DROP COLUMN IF EXISTS extra"},
		[2]string{"ALTER TABLE notes ADD COLUMN extra int", "ALTER TABLE notes DROP COLUMN IF EXISTS extra"},
		[2]string{"DROP TABLE IF EXISTS extra", ""},
	)
	if change[1] != "" {
		g.cleanup[change[1]] = true
	}
	return &sqlTemplate{sql: change[0], kind: sqlDDL}
}

func (g *pipelineGen) copyTemplate() *sqlTemplate {
	return pick(g,
		&sqlTemplate{sql: "COPY notes (id, org_id, body, n) FROM STDIN", kind: sqlCopyIn, copies: "text notes"},
		&sqlTemplate{sql: "COPY notes (id, org_id, body, n) FROM STDIN WITH (FORMAT csv)", kind: sqlCopyIn, copies: "csv notes"},
		&sqlTemplate{sql: "COPY notes (id, org_id, body, n) FROM STDIN WITH (FORMAT binary)", kind: sqlCopyIn, copies: "binary notes"},
		&sqlTemplate{sql: "COPY plain (id, v) FROM STDIN", kind: sqlCopyIn, copies: "text plain"},
		&sqlTemplate{sql: "COPY notes (id, org_id, body, n) TO STDOUT", kind: sqlSealed},
		&sqlTemplate{sql: "COPY notes (id, body) TO STDOUT WITH (FORMAT csv, HEADER true)", kind: sqlSealed},
		&sqlTemplate{sql: "COPY notes (org_id, n, body) TO STDOUT WITH (FORMAT binary)", kind: sqlSealed},
		&sqlTemplate{sql: "COPY plain (id, v) TO STDOUT"},
	)
}

var sealedReads = []*sqlTemplate{
	{sql: "SELECT id, body FROM notes ORDER BY id", kind: sqlSealed},
	{sql: "SELECT id, n, body, title FROM notes WHERE org_id = 'acme' ORDER BY id", kind: sqlSealed},
	{sql: "SELECT body FROM notes WHERE id = $1", params: []valueKind{anID}, kind: sqlSealed},
	{sql: "SELECT * FROM notes WHERE id = $1 ORDER BY id", params: []valueKind{anID}, kind: sqlTime},
	{sql: "SELECT id, at FROM notes ORDER BY id", kind: sqlTime},
	// fails in the middle of the rows
	{sql: "SELECT 10 / (id - 2), body, n FROM notes ORDER BY id", kind: sqlSealed},
	{sql: "SELECT p.v, x.body FROM plain p JOIN notes x USING (id) ORDER BY p.id", kind: sqlSealed},
	{sql: "SELECT g, body FROM notes CROSS JOIN generate_series(1, 40) g WHERE id = $1 ORDER BY g", params: []valueKind{anID}, kind: sqlSealed},
	{sql: "SELECT count(body), count(*) FROM notes WHERE n IS NOT NULL", kind: sqlSealed},
	{sql: "WITH x AS (SELECT body, id FROM notes) SELECT * FROM x ORDER BY id", kind: sqlSealed},
}

var sealedWrites = []*sqlTemplate{
	{sql: "INSERT INTO notes (id, org_id, body) VALUES ($1, 'acme', $2)", params: []valueKind{aKey, aBody}, kind: sqlSealed},
	{sql: "INSERT INTO notes (id, org_id, body, n) VALUES ($1, 'acme', $2, $3)", params: []valueKind{aKey, aBody, anInt}, kind: sqlSealed},
	{sql: "INSERT INTO notes (id, n, org_id, ok) VALUES ($1, $2, 'globex', $3) RETURNING ok, id, n", params: []valueKind{aKey, anInt, aBool}, kind: sqlSealed},
	{sql: "INSERT INTO notes (id, org_id, doc, raw, title) VALUES ($1, 'acme', $2, $3, $4) RETURNING *", params: []valueKind{aKey, aJSON, aBytea, aText}, kind: sqlTime},
	{sql: "INSERT INTO notes (id, org_id, at) VALUES ($1, 'acme', $2) RETURNING at", params: []valueKind{aKey, aTime}, kind: sqlTime},
	{sql: "INSERT INTO notes (id, org_id, body) VALUES ($1, 'acme', $2), ($3, 'globex', $4)", params: []valueKind{aKey, aBody, aKey, aBody}, kind: sqlSealed},
	{sql: "INSERT INTO notes (id, org_id, body) VALUES ($1, 'acme', $2) ON CONFLICT (id) DO NOTHING", params: []valueKind{aKey, aBody}, kind: sqlSealed},
	{sql: "UPDATE notes SET body = $1, n = $2 WHERE org_id = 'acme' AND id = $3", params: []valueKind{aBody, anInt, anID}, kind: sqlSealed},
	{sql: "UPDATE notes SET body = $1 WHERE org_id = 'acme' AND id < $2 RETURNING id, body", params: []valueKind{aBody, anID}, kind: sqlSealed},
	{sql: "UPDATE notes SET n = NULL, title = $1 WHERE id = $2", params: []valueKind{aText, anID}, kind: sqlSealed},
	{sql: "DELETE FROM notes WHERE id = $1 RETURNING body", params: []valueKind{anID}, kind: sqlSealed},
	{sql: "DELETE FROM notes", kind: sqlSealed},
}

var plainStatements = []*sqlTemplate{
	{sql: "SELECT id, v FROM plain ORDER BY id"},
	{sql: "SELECT v FROM plain WHERE id = $1", params: []valueKind{anID}},
	{sql: "INSERT INTO plain VALUES ($1, $2)", params: []valueKind{aKey, aText}},
	{sql: "INSERT INTO plain VALUES ($1, $2) RETURNING v, id", params: []valueKind{aKey, aText}},
	{sql: "UPDATE plain SET v = $1 WHERE id = $2", params: []valueKind{aText, anID}},
	{sql: "DELETE FROM plain WHERE id = $1", params: []valueKind{anID}},
	{sql: "SELECT 1"},
	{sql: "SELECT"},
	{sql: "SELECT $1::int + 1", params: []valueKind{anID}},
	{sql: "SELECT 10 / (2 - g) FROM generate_series(0, 4) g"},
	{sql: "SELECT g, repeat('x', g) FROM generate_series(1, 150) g"},
	{sql: "VALUES (1, 'a'), (2, 'b')"},
	{sql: "DO 'BEGIN RAISE NOTICE ''noticed''; END'"},
	{sql: "LISTEN notes"},
	{sql: "NOTIFY notes, 'payload'"},
	{sql: ""},
	{sql: "-- only a comment"},
}

var transactionStatements = []*sqlTemplate{
	{sql: "BEGIN"}, {sql: "BEGIN"}, {sql: "COMMIT"}, {sql: "COMMIT"}, {sql: "ROLLBACK"},
	{sql: "SAVEPOINT a"}, {sql: "ROLLBACK TO a"}, {sql: "RELEASE a"}, {sql: "COMMIT AND CHAIN"}, {sql: "ROLLBACK AND CHAIN"},
	{sql: "START TRANSACTION READ ONLY"},
}

var settingStatements = []*sqlTemplate{
	{sql: "SET TimeZone = 'Asia/Tokyo'", kind: sqlSet},
	{sql: "SET LOCAL TimeZone = 'Europe/Berlin'", kind: sqlSet},
	{sql: "RESET TimeZone", kind: sqlSet},
	{sql: "SET DateStyle = 'ISO, DMY'", kind: sqlSet},
	{sql: "SET extra_float_digits = 0", kind: sqlSet},
	{sql: "SET search_path = nowhere, public", kind: sqlSet},
	{sql: "SET application_name = 'pipelines'", kind: sqlSet},
	{sql: "SELECT set_config('TimeZone', 'America/New_York', false)", kind: sqlSet},
	{sql: "SELECT set_config('TimeZone', 'America/Lima', true)", kind: sqlSet},
	{sql: "SHOW TimeZone"},
	{sql: "RESET ALL", kind: sqlSet},
	{sql: "SET nothing = 1", kind: sqlSet},
}

var preparedStatements = []*sqlTemplate{
	{sql: "PREPARE q1 AS SELECT id, v FROM plain WHERE id < 3 ORDER BY id", kind: sqlPrepares},
	{sql: "PREPARE q2 (int) AS SELECT v FROM plain WHERE id = $1", params: []valueKind{anID}, kind: sqlPrepares},
	{sql: "EXECUTE q2(1)", kind: sqlPrepares},
	{sql: "DEALLOCATE q1", kind: sqlPrepares},
	{sql: "DEALLOCATE s1", kind: sqlPrepares},
	{sql: "DEALLOCATE ALL", kind: sqlPrepares},
	{sql: "DECLARE c CURSOR FOR SELECT id, v FROM plain ORDER BY id", kind: sqlPrepares},
	{sql: "FETCH 2 FROM c", kind: sqlPrepares},
	{sql: "MOVE 1 FROM c", kind: sqlPrepares},
	{sql: "CLOSE c", kind: sqlPrepares},
}

var badStatements = []*sqlTemplate{
	{sql: "SELEC"},
	{sql: "SELECT nothing FROM plain"},
	{sql: "SELECT nothing, body FROM notes"},
	{sql: "SELECT body FROM nowhere"},
	{sql: "INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', 'x', 'too many')"},
	{sql: "INSERT INTO notes (id, org_id, body, nothing) VALUES ($1, 'acme', $2, 1)", params: []valueKind{aKey, aBody}},
	{sql: "SELECT 'no end", kind: sqlUnscannable},
	{sql: "EXECUTE nothing"},
	{sql: "ROLLBACK TO nothing"},
}
