-- depends: 0001.initial
-- Who may ask, who changed what, and which database this is.

CREATE TABLE api_keys (
    key_id text PRIMARY KEY,
    name text NOT NULL,
    rights text NOT NULL,  -- read, write
    digest bytea NOT NULL UNIQUE,  -- SHA-256 of a key of 256 random bits: nothing to guess, so no slow hash is needed
    made_at bigint NOT NULL,  -- wall clock
    used_at bigint,  -- wall clock, to the minute
    revoked_at bigint  -- wall clock; null: it stands
);
CREATE UNIQUE INDEX api_keys_by_name ON api_keys (name) WHERE revoked_at IS NULL;

ALTER TABLE settings_changes ADD COLUMN made_by text NOT NULL DEFAULT '';
ALTER TABLE settings_changes ADD COLUMN undone_at bigint;  -- wall clock; null: it counts

CREATE TABLE identity (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    instance text NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', ''),
    source text NOT NULL DEFAULT ''  -- where the market data comes from: real, simulated; empty: nothing recorded yet
);
INSERT INTO identity DEFAULT VALUES;
