"""Where predictions are written to: tables of the user's own databases, and folders of Parquet."""
