-- depends: 0023.confidence
-- What followed anomalies; fractions, in the direction of the day before.

ALTER TABLE outcomes ADD COLUMN after_1h double precision, ADD COLUMN after_4h double precision,
    ADD COLUMN after_24h double precision;

-- The line of one signal asks for its side's signals alone.

CREATE INDEX outcomes_signals ON outcomes (market, side, ended_at) WHERE kind = 'signal' AND result <> '';
