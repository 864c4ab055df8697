"""How good predictions are, and whether anything leaked."""
