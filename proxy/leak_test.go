package proxy_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgseal/pgseal/internal/pgtest"
	"github.com/pgseal/pgseal/internal/postgres"
	"github.com/pgseal/pgseal/internal/proxytest"
)

// literalShapes are ways to get a value into, or to search, the sealed column
// notes.body with the value in the statement's text: @ stands for it, as the
// inside of a literal. Some are accepted, some refused; in none may the value
// reach the server.
var literalShapes = []string{
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
	`INSERT INTO notes (id, org_id, title, body) VALUES (#, 'acme', upper('x'), '@')`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', E'@')`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $$@$$)`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $tag$@$tag$)`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', U&'@')`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', U&'@' UESCAPE '!')`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', N'@')`,
	"INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'\n'@')",
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'::text)`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', CAST('@' AS text))`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', text '@')`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@' || 'x')`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', upper('@'))`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', ('@'))`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', (SELECT '@'))`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', COALESCE(NULL, '@'))`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', CASE WHEN true THEN '@' END)`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'nobody', '@')`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, lower('ACME'), '@')`,
	`INSERT INTO notes (id, body) VALUES (#, '@')`,
	`INSERT INTO notes VALUES (#, 'acme', 't', '@')`,
	`INSERT INTO public.notes (id, org_id, body) VALUES (#, 'acme', '@')`,
	`INSERT INTO "notes" ("id", "org_id", "body") VALUES (#, 'acme', '@')`,
	`INSERT INTO U&"n\006Ftes" (id, org_id, body) VALUES (#, 'acme', '@')`,
	`INSERT INTO NOTES (ID, ORG_ID, BODY) VALUES (#, 'acme', '@')`,
	`INSERT INTO notes (id, org_id, n) VALUES (#, 'acme', '@')`,
	`INSERT INTO notes (id, org_id, doc) VALUES (#, 'acme', '@')`,
	`INSERT INTO notes (id, org_id, doc) VALUES (#, 'acme', '{"k": "@"}')`,
	`INSERT INTO notes (id, org_id, nothing, body) VALUES (#, 'acme', 1, '@')`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING body`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') ON CONFLICT (id) DO UPDATE SET body = '@'`,
	`INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', '@') ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body`,
	`INSERT INTO notes (id, org_id, body) VALUES (1, 'globex', '@') ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body`,
	`INSERT INTO notes (id, org_id, body) VALUES (1, 'globex', '@') ON CONFLICT (id) DO UPDATE SET body = COALESCE('@', notes.body)`,
	`INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', '@') ON CONFLICT (id) DO UPDATE SET body = CASE WHEN notes.id = 1 THEN '@' ELSE EXCLUDED.body END`,
	`INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', '@') ON CONFLICT (id) DO UPDATE SET title = CASE WHEN notes.id = 1 THEN '@' ELSE EXCLUDED.body END`,
	`UPDATE notes SET body = COALESCE('@', body) WHERE id = 1 AND org_id = 'acme'`,
	`UPDATE notes SET body = CASE WHEN id = 1 THEN '@' ELSE body END WHERE org_id = 'acme'`,
	`UPDATE notes SET body = CASE WHEN body = '@' THEN 'x' ELSE body END WHERE org_id = 'acme'`,
	`INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', 'x') ON CONFLICT (id) DO UPDATE SET body = '@' WHERE notes.body = '@'`,
	`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', '@'`,
	`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', '@' FROM plain`,
	`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', v FROM (VALUES ('@')) x(v)`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', 'x'), (#0, 'globex', '@')`,
	`INSERT INTO notes (id, org_id, body) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', '@')) v(a, b, c)`,
	`INSERT INTO notes (id, org_id, body) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', '@'), (1, 'acme', '@')) v(a, b, c)`,
	`INSERT INTO notes (id, org_id, title, body) SELECT v.a, v.b, v.c, v.c FROM (VALUES (#, 'acme', '@')) v(a, b, c)`,
	`INSERT INTO notes (id, org_id, body) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', '@')) v(a, b, c) WHERE v.c <> '@'`,
	`INSERT INTO notes (id, org_id, body) SELECT v.a, v.b, v.c || '@' FROM (VALUES (#, 'acme', '@')) v(a, b, c)`,
	`INSERT INTO notes (id, org_id, doc) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', '"@"')) v(a, b, c)`,
	`INSERT INTO notes (id, org_id, doc) SELECT v.a, v.b, v.c::jsonb FROM (VALUES (#, 'acme', '"@"')) v(a, b, c)`,
	`INSERT INTO notes (id, org_id, doc) SELECT v.a, v.b, v.c::jsonb FROM (VALUES (#, 'acme', '@')) v(a, b, c)`,
	`INSERT INTO notes (id, org_id, body) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', '@'), (1, 'acme', 7)) v(a, b, c)`,
	`INSERT INTO notes (id, org_id, n) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', '@'), (1, 'acme', 7)) v(a, b, c)`,
	`INSERT INTO notes (id, org_id, body) SELECT * FROM (SELECT #, 'acme', '@') x WHERE NOT EXISTS (SELECT 1 FROM notes WHERE id = #)`,
	`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', '@' UNION ALL SELECT 1, 'acme', '@'`,
	`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', '@' UNION SELECT 1, 'acme', '@'`,
	`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', '@' ORDER BY 3`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') ORDER BY 1`,
	`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', (SELECT '@')`,
	`WITH v(a, b, c) AS (VALUES (#, 'acme', '@')) INSERT INTO notes (id, org_id, body) SELECT a, b, c FROM v`,
	`WITH v(a, b, c) AS (VALUES (#, 'acme', '@')), i AS (INSERT INTO notes (id, org_id, body) SELECT a, b, c FROM v) SELECT * FROM v`,
	`WITH v(a, b, c) AS (VALUES (#, 'acme', '@')), i AS (INSERT INTO plain SELECT a, c FROM v) INSERT INTO notes (id, org_id, body) SELECT a, b, c FROM v`,
	`INSERT INTO notes AS t (id, org_id, body) VALUES (#, 'acme', '@')`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'); SELECT 1`,
	`SELECT 1; INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
	`SELECT 1/0; INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
	`SELECT body FROM notes WHERE body = 'x'; INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
	`WITH i AS (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING id) SELECT * FROM i`,
	`WITH v(b) AS (VALUES ('@')) INSERT INTO notes (id, org_id, body) SELECT #, 'acme', b FROM v`,
	`UPDATE notes SET body = '@' WHERE id = 1 AND org_id = 'acme'`,
	`UPDATE notes SET body = '@' WHERE id = 1`,
	`UPDATE notes SET body = '@'`,
	`UPDATE notes SET (title, body) = ('t', '@') WHERE org_id = 'acme' AND id = 1`,
	`UPDATE notes SET (title, body) = ROW('t', '@') WHERE org_id = 'acme' AND id = 1`,
	`UPDATE notes SET (title, body) = (SELECT 't', '@') WHERE org_id = 'acme' AND id = 1`,
	`UPDATE notes n SET body = '@' FROM plain p WHERE n.org_id = 'acme' AND p.id = n.id`,
	`UPDATE notes SET body = CASE WHEN id = 1 THEN '@' ELSE body END WHERE org_id = 'acme'`,
	`UPDATE notes SET body = (CASE WHEN id = 1 THEN '@' WHEN id = 2 THEN E'@' ELSE NULL END)::text, doc = (CASE WHEN id = 1 THEN '["@"]'::jsonb END)::jsonb WHERE org_id = 'acme'`,
	`UPDATE notes SET body = CASE WHEN body = '@' THEN '@' END WHERE org_id = 'acme'`,
	`UPDATE notes SET body = COALESCE(upper('@'), '@') WHERE org_id = 'acme'`,
	`UPDATE notes SET doc = CASE WHEN id = 1 THEN '@' END WHERE org_id = 'acme'`,
	`UPDATE notes SET n = (CASE WHEN id = 1 THEN '@' END)::int WHERE org_id = 'acme'`,
	`UPDATE notes SET body = COALESCE(NULL, '@') WHERE org_id = 'acme'`,
	`UPDATE notes SET body = v.b FROM (VALUES (1, '@'), (2, '@')) v (i, b) WHERE v.i = notes.id AND org_id = 'acme'`,
	`UPDATE notes SET body = v.b, doc = v.d::jsonb FROM (VALUES (1, '@', '{"k": "@"}')) v (i, b, d) WHERE v.i = notes.id AND org_id = 'acme' RETURNING v.b, v.d`,
	`UPDATE notes SET doc = v.d::jsonb FROM (VALUES (1, '@')) v (i, d) WHERE v.i = notes.id AND org_id = 'acme'`,
	`UPDATE notes SET body = v.b FROM (VALUES (1, '@')) v (i, b) WHERE v.b = '@' AND org_id = 'acme'`,
	`UPDATE notes SET body = v.b || 'x' FROM (VALUES (1, '@')) v (i, b) WHERE v.i = notes.id AND org_id = 'acme'`,
	`WITH v (i, b) AS (VALUES (1, '@')), w AS (SELECT b FROM v) UPDATE notes SET body = v.b FROM v, w WHERE org_id = 'acme'`,
	`WITH v (i, b) AS (VALUES (1, '@')), u AS (UPDATE notes SET body = v.b FROM v WHERE v.i = notes.id AND org_id = 'acme') SELECT b FROM v`,
	`UPDATE notes SET body = v.b FROM (SELECT 1, '@') v (i, b) WHERE v.i = notes.id AND org_id = 'acme'`,
	`UPDATE notes SET body = (SELECT '@') WHERE org_id = 'acme' AND id = 1`,
	`UPDATE notes SET body = (SELECT upper('@')) WHERE org_id = 'acme' AND id = 1`,
	`UPDATE notes SET (body, doc) = (SELECT '@', '["@"]'::jsonb FROM plain) WHERE org_id = 'acme' AND id = 1`,
	`UPDATE notes SET (title, body) = (SELECT v.b, v.b FROM (VALUES ('@')) v (b)) WHERE org_id = 'acme' AND id = 1`,
	`UPDATE ONLY notes SET body = '@' WHERE org_id = 'acme' AND id = 1`,
	`UPDATE notes SET body = body || '@' WHERE org_id = 'acme'`,
	`MERGE INTO notes USING plain ON notes.id = plain.id WHEN NOT MATCHED THEN INSERT (id, org_id, body) VALUES (#, 'acme', '@')`,
	`MERGE INTO notes USING plain ON notes.id = plain.id WHEN MATCHED THEN UPDATE SET body = '@'`,
	`PREPARE p# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
	`PREPARE q# (text) AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1); EXECUTE q# ('@')`,
	`EXECUTE known ('@')`,
	`EXECUTE known ('@'::text)`,
	`EXECUTE known (CAST('@' AS text))`,
	`EXECUTE known (text '@')`,
	`EXECUTE known (E'@')`,
	`EXECUTE known ($$@$$)`,
	`EXECUTE known (U&'@' UESCAPE '!')`,
	`EXECUTE known (('@'))`,
	`EXECUTE known ('@' || 'x')`,
	`EXECUTE known (upper('@'))`,
	`EXECUTE known ('@'::varchar(40))`,
	`EXECUTE known ('@', '@')`,
	`EXECUTE known ('@'`,
	`EXECUTE known '@'`,
	`EXECUTE "known" ('@')`,
	`EXECUTE U&"kn\006Fwn" ('@')`,
	`EXECUTE /* the */ known /* one */ ('@') -- it`,
	`EXECUTE two ('acme', '@')`,
	`EXECUTE two ('nobody', '@')`,
	`EXECUTE two (lower('ACME'), '@')`,
	`EXECUTE two (NULL, '@')`,
	`EXECUTE two ('@')`,
	`EXECUTE number ('@')`,
	`EXECUTE missing ('@')`,
	`EXECUTE missing ('@' || 'x', upper('@'))`,
	`EXPLAIN ANALYZE EXECUTE missing ('@')`,
	`CREATE TABLE t# AS EXECUTE missing ('@')`,
	`EXPLAIN EXECUTE known ('@')`,
	`EXPLAIN (ANALYZE, VERBOSE) EXECUTE known ('@')`,
	`CREATE TABLE t# AS EXECUTE known ('@')`,
	`SELECT 1/0; EXECUTE known ('@')`,
	`DEALLOCATE known; EXECUTE known ('@')`,
	`PREPARE r# AS INSERT INTO notes (id, org_id, body) VALUES (#, $1, $2); EXECUTE r# ('acme', '@'); EXECUTE r# ('acme', '@')`,
	`PREPARE r# (text, int) AS INSERT INTO notes (id, org_id, body) VALUES (#, $1, $2); EXECUTE r# ('acme', '@')`,
	`PREPARE r# (text, varchar(5)) AS INSERT INTO notes (id, org_id, body) VALUES (#, $1, $2); EXECUTE r# ('acme', '@')`,
	`PREPARE r# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING body; EXECUTE r#`,
	`PREPARE r# AS UPDATE notes SET body = $1 WHERE org_id = 'acme' AND id = 1; EXECUTE r# ('@')`,
	`PREPARE r# AS INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', $1) ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body; EXECUTE r# ('@')`,
	`PREPARE r# AS INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', $1); EXECUTE r# ('@')`,
	`PREPARE r# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') garbage; EXECUTE r#`,
	`PREPARE r# AS SELECT * FROM notes WHERE body = $1; EXECUTE r# ('@')`,
	`PREPARE r# AS SELECT * FROM notes WHERE body = '@'`,
	`EXPLAIN INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
	`EXPLAIN ANALYZE INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
	`EXPLAIN (VERBOSE) SELECT * FROM notes WHERE body = '@'`,
	`DO $$ BEGIN INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'); END $$`,
	`COPY (SELECT * FROM notes WHERE body = '@') TO STDOUT`,
	`COPY (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING body) TO STDOUT`,
	`COPY (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')) TO STDOUT`,
	`COPY (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING body) TO STDOUT (NONSENSE)`,
	`COPY (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING body) TO '/nowhere/x'`,
	`COPY (UPDATE notes SET body = '@' WHERE id = 1 AND org_id = 'acme' RETURNING *) TO STDOUT BINARY`,
	`COPY (DELETE FROM notes WHERE body = '@' RETURNING id) TO STDOUT`,
	`COPY notes FROM STDIN WHERE body = '@'`,
	`COPY notes FROM PROGRAM 'echo @'`,
	`COPY notes TO PROGRAM 'echo @'`,
	`DECLARE c# CURSOR WITH HOLD FOR SELECT * FROM notes WHERE body = '@'`,
	`EXPLAIN DECLARE c# CURSOR FOR SELECT * FROM notes WHERE body = '@'`,
	`DECLARE c# CURSOR WITH HOLD FOR WITH i AS (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') RETURNING body) SELECT * FROM i`,
	`DECLARE c# CURSOR WITH HOLD FOR SELECT body FROM notes; FETCH ALL FROM c#; INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@')`,
	`BEGIN; DECLARE c# CURSOR FOR SELECT id, body FROM notes WHERE id = 1 FOR UPDATE; FETCH c#; UPDATE notes SET body = '@' WHERE CURRENT OF c#; COMMIT`,
	`BEGIN; DECLARE c# CURSOR FOR SELECT id FROM notes WHERE id = 1 FOR UPDATE; FETCH c#; UPDATE notes SET org_id = 'acme', body = '@', doc = NULL, raw = NULL, n = NULL, big = NULL, ok = NULL, f = NULL, amount = NULL, uid = NULL, at = NULL WHERE CURRENT OF c#; COMMIT`,
	`UPDATE notes SET body = '@' WHERE CURRENT OF nothing`,
	`CREATE TABLE t# AS SELECT * FROM notes WHERE body = '@'`,
	`CREATE VIEW v# AS SELECT * FROM notes WHERE body = '@'`,
	`CREATE INDEX ON notes ((body = '@'))`,
	`CREATE INDEX i# ON notes (id) WHERE body = '@'`,
	`ALTER TABLE notes ALTER COLUMN body SET DEFAULT '@'`,
	`ALTER TABLE notes ADD CHECK (body <> '@')`,
	`SELECT * FROM notes WHERE body = '@'`,
	`SELECT * FROM notes WHERE '@' = body`,
	`SELECT * FROM notes WHERE body LIKE '%@%'`,
	`SELECT * FROM notes WHERE body IN ('@', 'x')`,
	`SELECT * FROM notes WHERE body = ANY (ARRAY['@'])`,
	`SELECT * FROM notes WHERE (id, body) = (1, '@')`,
	`SELECT * FROM notes WHERE body IS DISTINCT FROM '@'`,
	`SELECT * FROM notes WHERE doc @> '{"k": "@"}'`,
	`SELECT * FROM notes WHERE doc ->> 'k' = '@'`,
	`SELECT * FROM notes n JOIN plain p ON n.body = p.v || '@'`,
	`SELECT body = '@' FROM notes`,
	`SELECT position('@' in body) FROM notes`,
	`SELECT NULLIF(body, '@') FROM notes`,
	`SELECT COALESCE(body, '@') FROM notes`,
	`SELECT body FROM notes UNION ALL SELECT '@'`,
	`SELECT id FROM notes GROUP BY id, body HAVING body = '@'`,
	`SELECT id FROM notes ORDER BY body = '@'`,
	`DELETE FROM notes WHERE body = '@'`,
	`SELECT body FROM notes WHERE id IN (SELECT id FROM notes WHERE body = '@')`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@'`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', '@') garbage here`,
	`INSERT notes (id, org_id, body) VALUES (#, 'acme', '@')`,
	`UPDATE notes body = '@'`,
	`INSERT INTO U&"n\006Ftes" (id, org_id, body) VALUES (#, 'acme', '@') garbage`,
	`INSERT INTO notes (id, org_id, boddy) VALUES (#, 'acme', '@')`,
	`INSERT INTO notes VALUES (#, 'acme', 't', 'b', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '@')`,
	`UPDATE notes SET boddy = '@' WHERE org_id = 'acme'`,
}

// paramShapes are the like with the value as parameter $1, declared as it comes.
var paramShapes = []string{
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1::text)`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', CAST($1 AS text))`,
	`INSERT INTO notes (id, org_id, title, body) VALUES (#, 'acme', upper('x'), $1)`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'nobody', $1)`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1 || 'x')`,
	`INSERT INTO notes (id, org_id, title, body) VALUES (#, 'acme', $1, $1)`,
	`INSERT INTO notes (id, org_id, body) VALUES (#, $1, $1)`,
	`INSERT INTO notes (id, org_id, n) VALUES (#, 'acme', $1)`,
	`INSERT INTO notes (id, org_id, doc) VALUES (#, 'acme', $1)`,
	`INSERT INTO notes (id, org_id, doc) VALUES (#, 'acme', $1::jsonb)`,
	`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', $1`,
	`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', $1::text`,
	`INSERT INTO notes (id, org_id, body) SELECT * FROM (SELECT #, 'acme', $1) x`,
	`INSERT INTO notes (id, org_id, body) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', $1)) v(a, b, c)`,
	`INSERT INTO notes (id, org_id, doc) SELECT v.a, v.b, v.c FROM (VALUES (#, 'acme', $1)) v(a, b, c)`,
	`INSERT INTO notes (id, org_id, title, body) SELECT v.a, v.b, v.c, v.c FROM (VALUES (#, 'acme', $1)) v(a, b, c)`,
	`WITH v(a, b, c) AS (VALUES (#, 'acme', $1)) INSERT INTO notes (id, org_id, body) SELECT a, b, c FROM v`,
	`INSERT INTO notes (id, org_id, body) SELECT #, 'acme', b FROM unnest(ARRAY[$1]) u(b)`,
	`INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', $1) ON CONFLICT (id) DO UPDATE SET body = $1`,
	`INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', 'x') ON CONFLICT (id) DO UPDATE SET body = $1`,
	`UPDATE notes SET body = $1 WHERE id = 1 AND org_id = 'acme'`,
	`UPDATE notes SET body = $1 WHERE id = 1`,
	`UPDATE notes SET (title, body) = ('x', $1) WHERE id = 1 AND org_id = 'acme'`,
	`UPDATE notes SET body = COALESCE($1, body) WHERE id = 1 AND org_id = 'acme'`,
	`UPDATE notes SET body = CASE WHEN id = 1 THEN $1 WHEN id = 2 THEN $1::text END WHERE org_id = 'acme'`,
	`UPDATE notes SET body = v.b FROM (VALUES (1, $1), (2, $1::text)) v (i, b) WHERE v.i = notes.id AND org_id = 'acme'`,
	`UPDATE notes SET doc = v.d::jsonb FROM (VALUES (1, $1)) v (i, d) WHERE v.i = notes.id AND org_id = 'acme'`,
	`WITH i AS (INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1) RETURNING id) SELECT * FROM i`,
	`MERGE INTO notes USING plain ON false WHEN NOT MATCHED THEN INSERT (id, org_id, body) VALUES (#, 'acme', $1)`,
	`SELECT * FROM notes WHERE body = $1`,
	`SELECT * FROM notes WHERE body LIKE $1`,
	`SELECT * FROM notes WHERE body = ANY (ARRAY[$1])`,
	`SELECT * FROM notes WHERE doc ->> 'k' = $1`,
	`SELECT COALESCE(body, $1) FROM notes`,
	`DELETE FROM notes WHERE body = $1`,
	`SELECT body FROM notes UNION ALL SELECT $1`,
	`EXECUTE known ($1)`,
	`EXECUTE known (upper($1))`,
	`EXECUTE missing ($1)`,
	`EXECUTE missing (1, $1 || 'x')`,
	`PREPARE p# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)`,
}

// textsInARow are texts that one session sends one after another.
var textsInARow = [][]string{
	{`PREPARE s# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)`, `EXECUTE s# ('@')`},
	{`PREPARE s# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1) garbage`, `EXECUTE s# ('@')`},
	{`PREPARE s# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', upper($1))`, `EXECUTE s# ('@')`},
	{`PREPARE s# (int) AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)`, `EXECUTE s# ('@')`},
	{`PREPARE s# (jsonb) AS INSERT INTO notes (id, org_id, n) VALUES (#, 'acme', $1)`, `EXECUTE s# ('"@"')`},
	{`PREPARE s# AS INSERT INTO notes (id, org_id, body) VALUES (#, 'acme', $1)`, `BEGIN; SELECT 1/0`, `EXECUTE s# ('@')`},
	{`SET standard_conforming_strings = off`, `EXECUTE known ('@')`},
	{`SET client_encoding = 'LATIN1'`, "EXECUTE known ('@\xe9')"},
	{`SET client_encoding = 'LATIN1'`, "EXECUTE known ('@')"},
	{`DEALLOCATE known`, `EXECUTE known ('@')`},
	{`DEALLOCATE ALL`, `EXECUTE known ('@')`},
	{`DISCARD ALL`, `EXECUTE known ('@')`},
	{`CREATE SCHEMA s#; CREATE TABLE s#.notes (id int, org_id text, body text)`, `SET search_path = s#, public`, `EXECUTE known ('@')`},
	{`ALTER TABLE notes ADD COLUMN c# text`, `EXECUTE known ('@')`},
	{`SET pgseal.org = 'acme'`, `UPDATE notes SET body = '@' WHERE id = 1`},
	{`SET pgseal.org = 'acme'`, `INSERT INTO notes (id, body) VALUES (#, '@'), (#0, E'@')`},
	{`SET pgseal.org = 'acme'`, `INSERT INTO notes VALUES (#, DEFAULT, 't', '@')`},
	{`SET pgseal.org = 'acme'`, `INSERT INTO notes (id, body) SELECT #, '@' UNION ALL SELECT #0, '@'`},
	{`SET pgseal.org = 'nobody'`, `INSERT INTO notes (id, body) VALUES (#, '@')`},
	{`SET pgseal.org = 'acme'`, `PREPARE s# AS INSERT INTO notes (id, body) VALUES (#, $1)`, `EXECUTE s# ('@')`, `SET pgseal.org = ''`, `EXECUTE s# ('@')`},
	{`SET pgseal.org = 'nobody'`, `UPDATE notes SET body = '@'`},
	{`PREPARE s# AS UPDATE notes SET body = $1 WHERE id = 1`, `EXECUTE s# ('@')`},
	{`SET pgseal.org = 'acme'`, `PREPARE s# AS UPDATE notes SET body = $1 WHERE id = 1`, `EXECUTE s# ('@')`, `EXECUTE s# ('@', 1)`, `EXECUTE s# (upper('@'))`, `EXPLAIN ANALYZE EXECUTE s# /* to */ ('@' /* acme */)`},
	{`SET pgseal.org = 'acme'`, `PREPARE s# AS UPDATE notes SET body = '@' WHERE id = $1`, `EXECUTE s# (1)`, `SET pgseal.org = 'globex'`, `EXECUTE s# (1)`},
}

// TestNothingLeaks runs every shape with a value of its own on a server that
// logs each statement and parameter, and then looks for the values in the
// server's log, its WAL and its data files.
func TestNothingLeaks(t *testing.T) {
	server := pgtest.Private(t, postgres.Options{Settings: map[string]string{
		"log_statement": "all", "log_parameter_max_length": "-1", "log_parameter_max_length_on_error": "-1",
		"log_min_duration_statement": "0", "log_error_verbosity": "verbose", "log_min_messages": "debug1",
	}})
	f := proxytest.Start(t, proxytest.Options{Database: server.DSN("postgres")})
	proxytest.Exec(t, f.Through, proxytest.NotesTable)
	proxytest.Exec(t, f.Through, `INSERT INTO notes (id, org_id, body) VALUES (1, 'acme', 'x'); INSERT INTO plain VALUES (1, 'p')`)

	canaries := map[string]string{} // canary -> the shape
	next := func(shape string) (sql, canary string) {
		canary = fmt.Sprintf("canary%04dzq", len(canaries))
		canaries[canary] = shape
		sql = strings.ReplaceAll(strings.ReplaceAll(shape, "#", fmt.Sprint(100+len(canaries))), "@", canary)
		return sql, canary
	}
	// A connection of its own for each, so that one's failure is none of the next's.
	accepted := 0
	run := func(what string, do func(conn *pgx.Conn) error) {
		conn := proxytest.Connect(t, f.Through)
		for name, sql := range map[string]string{
			"known":  "INSERT INTO notes (id, org_id, body) VALUES ((random() * 1000000000)::int, 'acme', $1)",
			"two":    "INSERT INTO notes (id, org_id, body) VALUES ((random() * 1000000000)::int, $1, $2)",
			"number": "INSERT INTO notes (id, org_id, n) VALUES ((random() * 1000000000)::int, 'acme', $1)",
		} {
			if _, err := conn.Prepare(t.Context(), name, sql); err != nil {
				t.Fatal(err)
			}
		}
		if do(conn) == nil {
			accepted++
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, shape := range literalShapes {
		sql, _ := next(shape)
		run("simple: "+shape, func(conn *pgx.Conn) error {
			_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
			return err
		})
		sql, _ = next(shape)
		run("extended: "+shape, func(conn *pgx.Conn) error {
			_, err := conn.PgConn().ExecParams(t.Context(), sql, nil, nil, nil, nil).Close()
			return err
		})
	}
	for _, texts := range textsInARow {
		sql, _ := next(strings.Join(texts, "\x00"))
		run("in a row: "+strings.Join(texts, "; "), func(conn *pgx.Conn) error {
			var last error
			for _, text := range strings.Split(sql, "\x00") {
				_, last = conn.PgConn().Exec(t.Context(), text).ReadAll()
			}
			return last
		})
	}
	for _, shape := range paramShapes {
		for _, oid := range []uint32{0, 25, 1043, 3802, 705} {
			sql, canary := next(shape)
			run("parameter: "+shape, func(conn *pgx.Conn) error {
				_, err := conn.PgConn().ExecParams(t.Context(), sql, [][]byte{[]byte(canary)}, []uint32{oid}, nil, nil).Close()
				return err
			})
		}
		sql, canary := next(shape)
		run("pgx: "+shape, func(conn *pgx.Conn) error {
			_, err := conn.Exec(t.Context(), sql, canary)
			return err
		})
	}
	for _, copyText := range []string{
		"#\tacme\t@\n", "#\tacme\t@\textra @\n", "#\t@\n", "#\tacme\t@", "#\tnobody\t@\n", "#\t\\N\t@\n", "x\tacme\t@\n",
	} {
		data, _ := next(copyText)
		run("COPY: "+copyText, func(conn *pgx.Conn) error {
			_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), "COPY notes (id, org_id, body) FROM STDIN")
			return err
		})
	}
	const header, id = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\x00\x03\x00\x00\x00\x04\x00\x01\xf0"
	for i, copyBinary := range []string{ // a canary has 12 bytes
		header + id + "!\x00\x00\x00\x04acme\x00\x00\x00\x0c@\xff\xff",
		header + id + "!\x00\x00\x00\x04acme\x00\x00\x00\x0c@",
		header + id + "!\x00\x00\x00\x04acme\x00\x00\x00\x0c@\xff\xff@",
		header + id + "!\x00\x00\x00\x04acme\x00\x00\x00\x0c@\x00\x01@",
		header + id + "!\x00\x00\x00\x04acme\x00\x00\x00\x0f@",
		header + id + "!\x00\x00\x00\x06nobody\x00\x00\x00\x0c@\xff\xff",
		header + id + "!\xff\xff\xff\xff\x00\x00\x00\x0c@\xff\xff",
		"PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x0c@" + id + "!\x00\x00\x00\x04acme\xff\xff\xff\xff\xff\xff",
		"PGCOPY\n\xff\r\n\x00\x00\x02\x00\x00\x00\x00\x00\x0c@",
		"PGCOPY@",
	} {
		data, _ := next(strings.Replace(copyBinary, "!", string(rune('A'+i)), 1))
		run(fmt.Sprintf("binary COPY: %q", copyBinary), func(conn *pgx.Conn) error {
			_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), "COPY notes (id, org_id, body) FROM STDIN BINARY")
			return err
		})
	}
	const text, csv = "#\tacme\t@\n", "#,acme,@\n"
	for _, c := range []struct{ options, data string }{
		{"(FORMAT binary)", text},
		{"(FORMAT binary, DELIMITER ',')", text},
		{"(NONSENSE)", text},
		{"(HEADER)", text + text}, // the first row is lost, as the client wants it
		{"(HEADER)", "#\tacme\t@"},
		{"(HEADER match)", text + text},
		{"(HEADER match)", "id\torg_id\tbody\n" + text},
		{"(HEADER match)", "id\torg_id\t@\n" + text},
		{"(FREEZE)", text},
		{"WHERE id > 0", text},
		{"WHERE id < 0", text},
		{"WHERE 1 / (id - id) = 1", text},
		{"WHERE body <> 'x'", text},
		{"(DEFAULT 'd')", text},
		{"(ON_ERROR ignore)", text},
		{"(FORMAT csv)", text},
		{"(FORMAT csv)", csv + "\\.\n@,@,@\n"},
		{"(FORMAT csv)", "#,acme,\"@\n" + csv},
		{"(FORMAT csv)", csv + "#1,acme,\"@\n\"\r\n" + csv},
		{"(FORMAT csv, HEADER match)", csv},
		{"(FORMAT csv, HEADER, QUOTE 'c', ESCAPE 'z')", csv + csv},
		{"(FORMAT csv, DELIMITER '9')", "#9acme9@\n"},
		{"(FORMAT csv, FORCE_NULL (body))", csv},
		{"(FORMAT csv, FORCE_NOT_NULL *, FORCE_NULL *)", csv},
		{"(FORMAT csv, ENCODING 'LATIN1')", csv},
		{"(FORMAT csv, ENCODING 'nonsense')", csv},
		{"CSV QUOTE '\"' FORCE NOT NULL body", csv},
		{"USING DELIMITERS '|' WITH NULL AS 'canary'", "#|acme|@\n"},
		{"", "#\tacme\t@\n\\.\n@\t@\t@\n"},
		{"", "#\tacme\t@\\.\n@\t@\t@\n"},
		{"", "#\tacme\t@\n#1\tacme\t@\r\n"},
		{"", "#\tacme\t@\\"},
	} {
		statement := "COPY notes (id, org_id, body) FROM STDIN " + c.options
		data, _ := next(c.data)
		run(statement+": "+c.data, func(conn *pgx.Conn) error {
			_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), statement)
			return err
		})
	}
	for _, statement := range []string{"COPY notes (id, body) FROM STDIN", "COPY notes FROM STDIN WHERE body <> 'x'"} {
		data, _ := next(text)
		run(statement, func(conn *pgx.Conn) error {
			_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), statement)
			return err
		})
	}
	if accepted < 40 {
		t.Errorf("only %d of %d statements were accepted: the test tries too little", accepted, len(canaries))
	}
	t.Logf("%d statements, %d accepted, %d refused", len(canaries), accepted, len(canaries)-accepted)
	proxytest.Exec(t, f.Direct, "CHECKPOINT")
	searchForCanaries(t, canaries, server.DataDir(), server.LogFile())
	for canary, shape := range canaries {
		if strings.Contains(f.Log.String(), canary) {
			t.Errorf("pgseal's own log has the value of: %s", shape)
		}
	}
}

// canaryForms finds a canary as it is, in hex, and in base64 at each of the three
// places that it can begin at in a group.
var canaryForms = regexp.MustCompile(`(?i:canary[0-9]{4}zq)|(?i:63616e617279)(?:3[0-9]){4}|Y2FuYXJ5|NhbmFyeT|jYW5hcn`)

// searchForCanaries looks for canaries in all files.
func searchForCanaries(t *testing.T, canaries map[string]string, paths ...string) {
	t.Helper()
	read, control := 0, false
	for _, path := range paths {
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			read++
			control = control || bytes.Contains(content, []byte("INSERT INTO notes"))
			for _, found := range canaryForms.FindAll(content, -1) {
				shape := canaries[strings.ToLower(string(found))]
				t.Errorf("%s has plaintext: %q, of: %s", filepath.Base(name), found, shape)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if read < 100 || !control {
		t.Fatalf("%d files were searched and the statements' own text was found: %v; the search does not work", read, control)
	}
}

func TestCanarySearchFindsEachForm(t *testing.T) {
	const canary = "canary0042zq"
	forms := []string{canary, strings.ToUpper(canary), hex.EncodeToString([]byte(canary))}
	for _, before := range []string{"", "x", "xx"} {
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(before+canary)))
	}
	for _, form := range forms {
		if !canaryForms.MatchString(form) {
			t.Errorf("the search does not see %q", form)
		}
	}
}
