"""The embedded warehouse: one DuckDB file under DATA_DIR."""
