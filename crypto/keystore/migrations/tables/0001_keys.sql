-- The organisations' own keys in their KMS.
CREATE TABLE pgseal.org_keys (
    org         text PRIMARY KEY CHECK (octet_length(org) BETWEEN 1 AND 255),
    name        text NOT NULL,
    arn         text NOT NULL CHECK (arn <> ''),
    description text NOT NULL DEFAULT '',
    region      text NOT NULL DEFAULT '',
    state       text NOT NULL DEFAULT 'enabled' CHECK (state IN ('enabled', 'disabled')),
    epoch       bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN pgseal.org_keys.epoch IS
    'Grows with every change that makes data keys in the memory of pgseal processes unusable.';

-- Data keys, wrapped by KMS. Ids are random, so that processes need not agree.
CREATE TABLE pgseal.data_keys (
    id           bigint PRIMARY KEY CHECK (id > 0),
    org          text NOT NULL REFERENCES pgseal.org_keys (org),
    wrapped      bytea NOT NULL,
    key_arn      text NOT NULL,
    commitment   bytea NOT NULL CHECK (octet_length(commitment) = 32),
    minted_by    text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- The same data key wrapped by the key that is to take over, while a change
    -- of ARN is under way.
    next_wrapped bytea,
    next_key_arn text,
    CHECK ((next_wrapped IS NULL) = (next_key_arn IS NULL))
);
CREATE INDEX data_keys_org ON pgseal.data_keys (org, created_at DESC);

-- Who did what to which org's key.
CREATE TABLE pgseal.audit_log (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    actor   text NOT NULL,
    process text NOT NULL,
    action  text NOT NULL,
    org     text,
    detail  jsonb NOT NULL DEFAULT '{}'
);

CREATE FUNCTION pgseal.refuse_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'pgseal.audit_log is append-only'
        USING ERRCODE = 'insufficient_privilege', HINT = 'Entries of the audit log are never changed or deleted.';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON pgseal.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION pgseal.refuse_change();

-- Whatever default privileges the database has: these are pgseal's alone.
REVOKE ALL ON pgseal.org_keys, pgseal.data_keys, pgseal.audit_log FROM PUBLIC;
REVOKE ALL ON FUNCTION pgseal.refuse_change() FROM PUBLIC;
