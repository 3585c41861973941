-- depends: 0038.archive
-- The newest entry of each stream of the bus that is recorded: what a failover took back is missed at the next start too.

CREATE TABLE recorded_entries (
    market text NOT NULL DEFAULT current_setting('sevengate.market', true),
    stream text NOT NULL,
    milliseconds bigint NOT NULL,  -- the two numbers of the entry's id
    sequence bigint NOT NULL,
    PRIMARY KEY (market, stream)
);
