"""Features: what may be known of an entity at a cutoff, synthesised from the schema."""
