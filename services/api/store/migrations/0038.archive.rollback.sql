ALTER TABLE store_sizes DROP COLUMN archive_bytes;
DROP TABLE archived_months;
