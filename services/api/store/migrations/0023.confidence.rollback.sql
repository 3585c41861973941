ALTER TABLE decisions DROP COLUMN confidence;
ALTER TABLE decisions RENAME COLUMN agreement TO confidence;
ALTER TABLE signals DROP COLUMN confidence;
ALTER TABLE signals RENAME COLUMN agreement TO confidence;
ALTER TABLE outcomes DROP COLUMN confidence, DROP COLUMN forecast_version;
ALTER TABLE outcomes RENAME COLUMN agreement TO confidence;
