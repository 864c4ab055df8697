"""The native engine: features by passes of a compiled kernel over columns in memory."""
