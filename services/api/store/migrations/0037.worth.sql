-- depends: 0036.kept_records
-- What a signal's alert said about it: costs in R and how comparable setups went; null: an earlier version told it.

ALTER TABLE signals ADD COLUMN worth jsonb;
