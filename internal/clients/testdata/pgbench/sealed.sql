\set id random(1000, 1000000000)
\set n random(1, 1000)
BEGIN;
INSERT INTO items (id, org, t, i4, jb) VALUES (:id, 'acme', 'secret of pgbench', :n, '{"secret": 1}');
SELECT t, i4, jb FROM items WHERE id = :id;
UPDATE items SET i4 = :n, t = 'secret again' WHERE id = :id AND org = 'acme';
END;
