DROP TABLE kept_records;
