"""Closed months of decisions as Parquet files, one of each market and month (docs/adr/0037)."""
