DROP TABLE recorded_entries;
