-- depends: 0037.worth
-- Closed months of decisions as Parquet files: which there are, and what has to be in them.

CREATE TABLE archived_months (
    market text NOT NULL DEFAULT current_setting('sevengate.market', true),
    month text NOT NULL,  -- 2026-05, UTC
    file text NOT NULL,  -- its name in the market's folder
    rows bigint NOT NULL,
    first_scan bigint NOT NULL,
    last_scan bigint NOT NULL,
    symbols text[] NOT NULL,  -- the coins in it
    digest text NOT NULL,  -- SHA-256 of the rows, whatever the file's encoding
    bytes bigint NOT NULL,
    file_digest text NOT NULL,  -- SHA-256 of the file
    archived_at bigint NOT NULL,  -- wall clock
    checked_at bigint NOT NULL,  -- wall clock
    problem text NOT NULL DEFAULT '',  -- what the last check found; empty: it is as it was written
    PRIMARY KEY (market, month)
);

ALTER TABLE store_sizes ADD COLUMN archive_bytes bigint NOT NULL DEFAULT 0;
