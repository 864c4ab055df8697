"""A query bound to a schema: what to predict, for whom, at which cutoffs."""
