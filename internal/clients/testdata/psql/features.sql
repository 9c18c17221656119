-- What psql plays: a feature begins with a line "-- feature: name".

-- feature: connect
SELECT current_user, current_setting('server_version');
\encoding

-- feature: types
INSERT INTO items VALUES (1, 'acme', 'secret text: Grüße, ''quoted'' \ back', 'secret varchar', 'sec', '{"secret": [1, 2.50]}',
  '{"secret": "json", "a": 1}', '\x00ff736563726574', true, -32768, 2147483647, -9223372036854775808, 1.5, 0.1,
  12345678901234567890.0123456789, '0f0e0d0c-0b0a-0908-0706-050403020100', '2024-02-29', '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56.789012+00');
\x on
SELECT * FROM items;
\x off
SELECT t, vc, ch, raw, i2, amount, tz FROM items \gdesc
SELECT t, amount FROM items \gset
\echo :t :amount
SELECT t, i4 FROM items \crosstabview t i4 i4
SELECT t FROM items LIMIT 1 \g (format=csv)

-- feature: nulls
INSERT INTO items (id, org) VALUES (2, 'acme');
\pset null '(null)'
SELECT * FROM items WHERE id = 2 AND t IS NULL;

-- feature: returning
INSERT INTO items (id, org, t, jb) VALUES (3, 'globex', 'secret returned', '{"secret": true}') RETURNING id, t, jb;
UPDATE items SET t = 'secret updated' WHERE id = 3 AND org = 'globex' RETURNING t;

-- feature: prepared
PREPARE put (int, text, text) AS INSERT INTO items (id, org, t) VALUES ($1, $2, $3);
PREPARE got AS SELECT id, t FROM items WHERE id = $1;
EXECUTE put(200, 'acme', 'secret prepared');
EXECUTE got(200);
DEALLOCATE put;

-- feature: batch
INSERT INTO items (id, org, t) VALUES (10, 'acme', 'secret one')\; UPDATE items SET t = 'secret two' WHERE id = 10 AND org = 'acme'\; SELECT id, t FROM items WHERE id = 10;
SELECT format('INSERT INTO items (id, org, t) VALUES (%s, ''acme'', ''by gexec %s'')', n, n) FROM generate_series(11, 13) n \gexec
SELECT id, t FROM items WHERE id BETWEEN 10 AND 13 ORDER BY id;

-- feature: copy in
\copy items (id, org, t, i4) FROM stdin
30	acme	secret copied	1
31	globex	\N	2
\.
\copy items (id, org, t, raw) FROM stdin CSV HEADER
id,org,t,raw
32,acme,"secret, ""csv""",\x0102
33,acme,,
\.
COPY items (id, org, t) FROM stdin;
34	acme	secret in SQL
\.
SELECT id, org, t, i4, raw FROM items WHERE id BETWEEN 30 AND 34 ORDER BY id;

-- feature: copy out
\copy items (t, id) TO stdout
\copy (SELECT jb, t, id FROM items WHERE id IN (1, 3) ORDER BY id DESC) TO stdout CSV HEADER
COPY items (id, t) TO stdout (FORMAT csv, FORCE_QUOTE *);

-- feature: cursors
INSERT INTO items (id, org, t) VALUES (100, 'acme', 'secret row 100'), (101, 'acme', 'secret row 101'), (102, 'acme', 'secret row 102'), (103, 'acme', 'secret row 103');
\set FETCH_COUNT 3
SELECT id, t FROM items WHERE id >= 100 ORDER BY id;
\set FETCH_COUNT 0
BEGIN;
DECLARE named SCROLL CURSOR FOR SELECT id, t FROM items WHERE id >= 100 ORDER BY id;
FETCH 2 FROM named;
MOVE 1 IN named;
FETCH NEXT FROM named;
FETCH BACKWARD 2 FROM named;
COMMIT;

-- feature: transactions
BEGIN;
INSERT INTO items (id, org, t) VALUES (40, 'acme', 'secret gone');
INSERT INTO items (id, org, i4) VALUES (41, 'acme', 'no number');
SELECT t FROM items;
COMMIT;
\set ON_ERROR_ROLLBACK on
BEGIN;
INSERT INTO items (id, org, t) VALUES (42, 'acme', 'secret kept');
INSERT INTO items (id, org, i4) VALUES (43, 'acme', 'no number');
COMMIT;
\set ON_ERROR_ROLLBACK off
SELECT id, t FROM items WHERE id BETWEEN 40 AND 43;

-- feature: errors
\set VERBOSITY sqlstate
SELECT nothing FROM items;
\set VERBOSITY default
SELEC 1;
SELECT t, nothing FROM items;
INSERT INTO items (id, org, t) VALUES (1, 'acme', 'secret twice');
INSERT INTO items (id, org, uid) VALUES (51, 'acme', 'no uuid');
INSERT INTO items (id, org, vc) VALUES (51, 'acme', 'much longer than twenty characters');
INSERT INTO items (id, org, i2) VALUES (51, 'acme', 100000);
INSERT INTO items (id, org, day) VALUES (51, 'acme', '2024-02-30');
SELECT 1/0;

-- feature: notify
LISTEN channel;
NOTIFY channel, 'hello';

-- feature: notices
DO $$ BEGIN RAISE NOTICE 'from the server'; END $$;
DROP TABLE IF EXISTS not_there;

-- feature: big values
\set big `head -c 3000000 /dev/zero | tr '\\0' s`
INSERT INTO items (id, org, t) VALUES (60, 'acme', :'big');
SELECT length(:'big') = 3000000;
SELECT t = :'big' FROM (SELECT 1) one, LATERAL (SELECT :'big' AS t) x;
\copy (SELECT t FROM items WHERE id = 60) TO PROGRAM 'sha256sum'
