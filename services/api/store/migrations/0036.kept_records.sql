-- depends: 0035.pages
-- The last answer about the record, so that nobody waits for it to be computed after a start.

CREATE TABLE kept_records (
    market text NOT NULL DEFAULT current_setting('sevengate.market', true),
    days integer NOT NULL,
    program text NOT NULL,  -- version of the program that made it: another's may have other fields
    n bigint NOT NULL,  -- outcomes that ended in the newest day
    at bigint NOT NULL,  -- when the newest ended, UNIX ms
    seconds double precision NOT NULL,  -- that it took
    answer bytea NOT NULL,
    PRIMARY KEY (market, days)
);
