DROP TABLE identity; DROP TABLE api_keys; ALTER TABLE settings_changes DROP COLUMN made_by, DROP COLUMN undone_at;
