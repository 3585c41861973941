-- depends: 0024.record
-- Decisions become narrow rows; whole ones lie in a table of their own and go after some days.  Forward only: rows of
-- before keep `record` and `verdicts` until services/api/store/ladder/older.py has moved them, which may take hours.

-- What many decisions have in common: verdicts by gate (place among the figures, passed, threshold, reason), and names.
CREATE TABLE judgements (
    judgement_id bigint PRIMARY KEY,  -- a digest of the rest
    verdicts jsonb NOT NULL,
    common jsonb NOT NULL
);

CREATE TABLE whole_decisions (
    market text NOT NULL DEFAULT current_setting('sevengate.market', true),
    symbol text NOT NULL,
    scan_id bigint NOT NULL,
    kept boolean NOT NULL,  -- for ever: a signal, or a near miss
    record bytea NOT NULL,  -- as it came over the bus: msgpack, zstd where it is worth it
    PRIMARY KEY (market, symbol, scan_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE whole_decisions ALTER COLUMN record SET STORAGE EXTERNAL;
CREATE INDEX whole_decisions_to_go ON whole_decisions (market, scan_id) WHERE NOT kept;

ALTER TABLE decisions
    ADD COLUMN judgement_id bigint,
    ADD COLUMN figures real[],
    ADD COLUMN flags integer,
    ADD COLUMN regimes text,
    ALTER COLUMN record DROP NOT NULL,
    ALTER COLUMN verdicts DROP NOT NULL;
-- Scores in it made it five times as large, and a page asks for few scans.
DROP INDEX decisions_by_scan;
CREATE INDEX decisions_by_scan ON decisions (scan_id);

-- Rows of before; it is empty once they have been moved.
CREATE INDEX decisions_older ON decisions (market, symbol, scan_id) WHERE record IS NOT NULL;
