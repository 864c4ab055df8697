"""How good predictions are, how sure that is, and whether a simple rule would have done as well."""
