-- How pgseal gets at an org's key, and a change of keys that is under way.
ALTER TABLE pgseal.org_keys
    ADD COLUMN replicas    text[] NOT NULL DEFAULT '{}',
    ADD COLUMN role_arn    text NOT NULL DEFAULT '',
    ADD COLUMN external_id text NOT NULL DEFAULT '',
    ADD COLUMN origin      text NOT NULL DEFAULT 'own' CHECK (origin IN ('own', 'default')),
    ADD COLUMN previous    jsonb,
    ADD COLUMN replacing   timestamptz,
    ADD CONSTRAINT org_keys_replacing CHECK ((previous IS NULL) = (replacing IS NULL)),
    DROP CONSTRAINT org_keys_state_check,
    ADD CONSTRAINT org_keys_state_check CHECK (state IN ('enabled', 'disabled', 'destroyed'));
COMMENT ON COLUMN pgseal.org_keys.origin IS
    'own: the organisation''s. default: the platform''s default key, until the organisation brings its own.';
COMMENT ON COLUMN pgseal.org_keys.previous IS
    'The key that is being replaced, as {"arn", "replicas", "role_arn", "external_id"}: data keys may be wrapped by it alone.';

-- A data key that was destroyed stays as a stone: its id tells what was sealed
-- with it, and nothing opens it.
ALTER TABLE pgseal.data_keys
    ADD COLUMN destroyed_at timestamptz,
    ALTER COLUMN wrapped DROP NOT NULL,
    ADD CONSTRAINT data_keys_destroyed
        CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL) AND (destroyed_at IS NULL OR next_wrapped IS NULL));

-- Every change of an org's key is told to all pgseal processes at once.
CREATE FUNCTION pgseal.tell_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    PERFORM pg_notify('pgseal_keys', coalesce(NEW.org, OLD.org));
    RETURN NULL;
END
$$;
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON pgseal.org_keys
    FOR EACH ROW EXECUTE FUNCTION pgseal.tell_change();
REVOKE ALL ON FUNCTION pgseal.tell_change() FROM PUBLIC;
