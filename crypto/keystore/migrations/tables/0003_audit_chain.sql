-- Each entry of the audit log has the hash of the one before it in its own: what
-- is altered, deleted, put in or put in another order breaks the chain
-- (docs/audit.md). pgseal computes the hashes; the head is locked by each append,
-- so that there is one order, and ids without a gap.
CREATE TABLE pgseal.audit_head (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    id       bigint NOT NULL,
    hash     bytea NOT NULL CHECK (octet_length(hash) = 32),
    taken_in bigint NOT NULL
);
COMMENT ON TABLE pgseal.audit_head IS 'The last entry of pgseal.audit_log.';
COMMENT ON COLUMN pgseal.audit_head.taken_in IS
    'The last entry that was there before entries were chained. It and those before it were chained when this table was made, and may have gaps in their ids.';
REVOKE ALL ON pgseal.audit_head FROM PUBLIC;

ALTER TABLE pgseal.audit_log
    ALTER COLUMN id DROP IDENTITY,
    ALTER COLUMN at DROP DEFAULT,
    ADD COLUMN prev_hash bytea,
    ADD COLUMN hash bytea;

-- The entries that are there are taken into the chain as they are.
ALTER TABLE pgseal.audit_log DISABLE TRIGGER append_only;
DO $$
DECLARE
    entry record;
    canonical bytea;
    last_id bigint := 0;
    last_hash bytea := decode(repeat('00', 32), 'hex');
BEGIN
    FOR entry IN SELECT * FROM pgseal.audit_log ORDER BY id LOOP
        SELECT int4send(14) || 'pgseal/audit/1'::bytea || last_hash || int8send(entry.id)
               || int8send((extract(epoch FROM entry.at) * 1000000)::bigint) || string_agg(int4send(octet_length(b)) || b, ''::bytea ORDER BY i)
            INTO canonical
            FROM unnest(ARRAY[convert_to(entry.actor, 'UTF8'), convert_to(entry.process, 'UTF8'), convert_to(entry.action, 'UTF8'),
                              convert_to(coalesce(entry.org, ''), 'UTF8')]) WITH ORDINALITY AS fields (b, i);
        SELECT canonical || int4send(count(*)::int)
               || coalesce(string_agg(int4send(octet_length(k)) || k || int4send(octet_length(v)) || v, ''::bytea ORDER BY k), ''::bytea)
            INTO canonical
            FROM (SELECT convert_to(key, 'UTF8') AS k, convert_to(value, 'UTF8') AS v FROM jsonb_each_text(entry.detail)) AS details;
        UPDATE pgseal.audit_log SET prev_hash = last_hash, hash = sha256(canonical) WHERE id = entry.id;
        last_id := entry.id;
        last_hash := sha256(canonical);
    END LOOP;
    INSERT INTO pgseal.audit_head (id, hash, taken_in) VALUES (last_id, last_hash, last_id);
END
$$;
-- Always: also where a superuser has turned off what only keeps replicas right
-- (session_replication_role).
ALTER TABLE pgseal.audit_log ENABLE ALWAYS TRIGGER append_only;

ALTER TABLE pgseal.audit_log
    ALTER COLUMN prev_hash SET NOT NULL,
    ALTER COLUMN hash SET NOT NULL,
    ADD CONSTRAINT audit_log_hashes CHECK (octet_length(prev_hash) = 32 AND octet_length(hash) = 32);
CREATE INDEX audit_log_org ON pgseal.audit_log (org, id DESC);
CREATE INDEX audit_log_at ON pgseal.audit_log (at DESC);
