-- The second wall: what gets past pgseal cannot store plaintext in a sealed
-- column. The first four bytes are the magic, the format and the flags of
-- sealed value format 1 (flags: none, or compressed with zstd); 40 bytes are the
-- header, the nonce and the tag around an empty value. Postgres's error for a
-- value that fails does not show the value.
CREATE DOMAIN pgseal.sealed AS bytea
    CONSTRAINT sealed_value CHECK (
        VALUE IS NULL
        OR (octet_length(VALUE) >= 40
            AND substring(VALUE FROM 1 FOR 4) IN ('\x5ea10100'::bytea, '\x5ea10101'::bytea))
    );

COMMENT ON DOMAIN pgseal.sealed IS
    'A value that pgseal has sealed (encrypted). Read and write it through pgseal; https://github.com/pgseal/pgseal/blob/main/docs/sealed-format.md';

-- Every role may have columns of the type; the values say nothing without keys.
GRANT USAGE ON SCHEMA pgseal TO PUBLIC;
GRANT USAGE ON TYPE pgseal.sealed TO PUBLIC;
