"""Files of rows: CSV, NDJSON and Parquet, from wherever they come, as batches of verdicts."""
