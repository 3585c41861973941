-- depends: 0020.outcomes
-- What was kept as confidence is the agreement behind a score; confidence is a probability in % from now on.

ALTER TABLE decisions RENAME COLUMN confidence TO agreement;
ALTER TABLE decisions ADD COLUMN confidence real;
ALTER TABLE signals RENAME COLUMN confidence TO agreement;
ALTER TABLE signals ADD COLUMN confidence real;
ALTER TABLE outcomes RENAME COLUMN confidence TO agreement;
ALTER TABLE outcomes ADD COLUMN confidence double precision, ADD COLUMN forecast_version text NOT NULL DEFAULT '';
