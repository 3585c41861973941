DROP INDEX outcomes_signals;
ALTER TABLE outcomes DROP COLUMN after_1h, DROP COLUMN after_4h, DROP COLUMN after_24h;
