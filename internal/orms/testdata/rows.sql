INSERT INTO authors (org, name, bio) VALUES ('acme', 'Ada', 'secret bio of Ada');
INSERT INTO notes (org, author_id, slug, stars, body, doc, raw, code, at, day, n, big, f, amount, uid, ok)
VALUES ('acme', 1, 'note-1', 1, 'secret body', '{"k": "secret"}', '\x00ff', 'secret', '2024-02-29 12:34:56+00', '2024-02-29', 1, 2, 0.5, 1.5,
	'0f0e0d0c-0b0a-0908-0706-050403020100', true);
